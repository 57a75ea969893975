// Healing: each fault by itself, all of them, or those of a core for good. Every heal says what the fault did.
#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

namespace {

Value number(std::uint64_t n) { return static_cast<std::int64_t>(n); }

std::uint64_t milliseconds(Ticks skew) {
  constexpr Ticks one = 1'000'000;
  const Ticks size = skew < 0 ? -skew : skew;
  return static_cast<std::uint64_t>((size + one - 1) / one);
}

struct Healing {
  Engine& engine;
  Active& active;
  Fields fields;
  Fields restarted, refused;

  void add(std::string_view counter, std::uint64_t n) { fields.emplace_back(counter, number(n)); }
  Node& node_of(const Active::On& on) { return engine.nodes[on.node]; }
  void start(NodeIndex node) { engine.restart(node, restarted, refused); }
  void start_those_down() {
    for (const Active::On& on : active.on) start(on.node);
  }
  // After it was taken out of the list.
  [[nodiscard]] Ticks cost_by_others(NodeIndex node) const {
    Ticks cost = 0;
    for (const auto& other : engine.active) {
      const auto* plan = std::get_if<PressurePlan>(&other->plan.what);
      if (plan == nullptr) continue;
      for (const Active::On& on : other->on) {
        if (on.node == node)
          cost =
              std::max(cost, static_cast<Ticks>(static_cast<double>(engine.options.event_cost.count()) / plan->speed));
      }
    }
    return cost;
  }
  void release_disks() {
    for (const Active::On& on : active.on) std::erase(node_of(on).disk_faults, &active);
  }
  LinkCounters counters() {
    LinkCounters now = engine.sum(active.links);
    const LinkCounters& before = active.before;
    now.dropped -= before.dropped, now.held -= before.held, now.delayed -= before.delayed, now.lost -= before.lost;
    now.duplicated -= before.duplicated, now.reordered -= before.reordered;
    now.corrupted -= before.corrupted, now.throttled -= before.throttled;
    return now;
  }
  void tell_loss() {
    if (active.loss.pages + active.loss.entries == 0) return;
    add("rolled_back_pages", active.loss.pages);
    add("undone_entries", active.loss.entries);
  }

