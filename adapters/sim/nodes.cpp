// Boots of nodes, and what reaches them.
#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

// --- boots -------------------------------------------------------------------------------------------------------------

bool Engine::boot(NodeIndex index) {
  Node& node = nodes[index];
  FL_ASSERT(!node.is_up);
  FL_ASSERT(running == no_node);
  ++node.boot;
  ++counters.boots;
  node.is_up = true;
  node.is_doomed = false;
  node.end.clear();
  node.alarm = node.queued = never;
  node.busy_until = now;
  node.disk = std::make_unique<NodeDisk>(*this, index);
  node.surroundings = std::make_unique<Surroundings>(*this, index, node.boot);
  happen(Happening::Kind::booted, index, {});
  running = index;
  auto made = system.boot(*node.surroundings);
  running = no_node;
  if (made) {
    FL_ASSERT(made.value() != nullptr);
    node.daemon = std::move(made).value();
    for (const auto& [path, inode] : node.image.files()) inode->was_open = false;
    finish(index);
    return node.is_up;
  }
  if (node.is_doomed) {
    finish(index);
    return false;
  }
  const std::string why = "refused to start: " + made.error().to_string();
  if (!node.has_suffered) unexpected.push_back(node.name + ": " + why);
  end_boot(index, Happening::Kind::refused_to_start, why, PowerLoss::keep, 0);
  return false;
}

void Engine::end_boot(NodeIndex index, Happening::Kind kind, std::string why, PowerLoss loss, std::uint64_t fault) {
  Node& node = nodes[index];
  FL_ASSERT(node.is_up);
  FL_ASSERT(running != index);
  // Of a boot that never came up the files in question are those of the one before.
  for (const auto& [path, inode] : node.image.files())
    inode->was_open = node.daemon ? inode->open > 0 : inode->was_open;
  queue.forget_work(index);
  for (const Item& item : node.held) {
    if (item.kind == Item::Kind::frame) drop(item.link, item);
  }
  node.held.clear();
  node.daemon.reset();
  node.disk.reset();
  node.surroundings.reset();
  node.is_up = false;
  node.is_doomed = false;
  node.pauses = 0;
  if (loss == PowerLoss::keep && !options.beyond_model) {
    // A page that failed to be written is clean and may leave the cache at any time. That it does so now keeps a correct system, which
    // ends after a failed fsync, from reading after its restart what is not on the disk.
    for (const auto& [path, inode] : node.image.files()) inode->evict_dropped();
  }
  const LossReport report = node.image.lose(loss, node.disk_rng);
  for (std::uint32_t worker = 0; worker < clients.size(); ++worker) {
    ClientSlot& slot = clients[worker];
    if (slot.node != index || slot.boot == ClientSlot::closed || slot.boot == ClientSlot::dead) continue;
    slot.boot = ClientSlot::dead;
    send_back(Item::Kind::broken, worker);
  }
  if (Active* cause = find_active(fault); cause != nullptr) {
    cause->loss.pages += report.pages;
    cause->loss.entries += report.entries;
    if (kind == Happening::Kind::crashed) {
      cause->crashed.emplace_back(index, node.boot);
      cause->down.push_back(index);
    }
  }
  if (report.pages + report.entries > 0)
    why += fmt::format(", {} pages rolled back, {} entries undone", report.pages, report.entries);
  node.end = why;
  happen(kind, index, std::move(why));
  system.ended(index);
  if (kind == Happening::Kind::refused_to_start || kind == Happening::Kind::exited) replace(index);
}

// At once if its daemon is not running just now.
void Engine::doom(NodeIndex index, Happening::Kind kind, std::string why, PowerLoss loss, std::uint64_t fault) {
  Node& node = nodes[index];
  if (!node.is_up || node.is_doomed) return;
  if (running != index) return end_boot(index, kind, std::move(why), loss, fault);
  node.is_doomed = true;
  node.doom_kind = kind;
  node.doom_loss = loss;
  node.doom_fault = fault;
  node.end = std::move(why);
}

void Engine::finish(NodeIndex index) {
  Node& node = nodes[index];
  if (node.is_doomed) end_boot(index, node.doom_kind, node.end, node.doom_loss, node.doom_fault);
  check(index);
}

// --- alarms ------------------------------------------------------------------------------------------------------------

