// The faults of a local cluster that are about disks, and what else is done to one daemon alone: power losses, crash points, failing, full
// and slow disks, rotten files, wiped nodes, little processor time.
//
// A daemon that ends because its disk fails does what it should: it stays down until that is healed, and is no finding. Of what is durable a
// majority of nodes must stay clean: more than that may not rot, or be wiped, at once.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <map>

#include "node_disk.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using Fields = std::map<std::string, Value>;

Value to_value(const Fields& fields) {
  std::vector<Value::Entry> entries;
  for (const auto& [name, value] : fields) entries.emplace_back(name, value);
  return Value::map(std::move(entries));
}

bool is_one_of(std::string_view kind, std::initializer_list<std::string_view> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

bool is_rule(std::string_view kind) {
  return is_one_of(kind, {"io_error", "fsync_error", "enospc", "slow_disk", "crash_point"});
}
bool rots(std::string_view kind) { return is_one_of(kind, {"bit_flip", "truncate"}); }

void add(Fields& fields, const std::string& name, std::uint64_t count) {
  const auto before = fields.contains(name) ? fields[name].as_integer() : 0;
  fields[name] = before + static_cast<std::int64_t>(count);
}

void add_loss(Fields& fields, const LossReport& lost) {
  add(fields, "rolled_back_pages", lost.pages);
  add(fields, "undone_entries", lost.entries);
}

Error none_took(const Fault& fault, const Fields& skipped) {
  return Error::environment("no node could take the fault '" + fault.kind + "': " + to_value(skipped).to_string());
}

}  // namespace

bool LocalCluster::is_about_a_disk(const Fault& fault) {
  if (fault.kind != "kill") return is_rule(fault.kind) || rots(fault.kind) || fault.kind == "pressure";
  const auto loss = disk_loss_of(fault);
  return !loss || loss.value() != DiskLoss::keep;
}

Result<void> LocalCluster::disks_can_be_supervised() const {
  static std::once_flag tried;
  static Result<bool> work = true;
  std::call_once(tried, [] { work = disk_faults_work(); });
  if (work) return {};
  return Error::bad_input("disks cannot be supervised here: " + work.error().message, work.error().remedy);
}

Result<void> LocalCluster::disks_support(const Fault& fault) const {
  if (fault.kind == "pressure") return speed_of(fault) ? Result<void>() : speed_of(fault).error();
  if (rots(fault.kind)) return rot_of(fault) ? Result<void>() : rot_of(fault).error();
  if (fault.kind == "kill" || fault.kind == "crash_point") {
    if (auto loss = disk_loss_of(fault); !loss) return loss.error();
  }
  if (is_rule(fault.kind)) {
    auto rule = disk_rule_of(fault);
    if (!rule) return rule.error();
    const auto* errors = std::get_if<ErrorRule>(&rule.value());
    const auto* crash = std::get_if<CrashRule>(&rule.value());
    const bool reads = (errors != nullptr && errors->reads) || (crash != nullptr && crash->call == DiskCall::read);
    if (reads && !options_.disks.reads)
      return Error::bad_input("fault '" + fault.kind + "' is about reads, which are not supervised in this run");
  }
  if (fault.kind == "kill" && options_.disks.images) return images_can_lose(fault);
  if (!options_.machines) {
    if (auto works = disks_can_be_supervised(); !works) return works;
  }
  if (options_.disks.supervised) return {};
  return Error::bad_input("fault '" + fault.kind +
                              "' needs nodes whose disks are supervised from their start, which "
                              "these are not",
                          "name it with --nemesis when the run is started");
}

Result<void> LocalCluster::supervise_disks() {
  for (const NodePlace& place : places_) {
    disks_.push_back(std::make_unique<NodeDisk>());
    disks_.back()->files = options_.machines ? options_.machines->make_files(place.name)
                                             : std::make_unique<LocalFiles>(place.data_directory);
    if (!options_.disks.supervised) continue;
    const std::uint64_t seed = Rng(options_.disks.seed).fork(place.name).seed();
    if (options_.machines) {
      auto supervised = options_.machines->supervise_disk(place.name, seed, options_.disks.reads);
      if (!supervised) return supervised.error();
      disks_.back()->supervisor = std::move(supervised).value();
      continue;
    }
    if (auto works = disks_can_be_supervised(); !works) return works;
    auto supervisor = DiskSupervisor::make({.data = place.data_directory,
                                            .shadow = scratch_folder_ / (".shadow-" + place.name),
                                            .seed = seed,
                                            .reads = options_.disks.reads});
    if (!supervisor) return supervisor.error();
    disks_.back()->supervisor = std::make_unique<LocalDisk>(std::move(supervisor).value());
  }
  return {};
}

