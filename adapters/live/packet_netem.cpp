#include "packet_netem.hpp"

#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <thread>

#include "descriptor.hpp"
#include "spawn.hpp"

namespace faultline::live {
namespace {

constexpr std::size_t packets_most = 65536;  // under way on one link; those beyond are lost
constexpr std::size_t first_source_band = 2;

// tc reads and writes numbers of classes in hexadecimal.
std::string class_of(std::size_t source) { return fmt::format("1:{:x}", source + first_source_band); }

// tc knows no nanoseconds here.
std::string microseconds(Duration duration) {
  return fmt::format("{:.3f}us", std::chrono::duration<double, std::micro>(duration).count());
}

// Uniform in [delay, delay + jitter): netem means it to either side of the middle.
std::string parameters(const NetemRules& rules) {
  std::string text = fmt::format("netem limit {}", packets_most);
  if (rules.delay + rules.jitter > Duration::zero()) {
    const Duration spread = rules.jitter / 2;
    text += " delay " + microseconds(rules.delay + spread);
    if (spread > Duration::zero()) text += " " + microseconds(spread);
  }
  constexpr double percent = 100;
  if (rules.loss > 0) text += fmt::format(" loss random {:.6f}%", rules.loss * percent);
  return text + " rate 100gbit";
}

using NetemCounts = std::map<std::pair<std::string, std::size_t>, NetemCount>;

Result<void> load_batch(const std::string& batch, const std::string& name_space) {
  auto loaded = run_command({"tc", "-batch", "-"}, batch, name_space);
  if (!loaded) return loaded.error();
  if (loaded.value().status == 0) return {};
  // "Error: Specified qdisc kind is unknown.", then the line of the batch.
  const std::string& said = loaded.value().errors;
  return Error::environment("tc -batch: " + said.substr(0, said.find('\n')));
}

Result<NetemCounts> read_counts(const std::string& name_space) {
  auto listing = run_checked({"tc", "-s", "-j", "qdisc", "show"}, "", name_space);
  if (!listing) return listing.error();
  return netem_counts(listing.value());
}

// "1:b" is the band of source 9.
std::optional<std::size_t> source_of(std::string_view class_id) {
  constexpr std::string_view root = "1:";
  constexpr int hexadecimal = 16;
  if (!class_id.starts_with(root)) return std::nullopt;
  std::size_t band = 0;
  const char* end = class_id.data() + class_id.size();
  const auto [stopped, error] = std::from_chars(class_id.data() + root.size(), end, band, hexadecimal);
  if (error != std::errc{} || stopped != end || band < first_source_band) return std::nullopt;
  return band - first_source_band;
}

std::string_view text_of(const Value& value) { return value.is_string() ? value.as_text() : std::string_view(); }

// In a namespace without a name, which vanishes with the thread.
Result<void> try_here() {
  if (::unshare(CLONE_NEWNET) != 0)
    return Error::environment("cannot make a network namespace: " + errno_text(errno), "run as root");
  const NetemPort port{{0, {.delay = std::chrono::milliseconds(1), .jitter = std::chrono::milliseconds(1), .loss = 1}}};
  if (auto loaded = load_batch(netem_batch("lo", {"10.99.0.1"}, {}, port), ""); !loaded) return loaded;
  const auto counts = read_counts("");
  if (!counts) return counts.error();
  if (!counts.value().contains({"lo", 0})) return Error::environment("tc does not list the netem it has made");
  return {};
}

}  // namespace

std::optional<NetemRules> netem_rules(const LinkFaults& faults) {
  if (faults.empty() || !faults.clogs.empty()) return std::nullopt;
  NetemRules sum;
  double passes = 1;
  for (const PacketRules& rules : faults.packets) {
    if (PacketRules{.delay = rules.delay, .jitter = rules.jitter, .loss = rules.loss} != rules) return std::nullopt;
    // The sum of two spreads is another than one netem draws.
    if (sum.jitter > Duration::zero() && rules.jitter > Duration::zero()) return std::nullopt;
    sum.delay += rules.delay;
    sum.jitter += rules.jitter;
    passes *= 1 - rules.loss;
  }
  sum.loss = faults.packets.size() == 1 ? faults.packets.front().loss : 1 - passes;
  if (sum.delay + sum.jitter > longest_netem_delay) return std::nullopt;
  return sum;
}

std::string netem_batch(const std::string& device, const std::vector<std::string>& addresses, const NetemPort& before,
                        const NetemPort& after) {
  if (before == after) return "";
  std::string text;
  if (before.empty()) {
    text = fmt::format("qdisc add dev {} root handle 1: prio bands {} priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                       device, addresses.size() + 1);
  }
  // First nothing comes into those that go, and what is in them leaves within a microsecond.
  for (const auto& [source, rules] : before) {
    if (!after.contains(source))
      text += fmt::format("filter del dev {} parent 1: protocol ip prio {}\n", device, source + 1);
  }
  if (after.empty()) return text + "qdisc del dev " + device + " root\n";
  for (const auto& [source, rules] : before) {
    if (!after.contains(source)) text += fmt::format("qdisc del dev {} parent {}\n", device, class_of(source));
  }
  for (const auto& [source, rules] : after) {
    const auto old = before.find(source);
    if (old != before.end() && old->second == rules) continue;
    const bool is_new = old == before.end();
    // A changed netem keeps what is under way, and its counters.
    text += fmt::format("qdisc {} dev {} parent {} {}\n", is_new ? "add" : "change", device, class_of(source),
                        parameters(rules));
    if (!is_new) continue;
    text += fmt::format("filter add dev {} parent 1: protocol ip prio {} u32 match ip src {}/32 flowid {}\n", device,
                        source + 1, addresses[source], class_of(source));
  }
  return text;
}

Result<std::map<std::pair<std::string, std::size_t>, NetemCount>> netem_counts(const std::string& listing) {
  const auto parsed = parse_json(listing);
  if (!parsed || !parsed.value().is_list())
    return Error::environment("`tc -s -j qdisc show` does not print a list of JSON", "install iproute2 4.17 or later");
  std::map<std::pair<std::string, std::size_t>, NetemCount> counts;
  for (const Value& qdisc : parsed.value().as_list()) {
    const auto source = source_of(text_of(qdisc.get("parent")));
    if (!source || text_of(qdisc.get("kind")) != "netem") continue;
    const Value passed = qdisc.get("packets");
    const Value lost = qdisc.get("drops");
    const Value waiting = qdisc.get("qlen");
    if (!passed.is_integer() || !lost.is_integer() || !waiting.is_integer())
      return Error::environment("`tc -s -j qdisc show` prints a netem without packets, drops and qlen: " +
                                qdisc.to_string());
    counts[{std::string(text_of(qdisc.get("dev"))), *source}] = {
        .passed = passed.as_integer(), .lost = lost.as_integer(), .waiting = waiting.as_integer()};
  }
  return counts;
}

Result<void> try_netem() {
  if (auto found = find_program("tc"); !found) return Error::environment(found.error().message, "apt install iproute2");
  Result<void> tried;
  try {
    std::thread([&] { tried = try_here(); }).join();
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  if (tried) return {};
  return Error::environment("the kernel cannot delay and lose packets by itself: " + tried.error().message,
                            "modprobe -a sch_netem sch_prio cls_u32, or boot a kernel that has them (Debian's "
                            "linux-image-amd64 and linux-image-cloud-amd64 do)");
}

PacketNetem::PacketNetem(std::string name_space, std::vector<Place> places)
    : name_space_(std::move(name_space)), places_(std::move(places)), ports_(places_.size()) {
  FL_ASSERT(places_.size() <= netem_nodes_most);
  for (const Place& place : places_) addresses_.push_back(place.address);
}

// Adds up what happened since the last look, by the rules that were in force meanwhile.
Result<void> PacketNetem::look() {
  if (is_bare()) return {};
  const auto counts = read_counts(name_space_);
  if (!counts) return counts.error();
  counters_.under_way = 0;
  for (std::size_t to = 0; to < ports_.size(); ++to) {
    if (!ports_[to].known) continue;
    for (const auto& [source, rules] : ports_[to].rules) {
      const auto found = counts.value().find({places_[to].device, source});
      if (found == counts.value().end())
        return Error::environment("the netem at " + places_[to].device + " is gone",
                                  "who else changes this namespace?");
      const NetemCount& now = found->second;
      NetemCount& seen = ports_[to].seen[source];
      // What came: it has passed, or waits.
      const std::int64_t came = now.passed + now.waiting - seen.passed - seen.waiting;
      if (rules.delay + rules.jitter > Duration::zero()) counters_.delayed += came;
      counters_.lost += now.lost - seen.lost;
      counters_.under_way += now.waiting;
      seen = now;
    }
  }
  return {};
}

Result<void> PacketNetem::load(std::size_t to, const NetemPort& after) {
  Port& port = ports_[to];
  const std::string& device = places_[to].device;
  if (!port.known) {
    // Fails if nothing is there.
    auto emptied = run_command({"tc", "qdisc", "del", "dev", device, "root"}, "", name_space_);
    if (!emptied) return emptied.error();
    port = {};
  }
  const std::string batch = netem_batch(device, addresses_, port.rules, after);
  if (batch.empty()) return {};
  port.known = false;
  if (auto loaded = load_batch(batch, name_space_); !loaded) return loaded;
  port.known = true;
  port.rules = after;
  std::erase_if(port.seen, [&](const auto& seen) { return !after.contains(seen.first); });
  return {};
}

// From now on these and no others send single segments.
Result<void> PacketNetem::unbundle(const std::set<std::size_t>& sources) {
  constexpr int kernels_own = 65535;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (sources.contains(i) == unbundled_.contains(i)) continue;
    const int most = sources.contains(i) ? 1 : kernels_own;
    auto done = run_checked({"ip", "link", "set", "dev", "eth0", "gso_max_segs", std::to_string(most)}, "",
                            places_[i].name_space);
    if (!done) return done.error();
    if (most == 1) unbundled_.insert(i);
    if (most != 1) unbundled_.erase(i);
  }
  return {};
}

Result<void> PacketNetem::shape(const Pairs& faults) {
  if (faults.empty() && is_bare()) return {};
  // A look that fails costs numbers, not effects.
  const bool looked = look().ok();
  std::vector<NetemPort> after(ports_.size());
  for (std::size_t to = 0; to < ports_.size(); ++to) {
    for (const auto& [source, rules] : ports_[to].rules) {
      if (!looked || !is_idle(to, source)) after[to][source] = {};
    }
  }
  for (const auto& [pair, rules] : faults) after[pair.second][pair.first] = rules;
  std::set<std::size_t> sources;
  for (const NetemPort& port : after) {
    for (const auto& [source, rules] : port) sources.insert(source);
  }
  if (auto unbundled = unbundle(sources); !unbundled) return unbundled;
  for (std::size_t to = 0; to < ports_.size(); ++to) {
    if (auto loaded = load(to, after[to]); !loaded) return loaded;
  }
  return {};
}

TrafficCounters PacketNetem::counters() {
  (void)look().ok();
  return counters_;
}

// The links that are clear and empty lose their netems.
Result<void> PacketNetem::remove_empty() {
  if (auto looked = look(); !looked) return looked;
  for (std::size_t to = 0; to < ports_.size(); ++to) {
    NetemPort after = ports_[to].rules;
    std::erase_if(after, [&](const auto& netem) { return is_idle(to, netem.first); });
    if (auto loaded = load(to, after); !loaded) return loaded;
  }
  return is_bare() ? unbundle({}) : Result<void>();
}

// By the last look: it is clear, and nothing is in it.
bool PacketNetem::is_idle(std::size_t to, std::size_t source) const {
  const Port& port = ports_[to];
  if (port.rules.at(source) != NetemRules()) return false;
  const auto seen = port.seen.find(source);
  return !port.known || seen == port.seen.end() || seen->second.waiting == 0;
}

bool PacketNetem::is_bare() const {
  return std::all_of(ports_.begin(), ports_.end(), [](const Port& port) { return port.known && port.rules.empty(); });
}

Result<void> PacketNetem::settle(Duration limit) {
  const Instant until = steady_now() + limit;
  while (!is_bare()) {
    if (auto removed = remove_empty(); !removed) return removed;
    if (is_bare()) break;
    if (steady_now() > until)
      return Error::environment(std::to_string(counters_.under_way) + " packets are still under way in the kernel");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // As the kernel says.
  const auto counts = read_counts(name_space_);
  if (!counts) return counts.error();
  if (counts.value().empty()) return {};
  return Error::environment("a netem is still loaded at " + counts.value().begin()->first.first);
}

}  // namespace faultline::live
