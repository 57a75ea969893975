// The network of remote nodes.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "adapters/live/agent/traffic_json.hpp"
#include "adapters/live/sounding.hpp"
#include "adapters/live/traffic_counters.hpp"
#include "client_ports.hpp"
#include "machines.hpp"

namespace faultline::live::remote {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto sounding_limit = std::chrono::seconds(5);  // it ends as soon as all have arrived

}  // namespace

// A node without a filter is none of a run with partitions, which supports() refuses then.
Result<void> RemoteNetwork::declare_filter(RemoteNode& node, const std::vector<std::string>& sources) const {
  if (!node.hello.contains("filter")) return {};
  Json request{{"do", "filter"}, {"sources", sources}, {"address", node.address}};
  if (!ports_.empty()) {
    const auto here = address_towards(node.address);
    if (!here) return here.error();
    request["clients"] = {{"from", here.value()}, {"port", node.link.node().client_port}};
  }
  auto declared = node.link.ask(std::move(request));
  return declared ? Result<void>() : declared.error();
}

// Before the daemon runs: a connection from a port that is dropped must be seen to be dropped.
Result<void> RemoteNetwork::try_client_ports(RemoteNode& node) {
  const NodeName& name = node.link.node().name;
  if (ports_.empty() || !node.hello.contains("filter")) return {};
  if (auto loaded = load_filter(node, {.nodes = {}, .clients = {0}}); !loaded) return loaded;
  constexpr auto patience = std::chrono::seconds(4);  // the kernel sends it again after one and after three
  const auto connection = begin_connection(*ports_[0], addresses(name).client);
  if (!connection) return connection.error();
  std::int64_t dropped = 0;
  for (const auto until = Clock::now() + patience; dropped == 0 && Clock::now() < until;) {
    const auto reply = node.link.ask({{"do", "dropped"}});
    if (!reply) return reply.error();
    dropped = reply.value().value("packets", std::int64_t(0));
    if (dropped == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (auto healed = load_filter(node, {}); !healed) return healed;
  const auto reply = node.link.ask({{"do", "dropped"}});
  if (!reply) return reply.error();
  const std::lock_guard lock(mutex_);
  packets_tried_[name] = reply.value().value("packets", std::int64_t(0));
  if (dropped > 0) return {};
  return Error::environment(
      fmt::format("node {} cannot tell the clients of this run apart: what leaves here from ports {}-{} does not come "
                  "to {} from this machine's address and these ports (address translation, or a firewall, on the way?)",
                  name, ports_[0]->first(), ports_[0]->last(), addresses(name).client.to_string()),
      "use partition without clients, or run faultline where the nodes see its own address and ports");
}

Result<void> RemoteNetwork::can_look_at_frames() const {
  if (system_.empty()) {
    return Error::environment("a daemon with a start command of its own may speak otherwise between its nodes",
                              "leave `start` out of the inventory, or let the decision wait for something else");
  }
  const auto can = can_shape({});
  return can ? can : Error::environment("frames are not seen: " + can.error().message, can.error().remedy);
}

Result<void> RemoteNetwork::set_up() {
  if (auto can = needs_.frames ? can_look_at_frames() : Result<void>(); !can) return can;
  if (needs_.client_links) {
    auto ports = ports_of_workers(needs_.workers);
    if (!ports) return ports.error();
    ports_ = std::move(ports).value();
  }
  std::vector<std::string> sources;
  for (const auto& node : nodes_) sources.push_back(node->address);
  const auto made = on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    if (auto declared = declare_filter(node, sources); !declared) return declared;
    if (auto tried = try_client_ports(node); !tried) return tried;
    // From before the daemons run: a stream that is not seen from its beginning cannot be taken apart.
    if (!needs_.frames) return {};
    auto tapped = node.link.ask({{"do", "tap"}, {"system", system_}});
    return tapped ? Result<void>() : tapped.error();
  });
  if (!made || !needs_.packets || names_.size() < 2 || !can_shape({})) return made;
  constexpr std::int64_t few = 20;
  constexpr auto patience = std::chrono::seconds(1);
  const auto first = sound(names_[0], names_[1], few, Duration::zero(), patience);
  if (!first) return first.error();
  if (const Sounding& heard = first.value(); heard.arrived == few && heard.copies + heard.damaged == 0)
    baseline_ = heard.median;
  return {};
}