  void operator()(const PartitionPlan&) {
    for (const std::uint32_t link : active.links) --engine.links[link].cuts;
    add("dropped_packets", counters().dropped);
  }
  void operator()(const ClogPlan&) {
    for (const std::uint32_t link : active.links) engine.unclog(link);
    add("held_packets", counters().held);
  }
  void operator()(const SwizzlePlan& plan) {
    for (std::size_t i = 0; i < plan.clogs.size(); ++i) {
      if (std::exchange(active.swizzled[i], 0) == 0) continue;
      for (const std::uint32_t link : engine.links_of(plan.clogs[i].node)) engine.unclog(link);
    }
    add("held_packets", counters().held);
  }
  void operator()(const PacketPlan&) {
    for (const std::uint32_t link : active.links) {
      std::erase(engine.links[link].faults, active.packet.get());
      if (engine.links[link].faults.empty()) engine.links[link].free_at = 0;
    }
    const LinkCounters c = counters();
    for (const auto& [name, n] :
         {std::pair("delayed_packets", c.delayed), std::pair("lost_packets", c.lost),
          std::pair("duplicated_packets", c.duplicated), std::pair("reordered_packets", c.reordered),
          std::pair("corrupted_packets", c.corrupted), std::pair("throttled_packets", c.throttled)}) {
      if (n > 0) add(name, n);
    }
  }
  void operator()(const KillPlan&) {
    for (const NodeIndex node : active.down) start(node);
    tell_loss();
  }
  void operator()(const CrashPlan&) {
    release_disks();
    Fields crashed;
    for (const auto& [node, boot] : active.crashed) crashed.emplace_back(engine.nodes[node].name, number(boot));
    if (!crashed.empty()) fields.emplace_back("crashed", Value::map(std::move(crashed)));
    tell_loss();
    for (const NodeIndex node : active.down) start(node);
  }
  // Those whose turn did not come stay as they are.
  void operator()(const RestartPlan&) {
    for (const auto& [node, boot] : active.restarted) restarted.emplace_back(engine.nodes[node].name, number(boot));
    for (const NodeIndex node : active.down) start(node);
  }
  void operator()(const PausePlan&) {
    Fields resumed;
    std::uint64_t held = 0;
    for (const Active::On& on : active.on) {
      Node& node = node_of(on);
      held += node.held_events - on.before;
      if (!node.is_up || node.boot != on.boot || node.pauses == 0) continue;
      if (--node.pauses > 0) continue;
      engine.happen(Happening::Kind::resumed, on.node, {});
      engine.resume(on.node);
      resumed.emplace_back(node.name, number(node.boot));
    }
    fields.emplace_back("resumed", Value::map(std::move(resumed)));
    add("held_events", held);
  }
  void operator()(const ClockPlan& plan) {
    std::uint64_t reads = 0, skew = 0;
    const bool strobes = plan.change == ClockPlan::Change::strobe;
    for (const Active::On& on : active.on) {
      Node& node = node_of(on);
      reads += node.clock_reads - on.before;
      if (plan.wall) skew = std::max(skew, milliseconds(node.wall.skew(engine.now) - on.wall_skew));
      if (plan.mono) skew = std::max(skew, milliseconds(node.mono.skew(engine.now) - on.mono_skew));
      if (strobes) skew = std::max(skew, milliseconds(plan.by));
      // Others that lie on the same clock end with it: a clock is right or it is not.
      if (plan.wall) node.wall.correct(engine.now);
      // Where a monotonic clock stands means nothing; it must only go at its rate, and never back.
      if (plan.mono) node.mono.steady(engine.now);
      engine.arm(on.node);
    }
    add("skew_ms", skew);
    add("clock_reads", reads);
  }
  void operator()(const IoErrorPlan&) {
    release_disks();
    add("io_errors", active.count);
    start_those_down();
  }
  void operator()(const SyncErrorPlan&) {
    release_disks();
    add("failed_syncs", active.count);
    add("dropped_pages", active.pages);
    start_those_down();
  }
  void operator()(const SpacePlan&) {
    release_disks();
    add("refused_writes", active.count);
    start_those_down();
  }
  void operator()(const SlowDiskPlan&) {
    release_disks();
    add("slowed_calls", active.count);
  }
  void operator()(const BitFlipPlan&) { start_those_down(); }
  void operator()(const TruncatePlan&) { start_those_down(); }
  void operator()(const WipePlan&) {
    for (const NodeIndex node : active.down) start(node);
  }
  void operator()(const MembershipPlan& plan) {
    std::vector<MemberTask::Step> steps;
    for (const Active::On& on : active.on) {
      const bool held = std::any_of(engine.active.begin(), engine.active.end(), [&](const auto& other) {
        return std::holds_alternative<MembershipPlan>(other->plan.what) &&
               std::any_of(other->on.begin(), other->on.end(), [&](const auto& o) { return o.node == on.node; });
      });
      if (!held) steps.push_back({on.node, !plan.grows});
    }
    if (!steps.empty()) engine.change(std::move(steps), plan.grows ? "left" : "returned", true);
  }
  void operator()(const PressurePlan&) {
    std::uint64_t slowed = 0;
    for (const Active::On& on : active.on) {
      Node& node = node_of(on);
      slowed += node.slowed_events - on.before;
      node.cost = cost_by_others(on.node);
      if (node.cost == 0) engine.resume(on.node);
    }
    add("slowed_events", slowed);
  }

  Value finish() {
    if (!restarted.empty()) fields.emplace_back("restarted", Value::map(std::move(restarted)));
    if (!refused.empty()) fields.emplace_back("refused", Value::map(std::move(refused)));
    return Value::map(std::move(fields));
  }
};

}  // namespace

// Starts a node that is down, unless another fault keeps it so or it is no member now. One in doubt may still be needed for the majority that
// must decide about it; but one whose disk is not what it was waits for its removal.
void Engine::restart(NodeIndex index, Fields& restarted, Fields& refused) {
  Node& node = nodes[index];
  const bool in_doubt = node.standing == Node::Standing::in_doubt && !node.is_rotten && !node.is_emptied;
  if (node.is_up || is_held_down(index) || !(in_doubt || node.standing == Node::Standing::member)) return;
  if (boot(index)) {
    restarted.emplace_back(node.name, number(node.boot));
  } else {
    refused.emplace_back(node.name, node.end);
  }
}

// The oldest that is equal. None: healed already.
Result<Value> Engine::heal(const Fault& fault) {
  const auto found = std::find_if(active.begin(), active.end(), [&](const auto& each) { return each->fault == fault; });
  if (found == active.end()) return Value::map({});
  return heal_active((*found)->id);
}

Result<Value> Engine::heal_active(std::uint64_t id) {
  if (is_frozen) return Error::environment("the faults of this run are frozen");
  const auto found = std::find_if(active.begin(), active.end(), [&](const auto& each) { return each->id == id; });
  if (found == active.end()) return Value::map({});
  const std::unique_ptr<Active> healed = std::move(*found);
  active.erase(found);
  hash.mix(id);
  happen(Happening::Kind::healed, no_node, to_value(healed->fault).to_string());
  Healing healing{*this, *healed, {}, {}, {}};
  std::visit(healing, healed->plan.what);
  return healing.finish();
}

