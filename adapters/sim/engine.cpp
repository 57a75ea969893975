// The loop, and what it records.
#include "engine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faultline::sim {

namespace {

Node make_node(const NodeName& name, bool founder, const SimOptions& options, const Rng& root) {
  Node node;
  node.name = name;
  node.standing = founder ? Node::Standing::member : Node::Standing::outside;
  node.is_emptied = !founder;
  node.disk_rng = root.fork("disk " + name);
  Rng rng = root.fork("clock " + name);
  const auto drift = [&] {
    return rate_of_drift(rng.between(-options.clock.drift_ppm_max, options.clock.drift_ppm_max));
  };
  const Ticks most = options.clock.wall_offset_max.count();
  const Ticks wall = rng.between(-most, most);
  node.wall = VirtualClock(wall, drift());
  // A monotonic clock counts from the machine's start: any time within a day before the run.
  constexpr Ticks a_day = Ticks{24} * 3600 * 1'000'000'000;
  const Ticks mono = rng.between(0, a_day);
  node.mono = VirtualClock(mono, drift());
  return node;
}

}  // namespace

Engine::Engine(SimOptions sim_options, System& under_test, FaultPort& own_port)
    : options(std::move(sim_options)),
      system(under_test),
      port(own_port),
      root(options.seed),
      nemesis(root.fork("nemesis process")) {
  FL_ASSERT(!options.nodes.empty());
  FL_ASSERT(options.concurrency > 0);
  const std::size_t founders = options.nodes.size();
  for (const NodeName& name : options.nodes) nodes.push_back(make_node(name, true, options, root));
  for (const NodeName& name : options.spares) nodes.push_back(make_node(name, false, options, root));
  const std::size_t count = nodes.size();
  links = std::vector<Link>(count * count + 2 * options.concurrency);
  for (std::size_t from = 0; from < count; ++from) {
    for (std::size_t to = 0; to < count; ++to) {
      links[from * count + to].rng = root.fork(fmt::format("link {} {}", nodes[from].name, nodes[to].name));
    }
  }
  clients = std::vector<ClientSlot>(options.concurrency);
  for (std::size_t worker = 0; worker < clients.size(); ++worker) {
    clients[worker].node = static_cast<NodeIndex>(worker % founders);
    for (const std::size_t direction : {0, 1}) {
      Link& link = links[count * count + 2 * worker + direction];
      link.is_client = true;
      link.rng = root.fork(fmt::format("link c{} {}", worker, direction == 0 ? "up" : "down"));
    }
  }
  for (NodeIndex node = 0; node < founders; ++node) boot(node);
}

Engine::~Engine() {
  for (auto& slot : clients) slot.client.reset();
  for (NodeIndex node = 0; node < nodes.size(); ++node) {
    queue.forget_work(node);
    nodes[node].held.clear();
    nodes[node].daemon.reset();
  }
}

bool Engine::step() {
  if (queue.is_empty()) return false;
  now = std::max(now, queue.next_time());
  const std::uint32_t slot = queue.pop();
  execute(std::move(queue.at(slot)));
  queue.release(slot);
  return true;
}

bool Engine::run_until(Ticks until) {
  while (queue.next_time() <= until) {
    step();
    if (is_interrupted) return is_interrupted = false;
  }
  now = std::max(now, until);
  return true;
}

// What counts as an event, with every field of it.
void Engine::note_event(const Item& item) {
  hash.mix(static_cast<std::uint64_t>(now));
  hash.mix(static_cast<std::uint64_t>(item.kind) << 56 | static_cast<std::uint64_t>(item.node) << 28 | item.peer);
  hash.mix(static_cast<std::uint64_t>(item.number) << 32 | item.link);
  hash.mix(item.id);
  if (!item.bytes.empty()) hash.mix(item.bytes);
  ++counters.events;
  if (hash_every != 0 && counters.events % hash_every == 0) hashes.push_back(hash.value());
}

void Engine::execute(Item&& item) {
  using Kind = Item::Kind;
  switch (item.kind) {
    case Kind::frame:
    case Kind::closed:
      if (item.has_arrived || crosses(item)) at_node(std::move(item));
      return;
    case Kind::request:
      if (item.has_arrived || crosses(item)) arrive_request(std::move(item));
      return;
    case Kind::reply:
    case Kind::refused:
    case Kind::broken:
      if (crosses(item)) at_client(std::move(item));
      return;
    case Kind::wake: return wake(std::move(item));
    case Kind::work: return at_node(std::move(item));
    case Kind::release: return release(item.node);
    case Kind::client_start:
    case Kind::client_wake: return at_client(std::move(item));
    case Kind::client_limit: return limit_client(item);
    case Kind::nemesis: return ask_nemesis();
    case Kind::clog_begin:
    case Kind::clog_end: return swizzle(item);
    case Kind::decision_begin: note_event(item); return begin_decision(item.id);
    case Kind::decision_end: note_event(item); return end_decision(item.id);
    case Kind::members: note_event(item); return advance_members();
    case Kind::restart: return advance_restart(item);
    case Kind::retire:
      if (nodes[item.node].retires_at != now) return;
      note_event(item);
      return retire(item.node);
  }
}

void Engine::happen(Happening::Kind kind, NodeIndex node, std::string text, NodeIndex peer) {
  if (trace.size() >= trace_limit) trace.pop_front();
  trace.push_back({.time = Instant(Duration(now)),
                   .step = counters.events,
                   .kind = kind,
                   .node = node,
                   .peer = peer,
                   .decision = deciding,
                   .text = std::move(text)});
}

// After an event in which the node took part.
void Engine::check(NodeIndex node) {
  auto found = system.after_step(node);
  if (!found || violation) return;
  violation = std::move(found);
  is_interrupted = true;
}

}  // namespace faultline::sim