// Into the plan of the next start.
Result<void> LocalCluster::prepare_disk(std::size_t node, DaemonSpec& spec) {
  DiskControl* supervisor = disks_[node]->supervisor.get();
  if (supervisor == nullptr) return {};
  const auto step = supervisor->prepare();
  if (!step) return step.error();
  spec.before_exec = step.value().run;
  spec.before_exec_descriptor = step.value().descriptor;
  return {};
}

void LocalCluster::disk_started(std::size_t node) {
  if (disks_[node]->supervisor) disks_[node]->supervisor->forked();
  for (const Active& active : active_) {
    if (!active.disk) continue;
    for (std::size_t i = 0; i < active.disk->pressures.size(); ++i) {
      if (active.nodes[i] == node) (void)active.disk->pressures[i]->join().ok();  // it runs at full speed, then
    }
  }
}

// Its data was removed, by the system's own rules.
void LocalCluster::forget_disk(std::size_t node) {
  if (disks_[node]->supervisor) disks_[node]->supervisor->forget();
  disks_[node]->has_rotten = disks_[node]->has_forgotten = false;
}

// Its data is gone against the rules: one more disk that a majority must do without.
void LocalCluster::mark_wiped(std::size_t node) {
  forget_disk(node);
  disks_[node]->has_rotten = disks_[node]->has_suffered = true;
}

bool LocalCluster::is_excused(std::size_t node) const {
  return disks_.size() > node && (disks_[node]->has_suffered || disks_[node]->has_forgotten);
}

Rng LocalCluster::draws_of_next_fault() { return Rng(options_.disks.seed).fork("disks").fork(disk_faults_++); }

Result<Value> LocalCluster::apply_disk(const Fault& fault) {
  if (fault.kind == "kill") return apply_power_loss(fault);
  if (is_rule(fault.kind)) return apply_rule(fault);
  if (rots(fault.kind)) return apply_rot(fault);
  return apply_pressure(fault);
}

// --- power losses ---------------------------------------------------------------------------------------------------------------------

Result<Value> LocalCluster::apply_power_loss(const Fault& fault) {
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (daemons_[node]->state() == Daemon::State::down || options_.disks.images) continue;
    if (auto can = disks_[node]->supervisor->can_lose(daemons_[node]->identity().pid); !can)
      return Error::environment(name + ": " + can.error().message, can.error().remedy);
  }
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}, .disk = {}};
  Fields value, killed;
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (daemons_[node]->state() != Daemon::State::down) {
      if (auto done = daemons_[node]->kill(); !done) return done.error();
      killed[name] = static_cast<std::int64_t>(daemons_[node]->identity().pid);
    }
    active.nodes.push_back(node);  // one that was down is without power, too
  }
  active_.push_back(active);
  Rng rng = draws_of_next_fault();
  for (const std::size_t node : active.nodes) {
    auto lost = lose_power(node, disk_loss_of(fault).value(), rng);
    if (!lost) return node_error(node, lost.error().message);
    disks_[node]->has_forgotten = disks_[node]->has_forgotten || lost.value().pages + lost.value().entries > 0;
    add_loss(value, lost.value());
  }
  value["killed"] = to_value(killed);
  return to_value(value);
}

// A node that lost what it relied on may refuse to start, and may then come back as a new member.
Result<void> LocalCluster::bring_back_forgetful() {
  for (const std::size_t node : members()) {
    NodeDisk& disk = *disks_[node];
    if (!disk.has_forgotten || !daemons_[node]->ended_unasked()) continue;
    if (!options_.membership) continue;
    standings_[node] = Standing::in_doubt;
    if (auto back = bring_in(node); !back) return back;
  }
  return {};
}

// --- rules ----------------------------------------------------------------------------------------------------------------------------

Result<Value> LocalCluster::apply_rule(const Fault& fault) {
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}, .disk = std::make_shared<ActiveDisk>()};
  Fields skipped;
  std::vector<Value> hit;
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (fault.kind == "crash_point" && daemons_[node]->state() == Daemon::State::down) {
      skipped[name] = "is down (" + daemons_[node]->end() + ")";
      continue;
    }
    DiskRule rule = disk_rule_of(fault).value();
    if (auto* crash = std::get_if<CrashRule>(&rule)) {
      crash->crash = [daemon = daemons_[node].get()] { (void)daemon->kill().ok(); };
    } else if (fault.kind != "slow_disk") {
      disks_[node]->has_suffered = true;
    }
    const auto added = disks_[node]->supervisor->add(std::move(rule));
    if (!added) {
      skipped[name] = added.error().message;
      continue;
    }
    active.nodes.push_back(node);
    active.disk->rules.push_back(added.value());
    hit.emplace_back(name);
  }
  if (active.nodes.empty()) return none_took(fault, skipped);
  active_.push_back(active);
  Fields value{{fault.kind == "crash_point" ? "armed" : "affected", Value::list(std::move(hit))}};
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  return to_value(value);
}