RemoteNode& RemoteNetwork::node_of(const NodeName& name) const {
  const auto found =
      std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& n) { return n->link.node().name == name; });
  FL_ASSERT(found != nodes_.end());
  return **found;
}

NodeAddresses RemoteNetwork::addresses(const NodeName& name) const {
  const RemoteNode& node = node_of(name);
  const Endpoint peer{node.address, node.link.node().peer_port};
  return {.peer_listen = peer, .peer_advertise = peer, .client = {node.address, node.link.node().client_port}};
}

// What is in force already is not loaded again.
Result<void> RemoteNetwork::load_filter(RemoteNode& node, const Cuts& cuts) {
  const NodeName& name = node.link.node().name;
  {
    const std::lock_guard lock(mutex_);
    const auto known = dropped_.find(name);
    if (known == dropped_.end() ? cuts == Cuts() : known->second == cuts) return {};
    dropped_[name] = std::nullopt;
  }
  Json request{{"do", "drop"}, {"sources", cuts.nodes}};
  for (const std::size_t worker : cuts.clients)
    request["clients"].push_back({ports_[worker]->first(), ports_[worker]->last()});
  if (auto loaded = node.link.ask(std::move(request)); !loaded) return loaded.error();
  const std::lock_guard lock(mutex_);
  dropped_[name] = cuts;
  return {};
}

Result<void> RemoteNetwork::load_filters() {
  return on_each(nodes_, [&](RemoteNode& node) {
    const auto wanted = wanted_.find(node.link.node().name);
    return load_filter(node, wanted == wanted_.end() ? Cuts() : wanted->second);
  });
}

Result<void> RemoteNetwork::apply(const Grudge& grudge) {
  for (const auto& node : nodes_) {
    const NodeName& name = node->link.node().name;
    auto& sources = wanted_[name].nodes;
    sources.clear();
    const auto found = grudge.find(name);
    for (std::size_t i = 0; found != grudge.end() && i < nodes_.size(); ++i) {
      if (found->second.contains(nodes_[i]->link.node().name)) sources.insert(i);
    }
  }
  return load_filters();
}

Result<void> RemoteNetwork::can_shape(const PacketRules&) const {
  for (const auto& node : nodes_) {
    for (const char* lacking : {"filter_error", "queue_error"}) {
      if (!node->hello.contains(lacking)) continue;
      return Error::bad_input(
          fmt::format("node {}: {}", node->link.node().name, node->hello[lacking].get<std::string>()),
          "`faultline doctor --inventory FILE` says what each node can do");
    }
  }
  return {};
}

Result<void> RemoteNetwork::shape(const Traffic& traffic) {
  for (const auto& [link, faults] : traffic) shaped_.insert(std::minmax(link.first, link.second));
  return on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    std::map<std::size_t, LinkFaults> wanted;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const auto found = traffic.find({nodes_[i]->link.node().name, node.link.node().name});
      if (found != traffic.end() && !found->second.empty()) wanted[i] = found->second;
    }
    return shape_node(node, wanted);
  });
}

// What is in force already is not sent again: a rate would begin anew.
Result<void> RemoteNetwork::shape_node(RemoteNode& node, const std::map<std::size_t, LinkFaults>& links) {
  const NodeName& name = node.link.node().name;
  {
    const std::lock_guard lock(mutex_);
    const auto known = links_.find(name);
    if (known == links_.end() ? links.empty() : known->second == links) return {};
    links_[name] = std::nullopt;
  }
  Json list = Json::array();
  const Instant now = steady_now();
  for (const auto& [from, faults] : links) {
    list.push_back(agent::to_json(faults, now));
    list.back()["from"] = from;
  }
  if (auto shaped = node.link.ask({{"do", "shape"}, {"links", std::move(list)}}); !shaped) return shaped.error();
  const std::lock_guard lock(mutex_);
  links_[name] = links;
  return {};
}

