// The packages: which faults each draws, and what it leaves to taste.
#include <faultline/nemesis.hpp>

#include <algorithm>
#include <array>

#include "draw.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

// --- questions -------------------------------------------------------------------------------------------------------

// Every shape, those that cut off the leader more often: they are what moves a consensus protocol.
constexpr std::array<Choice, 8> shapes{{{"primaries", 25},
                                        {"isolate_one", 15},
                                        {"minority", 10},
                                        {"halves", 10},
                                        {"random_halves", 10},
                                        {"majorities_ring", 10},
                                        {"bridge", 10},
                                        {"one_way", 10}}};
constexpr std::array<Choice, 3> directed_shapes{{{"one_way", 50}, {"bridge", 25}, {"majorities_ring", 25}}};
constexpr std::array<Choice, 5> one_way_of{
    {{"primaries", 35}, {"isolate_one", 25}, {"random_halves", 15}, {"majorities_ring", 15}, {"bridge", 10}}};
constexpr std::array<Choice, 6> target_words{
    {{"primaries", 30}, {"one", 20}, {"minority", 15}, {"majority", 15}, {"random", 10}, {"all", 10}}};
constexpr std::array<Choice, 2> rarely{{{"no", 1}, {"yes", 0}}};
constexpr std::array<Choice, 2> perhaps{{{"no", 3}, {"yes", 2}}};
constexpr std::array<Choice, 2> usually{{{"no", 1}, {"yes", 3}}};
constexpr std::array<Choice, 3> sizes{{{"small", 1}, {"medium", 1}, {"large", 1}}};
constexpr std::array<Choice, 3> forgetful_disks{{{"lose_unsynced", 2}, {"torn", 1}, {"reordered", 1}}};
constexpr std::array<Choice, 4> crash_disks{{{"keep", 1}, {"lose_unsynced", 2}, {"torn", 1}, {"reordered", 1}}};
constexpr std::array<Choice, 5> crash_calls{
    {{"fsync", 6}, {"write", 3}, {"rename", 1}, {"truncate", 1}, {"unlink", 1}}};
constexpr std::array<Choice, 2> edge_words{{{"before", 1}, {"after", 1}}};
constexpr std::array<Choice, 6> disk_kinds{
    {{"io_error", 2}, {"fsync_error", 2}, {"enospc", 1}, {"slow_disk", 2}, {"bit_flip", 1}, {"truncate", 1}}};
constexpr std::array<Choice, 3> links_of{{{"target", 2}, {"pairs", 1}, {"all", 1}}};
constexpr std::array<Choice, 2> clog_kinds{{{"clog", 1}, {"swizzle_clog", 1}}};
constexpr std::array<Choice, 3> clock_words{{{"wall", 1}, {"mono", 0}, {"both", 0}}};
constexpr std::array<Choice, 4> change_words{{{"jump", 3}, {"rate", 3}, {"strobe", 1}, {"freeze", 1}}};

constexpr std::array<Question, 3> partition_questions{{{"shape", shapes}, {"of", one_way_of}, {"clients", rarely}}};
constexpr std::array<Question, 3> directed_questions{
    {{"shape", directed_shapes}, {"of", one_way_of}, {"clients", perhaps}}};
constexpr std::array<Question, 1> target_questions{{{"target", target_words}}};
constexpr std::array<Question, 2> rolling_questions{{{"target", target_words}, {"size", sizes}}};
constexpr std::array<Question, 4> clog_questions{
    {{"kind", clog_kinds}, {"links", links_of}, {"target", target_words}, {"size", sizes}}};
constexpr std::array<Question, 9> packet_questions{{{"links", links_of},
                                                    {"target", target_words},
                                                    {"delay", perhaps},
                                                    {"loss", perhaps},
                                                    {"duplicate", perhaps},
                                                    {"reorder", perhaps},
                                                    {"corrupt", rarely},
                                                    {"rate", rarely},
                                                    {"size", sizes}}};
