// The FaultPort of a local cluster.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>

#include "node_clock.hpp"
#include "node_disk.hpp"

namespace faultline::live {
namespace {

constexpr auto probe_limit = std::chrono::seconds(10);

Value to_value(const std::map<std::string, Value>& fields) {
  std::vector<Value::Entry> entries;
  for (const auto& [name, value] : fields) entries.emplace_back(name, value);
  return Value::map(std::move(entries));
}

Value to_value(const NetworkCounters& now, const NetworkCounters& before) {
  std::map<std::string, Value> fields;
  for (const auto& [name, count] : now) {
    if (!counts_for("partition", name)) continue;
    const auto old = before.find(name);
    fields[name] = count - (old == before.end() ? 0 : old->second);
  }
  return to_value(fields);
}

// How often a client and a node are cut from each other.
std::int64_t clients_cut_by(const Fault& partition) {
  const Value& clients = partition.parameters.get("clients");
  std::int64_t cuts = 0;
  if (!clients.is_map()) return cuts;
  for (const auto& [node, names] : clients.as_map()) cuts += static_cast<std::int64_t>(names.as_list().size());
  return cuts;
}

Value pid_value(const NodeDaemon& daemon) { return static_cast<std::int64_t>(daemon.identity().pid); }

}  // namespace

std::vector<NodeName> LocalCluster::primaries() {
  const std::lock_guard lock(mutex_);
  if (!options_.leads || !network_) return {};
  Indices running;
  for (const std::size_t node : members()) {
    if (daemons_[node]->state() == Daemon::State::running) running.push_back(node);
  }
  std::vector<char> leads(daemons_.size(), 0);
  visit(running,
        [&](std::size_t node) { leads[node] = options_.leads(places_[node], options_.attempt_limit) ? 1 : 0; });
  std::vector<NodeName> names;
  for (const std::size_t node : running) {
    if (leads[node] != 0) names.push_back(places_[node].name);
  }
  return names;
}

Result<void> LocalCluster::supports(const Fault& fault) const {
  if (options_.machines) {
    if (auto possible = options_.machines->supports(fault); !possible) return possible;
  }
  if (fault.kind == "wipe") {
    if (!options_.membership) {
      return Error::bad_input(
          "fault 'wipe' is not available: this target cannot take a member in again that has lost its data",
          "use partition, kill, pause or clock");
    }
  } else if (fault.kind == "membership") {
    if (!options_.membership) {
      return Error::bad_input(
          "fault 'membership' is not available: this target's members cannot be changed while it runs",
          "use partition, packet, clog, kill, pause or clock");
    }
  } else if (fault.kind == "clock") {
    if (!fault.parameters.is_null()) {
      if (auto change = clock_change_of(fault); !change) return change.error();
    }
    if (!options_.machines) {
      if (auto works = clocks_can_be_bent(); !works) return works;
    }
  } else if (is_traffic_fault(fault.kind)) {
    if (auto supported = supports_traffic(fault); !supported) return supported;
  } else if (fault.kind == "partition") {
    if (auto supported = supports_clients(fault); !supported) return supported;
  } else if (is_restart(fault)) {
    if (auto supported = supports_restart(fault); !supported) return supported;
  } else if (is_about_a_disk(fault)) {
    if (auto supported = disks_support(fault); !supported) return supported;
  } else if (fault.kind != "kill" && fault.kind != "pause") {
    return Error::bad_input("fault '" + fault.kind + "' is not available for daemons on this machine",
                            options_.membership ? "use partition, packet, clog, kill, pause, clock or membership"
                                                : "use partition, packet, clog, kill, pause or clock");
  }
  const auto known = [&](const NodeName& node) {
    return std::find(options_.nodes.begin(), options_.nodes.end(), node) != options_.nodes.end();
  };
  const auto unknown = [&](const NodeName& node) {
    return Error::bad_input("fault '" + fault.kind + "' names the unknown node '" + node + "'");
  };
  for (const auto& node : fault.nodes) {
    if (!known(node)) return unknown(node);
  }
  for (const auto& [node, sources] : fault.grudge) {
    if (!known(node)) return unknown(node);
    for (const auto& source : sources) {
      if (!known(source)) return unknown(source);
    }
  }
  return {};
}

Result<Value> LocalCluster::apply(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  if (auto supported = supports(fault); !supported) return supported.error();
  if (!is_set_up()) return Error::environment("the cluster is not set up");
  note_exits();
  if (fault.kind == "partition") return apply_partition(fault);
  if (fault.kind == "clock") return apply_clock(fault);
  if (is_traffic_fault(fault.kind)) return apply_traffic(fault);
  if (is_about_a_disk(fault)) return apply_disk(fault);
  if (fault.kind == "wipe") return apply_wipe(fault);
  if (is_restart(fault)) return apply_restart(fault);
  return fault.kind == "membership" ? apply_membership(fault) : apply_to_daemons(fault);
}

// The network carries the union of all partitions that are in force.
Result<void> LocalCluster::load_grudges() {
  Grudge total;
  for (const auto& active : active_) {
    for (const auto& [node, sources] : active.fault.grudge) total[node].insert(sources.begin(), sources.end());
  }
  for (auto& [node, sources] : total) sources.erase(node);  // nobody is cut from itself
  if (auto cut = network_->cut_clients(client_cuts()); !cut) return cut;
  return network_->apply(total);
}

Result<Value> LocalCluster::apply_partition(const Fault& fault) {
  std::int64_t pairs = 0;
  for (const auto& [node, sources] : fault.grudge)
    pairs += static_cast<std::int64_t>(sources.size() - sources.count(node));
  active_.push_back({.fault = fault, .nodes = {}, .before = network_->counters()});
  if (auto loaded = load_grudges(); !loaded) {
    active_.pop_back();
    // Back to what was in force; if that fails too, heal_all() finds and says so.
    (void)load_grudges().ok();
    return loaded.error();
  }
  std::map<std::string, Value> value{{"dropped_pairs", pairs}};
  if (const std::int64_t clients = clients_cut_by(fault); clients > 0) value["cut_clients"] = clients;
  return to_value(value);
}

bool LocalCluster::is_under(std::string_view kind, std::size_t node) const {
  return std::any_of(active_.begin(), active_.end(), [&](const Active& active) {
    return active.fault.kind == kind && std::find(active.nodes.begin(), active.nodes.end(), node) != active.nodes.end();
  });
}

Result<Value> LocalCluster::apply_to_daemons(const Fault& fault) {
  const bool kill = fault.kind == "kill";
  std::map<std::string, Value> hit;
  std::map<std::string, Value> skipped;
  Active active{.fault = fault, .nodes = {}, .before = {}};
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    NodeDaemon& daemon = *daemons_[node];
    if (daemon.state() == Daemon::State::down) {
      // A second kill of a node that is down by the nemesis keeps it down until both are healed.
      if (kill && is_under("kill", node)) active.nodes.push_back(node);
      skipped[name] = "is down (" + daemon.end() + ")";
      continue;
    }
    const auto done = kill ? daemon.kill() : daemon.pause();
    if (!done) {
      skipped[name] = done.error().message;
      continue;
    }
    active.nodes.push_back(node);
    hit[name] = pid_value(daemon);
  }
  if (!active.nodes.empty()) active_.push_back(active);
  if (hit.empty()) {
    return Error::environment("no node could take the fault '" + fault.kind + "': " + to_value(skipped).to_string());
  }
  std::map<std::string, Value> value{{kill ? "killed" : "paused", to_value(hit)}};
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  return to_value(value);
}