// Sees to it that a wake is queued no later than the alarm is due. An earlier one finds out and asks again.
void Engine::arm(NodeIndex index) {
  Node& node = nodes[index];
  if (!node.is_up || node.alarm == never) return;
  const Ticks due = std::max(node.mono.when(node.alarm, now), node.last_wake + wake_spacing);
  if (due >= node.queued) return;
  node.queued = due;
  Item item;
  item.kind = Item::Kind::wake;
  item.node = index;
  item.number = node.boot;
  queue.push(due, std::move(item));
}

void Engine::wake(Item&& item) {
  Node& node = nodes[item.node];
  if (!node.is_up || node.boot != item.number || node.queued != now) return;
  node.queued = never;
  if (node.mono.read(now) < node.alarm) return arm(item.node);
  at_node(std::move(item));
}

// --- what reaches a node ------------------------------------------------------------------------------------------------

void Engine::at_node(Item&& item) {
  Node& node = nodes[item.node];
  const bool of_boot = item.kind == Item::Kind::wake || item.kind == Item::Kind::work;
  const bool in_stream = item.kind == Item::Kind::frame && options.network.streams;
  const bool is_late = item.kind == Item::Kind::closed && item.id != node.boot;
  if (!node.is_up || is_late || ((of_boot || in_stream) && item.number != node.boot)) {
    if (item.kind == Item::Kind::frame) drop(item.link, item);
    return;
  }
  if ((node.pauses > 0 || node.cost > 0) && hold_back(node, item)) return;
  run_at_node(std::move(item));
}

// Whether the event has to wait; then it was taken.
bool Engine::hold_back(Node& node, Item& item) {
  const bool is_busy = node.cost > 0 && (!node.held.empty() || now < node.busy_until);
  if (node.pauses == 0 && !is_busy) {
    node.busy_until = now + node.cost;
    return false;
  }
  const bool is_frame = item.kind == Item::Kind::frame;
  if (node.held.size() >= most_held && is_frame) {
    drop(item.link, item);
    return true;
  }
  ++(node.pauses > 0 ? node.held_events : node.slowed_events);
  const NodeIndex index = item.node;
  node.held.push_back(std::move(item));
  if (node.pauses == 0 && !node.is_releasing) {
    node.is_releasing = true;
    Item next;
    next.kind = Item::Kind::release;
    next.node = index;
    queue.push(std::max(now, node.busy_until), std::move(next));
  }
  return true;
}

// One of those held back by pressure goes on; without pressure all of them.
void Engine::release(NodeIndex index) {
  Node& node = nodes[index];
  node.is_releasing = false;
  if (node.pauses > 0 || node.held.empty()) return;
  if (node.cost == 0) return resume(index);
  Item item = std::move(node.held.front());
  node.held.pop_front();
  node.busy_until = now + node.cost;
  if (!node.held.empty()) {
    node.is_releasing = true;
    Item next;
    next.kind = Item::Kind::release;
    next.node = index;
    queue.push(node.busy_until, std::move(next));
  }
  run_at_node(std::move(item));
}

// Everything held back arrives now, in its order, before what comes later.
void Engine::resume(NodeIndex index) {
  Node& node = nodes[index];
  if (node.pauses > 0) return;
  std::deque<Item> held = std::exchange(node.held, {});
  for (Item& item : held) {
    if (item.kind == Item::Kind::wake) {
      node.queued = never;
      arm(index);
    } else {
      item.has_arrived = true;
      queue.push(now, std::move(item));
    }
  }
  arm(index);
}

void Engine::run_at_node(Item&& item) {
  Node& node = nodes[item.node];
  if (item.kind == Item::Kind::wake && node.mono.read(now) < node.alarm)
    return arm(item.node);  // replaced while it was held
  note_event(item);
  switch (item.kind) {
    case Item::Kind::frame:
      ++counters.frames;
      if (records_all)
        happen(Happening::Kind::delivered, item.peer, fmt::format("{} bytes", item.bytes.size()), item.node);
      return run_node(item.node, [&] { node.daemon->receive(item.peer, std::move(item.bytes)); });
    case Item::Kind::request: {
      ++counters.requests;
      const Connection from{item.peer, item.number};
      return run_node(item.node, [&] { node.daemon->request(from, std::move(item.bytes)); });
    }
    case Item::Kind::closed: return run_node(item.node, [&] { node.daemon->closed({item.peer, item.number}); });
    case Item::Kind::wake:
      ++counters.wakes;
      node.alarm = never;
      node.last_wake = now;
      return run_node(item.node, [&] { node.daemon->wake(); });
    case Item::Kind::work:
      ++counters.works;
      if (!item.work) return;
      run_node(item.node, [&] { item.work(); });
      return;
    default: FL_ASSERT(false && "not an event of a node");
  }
}