Result<Value> LocalCluster::heal_rule(const Active& healed) {
  static const std::map<std::string, std::string, std::less<>> counters{{"io_error", "io_errors"},
                                                                        {"fsync_error", "failed_syncs"},
                                                                        {"enospc", "refused_writes"},
                                                                        {"slow_disk", "slowed_calls"}};
  Fields value, crashed;
  Rng rng = draws_of_next_fault();
  std::string failures;
  const auto collect = [&](const Error& error) { failures += (failures.empty() ? "" : "\n") + error.message; };
  for (std::size_t i = 0; i < healed.nodes.size(); ++i) {
    const std::size_t node = healed.nodes[i];
    DiskControl& supervisor = *disks_[node]->supervisor;
    const auto removed = supervisor.remove(healed.disk->rules[i]);
    if (!removed) {
      collect(removed.error());
      continue;
    }
    const DiskRuleEffect effect = removed.value();
    if (healed.fault.kind == "crash_point") {
      if (effect.count == 0) continue;
      crashed[places_[node].name] = static_cast<std::int64_t>(daemons_[node]->identity().pid);
      if (auto killed = daemons_[node]->kill(); !killed) {
        collect(killed.error());
        continue;
      }
      const auto lost = supervisor.lose(disk_loss_of(healed.fault).value(), rng);
      lost ? add_loss(value, lost.value()) : collect(lost.error());
      continue;
    }
    add(value, counters.find(healed.fault.kind)->second, effect.count);
    if (effect.pages > 0) add(value, "dropped_pages", effect.pages);
    if (is_under(healed.fault.kind, node)) continue;
    if (auto probed = supervisor.probe(); !probed) collect(node_error(node, probed.error().message));
  }
  if (!crashed.empty()) value["crashed"] = to_value(crashed);
  if (auto back = start_those_down(healed.nodes); !back) {
    collect(back.error());
  } else if (!back.value().as_map().empty()) {
    value["restarted"] = back.value();
  }
  if (!failures.empty()) return Error::environment(std::move(failures), "read the log of the node");
  return to_value(value);
}

// Those of these nodes that ended and are not held down by a fault: {"n1":4711}.
Result<Value> LocalCluster::start_those_down(const Indices& nodes) {
  Fields back;
  for (const std::size_t node : nodes) {
    if (daemons_[node]->state() != Daemon::State::down || standings_[node] != Standing::member) continue;
    if (is_under("kill", node) || is_under("wipe", node)) continue;
    if (auto started = start_daemon(node); !started) return started.error();
    back[places_[node].name] = static_cast<std::int64_t>(daemons_[node]->identity().pid);
  }
  return to_value(back);
}

// --- files that rot -------------------------------------------------------------------------------------------------------------------

bool LocalCluster::may_rot(std::size_t node) const {
  std::size_t rotten = 0;
  for (const std::size_t member : members()) rotten += member != node && disks_[member]->has_rotten ? 1 : 0;
  return 2 * (rotten + 1) < std::max<std::size_t>(members().size(), 1);
}

Result<Value> LocalCluster::apply_rot(const Fault& fault) {
  const RotPlan plan = rot_of(fault).value();
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}, .disk = std::make_shared<ActiveDisk>()};
  Fields skipped, files;
  std::uint64_t amount = 0;
  Rng rng = draws_of_next_fault();
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    NodeDisk& disk = *disks_[node];
    if (!may_rot(node) || daemons_[node]->state() != Daemon::State::running) {
      skipped[name] = may_rot(node) ? "does not run" : "a majority of clean disks must remain";
      continue;
    }
    const auto file = disk.files->pick(plan.file, daemons_[node]->identity().pid, rng);
    if (!file) {
      skipped[name] = "has no such file that is closed";
      continue;
    }
    if (auto killed = daemons_[node]->kill(); !killed) return killed.error();
    disk.has_suffered = disk.has_rotten = true;
    auto edits = disk.files->rot(plan, *file, rng);
    if (auto started = start_daemon(node); !started) return started.error();
    if (!edits) return node_error(node, edits.error().message);
    for (const FileEdit& edit : edits.value()) amount += plan.cuts ? edit.before.size() : 1;
    files[name] = edits.value().front().name;
    active.nodes.push_back(node);
    active.disk->edits.push_back(std::move(edits).value());
  }
  if (active.nodes.empty()) return none_took(fault, skipped);
  active_.push_back(active);
  Fields value{{plan.cuts ? "truncated_bytes" : "flipped_bits", static_cast<std::int64_t>(amount)},
               {"files", to_value(files)}};
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  return to_value(value);
}

