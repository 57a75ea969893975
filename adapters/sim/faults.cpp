// Applying faults. Each kind says what it did, and which nodes could not take it.
#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

namespace {

// What one application does, collected into its result.
struct Application {
  Engine& engine;
  Active& active;
  Fields skipped;

  [[nodiscard]] Value name(NodeIndex node) const { return engine.nodes[node].name; }
  void skip(NodeIndex node, std::string_view why) { skipped.emplace_back(name(node), why); }
  bool is_member(NodeIndex node) {
    const bool member = engine.nodes[node].standing != Node::Standing::outside;
    if (!member) skip(node, "is no member");
    return member;
  }
  bool is_up(NodeIndex node) {
    if (!is_member(node)) return false;
    const Node& at = engine.nodes[node];
    if (!at.is_up || at.is_doomed) skip(node, "is down (" + at.end + ")");
    return at.is_up && !at.is_doomed;
  }
  Active::On& take(NodeIndex node) {
    active.on.push_back({.node = node, .boot = engine.nodes[node].boot});
    return active.on.back();
  }
  // Files that may rot: none that the daemon writes to, or wrote to when it ended, for what is torn there is not told from what rotted.
  std::shared_ptr<Inode> rotting_file(NodeIndex node, const std::string& glob) {
    std::vector<std::shared_ptr<Inode>> found;
    for (const auto& [path, inode] : engine.nodes[node].image.files()) {
      const bool is_free = inode->open == 0 && !inode->was_open;
      if (matches(glob, path) && !inode->bytes().empty() && (is_free || engine.options.beyond_model))
        found.push_back(inode);
    }
    if (found.empty()) return nullptr;
    return found[active.rng.below(found.size())];
  }
  // The atlas: of what is durable, a majority of disks must stay as it was.
  bool may_rot(NodeIndex node) {
    if (!is_member(node)) return false;
    // One in doubt may have a vote that is missed, and may have none that could be counted on.
    const auto voters = std::count_if(engine.nodes.begin(), engine.nodes.end(),
                                      [](const Node& n) { return n.standing != Node::Standing::outside; });
    const auto clean = std::count_if(engine.nodes.begin(), engine.nodes.end(), [&](const Node& n) {
      return n.standing == Node::Standing::member && !n.is_rotten && &n != &engine.nodes[node];
    });
    const bool may = engine.options.beyond_model || engine.nodes[node].is_rotten || 2 * clean > voters;
    if (!may) skip(node, "a majority of clean disks must remain");
    return may;
  }
  Result<Value> taken(std::string_view counter, Fields hit) {
    if (hit.empty()) {
      return Error::environment(
          fmt::format("no node could take the fault '{}': {}", active.fault.kind, Value::map(skipped).to_string()));
    }
    return with_skipped({{counter, Value::map(std::move(hit))}});
  }
  Result<Value> taken(std::string_view counter, std::vector<Value> hit) {
    if (hit.empty()) return taken(counter, Fields());
    return with_skipped({{counter, Value::list(std::move(hit))}});
  }
  Value with_skipped(Fields fields) {
    if (!skipped.empty()) fields.emplace_back("skipped", Value::map(std::move(skipped)));
    return Value::map(std::move(fields));
  }

  Result<Value> operator()(const PartitionPlan& plan);
  Result<Value> operator()(const ClogPlan& plan);
  Result<Value> operator()(const SwizzlePlan& plan);
  Result<Value> operator()(const PacketPlan& plan);
  Result<Value> operator()(const KillPlan& plan);
  Result<Value> operator()(const RestartPlan& plan);
  Result<Value> operator()(const PausePlan& plan);
  Result<Value> operator()(const ClockPlan& plan);
  Result<Value> operator()(const BitFlipPlan& plan);
  Result<Value> operator()(const TruncatePlan& plan);
  Result<Value> operator()(const WipePlan& plan);
  Result<Value> operator()(const MembershipPlan& plan);
  Result<Value> operator()(const PressurePlan& plan);
  Result<Value> operator()(const CrashPlan& plan) { return lay_on_disks("armed", &plan); }
  Result<Value> operator()(const IoErrorPlan& plan) { return lay_on_disks("affected", &plan); }
  Result<Value> operator()(const SyncErrorPlan& plan) { return lay_on_disks("affected", &plan); }
  Result<Value> operator()(const SpacePlan& plan) { return lay_on_disks("affected", &plan); }
  Result<Value> operator()(const SlowDiskPlan& plan) { return lay_on_disks("affected", &plan); }

