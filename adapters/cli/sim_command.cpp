// faultline sim: many seeds of the same test in the simulator.
//
// Order of words: for each failure first the seed and one command that repeats it, then what it is. What is printed on stdout depends on the
// seeds and options alone, not on the machine or the number of threads.
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

#include "campaign.hpp"
#include "commands.hpp"
#include "judge.hpp"
#include "simulated.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

constexpr std::size_t most_directories = 10, most_shown = 50;

struct Range {
  std::uint64_t first = 0, last = 0;
};

Result<Range> parse_seeds(const std::string& text) {
  Range range;
  const auto number = [](std::string_view digits, std::uint64_t& n) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  const std::size_t dots = text.find("..");
  const std::string_view view(text);
  const bool fine = dots == std::string::npos
                        ? number(view, range.first) && number(view, range.last)
                        : number(view.substr(0, dots), range.first) && number(view.substr(dots + 2), range.last);
  if (!fine || range.last < range.first)
    return Error::bad_input(fmt::format("--seeds {}: a range of seeds is expected", escape_controls(text)),
                            "e.g. --seeds 1..1000");
  constexpr std::uint64_t most = 1'000'000;
  if (range.last - range.first >= most)
    return Error::bad_input(fmt::format("--seeds {}: more than {} seeds", text, most), "divide the range");
  return range;
}

struct Failure {
  const SeedResult* seed = nullptr;
  std::string repro, directory, block;  // block: the last lines of its report
};

struct Totals {
  std::size_t seeds = 0, repeated = 0, vacuous = 0, quiet = 0, excused = 0;
  std::vector<std::uint64_t> undecided;  // the seeds
  std::uint64_t steps = 0, operations = 0, ok = 0, hash = 0, leader_changes = 0;
  std::map<std::string, KindCount> faults;
  Duration virtual_time{};
};

Totals totals_of(const CampaignResult& result) {
  Totals all;
  for (const SeedResult& seed : result.seeds) {
    ++all.seeds;
    all.repeated += seed.repeated;
    if (seed.undecided) all.undecided.push_back(seed.seed);
    all.vacuous += seed.vacuous && !seed.quiet;
    all.quiet += seed.quiet;
    all.excused += seed.excused;
    all.steps += seed.steps;
    all.operations += seed.operations;
    all.ok += seed.ok;
    all.virtual_time += seed.virtual_time;
    all.leader_changes += seed.leader_changes;
    for (const auto& [kind, seen] : seed.faults) {
      KindCount& sum = all.faults[kind];
      sum = {.faults = sum.faults + seen.faults, .runs = sum.runs + seen.runs, .bit = sum.bit + seen.bit};
    }
    all.hash = mix64(all.hash ^ seed.hash) + seed.seed;
  }
  return all;
}

class SimVerb {
 public:
  SimVerb(const Settings& settings, Console& console) : settings_(settings), console_(console) {}

  int go() {
    const auto range = parse_seeds(settings_.text("seeds"));
    if (!range) return fail(range.error(), console_);
    auto run = sim_run_of(settings_);
    if (!run) return fail(run.error(), console_);
    run_ = std::move(run).value();
    run_.seed = range.value().first;
    if (const auto drawn = raft::sim::drawn(run_); !drawn) return fail(drawn.error(), console_);
    console_.note(fmt::format("seeds {}..{}", range.value().first, range.value().last));
    console_.phase("sim");
    const Stopwatch watch;
    Campaign campaign({.first = range.value().first,
                       .last = range.value().last,
                       .run = run_,
                       .keep_going = settings_.flag("keep-going"),
                       .threads = threads(),
                       .interrupted = [before = interrupts()] { return interrupts() > before; },
                       .progress =
                           [&](std::uint64_t done, std::uint64_t bad) {
                             console_.progress(fmt::format("{}/{} seeds  {} failed", done,
                                                           range.value().last - range.value().first + 1, bad));
                           }});
    result_ = campaign.run();
    totals_ = totals_of(result_);
    if (!result_.seeds.empty() && result_.seeds.back().bad_input)
      return fail(Error::bad_input(result_.seeds.back().failure), console_);
    tell_speed(watch.elapsed());
    for (const SeedResult& seed : result_.seeds) {
      if (!seed.bad()) continue;
      if (auto told = describe(seed); !told) return fail(told.error(), console_);
    }
    console_.json() ? print_json() : print_text();
    return exit_code();
  }

