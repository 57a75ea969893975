// The faults `restart` and `upgrade` of a local cluster: daemons are stopped as an administrator does it (SIGTERM, and SIGKILL after a
// grace) and started again, each once the one before is ready; an upgrade starts another version of the daemon.
//
// A whole round is one call of apply(), as the next step depends on the one before. A node that does not come back ends the round: the
// others stay as they are, and heal() starts it again. Mixed versions end by going on: heal() brings every node to the version asked for
// last.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <thread>

#include <faultline/text.hpp>

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Fields = std::map<std::string, Value>;

constexpr auto look_again = std::chrono::milliseconds(10);

Value to_value(const Fields& fields) {
  std::vector<Value::Entry> entries;
  for (const auto& [name, value] : fields) entries.emplace_back(name, value);
  return Value::map(std::move(entries));
}

Result<Duration> duration_in(const Fault& fault, std::string_view name, Duration otherwise) {
  const Value& value = fault.parameters.get(name);
  if (value.is_null()) return otherwise;
  const auto parsed =
      value.is_string() ? parse_duration(value.as_text()) : Result<Duration>(Error::bad_input("no duration"));
  if (parsed && parsed.value() >= Duration::zero()) return parsed.value();
  return Error::bad_input("fault '" + fault.kind + "': '" + std::string(name) +
                          "' must be a duration such as \"50ms\"");
}

// What the process executes; empty if it cannot be seen.
std::string program_of(pid_t process) {
  std::error_code ignored;
  return fs::read_symlink("/proc/" + std::to_string(process) + "/exe", ignored).string();
}

}  // namespace

bool LocalCluster::is_restart(const Fault& fault) { return fault.kind == "restart" || fault.kind == "upgrade"; }

Result<void> LocalCluster::supports_restart(const Fault& fault) const {
  for (const std::string_view name : {"grace", "down"}) {
    if (auto read = duration_in(fault, name, {}); !read) return read.error();
  }
  if (fault.kind == "restart") return {};
  if (options_.versions < 2) {
    return Error::bad_input("fault 'upgrade' is not available: there is one version of the daemon",
                            "name others with --upgrade-to, or use rolling");
  }
  const Value& to = fault.parameters.get("to");
  const auto last = static_cast<std::int64_t>(options_.versions);
  if (to.is_null() || (to.is_integer() && to.as_integer() >= 1 && to.as_integer() <= last)) return {};
  return Error::bad_input("fault 'upgrade': there is no version " + to.to_string() + " of the daemon",
                          "known: 1 to " + std::to_string(last));
}

// Stops the node, and starts it again; it is ready when this returns.
Result<void> LocalCluster::restart_node(std::size_t node, const Fault& fault) {
  if (auto stopped = daemons_[node]->stop(duration_in(fault, "grace", options_.stop_grace).value()); !stopped)
    return stopped;
  const auto until = Clock::now() + duration_in(fault, "down", {}).value();
  while (Clock::now() < until && !stopping_) std::this_thread::sleep_for(look_again);
  if (fault.kind == "upgrade") places_[node].version = version_;
  if (auto started = start_daemon(node); !started) return started;
  return wait_until_ready({node});
}

// What the daemon executes; of a remote one what it was told to.
std::string LocalCluster::running_program(std::size_t node) const {
  return options_.machines ? daemons_[node]->spec().command.front() : program_of(daemons_[node]->identity().pid);
}

Result<Value> LocalCluster::apply_restart(const Fault& fault) {
  const bool upgrades = fault.kind == "upgrade";
  if (upgrades) version_ = static_cast<std::size_t>(fault.parameters.get("to").as_integer()) - 1;
  Fields done, skipped;
  Active active{.fault = fault, .nodes = {}, .before = {}};
  for (const auto& name : fault.nodes) active.nodes.push_back(index_of(name));
  active_.push_back(active);
  for (const std::size_t node : active.nodes) {
    const NodeName& name = places_[node].name;
    const auto state = daemons_[node]->state();
    if (standings_[node] != Standing::member || state != Daemon::State::running) {
      skipped[name] = standings_[node] != Standing::member ? "is no member now"
                      : state == Daemon::State::paused     ? "is paused"
                                                           : "is down (" + daemons_[node]->end() + ")";
      continue;
    }
    if (upgrades && places_[node].version == version_) {
      skipped[name] = "runs this version already";
      continue;
    }
    if (auto back = restart_node(node, fault); !back) return back.error();
    done[name] =
        upgrades ? Value(running_program(node)) : Value(static_cast<std::int64_t>(daemons_[node]->identity().pid));
  }
  if (done.empty()) {
    return Error::environment("no node could take the fault '" + fault.kind + "': " + to_value(skipped).to_string());
  }
  Fields value{{upgrades ? "upgraded" : "restarted", to_value(done)}};
  if (!skipped.empty()) value["skipped"] = to_value(skipped);
  return to_value(value);
}

// Whoever did not come back is started; after an upgrade all go on with its version.
Result<Value> LocalCluster::heal_restart(const Active& healed) {
  auto back = start_those_down(healed.nodes);
  if (!back) return back.error();
  Fields value;
  if (!back.value().as_map().empty()) value["restarted"] = back.value();
  if (healed.fault.kind == "restart") return to_value(value);
  Fields upgraded;
  for (const std::size_t node : members()) {
    if (places_[node].version == version_ || daemons_[node]->state() != Daemon::State::running) continue;
    if (auto done = restart_node(node, healed.fault); !done) return done.error();
    upgraded[places_[node].name] = running_program(node);
  }
  value["upgraded"] = to_value(upgraded);
  return to_value(value);
}

// For heal_all(), which starts what is down: those of another version than the rest stop.
Result<void> LocalCluster::stop_old_versions() {
  for (std::size_t node = 0; node < places_.size(); ++node) {
    if (places_[node].version == version_) continue;
    places_[node].version = version_;
    if (daemons_[node]->state() == Daemon::State::down) continue;
    if (auto stopped = daemons_[node]->stop(options_.stop_grace); !stopped) return stopped;
  }
  return {};
}

}  // namespace faultline::live
