#include <faultline/sim/sim_world.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine.hpp"

namespace faultline::sim {

std::string_view to_string(Happening::Kind kind) {
  constexpr std::array<std::string_view, 15> names{
      "booted", "refused to start", "killed", "crashed",   "exited",  "paused",   "resumed", "role", "note",
      "fault",  "healed",           "sent",   "delivered", "dropped", "disk call"};
  return names[static_cast<std::size_t>(kind)];
}

SimWorld::SimWorld(SimOptions options, System& system)
    : engine_(std::make_unique<Engine>(std::move(options), system, *this)) {}

SimWorld::~SimWorld() = default;

// --- World -------------------------------------------------------------------------------------------------------------------

Instant SimWorld::now() const { return Instant(Duration(engine_->now)); }

void SimWorld::dispatch(const Event& invocation) {
  if (invocation.process != nemesis_process) return engine_->dispatch_to_client(invocation);
  engine_->asked.push_back(invocation);
  Item item;
  item.kind = Item::Kind::nemesis;
  engine_->queue.push(engine_->now, std::move(item));
}

std::optional<Event> SimWorld::next_completion(Instant until) {
  Engine& engine = *engine_;
  const Ticks limit = std::max(engine.now, until.time_since_epoch().count());
  for (;;) {
    if (!engine.completions.empty()) {
      Event completion = std::move(engine.completions.front());
      engine.completions.pop_front();
      return completion;
    }
    if (std::exchange(engine.is_interrupted, false)) return std::nullopt;
    if (engine.queue.next_time() > limit || engine.queue.is_empty()) break;
    engine.step();
  }
  if (until != Instant::max()) engine.now = limit;
  return std::nullopt;
}

// --- FaultPort -----------------------------------------------------------------------------------------------------------------

std::vector<NodeName> SimWorld::nodes() const { return engine_->options.nodes; }

std::vector<NodeName> SimWorld::primaries() {
  std::vector<NodeName> names;
  for (const Node& node : engine_->nodes) {
    if (node.is_up && node.pauses == 0 && node.daemon && node.daemon->leads()) names.push_back(node.name);
  }
  return names;
}

Result<void> SimWorld::supports(const Fault& fault) const {
  const auto plan = read_plan(fault, engine_->options);
  if (!plan) return plan.error();
  if (std::holds_alternative<MembershipPlan>(plan.value().what) && !engine_->system.changes_members()) {
    return Error::bad_input(
        "fault 'membership' is not available: this system's members cannot be changed while it runs", "leave it out");
  }
  return {};
}

Result<Value> SimWorld::apply(const Fault& fault) { return engine_->apply(fault); }
Result<Value> SimWorld::heal(const Fault& fault) { return engine_->heal(fault); }
Result<Value> SimWorld::heal_all() { return engine_->heal_all(); }
bool SimWorld::settled() const { return engine_->tasks.empty(); }

// --- Schedules -----------------------------------------------------------------------------------------------------------------

Result<void> SimWorld::watch(const Schedule& schedule) { return engine_->watch(schedule); }

void SimWorld::stop_watching() {
  engine_->has_schedule = false;
  engine_->frame_triggers.clear();
  engine_->call_triggers.clear();
  engine_->role_triggers.clear();
}

std::vector<Event> SimWorld::take_notes() { return std::exchange(engine_->notes, {}); }

// --- Driving -------------------------------------------------------------------------------------------------------------------

bool SimWorld::step() { return engine_->step(); }
bool SimWorld::run_until(Instant until) { return engine_->run_until(until.time_since_epoch().count()); }

Result<Value> SimWorld::heal_core(std::span<const NodeIndex> core) {
  stop_watching();
  return engine_->heal_core(core);
}

// --- Looking -------------------------------------------------------------------------------------------------------------------

const SimOptions& SimWorld::options() const { return engine_->options; }
const NodeName& SimWorld::name(NodeIndex node) const { return engine_->nodes.at(node).name; }
bool SimWorld::is_running(NodeIndex node) const { return engine_->nodes.at(node).is_up; }
bool SimWorld::is_paused(NodeIndex node) const { return engine_->nodes.at(node).pauses > 0; }
bool SimWorld::is_member(NodeIndex node) const { return engine_->nodes.at(node).standing == Node::Standing::member; }
Daemon* SimWorld::daemon(NodeIndex node) { return engine_->nodes.at(node).daemon.get(); }
std::string SimWorld::end_of(NodeIndex node) const { return engine_->nodes.at(node).end; }
const std::vector<std::string>& SimWorld::unexpected_ends() const { return engine_->unexpected; }
bool SimWorld::is_rotten(NodeIndex node) const { return engine_->nodes.at(node).is_rotten; }
bool SimWorld::runs_fast(NodeIndex node) const { return engine_->nodes.at(node).mono.runs_fast(); }
const std::optional<Violation>& SimWorld::violation() const { return engine_->violation; }
const Counters& SimWorld::counters() const { return engine_->counters; }

std::map<std::string, std::uint64_t> SimWorld::draws() const {
  std::map<std::string, std::uint64_t> all;
  const std::size_t count = engine_->nodes.size();
  for (std::size_t i = 0; i < count; ++i) {
    all["disk " + engine_->nodes[i].name] = engine_->nodes[i].disk_rng.draws();
    for (std::size_t j = 0; j < count; ++j) {
      if (i != j)
        all[fmt::format("link {} {}", engine_->nodes[i].name, engine_->nodes[j].name)] =
            engine_->links[i * count + j].rng.draws();
    }
  }
  for (std::size_t worker = 0; worker < engine_->clients.size(); ++worker) {
    all[fmt::format("link c{} up", worker)] = engine_->links[count * count + 2 * worker].rng.draws();
    all[fmt::format("link c{} down", worker)] = engine_->links[count * count + 2 * worker + 1].rng.draws();
  }
  return all;
}

std::uint64_t SimWorld::hash() const {
  Hash all = engine_->hash;
  all.mix(engine_->counters.events);
  for (const auto& [stream, count] : draws()) all.mix(count);
  engine_->system.mix(all);
  return all.value();
}

void SimWorld::record_hashes(std::uint64_t every) { engine_->hash_every = every; }
const std::vector<std::uint64_t>& SimWorld::hashes() const { return engine_->hashes; }

void SimWorld::record_all(std::size_t limit) {
  FL_ASSERT(limit > 0);
  engine_->records_all = true;
  engine_->trace_limit = limit;
}

std::vector<Happening> SimWorld::trace() const { return {engine_->trace.begin(), engine_->trace.end()}; }

}  // namespace faultline::sim