// A client that the run does not have hears nothing anyway.
Result<void> RemoteNetwork::cut_clients(const ClientCuts& cuts) {
  if (!needs_.client_links) return cuts.empty() ? Result<void>() : can_cut_clients();
  for (const auto& node : nodes_) {
    const NodeName& name = node->link.node().name;
    auto& clients = wanted_[name].clients;
    clients.clear();
    const auto found = cuts.find(name);
    if (found == cuts.end()) continue;
    std::copy_if(found->second.begin(), found->second.end(), std::inserter(clients, clients.end()),
                 [&](std::size_t worker) { return worker < ports_.size(); });
    clients_cut_[name].insert(clients.begin(), clients.end());
  }
  return load_filters();
}

Result<void> RemoteNetwork::can_cut_clients() const {
  if (needs_.client_links) return {};
  return Error::bad_input("clients of this run have no ports of their own by which remote nodes could tell them apart",
                          "use --nemesis directed, or a schedule that cuts clients off, from the start of the run");
}

Result<void> RemoteNetwork::can_watch_frames() const {
  if (needs_.frames) return {};
  return Error::bad_input("frames between remote nodes are only seen in runs that look for them from the start",
                          "start the run with the schedule that waits for frames");
}

Result<void> RemoteNetwork::watch(std::vector<FrameWatch> frames) {
  frames_.clear();
  if (frames.empty()) return {};
  if (auto can = can_watch_frames(); !can) return can;
  for (const auto& node : nodes_) {
    Json list = Json::array();
    std::vector<EventPoll::Awaited> awaited;
    for (FrameWatch& frame : frames) {
      if (frame.to != node->link.node().name) continue;
      const auto from = std::find_if(nodes_.begin(), nodes_.end(),
                                     [&](const auto& other) { return other->link.node().name == frame.from; });
      FL_ASSERT(from != nodes_.end());
      list.push_back({{"frame", frame.frame},
                      {"from", from - nodes_.begin()},
                      {"nth", frame.nth},
                      {"holds", frame.holds != nullptr}});
      awaited.push_back({std::move(frame.seen), std::move(frame.holds)});
    }
    if (awaited.empty()) continue;
    if (auto told = node->link.ask({{"do", "watch"}, {"frames", std::move(list)}}); !told) return told.error();
    frames_.push_back(
        std::make_unique<EventPoll>([&link = node->link](const EventPoll::Events& let_go) -> Result<EventPoll::Events> {
          const auto reply = link.ask({{"do", "met"}, {"let_go", let_go}});
          if (!reply) return reply.error();
          return reply.value().value("met", EventPoll::Events());
        }));
    for (std::size_t i = 0; i < awaited.size(); ++i) frames_.back()->await(i, std::move(awaited[i]));
  }
  return {};
}

// What asks the nodes ends before their links do.
Result<void> RemoteNetwork::tear_down() {
  frames_.clear();
  return {};
}

// From here, by ports that were cut off since the last time.
Result<void> RemoteNetwork::probe_clients(RemoteNode& node, Duration limit) {
  const NodeName& name = node.link.node().name;
  std::set<std::size_t> workers;
  {
    const std::lock_guard lock(mutex_);
    workers = clients_cut_[name];
  }
  const auto until = Clock::now() + limit;
  for (const std::size_t worker : workers) {
    bool heard = false;
    do {
      const auto answered = is_answered(*ports_[worker], addresses(name).client, std::chrono::seconds(1));
      if (!answered) return answered.error();
      heard = answered.value();
    } while (!heard && Clock::now() < until);
    if (!heard) {
      return Error::environment(fmt::format("node {} does not answer connections from ports {}-{}, those of client c{}",
                                            name, ports_[worker]->first(), ports_[worker]->last(), worker));
    }
  }
  const std::lock_guard lock(mutex_);
  clients_cut_[name].clear();
  return {};
}

Result<Sounding> RemoteNetwork::sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                                      Duration limit) {
  RemoteNode& sink = node_of(to);
  const auto echo = sink.link.ask({{"do", "echo"}});
  if (!echo) return echo.error();
  const Endpoint there{sink.address, echo.value().value("port", std::uint16_t(0))};
  const auto reply = node_of(from).link.ask({{"do", "sound"},
                                             {"to", there.to_string()},
                                             {"count", count},
                                             {"pace_ns", pace.count()},
                                             {"limit_ns", limit.count()}},
                                            limit * 3);
  if (!reply) return reply.error();
  return agent::sounding_from_json(reply.value());
}