  void take_links(const std::vector<PlacePair>& pairs);
  template <class PlanOfDisk>
  Result<Value> lay_on_disks(std::string_view counter, const PlanOfDisk* plan);
};

Value number(std::uint64_t n) { return static_cast<std::int64_t>(n); }

// --- network --------------------------------------------------------------------------------------------------------------

// The links named, or all of the nodes'.
void Application::take_links(const std::vector<PlacePair>& pairs) {
  auto& links = active.links;
  for (const auto& [from, to] : pairs) {
    if (const std::uint32_t link = engine.link_between(from, to); link != Engine::no_link) links.push_back(link);
  }
  for (const NodeIndex node : pairs.empty() ? active.plan.nodes : std::vector<NodeIndex>()) {
    const auto its = engine.links_of(node);
    links.insert(links.end(), its.begin(), its.end());
  }
  std::sort(links.begin(), links.end());
  links.erase(std::unique(links.begin(), links.end()), links.end());
  active.before = engine.sum(links);
}

Result<Value> Application::operator()(const PartitionPlan& plan) {
  if (!plan.cuts.empty()) take_links(plan.cuts);
  for (const std::uint32_t link : active.links) ++engine.links[link].cuts;
  return Value::map({{"dropped_pairs", number(active.links.size())}});
}

Result<Value> Application::operator()(const ClogPlan& plan) {
  take_links(plan.links);
  for (const std::uint32_t link : active.links) engine.clog(link);
  return Value::map({{"clogged_links", number(active.links.size())}});
}

Result<Value> Application::operator()(const SwizzlePlan& plan) {
  active.swizzled.assign(plan.clogs.size(), 0);
  for (std::uint32_t i = 0; i < plan.clogs.size(); ++i) {
    for (const std::uint32_t link : engine.links_of(plan.clogs[i].node)) active.links.push_back(link);
    for (const auto& [kind, at] :
         {std::pair(Item::Kind::clog_begin, plan.clogs[i].from), std::pair(Item::Kind::clog_end, plan.clogs[i].to)}) {
      Item item;
      item.kind = kind;
      item.number = i;
      item.id = active.id;
      engine.queue.push(engine.now + at, std::move(item));
    }
  }
  std::sort(active.links.begin(), active.links.end());
  active.links.erase(std::unique(active.links.begin(), active.links.end()), active.links.end());
  active.before = engine.sum(active.links);
  return Value::map({{"clogged_links", number(active.links.size())}});
}

Result<Value> Application::operator()(const PacketPlan& plan) {
  take_links(plan.links);
  active.packet = std::make_unique<PacketFault>(PacketFault{plan.rules, active.rng.fork("packets")});
  for (const std::uint32_t link : active.links) engine.links[link].faults.push_back(active.packet.get());
  return Value::map({{"affected_links", number(active.links.size())}});
}

// --- processes --------------------------------------------------------------------------------------------------------------

Result<Value> Application::operator()(const KillPlan& plan) {
  Fields killed;
  for (const NodeIndex node : active.plan.nodes) {
    if (!is_up(node)) {
      // A second kill of a node that is down by the nemesis keeps it down until both are healed.
      if (engine.is_held_down(node)) active.down.push_back(node);
      continue;
    }
    take(node);
    active.down.push_back(node);
    killed.emplace_back(name(node), number(engine.nodes[node].boot));
    engine.doom(node, Happening::Kind::killed, "killed", plan.loss, active.id);
  }
  auto result = taken("killed", std::move(killed));
  if (!result || active.loss.pages + active.loss.entries == 0) return result;
  const auto entries = result.value().as_map();
  Fields fields(entries.begin(), entries.end());
  fields.emplace_back("rolled_back_pages", number(active.loss.pages));
  fields.emplace_back("undone_entries", number(active.loss.entries));
  active.loss = {};
  return Value::map(std::move(fields));
}

// The first goes down when this event is over, the others each in its turn.
Result<Value> Application::operator()(const RestartPlan&) {
  std::vector<Value> waiting;
  for (const NodeIndex node : active.plan.nodes) {
    if (is_up(node)) waiting.push_back(name(node));
  }
  Item item;
  item.kind = Item::Kind::restart;
  item.id = active.id;
  engine.queue.push(engine.now, std::move(item));
  return taken("restarting", std::move(waiting));
}

Result<Value> Application::operator()(const PausePlan&) {
  Fields paused;
  for (const NodeIndex node : active.plan.nodes) {
    if (!is_up(node)) continue;
    Node& at = engine.nodes[node];
    take(node).before = at.held_events;
    if (++at.pauses == 1) engine.happen(Happening::Kind::paused, node, {});
    paused.emplace_back(name(node), number(at.boot));
  }
  return taken("paused", std::move(paused));
}

Result<Value> Application::operator()(const PressurePlan& plan) {
  std::vector<Value> slowed;
  const auto cost = static_cast<Ticks>(static_cast<double>(engine.options.event_cost.count()) / plan.speed);
  for (const NodeIndex node : active.plan.nodes) {
    if (!is_member(node)) continue;
    Node& at = engine.nodes[node];
    take(node).before = at.slowed_events;
    at.cost = std::max(at.cost, cost);
    slowed.push_back(name(node));
  }
  return taken("slowed", std::move(slowed));
}

// --- clocks ---------------------------------------------------------------------------------------------------------------------

void change_clock(VirtualClock& clock, const ClockPlan& plan, Ticks now) {
  switch (plan.change) {
    case ClockPlan::Change::jump: return clock.jump(now, plan.by);
    case ClockPlan::Change::rate: return clock.run_at(now, plan.rate);
    case ClockPlan::Change::strobe: return clock.strobe(now, plan.by, plan.period);
    case ClockPlan::Change::freeze: return clock.freeze(now);
  }
}

Result<Value> Application::operator()(const ClockPlan& plan) {
  std::vector<Value> skewed;
  for (const NodeIndex node : active.plan.nodes) {
    if (!is_member(node)) continue;
    Node& at = engine.nodes[node];
    Active::On& on = take(node);
    on.before = at.clock_reads;
    on.wall_skew = at.wall.skew(engine.now);
    on.mono_skew = at.mono.skew(engine.now);
    if (plan.wall) change_clock(at.wall, plan, engine.now);
    if (plan.mono) change_clock(at.mono, plan, engine.now);
    engine.arm(node);
    skewed.push_back(name(node));
  }
  return taken("skewed", std::move(skewed));
}

// --- disks ------------------------------------------------------------------------------------------------------------------------

template <class PlanOfDisk>
Result<Value> Application::lay_on_disks(std::string_view counter, const PlanOfDisk* plan) {
  std::vector<Value> hit;
  for (const NodeIndex node : active.plan.nodes) {
    if (std::is_same_v<PlanOfDisk, CrashPlan> ? !is_up(node) : !is_member(node)) continue;
    Active::On& on = take(node);
    if constexpr (std::is_same_v<PlanOfDisk, SpacePlan>) on.space = plan->bytes;
    engine.nodes[node].disk_faults.push_back(&active);
    constexpr bool harmless = std::is_same_v<PlanOfDisk, CrashPlan> || std::is_same_v<PlanOfDisk, SlowDiskPlan>;
    if (!harmless) engine.nodes[node].has_suffered = true;
    hit.push_back(name(node));
  }
  return taken(counter, std::move(hit));
}

Result<Value> Application::operator()(const BitFlipPlan& plan) {
  std::int64_t flipped = 0;
  Fields files;
  for (const NodeIndex node : active.plan.nodes) {
    if (!may_rot(node)) continue;
    const auto file = rotting_file(node, plan.file);
    if (!file) {
      skip(node, "has no such file that is closed");
      continue;
    }
    take(node);
    engine.nodes[node].is_rotten = engine.nodes[node].has_suffered = true;
    files.emplace_back(name(node), file->path);
    for (std::uint64_t i = 0; i < plan.bits; ++i, ++flipped) {
      file->flip_bit(active.rng.below(file->bytes().size()), static_cast<unsigned>(active.rng.below(8)));
    }
  }
  if (flipped == 0) return taken("flipped_bits", Fields());
  return with_skipped({{"flipped_bits", flipped}, {"files", Value::map(std::move(files))}});
}

Result<Value> Application::operator()(const TruncatePlan& plan) {
  std::uint64_t bytes = 0;
  Fields files;
  for (const NodeIndex node : active.plan.nodes) {
    if (!may_rot(node)) continue;
    const auto file = rotting_file(node, plan.file);
    if (!file) {
      skip(node, "has no such file that is closed");
      continue;
    }
    take(node);
    engine.nodes[node].is_rotten = engine.nodes[node].has_suffered = true;
    files.emplace_back(name(node), file->path);
    const std::uint64_t less = std::min<std::uint64_t>(plan.bytes, file->bytes().size());
    bytes += less;
    file->cut(file->bytes().size() - less);
  }
  if (bytes == 0) return taken("truncated_bytes", Fields());
  return with_skipped({{"truncated_bytes", number(bytes)}, {"files", Value::map(std::move(files))}});
}

Result<Value> Application::operator()(const WipePlan&) {
  std::vector<Value> wiped;
  for (const NodeIndex node : active.plan.nodes) {
    Node& at = engine.nodes[node];
    if (!may_rot(node)) continue;
    if (engine.running == node) {
      skip(node, "is just making this call");
      continue;
    }
    take(node);
    active.down.push_back(node);
    engine.doom(node, Happening::Kind::killed, "killed, its data removed", PowerLoss::keep, active.id);
    at.image.wipe();
    at.is_rotten = at.has_suffered = true;
    wiped.push_back(name(node));
  }
  return taken("wiped", std::move(wiped));
}

// --- members ------------------------------------------------------------------------------------------------------------------------

Result<Value> Application::operator()(const MembershipPlan& plan) {
  std::vector<MemberTask::Step> steps;
  if (!plan.grows) {
    for (const NodeIndex node : active.plan.nodes) steps.push_back({node, false});
  }
  for (auto node = static_cast<NodeIndex>(engine.options.nodes.size()); plan.grows && node < engine.nodes.size();
       ++node) {
    if (engine.nodes[node].standing != Node::Standing::outside || !steps.empty()) continue;
    steps.push_back({node, true});
  }
  if (steps.empty()) return Error::environment("no spare node is left to be added");
  for (const MemberTask::Step& step : steps) take(step.node);
  engine.change(std::move(steps), plan.grows ? "added" : "removed");
  return Value::map({});
}

}  // namespace

