// The fault `clock` of a local cluster.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "node_clock.hpp"

namespace faultline::live {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto counting_time = std::chrono::milliseconds(100);
constexpr auto look_again = std::chrono::milliseconds(5);
constexpr auto right = std::chrono::milliseconds(1);

Value to_value(const std::map<std::string, Value>& fields) {
  std::vector<Value::Entry> entries;
  for (const auto& [name, value] : fields) entries.emplace_back(name, value);
  return Value::map(std::move(entries));
}

// Of the clocks the change is about, the one that is off by more.
Duration skew_of(const ClockSkew& skew, ClockGroup group) {
  if (group == ClockGroup::wall) return skew.wall;
  if (group == ClockGroup::mono) return skew.mono;
  return std::chrono::abs(skew.wall) >= std::chrono::abs(skew.mono) ? skew.wall : skew.mono;
}

double milliseconds(Duration duration) {
  constexpr double per_millisecond = 1e6;
  return std::round(static_cast<double>(duration.count()) / 1e3) * 1e3 / per_millisecond;
}

std::int64_t whole_milliseconds(Duration duration) {
  return std::chrono::round<std::chrono::milliseconds>(duration).count();
}

// What the daemons see, and whether they look.
struct Seen {
  std::int64_t skew_ms = 0;  // the largest, of those who look
  std::map<std::string, Value> skewed;
  std::uint64_t reads = 0;
  std::vector<Value> unread;

  void add(const std::string& node, Duration skew, std::uint64_t reads_of_node) {
    skewed[node] = milliseconds(skew);
    reads += reads_of_node;
    if (reads_of_node == 0) {
      unread.emplace_back(node);
    } else {
      skew_ms = std::max(skew_ms, whole_milliseconds(std::chrono::abs(skew)));
    }
  }
  void write(std::map<std::string, Value>& fields) const {
    fields["skew_ms"] = skew_ms;
    fields["skewed"] = to_value(skewed);
    fields["clock_reads"] = static_cast<std::int64_t>(reads);
    if (!unread.empty()) fields["unread"] = Value::list(unread);
  }
};

}  // namespace

Result<void> LocalCluster::clocks_can_be_bent() const {
  std::call_once(clocks_tried_, [this] { clocks_work_ = clock_faults_work(); });
  if (clocks_work_) return {};
  return Error::bad_input("fault 'clock' is not available here: " + clocks_work_.error().message,
                          clocks_work_.error().remedy);
}

LocalCluster::Indices LocalCluster::bent_clocks() const {
  Indices bent;
  for (std::size_t node = 0; node < clocks_.size(); ++node) {
    if (daemons_[node]->state() != Daemon::State::down && clocks_[node]->bends(daemons_[node]->identity().pid))
      bent.push_back(node);
  }
  return bent;
}

Result<Value> LocalCluster::apply_clock(const Fault& fault) {
  const auto change = clock_change_of(fault);
  if (!change) return change.error();
  const ClockGroup group = change.value().group;
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}};
  std::map<std::string, Value> skipped;
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (const auto state = daemons_[node]->state(); state != Daemon::State::running) {
      skipped[name] = state == Daemon::State::down ? "is down (" + daemons_[node]->end() + ")" : "is paused";
      continue;
    }
    if (auto changed = clocks_[node]->change(daemons_[node]->identity().pid, change.value()); !changed) {
      skipped[name] = changed.error().message;
      continue;
    }
    active.nodes.push_back(node);
    active.reads.push_back(clocks_[node]->reads(group));
  }
  if (active.nodes.empty())
    return Error::environment("no node could take the fault 'clock': " + to_value(skipped).to_string());
  active_.push_back(active);
  std::this_thread::sleep_for(counting_time);
  Seen seen;
  for (std::size_t i = 0; i < active.nodes.size(); ++i) {
    ClockControl& clock = *clocks_[active.nodes[i]];
    const NodeName& name = places_[active.nodes[i]].name;
    const std::uint64_t reads = clock.reads(group) - active.reads[i];
    const auto skew = clock.read_back();
    if (!skew) {
      skipped[name] = skew.error().message;
    } else {
      seen.add(name, skew_of(skew.value(), group), reads);
    }
  }
  std::map<std::string, Value> value;
  seen.write(value);
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  if (is_beyond_model(change.value())) value["beyond_model"] = true;
  return to_value(value);
}