void Engine::clear_link(std::uint32_t index) {
  Link& link = links[index];
  link.cuts = 0;
  link.faults.clear();
  link.free_at = 0;
  if (link.clogs == 0) return;
  link.clogs = 1;
  unclog(index);
}

void Engine::clear_node(NodeIndex index) {
  Node& node = nodes[index];
  node.disk_faults.clear();
  node.cost = 0;
  node.wall.correct(now);
  node.mono.steady(now);
  if (std::exchange(node.pauses, 0) > 0) happen(Happening::Kind::resumed, index, {});
  if (node.is_up) resume(index);
}

Result<Value> Engine::heal_all() {
  is_frozen = false;
  happen(Happening::Kind::healed, no_node, "everything");
  give_up_tasks();
  for (NodeIndex node = 0; node < nodes.size(); ++node) retire(node);
  for (std::uint32_t link = 0; link < links.size(); ++link) clear_link(link);
  for (NodeIndex node = 0; node < nodes.size(); ++node) clear_node(node);
  active.clear();
  Fields restarted, refused;
  for (NodeIndex node = 0; node < nodes.size(); ++node) restart(node, restarted, refused);
  // Founders that are missing first: they may be needed for a majority.
  std::vector<MemberTask::Step> steps;
  for (NodeIndex node = 0; node < nodes.size(); ++node) {
    const bool founder = node < options.nodes.size();
    Node& at = nodes[node];
    const bool is_lost = founder && !at.is_up && at.standing == Node::Standing::member && system.changes_members();
    if (is_lost) at.standing = Node::Standing::in_doubt;
    if (at.standing != (founder ? Node::Standing::member : Node::Standing::outside)) steps.push_back({node, founder});
  }
  if (!steps.empty()) {
    // However impatient the administrator was before.
    change(std::move(steps), "restored");
    if (!tasks.empty()) tasks.back().limit = std::max(tasks.back().limit, Ticks{SimOptions().membership_limit.count()});
  }
  return probe();
}

// What is left of faults, by looking: the world knows every rule that lies on it.
Result<Value> Engine::probe() {
  std::string left;
  std::int64_t reachable = 0;
  std::vector<Value> running_nodes;
  Fields refused;
  const auto complain = [&](const std::string& what) { left += (left.empty() ? "" : "\n") + what; };
  for (NodeIndex i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.standing == Node::Standing::outside) continue;
    if (node.is_up) running_nodes.emplace_back(node.name);
    if (!node.is_up && node.standing == Node::Standing::member) refused.emplace_back(node.name, node.end);
    if (node.pauses > 0 || node.cost > 0) complain(node.name + " is still held back");
    if (!node.disk_faults.empty()) complain("a fault is still on the disk of " + node.name);
    if (milliseconds(node.wall.skew(now)) > 1) complain("the clock of " + node.name + " is still wrong");
    for (NodeIndex j = 0; j < nodes.size(); ++j) {
      if (i == j || nodes[j].standing == Node::Standing::outside) continue;
      const Link& link = links[i * nodes.size() + j];
      const bool free = link.cuts == 0 && link.clogs == 0 && link.held.empty() && link.faults.empty();
      free ? void(++reachable) : complain(fmt::format("{} still does not reach {}", node.name, nodes[j].name));
    }
  }
  if (!left.empty()) return Error::environment(std::move(left));
  Fields fields{{"reachable_pairs", reachable}, {"running", Value::list(std::move(running_nodes))}};
  if (!refused.empty()) fields.emplace_back("refused", Value::map(std::move(refused)));
  return Value::map(std::move(fields));
}

Result<Value> Engine::heal_core(std::span<const NodeIndex> core) {
  is_frozen = true;
  give_up_tasks();
  for (NodeIndex node = 0; node < nodes.size(); ++node) retire(node);
  const auto in_core = [&](NodeIndex node) { return std::find(core.begin(), core.end(), node) != core.end(); };
  for (const NodeIndex i : core) {
    for (const NodeIndex j : core) clear_link(static_cast<std::uint32_t>(i * nodes.size() + j));
    clear_node(i);
  }
  const auto first_client = static_cast<std::uint32_t>(nodes.size() * nodes.size());
  for (std::uint32_t worker = 0; worker < clients.size(); ++worker) {
    if (!in_core(clients[worker].node)) continue;
    clear_link(first_client + 2 * worker);
    clear_link(first_client + 2 * worker + 1);
  }
  for (const auto& each : active) std::erase_if(each->down, in_core);
  Fields restarted, refused;
  for (const NodeIndex node : core) restart(node, restarted, refused);
  Fields fields;
  if (!restarted.empty()) fields.emplace_back("restarted", Value::map(std::move(restarted)));
  if (!refused.empty()) fields.emplace_back("refused", Value::map(std::move(refused)));
  return Value::map(std::move(fields));
}

}  // namespace faultline::sim
