#include "plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <faultline/text.hpp>

namespace faultline::sim {

namespace {

constexpr std::array<std::string_view, call_count> calls{"open",     "read",   "write",  "allocate", "fsync",
                                                         "truncate", "rename", "unlink", "mkdir"};

// What a fault may carry of how it is, or was, resolved.
constexpr std::array<std::string_view, 6> origins{"target", "pairs", "window", "shape", "of", "fallback"};

std::string joined(std::span<const std::string_view> words) {
  std::string all;
  for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

std::string quoted(std::string_view text) { return "'" + escape_controls(clip(text, 80)) + "'"; }

// "64KiB", "100B", "1MB": whole bytes.
std::optional<std::uint64_t> bytes_of(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> units{{{"B", 1},
                                                                             {"KB", 1000},
                                                                             {"MB", 1000'000},
                                                                             {"GB", 1000'000'000},
                                                                             {"KiB", 1 << 10},
                                                                             {"MiB", 1 << 20},
                                                                             {"GiB", 1 << 30}}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, size] : units) {
    if (unit == name && number <= (std::uint64_t{1} << 62) / size) return number * size;
  }
  return std::nullopt;
}

// Reads the parameters of one fault; the first mistake is kept, and what is read after it does not count.
class Reader {
 public:
  Reader(const Fault& fault, const SimOptions& options) : fault_(fault), options_(options) {}

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] bool has(std::string_view name) const { return !field(name).is_null(); }
  [[nodiscard]] const Value& field(std::string_view name) const { return fault_.parameters.get(name); }

  void only(std::initializer_list<std::string_view> known) {
    if (fault_.parameters.is_null()) return;
    if (!fault_.parameters.is_map()) return complain("parameters", "an object");
    for (const auto& [key, value] : fault_.parameters.as_map()) {
      const std::string_view name = key.is_string() ? key.as_text() : std::string_view();
      if (std::find(known.begin(), known.end(), name) != known.end() ||
          std::find(origins.begin(), origins.end(), name) != origins.end())
        continue;
      const std::vector<std::string_view> words(known);
      const std::string_view near = nearest(name, words);
      refuse(fmt::format("fault '{}' has no parameter {}", fault_.kind, quoted(name)),
             !near.empty()   ? fmt::format("did you mean '{}'?", near)
             : words.empty() ? "it has none"
                             : "known: " + joined(words));
    }
  }
  std::string text(std::string_view name) {
    if (!has(name)) return {};
    if (field(name).is_string()) return std::string(field(name).as_text());
    complain(name, "a string");
    return {};
  }
  std::size_t word(std::string_view name, std::span<const std::string_view> known, std::size_t otherwise) {
    if (!has(name)) return otherwise;
    if (field(name).is_string()) {
      const auto found = std::find(known.begin(), known.end(), field(name).as_text());
      if (found != known.end()) return static_cast<std::size_t>(found - known.begin());
    }
    complain(name, "one of " + joined(known));
    return otherwise;
  }
  Ticks duration(std::string_view name, Ticks otherwise, bool may_be_negative = false) {
    if (!has(name)) return otherwise;
    if (field(name).is_string()) {
      std::string_view digits = field(name).as_text();
      const bool negative = may_be_negative && digits.starts_with('-');
      if (negative) digits.remove_prefix(1);
      const auto parsed = parse_duration(digits);
      if (parsed && parsed.value() >= Duration::zero())
        return negative ? -parsed.value().count() : parsed.value().count();
    }
    complain(name, "a duration such as \"250ms\"");
    return otherwise;
  }
  std::uint64_t count(std::string_view name, std::uint64_t otherwise) {
    if (!has(name)) return otherwise;
    if (field(name).is_integer() && field(name).as_integer() >= 1)
      return static_cast<std::uint64_t>(field(name).as_integer());
    complain(name, "a whole number from 1");
    return otherwise;
  }
  double number(std::string_view name, double low, double high, double otherwise) {
    if (!has(name)) return otherwise;
    const Value& value = field(name);
    const double x = value.is_real()      ? value.as_real()
                     : value.is_integer() ? static_cast<double>(value.as_integer())
                                          : -1;
    if (x >= low && x <= high) return x;
    complain(name, fmt::format("a number from {} to {}", low, high));
    return otherwise;
  }
  std::uint64_t bytes(std::string_view name, std::uint64_t otherwise, std::string_view suffix = {}) {
    if (!has(name)) return otherwise;
    if (field(name).is_string() && field(name).as_text().ends_with(suffix)) {
      const std::string_view text = field(name).as_text();
      if (const auto read = bytes_of(text.substr(0, text.size() - suffix.size()))) return *read;
    }
    complain(name, fmt::format("a size such as \"64KiB{}\"", suffix));
    return otherwise;
  }
  std::string errno_name(std::string_view name) {
    const std::string word = has(name) ? text(name) : "EIO";
    const bool is_name = word.size() >= 3 && word.front() == 'E' &&
                         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!is_name) complain(name, "the name of an error such as \"EIO\"");
    return word;
  }
  NodeIndex node(std::string_view name) {
    for (const auto* names : {&options_.nodes, &options_.spares}) {
      const auto found = std::find(names->begin(), names->end(), name);
      if (found == names->end()) continue;
      const auto base = names == &options_.nodes ? 0 : options_.nodes.size();
      return static_cast<NodeIndex>(base + static_cast<std::size_t>(found - names->begin()));
    }
    std::vector<std::string_view> known(options_.nodes.begin(), options_.nodes.end());
    known.insert(known.end(), options_.spares.begin(), options_.spares.end());
    refuse(fmt::format("fault '{}' names the unknown node {}", fault_.kind, quoted(name)), "known: " + joined(known));
    return 0;
  }
  // A client beyond the run's concurrency is nobody: a schedule stays valid when a run has fewer.
  std::optional<Place> client(std::string_view name) {
    std::size_t worker = 0;
    const auto [end, error] =
        std::from_chars(name.data() + (name.starts_with('c') ? 1 : 0), name.data() + name.size(), worker);
    if (!name.starts_with('c') || error != std::errc{} || end != name.data() + name.size()) {
      refuse(fmt::format("fault '{}' names the client {}", fault_.kind, quoted(name)),
             "clients are named c0, c1, … by their workers");
      return std::nullopt;
    }
    if (worker >= options_.concurrency) return std::nullopt;
    return static_cast<Place>(options_.nodes.size() + options_.spares.size() + worker);
  }
  // A node or a client.
  std::optional<Place> place(std::string_view name) {
    const bool is_node = std::find(options_.nodes.begin(), options_.nodes.end(), name) != options_.nodes.end() ||
                         std::find(options_.spares.begin(), options_.spares.end(), name) != options_.spares.end();
    if (!is_node && name.starts_with('c')) return client(name);
    return node(name);
  }
  std::vector<PlacePair> links() {
    std::vector<PlacePair> all;
    if (!has("links")) return all;
    if (!field("links").is_list()) {
      complain("links", R"(a list such as [["n1","n2"]])");
      return all;
    }
    for (const Value& link : field("links").as_list()) {
      if (!link.is_pair() || !link.as_list()[0].is_string() || !link.as_list()[1].is_string()) {
        complain("links", R"(a list such as [["n1","n2"]])");
        return all;
      }
      const auto from = place(link.as_list()[0].as_text());
      const auto to = place(link.as_list()[1].as_text());
      if (from && to && *from != *to) all.emplace_back(*from, *to);
    }
    return all;
  }
  void complain(std::string_view name, const std::string& expected) {
    refuse(fmt::format("fault '{}': '{}' must be {}, not {}", fault_.kind, name, expected,
                       clip(name == "parameters" ? fault_.parameters.to_string() : field(name).to_string(), 80)),
           {});
  }
  void refuse(std::string message, std::string remedy) {
    if (!error_) error_ = Error::bad_input(std::move(message), std::move(remedy));
  }
  [[nodiscard]] const Fault& fault() const { return fault_; }
  [[nodiscard]] const SimOptions& options() const { return options_; }