Result<Value> LocalCluster::heal(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  note_exits();
  const auto found =
      std::find_if(active_.begin(), active_.end(), [&](const Active& active) { return active.fault == fault; });
  if (found == active_.end()) return Value::map({});
  const Active healed = *found;
  active_.erase(found);
  if (fault.kind == "membership") return heal_membership(healed);
  if (fault.kind == "clock") return heal_clock(healed);
  if (is_traffic_fault(fault.kind)) return heal_traffic(healed);
  if (healed.disk) return heal_disk(healed);
  if (fault.kind == "wipe") return heal_wipe(healed);
  if (is_restart(fault)) return heal_restart(healed);
  if (fault.kind != "partition") return heal_daemons(healed);
  if (auto loaded = load_grudges(); !loaded) return loaded.error();
  return to_value(network_->counters(), healed.before);
}

Result<Value> LocalCluster::heal_daemons(const Active& healed) {
  const bool kill = healed.fault.kind == "kill";
  std::map<std::string, Value> back;
  std::string failures;
  for (const std::size_t node : healed.nodes) {
    if (is_under(healed.fault.kind, node)) continue;     // another fault still holds it
    if (standings_[node] != Standing::member) continue;  // removed since; it comes back when that is healed
    NodeDaemon& daemon = *daemons_[node];
    if (kill == (daemon.state() != Daemon::State::down)) continue;
    if (!kill && daemon.state() != Daemon::State::paused) continue;  // killed and restarted since
    const auto done = kill ? start_daemon(node) : daemon.resume();
    if (!done) {
      failures += (failures.empty() ? "" : "\n") + done.error().message;
    } else {
      back[places_[node].name] = pid_value(daemon);
    }
  }
  if (!failures.empty()) return Error::environment(std::move(failures), "read the log of the node");
  return Value::map({{kill ? "restarted" : "resumed", to_value(back)}});
}