// --- Surroundings ---------------------------------------------------------------------------------------------------------

bool Surroundings::joins() const { return engine_.nodes[node_].joins; }

Instant Surroundings::monotonic() {
  Node& node = engine_.nodes[node_];
  ++node.clock_reads;
  return Instant(Duration(node.mono.read(engine_.now)));
}

Instant Surroundings::wall() {
  Node& node = engine_.nodes[node_];
  ++node.clock_reads;
  return Instant(Duration(node.wall.read(engine_.now)));
}

void Surroundings::wake_at(Instant own_monotonic) {
  Node& node = engine_.nodes[node_];
  const Ticks before = std::exchange(node.alarm, own_monotonic.time_since_epoch().count());
  // A later alarm than the one before needs no new wake: the old one comes first and asks again.
  if (node.queued != never && node.alarm >= before && before != never) return;
  engine_.arm(node_);
}

void Surroundings::after(Duration cost, Work work) {
  Node& node = engine_.nodes[node_];
  if (node.is_doomed) return;
  Ticks time = std::max<Ticks>(cost.count(), 0);
  if (node.cost > 0) {
    const Ticks usual = std::max<Ticks>(engine_.options.event_cost.count(), 1);
    time = time / usual * node.cost + time % usual * node.cost / usual;
  }
  Item item;
  item.kind = Item::Kind::work;
  item.node = node_;
  item.number = boot_;
  item.work = std::move(work);
  engine_.queue.push(engine_.now + time, std::move(item));
}

void Surroundings::send(NodeIndex to, std::string_view kind, std::string bytes) {
  Engine& engine = engine_;
  if (engine.nodes[node_].is_doomed || to == node_ || to >= engine.nodes.size()) return;
  if (engine.records_all)
    engine.happen(Happening::Kind::sent, node_, fmt::format("{}, {} bytes", kind, bytes.size()), to);
  Item item;
  item.kind = Item::Kind::frame;
  item.node = to;
  item.peer = node_;
  item.number = engine.nodes[to].boot;
  item.bytes = std::move(bytes);
  engine.transmit(static_cast<std::uint32_t>(node_ * engine.nodes.size() + to), std::move(item));
  if (!engine.frame_triggers.empty()) engine.watch_frame(node_, to, kind);
}

void Surroundings::reply(Connection to, std::string bytes) {
  Engine& engine = engine_;
  if (engine.nodes[node_].is_doomed || to.client >= engine.clients.size()) return;
  const ClientSlot& slot = engine.clients[to.client];
  if (slot.number != to.number || slot.node != node_ || slot.boot != boot_) return;
  Item item;
  item.kind = Item::Kind::reply;
  item.node = node_;
  item.peer = to.client;
  item.number = to.number;
  item.bytes = std::move(bytes);
  engine.transmit(engine.link_between(node_, static_cast<Place>(engine.nodes.size() + to.client)), std::move(item));
}

Disk& Surroundings::disk() { return *engine_.nodes[node_].disk; }

Rng Surroundings::fork(std::string_view name) const {
  return engine_.root.fork("boot " + engine_.nodes[node_].name).fork(boot_).fork(name);
}

void Surroundings::took_role(std::string_view role) {
  engine_.happen(Happening::Kind::role, node_, std::string(role));
  engine_.hash.mix(role);
  if (!engine_.role_triggers.empty()) engine_.watch_role(node_, role);
}

void Surroundings::note(std::string_view text) { engine_.happen(Happening::Kind::note, node_, std::string(text)); }

void Surroundings::exit(std::string why) {
  const Node& node = engine_.nodes[node_];
  if (node.is_doomed) return;  // it was killed under this very call
  if (!node.has_suffered) engine_.unexpected.push_back(node.name + ": " + why);
  engine_.doom(node_, Happening::Kind::exited, std::move(why), PowerLoss::keep, 0);
}

}  // namespace faultline::sim
