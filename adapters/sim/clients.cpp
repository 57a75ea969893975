// Clients: at the harness, on true time, each with one connection to its node.
#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

namespace {

Event refused_event(const Event& invocation, const std::string& why) {
  Event completion = invocation;
  completion.type = EventType::info;
  return completion.with("error", why);
}

}  // namespace

void Engine::dispatch_to_client(const Event& invocation) {
  FL_ASSERT(invocation.process >= 0);
  const auto worker = static_cast<std::uint32_t>(static_cast<std::size_t>(invocation.process) % clients.size());
  ClientSlot& slot = clients[worker];
  FL_ASSERT(!slot.pending);
  if (slot.process != invocation.process && slot.client) {
    hang_up(worker);
    slot.client.reset();
    slot.surroundings.reset();
  }
  slot.process = invocation.process;
  slot.pending = invocation;
  slot.started = now;
  Item item;
  item.kind = Item::Kind::client_start;
  item.peer = worker;
  queue.push(now, std::move(item));
  if (slot.limit_queued) return;
  slot.limit_queued = true;
  Item limit;
  limit.kind = Item::Kind::client_limit;
  limit.peer = worker;
  queue.push(now + options.operation_limit.count(), std::move(limit));
}

void Engine::start_client(std::uint32_t worker) {
  ClientSlot& slot = clients[worker];
  FL_ASSERT(slot.pending);
  if (!slot.client) {
    slot.alarm = 0;
    slot.surroundings = std::make_unique<ClientSurroundings>(*this, worker);
    slot.client = system.client(slot.process, *slot.surroundings);
    FL_ASSERT(slot.client != nullptr);
  }
  hash.mix(slot.pending->value.hash());
  const Event invocation = *slot.pending;
  slot.client->perform(invocation);
}

// One timer a client: it looks whether the operation under way is the one it was set for.
void Engine::limit_client(const Item& item) {
  ClientSlot& slot = clients[item.peer];
  slot.limit_queued = false;
  if (!slot.pending) return;
  const Ticks due = slot.started + options.operation_limit.count();
  if (now < due) {
    slot.limit_queued = true;
    Item again;
    again.kind = Item::Kind::client_limit;
    again.peer = item.peer;
    queue.push(due, std::move(again));
    return;
  }
  note_event(item);
  const Event invocation = *slot.pending;
  slot.pending.reset();
  hang_up(item.peer);
  slot.client.reset();
  slot.surroundings.reset();
  finish_event(refused_event(invocation, "not done within " + to_text(options.operation_limit) + "; abandoned")
                   .with("node", nodes[slot.node].name));
}

// A request is at its node's door.
void Engine::arrive_request(Item&& item) {
  ClientSlot& slot = clients[item.peer];
  const Node& node = nodes[item.node];
  if (slot.number != item.number) {
    // The client has hung up meanwhile. What left over a connection that stood still arrives; of one that was never accepted nothing did.
    if (item.id == node.boot) at_node(std::move(item));
    return;
  }
  if (slot.boot == ClientSlot::dead) return;  // the news that the connection is broken is on its way
  if (!node.is_up) return send_back(Item::Kind::refused, item.peer);
  if (slot.boot == ClientSlot::closed) slot.boot = node.boot;
  FL_ASSERT(slot.boot == node.boot);
  item.id = node.boot;
  at_node(std::move(item));
}

void Engine::send_back(Item::Kind kind, std::uint32_t worker) {
  const ClientSlot& slot = clients[worker];
  Item item;
  item.kind = kind;
  item.node = slot.node;
  item.peer = worker;
  item.number = slot.number;
  transmit(link_between(slot.node, static_cast<Place>(nodes.size() + worker)), std::move(item));
}

void Engine::send_up(std::uint32_t worker, std::string bytes) {
  ClientSlot& slot = clients[worker];
  ++slot.out;
  Item item;
  item.kind = Item::Kind::request;
  item.node = slot.node;
  item.peer = worker;
  item.number = slot.number;
  item.id = slot.boot;
  item.bytes = std::move(bytes);
  transmit(link_between(static_cast<Place>(nodes.size() + worker), slot.node), std::move(item));
}