Result<Value> LocalCluster::heal_all() {
  const std::lock_guard lock(mutex_);
  if (!is_set_up()) return Error::environment("the cluster is not set up");
  note_exits();
  std::string failures;
  const auto collect = [&](const Error& error) { failures += (failures.empty() ? "" : "\n") + error.message; };
  if (auto healed = heal_disks(); !healed) collect(healed.error());
  active_.clear();
  std::map<std::string, Value> value;
  if (auto loaded = load_grudges(); !loaded) collect(loaded.error());
  if (auto loaded = load_traffic(); !loaded) collect(loaded.error());
  if (auto stopped = stop_old_versions(); !stopped) collect(stopped.error());
  std::map<std::string, Value> died;
  for (std::size_t node = 0; node < daemons_.size(); ++node) {
    if (auto resumed = daemons_[node]->resume(); !resumed) collect(resumed.error());
    if (standings_[node] != Standing::member || daemons_[node]->state() != Daemon::State::down) continue;
    if (daemons_[node]->ended_unasked() && !is_excused(node)) died[places_[node].name] = daemons_[node]->end();
    if (auto started = start_daemon(node); !started) collect(started.error());
  }
  const auto clocks = settle_clocks();
  if (!clocks) collect(clocks.error());
  auto probed = network_->probe(probe_limit);
  if (!probed) collect(probed.error());
  if (failures.empty()) {
    auto ready = wait_until_ready(members());
    if (!ready) {
      if (auto back = bring_back_forgetful(); !back) {
        collect(back.error());
      } else {
        ready = wait_until_ready(members());
      }
    }
    if (!ready) collect(ready.error());
  }
  if (failures.empty()) {
    if (auto restored = restore_founders(); !restored) collect(restored.error());
  }
  if (!failures.empty()) return Error::environment(std::move(failures), "read the logs of the nodes");
  std::vector<Value> running;
  for (const std::size_t node : members()) running.emplace_back(places_[node].name);
  value["reachable_pairs"] = probed.value().get("reachable_pairs");
  if (const Value& links = probed.value().get("sounded_links"); links != Value(0)) value["sounded_links"] = links;
  value["running"] = Value::list(std::move(running));
  if (!clocks.value().as_map().empty()) value["clocks"] = clocks.value();
  if (!died.empty()) value["died"] = to_value(died);
  for (const auto& [name, count] : network_->counters()) value[name] = count;
  return to_value(value);
}

}  // namespace faultline::live