// Sets a node's clocks right, and then as the clock faults that are still active want them.
std::optional<Error> LocalCluster::heal_node_clock(std::size_t node) {
  ClockControl& clock = *clocks_[node];
  if (auto reset = clock.reset(); !reset) return reset.error();
  bool others = false;
  for (const auto& active : active_) {
    if (active.fault.kind != "clock") continue;
    if (std::find(active.nodes.begin(), active.nodes.end(), node) == active.nodes.end()) continue;
    others = true;
    const pid_t pid = daemons_[node]->identity().pid;
    if (auto changed = clock.change(pid, clock_change_of(active.fault).value()); !changed) return changed.error();
  }
  if (others || clock.settles_in() > Duration::zero()) return std::nullopt;
  const auto skew = clock.read_back();
  if (!skew) return skew.error();
  if (auto restored = clock.restore(); !restored) return restored.error();
  return std::nullopt;
}

Result<Value> LocalCluster::heal_clock(const Active& healed) {
  const ClockGroup group = clock_change_of(healed.fault).value().group;
  const Indices bent = bent_clocks();
  Seen seen;
  std::vector<Value> done;
  std::map<std::string, Value> slewing;
  std::string failures;
  for (std::size_t i = 0; i < healed.nodes.size(); ++i) {
    const std::size_t node = healed.nodes[i];
    // A daemon that was restarted is bent anew, and one that is down, or paused, is dealt with when it is back.
    if (std::find(bent.begin(), bent.end(), node) == bent.end()) continue;
    if (daemons_[node]->state() != Daemon::State::running) continue;
    ClockControl& clock = *clocks_[node];
    const std::uint64_t reads = clock.reads(group);
    const auto skew = clock.read_back();
    if (skew)
      seen.add(places_[node].name, skew_of(skew.value(), group),
               reads > healed.reads[i] ? reads - healed.reads[i] : reads);
    std::optional<Error> error = heal_node_clock(node);
    if (!skew && !error) error = skew.error();
    if (error) {
      failures += (failures.empty() ? "" : "\n") + places_[node].name + ": " + error->message;
      continue;
    }
    done.emplace_back(places_[node].name);
    if (clock.bends(daemons_[node]->identity().pid) && clock.settles_in() > Duration::zero())
      slewing[places_[node].name] = whole_milliseconds(clock.settles_in());
  }
  if (!failures.empty()) return Error::environment(std::move(failures), "restart the node");
  std::map<std::string, Value> value;
  seen.write(value);
  value["healed"] = Value::list(std::move(done));
  if (!slewing.empty()) value["slewing_ms"] = to_value(slewing);
  return to_value(value);
}

// REQUIRES: no clock fault is active and no daemon paused. Every clock is right and native when this returns: {"n1":0.02}, the last
// error that was read in each daemon that was bent, in milliseconds; null for one that was restarted instead.
Result<Value> LocalCluster::settle_clocks() {
  std::map<std::string, Value> settled;
  std::string failures;
  const auto fail = [&](std::size_t node, const Error& error) {
    failures += (failures.empty() ? "" : "\n") + places_[node].name + ": " + error.message;
  };
  const Indices bent = bent_clocks();
  for (const std::size_t node : bent) {
    if (clocks_[node]->settles_in() > Duration::zero()) continue;  // it slews already
    if (auto reset = clocks_[node]->reset(); !reset) fail(node, reset.error());
  }
  const auto until = Steady::now() + options_.slew_limit;
  for (const std::size_t node : bent) {
    ClockControl& clock = *clocks_[node];
    const bool waits = Steady::now() + clock.settles_in() <= until;
    while (waits && !stopping_ && clock.settles_in() > Duration::zero()) std::this_thread::sleep_for(look_again);
    if (clock.settles_in() > Duration::zero()) {
      if (auto killed = daemons_[node]->kill(); !killed)
        fail(node, killed.error());
      else if (auto started = start_daemon(node); !started)
        fail(node, started.error());
      settled[places_[node].name] = Value();
      continue;
    }
    const auto skew = clock.read_back();
    if (!skew) {
      fail(node, skew.error());
      continue;
    }
    const Duration off = skew_of(skew.value(), ClockGroup::both);
    if (std::chrono::abs(off) >= right) fail(node, Error::environment("its clock is still off by " + to_text(off)));
    settled[places_[node].name] = milliseconds(off);
    if (auto restored = clock.restore(); !restored) fail(node, restored.error());
  }
  if (!failures.empty()) return Error::environment(std::move(failures), "restart the node");
  return to_value(settled);
}

}  // namespace faultline::live