Active* Engine::find_active(std::uint64_t id) {
  const auto found = std::find_if(active.begin(), active.end(), [&](const auto& each) { return each->id == id; });
  return found == active.end() ? nullptr : found->get();
}

bool Engine::is_held_down(NodeIndex node) const {
  return std::any_of(active.begin(), active.end(), [&](const auto& each) {
    return std::find(each->down.begin(), each->down.end(), node) != each->down.end();
  });
}

Result<Value> Engine::apply(const Fault& fault) {
  if (is_frozen) return Error::environment("the faults of this run are frozen");
  if (auto supported = port.supports(fault); !supported) return supported.error();
  auto plan = read_plan(fault, options);
  if (!plan) return plan.error();
  const std::uint64_t content = to_value(fault).hash();
  auto record = std::make_unique<Active>();
  record->id = ++last_active;
  record->fault = fault;
  record->plan = std::move(plan).value();
  record->rng = root.fork("fault").fork(content).fork(same_faults[content]++);
  active.push_back(std::move(record));
  Active& mine = *active.back();
  hash.mix(content);
  happen(Happening::Kind::fault, no_node, to_value(fault).to_string());
  Application application{*this, mine, {}};
  auto done = std::visit(application, mine.plan.what);
  // What no node took is still there if it keeps nodes down that others hold.
  if (!done && mine.down.empty()) std::erase_if(active, [&](const auto& each) { return each.get() == &mine; });
  return done;
}