 private:
  const Fault& fault_;
  const SimOptions& options_;
  std::optional<Error> error_;
};

// --- network ------------------------------------------------------------------------------------------------------------------------------

PartitionPlan read_partition(Reader& read) {
  PartitionPlan plan;
  read.only({"clients"});
  const auto cut = [&](Place from, Place to) {
    const PlacePair pair(from, to);
    if (from != to && std::find(plan.cuts.begin(), plan.cuts.end(), pair) == plan.cuts.end()) plan.cuts.push_back(pair);
  };
  for (const auto& [node, sources] : read.fault().grudge) {
    for (const NodeName& source : sources) cut(read.node(source), read.node(node));
  }
  const Value& clients = read.field("clients");
  if (clients.is_null() || clients.is_integer()) return plan;  // a number is resolved into names
  if (!clients.is_map()) {
    read.complain("clients", R"(an object such as {"n1":["c0"]})");
    return plan;
  }
  for (const auto& [node, names] : clients.as_map()) {
    if (!node.is_string() || !names.is_list()) {
      read.complain("clients", R"(an object such as {"n1":["c0"]})");
      return plan;
    }
    const NodeIndex at = read.node(node.as_text());
    for (const Value& name : names.as_list()) {
      const auto client = read.client(name.is_string() ? name.as_text() : std::string_view());
      if (client) cut(*client, at), cut(at, *client);
    }
  }
  return plan;
}

ClogPlan read_clog(Reader& read) {
  read.only({"links"});
  return {read.links()};
}

SwizzlePlan read_swizzle(Reader& read) {
  SwizzlePlan plan;
  read.only({"clogs"});
  const Value& clogs = read.field("clogs");
  constexpr auto expected = R"(a list such as [{"node":"n1","from":"300ms","to":"2s"}])";
  if (clogs.is_null() && read.has("window")) return plan;
  if (!clogs.is_list()) {
    read.complain("clogs", expected);
    return plan;
  }
  for (const Value& clog : clogs.as_list()) {
    const auto time = [&](std::string_view name) -> Ticks {
      const Value& value = clog.get(name);
      const auto parsed = parse_duration(value.is_string() ? value.as_text() : std::string_view());
      if (!parsed) read.complain("clogs", expected);
      return parsed ? parsed.value().count() : 0;
    };
    const Value& node = clog.get("node");
    if (!node.is_string()) {
      read.complain("clogs", expected);
      return plan;
    }
    const SwizzlePlan::Clog one{read.node(node.as_text()), time("from"), time("to")};
    if (one.from > one.to) read.complain("clogs", "a list of clogs that end after they begin");
    plan.clogs.push_back(one);
  }
  return plan;
}

PacketPlan read_packet(Reader& read) {
  read.only({"delay", "jitter", "loss", "duplicate", "reorder", "corrupt", "rate", "links"});
  PacketPlan plan;
  plan.rules.delay = read.duration("delay", 0);
  plan.rules.jitter = read.duration("jitter", 0);
  plan.rules.loss = read.number("loss", 0, 1, 0);
  plan.rules.duplicate = read.number("duplicate", 0, 1, 0);
  plan.rules.reorder = read.number("reorder", 0, 1, 0);
  plan.rules.corrupt = read.number("corrupt", 0, 1, 0);
  plan.rules.rate = read.bytes("rate", 0, "/s");
  plan.links = read.links();
  return plan;
}

// --- processes and clocks --------------------------------------------------------------------------------------------------------------

PowerLoss read_loss(Reader& read, PowerLoss otherwise) {
  constexpr std::array<std::string_view, 4> words{"keep", "lose_unsynced", "torn", "reordered"};
  return static_cast<PowerLoss>(read.word("disk", words, static_cast<std::size_t>(otherwise)));
}

KillPlan read_kill(Reader& read) {
  read.only({"disk"});
  return {read_loss(read, PowerLoss::keep)};
}

CrashPlan read_crash(Reader& read) {
  constexpr std::array<std::string_view, 2> edges{"before", "after"};
  read.only({"call", "nth", "edge", "file", "disk"});
  CrashPlan plan;
  plan.call = static_cast<Call>(read.word("call", calls, static_cast<std::size_t>(Call::fsync)));
  plan.nth = read.count("nth", 1);
  plan.after = read.word("edge", edges, 0) == 1;
  plan.file = read.text("file");
  plan.loss = read_loss(read, PowerLoss::lose_unsynced);
  return plan;
}

ClockPlan read_clock(Reader& read) {
  constexpr std::array<std::string_view, 3> clocks{"wall", "mono", "both"};
  constexpr std::array<std::string_view, 4> changes{"jump", "rate", "strobe", "freeze"};
  read.only({"clock", "change", "by", "rate", "period"});
  ClockPlan plan;
  const std::size_t clock = read.word("clock", clocks, 0);
  plan.wall = clock != 1;
  plan.mono = clock != 0;
  if (!read.has("change")) read.complain("change", "one of " + joined(changes));
  plan.change = static_cast<ClockPlan::Change>(read.word("change", changes, 0));
  plan.by = read.duration("by", 0, true);
  plan.rate = rate_of_factor(read.number("rate", 0, 1000, 1));
  plan.period = read.duration("period", 0);
  using Change = ClockPlan::Change;
  if ((plan.change == Change::jump || plan.change == Change::strobe) && plan.by == 0) {
    read.complain("by", "a duration such as \"2s\" or \"-2s\"");
  }
  if (plan.change == Change::strobe && plan.period <= 0) read.complain("period", "a duration such as \"10ms\"");
  if (plan.change == Change::rate && !read.has("rate")) read.complain("rate", "a number such as 0.3");
  const bool steps_back = plan.change == Change::strobe || (plan.change == Change::jump && plan.by < 0);
  if (plan.mono && steps_back && !read.options().beyond_model) {
    read.refuse("a monotonic clock that steps back is beyond the model of a correct system",
                "jump forward, or allow what is beyond the model");
  }
  return plan;
}

// --- disks ----------------------------------------------------------------------------------------------------------------------------------

IoErrorPlan read_io_error(Reader& read) {
  constexpr std::array<std::string_view, 2> words{"read", "write"};
  read.only({"call", "errno", "probability", "file"});
  if (!read.has("call")) read.complain("call", "read or write");
  const std::size_t call = read.word("call", words, 1);
  IoErrorPlan plan{.on_read = call == 0, .on_write = call == 1, .probability = 1, .file = {}, .error = {}};
  plan.probability = read.number("probability", 0, 1, 1);
  plan.file = read.text("file");
  plan.error = read.errno_name("errno");
  return plan;
}

SyncErrorPlan read_sync_error(Reader& read) {
  constexpr std::array<std::string_view, 2> words{"drop", "keep"};
  read.only({"errno", "pages", "nth", "file"});
  SyncErrorPlan plan;
  plan.error = read.errno_name("errno");
  plan.drop = read.word("pages", words, 0) == 0;
  plan.nth = read.count("nth", 1);
  plan.file = read.text("file");
  return plan;
}

template <class What>
Plan plan_of(What what) {
  return {std::move(what), {}};
}

using ReadKind = Plan (*)(Reader&);
constexpr std::array<std::pair<std::string_view, ReadKind>, 18> kinds{{
    {"partition", [](Reader& read) { return plan_of(read_partition(read)); }},
    {"clog", [](Reader& read) { return plan_of(read_clog(read)); }},
    {"swizzle_clog", [](Reader& read) { return plan_of(read_swizzle(read)); }},
    {"packet", [](Reader& read) { return plan_of(read_packet(read)); }},
    {"kill", [](Reader& read) { return plan_of(read_kill(read)); }},
    {"restart",
     [](Reader& read) {
       read.only({"down", "grace"});
       (void)read.duration("grace", 0);
       return plan_of(RestartPlan{read.duration("down", 100'000'000)});
     }},
    {"crash_point", [](Reader& read) { return plan_of(read_crash(read)); }},
    {"pause", [](Reader& read) { return read.only({}), plan_of(PausePlan()); }},
    {"clock", [](Reader& read) { return plan_of(read_clock(read)); }},
    {"io_error", [](Reader& read) { return plan_of(read_io_error(read)); }},
    {"fsync_error", [](Reader& read) { return plan_of(read_sync_error(read)); }},
    {"enospc", [](Reader& read) { return read.only({"bytes"}), plan_of(SpacePlan{read.bytes("bytes", 0)}); }},
    {"slow_disk",
     [](Reader& read) { return read.only({"latency"}), plan_of(SlowDiskPlan{read.duration("latency", 50'000'000)}); }},
    {"bit_flip",
     [](Reader& read) {
       return read.only({"file", "bits"}), plan_of(BitFlipPlan{read.text("file"), read.count("bits", 1)});
     }},
    {"truncate",
     [](Reader& read) {
       return read.only({"file", "bytes"}), plan_of(TruncatePlan{read.text("file"), read.bytes("bytes", 1)});
     }},
    {"wipe", [](Reader& read) { return read.only({}), plan_of(WipePlan()); }},
    {"membership",
     [](Reader& read) {
       constexpr std::array<std::string_view, 2> changes{"shrink", "grow"};
       read.only({"change"});
       if (!read.has("change")) read.complain("change", "shrink or grow");
       return plan_of(MembershipPlan{read.word("change", changes, 0) == 1});
     }},
    {"pressure",
     [](Reader& read) { return read.only({"speed"}), plan_of(PressurePlan{read.number("speed", 0.001, 1, 0.1)}); }},
}};

// Kinds that hit what their parameters say rather than nodes.
bool needs_nodes(const Plan& plan) {
  if (const auto* clog = std::get_if<ClogPlan>(&plan.what)) return clog->links.empty();
  if (const auto* packet = std::get_if<PacketPlan>(&plan.what)) return packet->links.empty();
  if (const auto* membership = std::get_if<MembershipPlan>(&plan.what)) return !membership->grows;
  return !std::holds_alternative<PartitionPlan>(plan.what) && !std::holds_alternative<SwizzlePlan>(plan.what);
}

}  // namespace