 private:
  [[nodiscard]] unsigned threads() const {
    const std::uint64_t asked = settings_.number("threads");
    return asked == 0 ? core_count() : static_cast<unsigned>(std::min<std::uint64_t>(asked, 1024));
  }

  void tell_speed(Duration took) {
    const double seconds = std::max(1e-9, std::chrono::duration<double>(took).count());
    const double simulated = std::chrono::duration<double>(totals_.virtual_time).count();
    console_.note(fmt::format("{} events in {}: {:.2f} million a second, {:.0f} times as fast as the clock",
                              totals_.steps, to_text(took), static_cast<double>(totals_.steps) / seconds / 1e6,
                              simulated / seconds));
  }

  // A run directory for the first few; the command alone for the others.
  Result<void> describe(const SeedResult& seed) {
    Failure failure{.seed = &seed, .repro = sim_command_line(settings_, seed.seed), .directory = {}, .block = {}};
    if (seed.mismatch.empty() && seed.failure.empty() && failures_.size() < most_directories) {
      console_.phase("report", fmt::format("seed {}", seed.seed));
      SimRun run = run_;
      run.seed = seed.seed;
      run.trace = run.explain = true;
      const SimResult result = raft::sim::run_simulation(run);
      auto directory =
          RunDirectory::create(settings_.text("out"),
                               fmt::format("sim-{}-{}", result.run.workload.value_or("run"), seed.seed), utc_compact());
      if (!directory) return directory.error();
      Settings own = settings_;
      own.set("seeds", fmt::format("{}..{}", seed.seed, seed.seed));
      if (auto written = write_file(directory.value().file("run.toml"), own.to_toml()); !written) return written;
      ReportInput input = report_input_of(result, directory.value());
      if (auto written = write_simulation(directory.value(), result, input, console_); !written) return written;
      failure.directory = directory.value().path().string();
      failure.repro = "faultline replay " + shell_word(failure.directory);
      failure.block = render_terminal(input, console_.style());
    }
    failures_.push_back(std::move(failure));
    return {};
  }

  static std::string what(const SeedResult& seed) {
    if (!seed.mismatch.empty()) return "not deterministic: " + seed.mismatch;
    if (!seed.failure.empty()) return "of no use: " + seed.failure;
    return fmt::format("{}  {}", join(seed.detectors, " "), harmless_line(clip(seed.sentence, 400)));
  }

  void print_text() {
    std::string text;
    for (std::size_t i = 0; i < std::min(failures_.size(), most_shown); ++i) {
      const Failure& failure = failures_[i];
      text += fmt::format("seed {}  {}\n", failure.seed->seed, failure.repro);
      text += i == 0 && !failure.block.empty() ? failure.block : "  " + what(*failure.seed) + "\n";
    }
    if (failures_.size() > most_shown) text += fmt::format("and {} more\n", failures_.size() - most_shown);
    text += summary();
    console_.result(text);
  }

  std::string summary() {
    const bool utf8 = console_.style().utf8;
    const std::string mark = !failures_.empty()    ? (utf8 ? "✗" : "X")
                             : result_.interrupted ? (utf8 ? "?" : "?")
                             : exit_code() == 0    ? (utf8 ? "✓" : "OK")
                                                   : "?";
    std::string text = fmt::format("{} {} seed{}, {} failed{}\n", mark, totals_.seeds, totals_.seeds == 1 ? "" : "s",
                                   failures_.empty() ? "none" : std::to_string(failures_.size()),
                                   result_.interrupted ? "; interrupted" : "");
    text += fmt::format("{} operations ({} ok) in {} of virtual time, {} events\n", totals_.operations, totals_.ok,
                        to_text(totals_.virtual_time), totals_.steps);
    text += fmt::format("{} ran twice{}; hash of all {:016x}\n", totals_.repeated, told_repeats(), totals_.hash);
    text += fmt::format("{} without faults, {} whose faults had no effect, {} excused from converging, {} undecided\n",
                        totals_.quiet, totals_.vacuous, totals_.excused, totals_.undecided.size());
    if (!totals_.undecided.empty()) {
      const std::size_t shown = std::min(totals_.undecided.size(), most_shown);
      text +=
          fmt::format("undecided within the checker's limits: seed{} {}{}\n", totals_.undecided.size() == 1 ? "" : "s",
                      fmt::join(totals_.undecided.begin(), totals_.undecided.begin() + shown, ", "),
                      shown < totals_.undecided.size() ? ", …" : "");
    }
    std::string missed;
    for (const auto& [name, hits] : result_.probes) {
      if (hits == 0) missed += (missed.empty() ? "" : "; ") + name;
    }
    if (!missed.empty() && all_ran()) text += "probes never hit: " + missed + "\n";
    return text;
  }