// The node that is down starts again; once somebody leads, or membership_limit later, the next one goes down.
void Engine::advance_restart(const Item& item) {
  Active* fault = find_active(item.id);
  if (fault == nullptr || is_frozen) return;
  note_event(item);
  const auto go_on = [&](Ticks after) {
    Item next;
    next.kind = Item::Kind::restart;
    next.id = item.id;
    queue.push(now + after, std::move(next));
  };
  if (!fault->down.empty()) {
    const NodeIndex node = std::exchange(fault->down, {}).front();
    Fields restarted, refused;
    restart(node, restarted, refused);
    if (!restarted.empty()) fault->restarted.emplace_back(node, nodes[node].boot);
    fault->deadline = now + options.membership_limit.count();
    return go_on(options.membership_interval.count());
  }
  const bool serves = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
    return node.is_up && node.pauses == 0 && node.daemon && node.daemon->leads();
  });
  if (fault->next > 0 && !serves && now < fault->deadline) return go_on(options.membership_interval.count());
  while (fault->next < fault->plan.nodes.size()) {
    const NodeIndex node = fault->plan.nodes[fault->next++];
    const Node& at = nodes[node];
    if (!at.is_up || at.is_doomed || at.standing != Node::Standing::member) continue;
    fault->down.push_back(node);
    doom(node, Happening::Kind::killed, "stopped", PowerLoss::keep, fault->id);
    return go_on(std::get<RestartPlan>(fault->plan.what).down);
  }
}

void Engine::swizzle(const Item& item) {
  Active* fault = find_active(item.id);
  if (fault == nullptr || is_frozen) return;
  const bool begins = item.kind == Item::Kind::clog_begin;
  if ((fault->swizzled[item.number] != 0) == begins) return;
  note_event(item);
  fault->swizzled[item.number] = begins ? 1 : 0;
  const auto& plan = std::get<SwizzlePlan>(fault->plan.what);
  for (const std::uint32_t link : links_of(plan.clogs[item.number].node)) begins ? clog(link) : unclog(link);
}

}  // namespace faultline::sim