std::string_view to_string(Call call) { return calls[static_cast<std::size_t>(call)]; }

std::optional<Call> call_of(std::string_view name) {
  const auto found = std::find(calls.begin(), calls.end(), name);
  if (found == calls.end()) return std::nullopt;
  return static_cast<Call>(found - calls.begin());
}

bool matches(std::string_view glob, std::string_view path) {
  if (glob.empty()) return true;
  std::size_t g = 0, p = 0, star = std::string_view::npos, retry = 0;
  while (p < path.size()) {
    if (g < glob.size() && (glob[g] == '?' || (glob[g] == path[p] && glob[g] != '*'))) {
      ++g, ++p;
    } else if (g < glob.size() && glob[g] == '*') {
      star = g++;
      retry = p;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      p = ++retry;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

Result<Plan> read_plan(const Fault& fault, const SimOptions& options) {
  const auto kind =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto& known) { return known.first == fault.kind; });
  if (fault.kind == "upgrade") {
    return Error::bad_input(
        "fault 'upgrade' is not available in the simulator: one version of the daemon is linked into it",
        "play it live, with --binary and --upgrade-to, or take 'restart'");
  }
  if (kind == kinds.end()) {
    std::vector<std::string_view> known;
    for (const auto& [name, read] : kinds) known.push_back(name);
    const std::string_view near = nearest(fault.kind, known);
    return Error::bad_input(fmt::format("fault {} is not available in the simulator", quoted(fault.kind)),
                            near.empty() ? "known: " + joined(known) : fmt::format("did you mean '{}'?", near));
  }
  Reader read(fault, options);
  Plan plan = kind->second(read);
  for (const NodeName& name : fault.nodes) plan.nodes.push_back(read.node(name));
  // A fault whose target is still open is supported; it is resolved before it is applied.
  const bool is_open = !fault.parameters.get("target").is_null() || !fault.parameters.get("pairs").is_null();
  if (plan.nodes.empty() && needs_nodes(plan) && !is_open) {
    read.refuse(fmt::format("fault '{}' names no node", fault.kind), "name its nodes, or a target");
  }
  if (read.error()) return *read.error();
  return plan;
}

}  // namespace faultline::sim