// What the daemon has not changed since is put back while it is down. If it has changed some of it, it may have built on what was wrong: where
// members can be changed it comes back as a new one, else its files stay as they are.
Result<Value> LocalCluster::heal_rot(const Active& healed) {
  std::vector<Value> restored, rejoined, kept;
  for (std::size_t i = 0; i < healed.nodes.size(); ++i) {
    const std::size_t node = healed.nodes[i];
    if (standings_[node] != Standing::member) continue;
    if (auto killed = daemons_[node]->kill(); !killed) return killed.error();
    bool whole = true;
    const auto& edits = healed.disk->edits[i];
    for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) {
      const auto back = disks_[node]->files->take_back(*edit);
      if (!back) return node_error(node, back.error().message);
      whole = whole && back.value();
    }
    if (whole) {
      disks_[node]->has_rotten = false;
      restored.emplace_back(places_[node].name);
    } else if (options_.membership) {
      standings_[node] = Standing::in_doubt;
      if (auto back = bring_in(node); !back) return back.error();
      rejoined.emplace_back(places_[node].name);
      continue;
    } else {
      kept.emplace_back(places_[node].name);
    }
    if (auto back = start_those_down({node}); !back) return back.error();
  }
  Fields value{{"restored", Value::list(std::move(restored))}};
  if (!rejoined.empty()) value["rejoined"] = Value::list(std::move(rejoined));
  if (!kept.empty()) value["changed_since"] = Value::list(std::move(kept));
  return to_value(value);
}

// --- little processor time --------------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<NodePressure>> LocalCluster::press(std::size_t node, double speed) {
  const NodeName& name = places_[node].name;
  if (options_.machines) return options_.machines->press(name, speed);
  auto pressure = CpuPressure::start(*daemons_[node], name, speed, *leftovers_);
  if (!pressure) return pressure.error();
  return std::unique_ptr<NodePressure>(std::move(pressure).value());
}

Result<Value> LocalCluster::apply_pressure(const Fault& fault) {
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}, .disk = std::make_shared<ActiveDisk>()};
  Fields skipped, slowed;
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (is_under("pressure", node)) {
      skipped[name] = "is under pressure already";
      continue;
    }
    auto pressure = press(node, speed_of(fault).value());
    if (!pressure) {
      skipped[name] = pressure.error().message;
      continue;
    }
    slowed[name] = pressure.value()->describe();
    active.nodes.push_back(node);
    active.disk->pressures.push_back(std::move(pressure).value());
  }
  if (active.nodes.empty()) return none_took(fault, skipped);
  active_.push_back(active);
  Fields value{{"slowed", to_value(slowed)}};
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  return to_value(value);
}

Result<Value> LocalCluster::heal_pressure(const Active& healed) {
  Fields value;
  for (const auto& pressure : healed.disk->pressures) {
    add(value, "slowed_events", pressure->waits());
    if (auto ended = pressure->end(); !ended) return ended.error();
  }
  return to_value(value);
}

// --- healing ----------------------------------------------------------------------------------------------------------------------------

Result<Value> LocalCluster::heal_disk(const Active& healed) {
  if (healed.fault.kind == "pressure") return heal_pressure(healed);
  return rots(healed.fault.kind) ? heal_rot(healed) : heal_rule(healed);
}

// Ends what is on the disks and processors, and brings nobody back.
void LocalCluster::release_disks() {
  for (const Active& active : active_) {
    if (!active.disk) continue;
    for (std::size_t i = 0; i < active.disk->rules.size(); ++i)
      (void)disks_[active.nodes[i]]->supervisor->remove(active.disk->rules[i]).ok();
    active.disk->pressures.clear();
  }
}

Result<void> LocalCluster::heal_disks() {
  std::string failures;
  for (auto at = active_.begin(); at != active_.end();) {
    if (!at->disk) {
      ++at;
      continue;
    }
    const Active healed = *at;
    at = active_.erase(at);
    if (auto done = heal_disk(healed); !done) failures += (failures.empty() ? "" : "\n") + done.error().message;
  }
  for (std::size_t node = 0; node < disks_.size(); ++node) {
    if (!disks_[node]->supervisor || standings_[node] != Standing::member) continue;
    if (auto probed = disks_[node]->supervisor->probe(); !probed)
      failures += (failures.empty() ? "" : "\n") + places_[node].name + ": " + probed.error().message;
  }
  for (const auto& disk : disks_) disk->has_suffered = disk->has_rotten;
  if (failures.empty()) return {};
  return Error::environment(std::move(failures), "read the log of the node");
}

}  // namespace faultline::live