// How many links were sounded: both ways of the pairs that were shaped since the last time.
Result<std::int64_t> RemoteNetwork::probe_shaped(Duration limit) {
  const auto until = Clock::now() + limit;
  std::int64_t links = 0;
  for (const auto& [from, to] : shaped_) {
    std::string wrong;
    while (baseline_) {
      constexpr std::int64_t train = 100;
      const auto sounding = sound(from, to, train, Duration::zero(), sounding_limit);
      if (!sounding) return sounding.error();
      wrong = unlike_clear(sounding.value(), *baseline_);
      if (wrong.empty() || Clock::now() >= until) break;
    }
    if (!wrong.empty())
      return Error::environment(fmt::format("{}->{}->{} is not as it was: {}", from, to, from, wrong));
    links += baseline_ ? 2 : 0;
  }
  shaped_.clear();
  return links;
}

Result<void> RemoteNetwork::probe_node(RemoteNode& node, Duration limit) const {
  const NodeName& name = node.link.node().name;
  auto rules = node.link.ask({{"do", "dropped"}});
  if (!rules) return rules.error();
  if (rules.value().value("rules", false))
    return Error::environment("node " + name + ": a rule that drops packets is still loaded");
  if (rules.value().value("queued", false))
    return Error::environment("node " + name + ": a rule that queues packets is still loaded");
  const auto held = agent::traffic_from_json(rules.value().value("traffic", Json::object())).under_way;
  if (held > 0) return Error::environment(fmt::format("node {}: {} packets are still held back", name, held));
  std::vector<std::string> targets;
  for (const auto& other : nodes_) {
    if (other.get() != &node) targets.push_back(addresses(other->link.node().name).peer_listen.to_string());
  }
  auto reply = node.link.ask({{"do", "probe"}, {"targets", targets}, {"limit_ns", limit.count()}}, limit * 3);
  if (!reply) return reply.error();
  const auto silent = reply.value().value("silent", std::vector<std::string>());
  if (silent.empty()) return {};
  return Error::environment(fmt::format("node {} hears nothing of {}", name, fmt::join(silent, ", ")));
}

Result<Value> RemoteNetwork::probe(Duration limit) {
  const auto probed = on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    if (auto heard = probe_node(node, limit); !heard) return heard;
    return probe_clients(node, limit);
  });
  if (!probed) return probed.error();
  const auto sounded = probe_shaped(limit);
  if (!sounded) return sounded.error();
  return Value::map({{"reachable_pairs", static_cast<std::int64_t>(nodes_.size() * (nodes_.size() - 1))},
                     {"sounded_links", sounded.value()}});
}

NetworkCounters RemoteNetwork::counters() {
  (void)on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    auto reply = node.link.ask({{"do", "dropped"}});
    if (!reply) return {};
    const std::lock_guard lock(mutex_);
    packets_[node.link.node().name] = reply.value().value("packets", std::int64_t(0));
    if (reply.value().contains("traffic"))
      traffic_[node.link.node().name] = agent::traffic_from_json(reply.value()["traffic"]);
    return {};
  }).ok();
  std::int64_t sum = 0;
  for (const auto& [name, packets] : packets_) sum += packets - packets_tried_[name];
  NetworkCounters counters{{"dropped_packets", sum}};
  TrafficCounters all;
  for (const auto& [name, traffic] : traffic_) all += traffic;
  if (!traffic_.empty()) add_counters(counters, all);
  return counters;
}

std::string RemoteNetwork::describe() const {
  std::set<std::string> tools;
  for (const auto& node : nodes_) tools.insert(node->hello.value("filter", "no packet filter"));
  std::string text = fmt::format("{} remote nodes over ssh ({})", nodes_.size(), fmt::join(tools, ", "));
  if (needs_.client_links) text += "; clients are told apart by the ports their connections come from";
  if (needs_.frames) text += "; frames are seen by the keeper of the node they reach (NFQUEUE)";
  if (!needs_.packets || !can_shape({})) return text;
  text +=
      "; packets are delayed, lost, doubled, reordered, damaged, slowed down and held by the keeper of the node they "
      "reach (NFQUEUE)";
  return baseline_ ? text : text + "; probes between nodes do not all pass, so that healed links are only connected to";
}

}  // namespace faultline::live::remote