void Engine::hang_up(std::uint32_t worker) {
  ClientSlot& slot = clients[worker];
  if (slot.boot != ClientSlot::closed && slot.boot != ClientSlot::dead) {
    Item item;
    item.kind = Item::Kind::closed;
    item.node = slot.node;
    item.peer = worker;
    item.number = slot.number;
    item.id = slot.boot;
    transmit(link_between(static_cast<Place>(nodes.size() + worker), slot.node), std::move(item));
  }
  ++slot.number;
  slot.boot = ClientSlot::closed;
  slot.out = 0;
}

void Engine::at_client(Item&& item) {
  ClientSlot& slot = clients[item.peer];
  using Kind = Item::Kind;
  if (item.kind == Kind::client_start) {
    note_event(item);
    return start_client(item.peer);
  }
  if (item.kind == Kind::client_wake) {
    if (!slot.client || slot.alarm != item.id) return;
    note_event(item);
    slot.alarm = 0;
    return slot.client->wake();
  }
  if (!slot.client || slot.number != item.number) return;
  note_event(item);
  if (item.kind == Kind::reply) {
    slot.out -= slot.out > 0 ? 1 : 0;
    return slot.client->receive(std::move(item.bytes));
  }
  // Whatever comes next needs a new connection.
  const bool waits = slot.out > 0;
  ++slot.number;
  slot.boot = ClientSlot::closed;
  slot.out = 0;
  if (item.kind == Kind::refused) return slot.client->refused();
  if (waits) slot.client->broken();
}

// The contract of Client, checked where it enters: a wrong completion would be recorded as another operation's.
void Engine::complete(std::uint32_t worker, Event completion) {
  ClientSlot& slot = clients[worker];
  FL_ASSERT(slot.pending);
  const Event asked_for = std::exchange(slot.pending, {}).value();
  const bool kept = completion.type != EventType::invoke && completion.process == asked_for.process &&
                    completion.f == asked_for.f && completion.key == asked_for.key;
  if (!kept) completion = refused_event(asked_for, "the client answered for another operation");
  if (completion.node().is_null()) completion = completion.with("node", nodes[slot.node].name);
  finish_event(std::move(completion));
}

void Engine::finish_event(Event completion) {
  completion.time = Instant(Duration(now));
  hash.mix(static_cast<std::uint64_t>(completion.type) << 32 | static_cast<std::uint32_t>(completion.process));
  hash.mix(completion.value.hash());
  completions.push_back(std::move(completion));
}

// --- ClientSurroundings ---------------------------------------------------------------------------------------------------

Instant ClientSurroundings::now() const { return Instant(Duration(engine_.now)); }
NodeIndex ClientSurroundings::node() const { return engine_.clients[client_].node; }
const NodeName& ClientSurroundings::node_name() const { return engine_.nodes[node()].name; }
void ClientSurroundings::send(std::string bytes) { engine_.send_up(client_, std::move(bytes)); }
void ClientSurroundings::hang_up() { engine_.hang_up(client_); }
void ClientSurroundings::complete(Event completion) { engine_.complete(client_, std::move(completion)); }

void ClientSurroundings::wake_at(Instant at) {
  ClientSlot& slot = engine_.clients[client_];
  slot.alarm = 0;
  if (at == Instant::max()) return;
  // Alarms have numbers, so that one that was replaced is known when it comes.
  slot.alarm = ++engine_.last_alarm;
  Item item;
  item.kind = Item::Kind::client_wake;
  item.peer = client_;
  item.id = slot.alarm;
  engine_.queue.push(std::max(engine_.now, at.time_since_epoch().count()), std::move(item));
}

Rng ClientSurroundings::fork(std::string_view name) const {
  const ClientSlot& slot = engine_.clients[client_];
  return engine_.root.fork("client").fork(static_cast<std::uint64_t>(slot.process)).fork(name);
}

}  // namespace faultline::sim