constexpr std::array<Choice, 3> few_links{{{"target", 1}, {"pairs", 3}, {"all", 0}}};
constexpr std::array<Question, 9> frame_questions{{{"links", few_links},
                                                   {"target", target_words},
                                                   {"delay", usually},
                                                   {"loss", perhaps},
                                                   {"duplicate", perhaps},
                                                   {"reorder", usually},
                                                   {"corrupt", rarely},
                                                   {"rate", rarely},
                                                   {"size", sizes}}};
constexpr std::array<Question, 2> power_questions{{{"target", target_words}, {"disk", forgetful_disks}}};
constexpr std::array<Question, 5> crash_questions{
    {{"target", target_words}, {"call", crash_calls}, {"edge", edge_words}, {"disk", crash_disks}, {"size", sizes}}};
constexpr std::array<Question, 4> clock_questions{
    {{"target", target_words}, {"clock", clock_words}, {"change", change_words}, {"size", sizes}}};
constexpr std::array<Question, 3> disk_questions{{{"kind", disk_kinds}, {"target", target_words}, {"size", sizes}}};
constexpr std::array<Choice, 8> plays{
    {{"churn", 3}, {"lease", 2}, {"bounce", 2}, {"rot", 2}, {"change", 2}, {"deaf", 2}, {"tails", 2}, {"late", 2}}};
constexpr std::array<Question, 1> play_questions{{{"play", plays}}};
constexpr std::array<Question, 2> pressure_questions{{{"target", target_words}, {"size", sizes}}};

// --- answers ---------------------------------------------------------------------------------------------------------

// The answers of one fault: the run's taste where it has one.
class Answers {
 public:
  Answers(std::span<const Question> questions, const Drawing& drawing, Rng& rng)
      : questions_(questions), drawing_(drawing), rng_(rng) {}

  std::string_view operator()(std::string_view name) {
    const auto question =
        std::find_if(questions_.begin(), questions_.end(), [&](const Question& q) { return q.name == name; });
    FL_ASSERT(question != questions_.end());
    if (drawing_.taste != nullptr) {
      if (const auto own = drawing_.taste->find(name); own != drawing_.taste->end())
        return pick(question->choices, own->second, rng_);
    }
    return pick(question->choices, rng_);
  }
  bool yes(std::string_view name) { return (*this)(name) == "yes"; }
  std::string_view target() { return drawing_.first ? std::string_view("primaries") : (*this)("target"); }
  // Log-uniform in the third of [low, high] (by factors) that the run likes.
  std::uint64_t sized(std::uint64_t low, std::uint64_t high) {
    std::uint64_t third = 1;
    while (third * third * third < high / low) ++third;
    const std::string_view size = (*this)("size");
    const std::uint64_t from = size == "small" ? low : size == "medium" ? low * third : low * third * third;
    return log_uniform(std::min(from, high), std::min(from * third, high), rng_);
  }
  Duration sized(Duration low, Duration high) {
    const auto us = [](Duration d) { return static_cast<std::uint64_t>(std::max<Duration::rep>(1, d.count() / 1000)); };
    return rounded(std::chrono::microseconds(sized(us(low), std::max(us(low), us(high)))));
  }
  double sized_probability(std::uint64_t low, std::uint64_t high) {
    return static_cast<double>(sized(low, high)) / 1000;
  }

 private:
  std::span<const Question> questions_;
  const Drawing& drawing_;
  Rng& rng_;
};

using Entries = std::vector<Value::Entry>;