  // Else the probes are also of seeds that were under way by chance.
  [[nodiscard]] bool all_ran() const { return failures_.empty() || settings_.flag("keep-going"); }

  [[nodiscard]] std::string told_repeats() const {
    const auto differing = std::count_if(result_.seeds.begin(), result_.seeds.end(),
                                         [](const SeedResult& seed) { return !seed.mismatch.empty(); });
    if (totals_.repeated == 0) return "";
    return differing == 0 ? " and did the same" : fmt::format(", {} of them otherwise", differing);
  }

  // Several results: the worst in the order 1 > 3 > 2 > 0.
  [[nodiscard]] int exit_code() const {
    if (result_.interrupted) return 130;
    bool broken = false;
    for (const SeedResult& seed : result_.seeds) {
      if (!seed.signature.empty()) return 1;
      broken = broken || !seed.failure.empty() || !seed.mismatch.empty();
    }
    if (broken) return 3;
    const bool proves_nothing = totals_.vacuous > 0 && totals_.vacuous + totals_.quiet == totals_.seeds;
    return !totals_.undecided.empty() || proves_nothing ? 2 : 0;
  }

  void print_json() {
    const int code = exit_code();
    nlohmann::ordered_json object{
        {"schema", 1},           {"verdict", code == 1 ? "invalid" : code == 0 ? "valid" : "unknown"},
        {"exit_code", code},     {"seeds", settings_.text("seeds")},
        {"runs", totals_.seeds}, {"failed", failures_.size()}};
    object["failures"] = nlohmann::ordered_json::array();
    for (const Failure& failure : failures_) {
      nlohmann::ordered_json one{{"seed", failure.seed->seed},
                                 {"repro", failure.repro},
                                 {"signature", failure.seed->signature},
                                 {"detectors", failure.seed->detectors},
                                 {"reason", what(*failure.seed)}};
      if (!failure.directory.empty()) one["run"] = failure.directory;
      object["failures"].push_back(std::move(one));
    }
    object["operations"] = totals_.operations;
    object["operations_ok"] = totals_.ok;
    object["events"] = totals_.steps;
    object["virtual_seconds"] = std::chrono::duration<double>(totals_.virtual_time).count();
    object["leader_changes"] = totals_.leader_changes;
    object["faults"] = nlohmann::ordered_json::array();
    for (const auto& [kind, seen] : totals_.faults)
      object["faults"].push_back({{"kind", kind}, {"count", seen.faults}, {"runs", seen.runs}, {"bit", seen.bit}});
    object["repeated"] = totals_.repeated;
    object["hash"] = fmt::format("{:016x}", totals_.hash);
    object["without_faults"] = totals_.quiet;
    object["vacuous"] = totals_.vacuous;
    object["excused"] = totals_.excused;
    object["undecided"] = totals_.undecided.size();
    object["undecided_seeds"] = totals_.undecided;
    object["interrupted"] = result_.interrupted;
    if (all_ran()) object["probes"] = result_.probes;
    console_.result(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }

  const Settings& settings_;
  Console& console_;
  SimRun run_;
  CampaignResult result_;
  Totals totals_;
  std::vector<Failure> failures_;
};

}  // namespace

int sim_command(const Settings& settings, Console& console) { return SimVerb(settings, console).go(); }

}  // namespace faultline::cli