Fault fault_with(std::string_view kind, Entries parameters) {
  return {.kind = std::string(kind), .nodes = {}, .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

void add_file(Entries& entries, const Drawing& drawing, Rng& rng) {
  if (!drawing.files.empty() && rng.chance(0.5)) entries.emplace_back("file", rng.pick(drawing.files));
}

// --- packages --------------------------------------------------------------------------------------------------------

Fault draw_shape(std::span<const Question> questions, const Drawing& drawing, Rng& rng, bool primaries) {
  Answers answer(questions, drawing, rng);
  const std::string_view shape = primaries ? "primaries" : answer("shape");
  Entries entries{{"shape", shape}};
  if (shape == "one_way") entries.emplace_back("of", answer("of"));
  if (drawing.clients > 0 && answer.yes("clients"))
    entries.emplace_back("clients", static_cast<std::int64_t>(drawing.clients));
  return fault_with("partition", std::move(entries));
}

Fault draw_partition(const Drawing& drawing, Rng& rng) {
  return draw_shape(partition_questions, drawing, rng, drawing.first);
}
Fault draw_directed(const Drawing& drawing, Rng& rng) { return draw_shape(directed_questions, drawing, rng, false); }

Fault draw_kill(const Drawing& drawing, Rng& rng) {
  return fault_with("kill", {{"target", Answers(target_questions, drawing, rng).target()}});
}
// Mostly the whole cluster, node by node, as administrators do it.
Fault draw_rolling(const Drawing& drawing, Rng& rng) {
  Answers answer(rolling_questions, drawing, rng);
  const std::string_view target = drawing.first ? std::string_view("all") : answer.target();
  return fault_with("restart", {{"target", target}, {"down", exact(answer.sized(drawing.scale / 100, drawing.scale))}});
}
// Whole upgrades and ways back, and clusters that stay mixed for a while.
Fault draw_upgrade(const Drawing& drawing, Rng& rng) {
  const std::string_view target = rng.chance(0.5) ? "all" : "minority";
  const auto last = static_cast<std::int64_t>(std::max<std::size_t>(drawing.versions, 2));
  return fault_with("upgrade", {{"target", target}, {"to", drawing.first ? last : rng.between(1, last)}});
}
Fault draw_pause(const Drawing& drawing, Rng& rng) {
  return fault_with("pause", {{"target", Answers(target_questions, drawing, rng).target()}});
}

Fault draw_membership(const Drawing& drawing, Rng& rng) {
  if (!drawing.first && rng.chance(0.4)) return fault_with("membership", {{"change", "grow"}});
  const std::string_view target = drawing.first || rng.chance(0.5) ? "primaries" : "one";
  return fault_with("membership", {{"change", "shrink"}, {"target", target}});
}

void add_links(Entries& entries, Answers& answer, Rng& rng) {
  const std::string_view links = answer("links");
  if (links == "pairs") {
    entries.emplace_back("pairs", rng.between(1, 4));
  } else {
    entries.emplace_back("target", links == "all" ? links : answer.target());
  }
}

Fault draw_clog(const Drawing& drawing, Rng& rng) {
  Answers answer(clog_questions, drawing, rng);
  if (answer("kind") == "swizzle_clog")
    return fault_with("swizzle_clog",
                      {{"window", exact(rounded(std::max<Duration>(drawing.lasts, std::chrono::milliseconds(1))))}});
  Entries entries;
  add_links(entries, answer, rng);
  return fault_with("clog", std::move(entries));
}

// Delays up to twice the election timeout: beyond, a packet is as good as lost.
Fault draw_packets(std::span<const Question> questions, const Drawing& drawing, Rng& rng) {
  Answers answer(questions, drawing, rng);
  Entries entries;
  add_links(entries, answer, rng);
  const std::size_t bare = entries.size();
  if (answer.yes("delay")) {
    const Duration delay = answer.sized(drawing.scale / 1000, drawing.scale * 2);
    entries.emplace_back("delay", exact(delay));
    entries.emplace_back("jitter", exact(rounded(delay / 2)));
  }
  if (answer.yes("loss")) entries.emplace_back("loss", answer.sized_probability(5, 600));
  if (answer.yes("duplicate")) entries.emplace_back("duplicate", answer.sized_probability(5, 500));
  if (answer.yes("reorder")) entries.emplace_back("reorder", answer.sized_probability(5, 500));
  if (answer.yes("corrupt")) entries.emplace_back("corrupt", answer.sized_probability(1, 100));
  if (answer.yes("rate")) entries.emplace_back("rate", fmt::format("{}KB/s", answer.sized(4, 4000)));
  if (entries.size() == bare) entries.emplace_back("loss", answer.sized_probability(5, 600));
  return fault_with("packet", std::move(entries));
}

Fault draw_packet(const Drawing& drawing, Rng& rng) { return draw_packets(packet_questions, drawing, rng); }
Fault draw_frames(const Drawing& drawing, Rng& rng) { return draw_packets(frame_questions, drawing, rng); }

Fault draw_power(const Drawing& drawing, Rng& rng) {
  Answers answer(power_questions, drawing, rng);
  const std::string_view target = answer.target();
  return fault_with("kill", {{"target", target}, {"disk", answer("disk")}});
}

Fault draw_crash(const Drawing& drawing, Rng& rng) {
  Answers answer(crash_questions, drawing, rng);
  const std::string_view target = answer.target();
  const std::string_view call = answer("call");
  Entries entries{{"target", target}, {"call", call}, {"edge", answer("edge")}, {"disk", answer("disk")}};
  const bool rare = call != "fsync" && call != "write";
  entries.emplace_back("nth", static_cast<std::int64_t>(rare ? rng.between(1, 3) : answer.sized(1, 100)));
  if (!rare) add_file(entries, drawing, rng);
  return fault_with("crash_point", std::move(entries));
}

// Of a promised monotonic clock only rates within the promise; else it may jump ahead, run at any rate and stand still, but never
// fall, which a strobe would. A wall clock may do anything.
Fault draw_clock(const Drawing& drawing, Rng& rng) {
  Answers answer(clock_questions, drawing, rng);
  const std::string_view target = answer.target();
  const std::string_view clock = answer("clock");
  const bool wall = clock == "wall";
  std::string_view change = answer("change");
  if (!wall && (drawing.drift || change == "strobe")) change = "rate";
  Entries entries{{"target", target}, {"clock", clock}, {"change", change}};
  if (change == "jump" || change == "strobe") {
    const Duration by = answer.sized(drawing.scale / 100, drawing.scale * 100);
    entries.emplace_back("by", (wall && rng.chance(0.5) ? "-" : "") + exact(by));
  }
  if (change == "strobe") entries.emplace_back("period", exact(answer.sized(drawing.scale / 1000, drawing.scale)));
  if (change == "rate") {
    const double bound = wall || !drawing.drift ? 0.9 : *drawing.drift;
    const auto thousandths = static_cast<std::uint64_t>(bound * 1000);
    const double by = thousandths == 0 ? 0 : static_cast<double>(answer.sized(1, thousandths));
    entries.emplace_back("rate", (rng.chance(0.5) ? 1000 - by : 1000 + by) / 1000);
  }
  return fault_with("clock", std::move(entries));
}

// What a disk keeps wrong is kept to one node: with more of them no quorum may be left that knows the truth.
Fault draw_disk(const Drawing& drawing, Rng& rng) {
  Answers answer(disk_questions, drawing, rng);
  const std::string_view kind = answer("kind");
  const bool rots = kind == "bit_flip" || kind == "truncate";
  Entries entries{{"target", rots ? std::string_view("one") : answer.target()}};
  if (kind == "io_error") {
    entries.emplace_back("call", rng.chance(0.3) ? "read" : "write");
    entries.emplace_back("errno", "EIO");
    entries.emplace_back("probability", answer.sized_probability(1, 500));
  } else if (kind == "fsync_error") {
    entries.emplace_back("errno", "EIO");
    entries.emplace_back("pages", rng.chance(0.5) ? "drop" : "keep");
    entries.emplace_back("nth", static_cast<std::int64_t>(answer.sized(1, 30)));
  } else if (kind == "enospc") {
    entries.emplace_back("bytes", fmt::format("{}KiB", answer.sized(1, 1024)));
  } else if (kind == "slow_disk") {
    entries.emplace_back("latency", exact(answer.sized(drawing.scale / 1000, drawing.scale * 2)));
  } else if (kind == "bit_flip") {
    entries.emplace_back("bits", static_cast<std::int64_t>(answer.sized(1, 64)));
  } else {
    entries.emplace_back("bytes", fmt::format("{}B", answer.sized(1, 8192)));
  }
  if (kind != "enospc" && kind != "slow_disk") add_file(entries, drawing, rng);
  return fault_with(kind, std::move(entries));
}

Fault draw_wipe(const Drawing&, Rng&) { return fault_with("wipe", {{"target", "one"}}); }

Fault draw_pressure(const Drawing& drawing, Rng& rng) {
  Answers answer(pressure_questions, drawing, rng);
  const std::string_view target = answer.target();
  // The larger the pressure, the lower the speed.
  const auto slowness = static_cast<double>(answer.sized(2, 200));
  return fault_with("pressure",
                    {{"target", target}, {"speed", static_cast<double>(static_cast<int>(1000 / slowness)) / 1000}});
}

// Of a nemesis that asks for one fault after the other, what most plays have in common; whole plays are in plays.cpp.
Fault draw_leader_lost(const Drawing&, Rng&) { return fault_with("partition", {{"shape", "primaries"}}); }

constexpr std::array<Package, 17> all{{
    {"partition", "partition", "cuts the network between nodes, in all shapes", partition_questions, draw_partition},
    {"kill", "kill", "kills daemons (SIGKILL) and starts them again", target_questions, draw_kill},
    {"rolling", "restart", "restarts daemons (SIGTERM) one after the other, each once the one before is ready",
     rolling_questions, draw_rolling},
    {"upgrade", "upgrade", "goes on with another version of the daemon, node by node", {}, draw_upgrade},
    {"pause", "pause", "stops daemons (SIGSTOP) and lets them go on", target_questions, draw_pause},
    {"membership",
     "membership",
     "removes a member or adds a new one, then brings the old ones back",
     {},
     draw_membership},
    {"directed", "partition", "one-way cuts, bridges and rings of majorities, clients included", directed_questions,
     draw_directed},
    {"clog", "clog", "holds what links carry and delivers it late; also node by node", clog_questions, draw_clog},
    {"packet", "packet", "delays, loses, doubles, reorders, corrupts packets, or limits their rate", packet_questions,
     draw_packet},
    {"frames", "packet", "reorders and delays frames of a few links, beginning at certain frames", frame_questions,
     draw_frames},
    {"power", "kill", "power losses: what was not synced is lost, torn or reordered", power_questions, draw_power},
    {"crash", "crash_point", "kills daemons before or after a call of the disk", crash_questions, draw_crash},
    {"clock", "clock", "sets, bends or stops the clocks of nodes", clock_questions, draw_clock},
    {"disk", "io_error", "failing calls and syncs, full and slow disks, flipped bits, cut files", disk_questions,
     draw_disk},
    {"wipe", "wipe", "removes the data directory of a node", {}, draw_wipe},
    {"pressure", "pressure", "lets nodes run slowly", pressure_questions, draw_pressure},
    {"plays", "partition",
     "faults that belong together: each new leader lost, leases under bent clocks, rot while down", play_questions,
     draw_leader_lost},
}};

}  // namespace

std::span<const Package> packages() { return all; }

Result<const Package*> find_package(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Package& package : all) {
    if (package.name == name) return &package;
    known.push_back(package.name);
  }
  return unknown_word("nemesis package", name, known);
}

}  // namespace faultline
