// The network of remote nodes.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/live/agent/traffic_json.hpp"
#include "adapters/live/sounding.hpp"
#include "adapters/live/traffic_counters.hpp"
#include "machines.hpp"

namespace faultline::live::remote {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto sounding_limit = std::chrono::seconds(5);  // it ends as soon as all have arrived

Error clients_stay() {
  return Error::bad_input("remote nodes hear all clients from one address, so that no client can be cut off by itself",
                          "use partition without clients");
}

}  // namespace

Result<void> RemoteNetwork::set_up() {
  std::vector<std::string> sources;
  for (const auto& node : nodes_) sources.push_back(node->address);
  const auto made = on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    if (!node.hello.contains("filter")) return {};  // supports() refuses partitions then
    auto declared = node.link.ask({{"do", "filter"}, {"sources", sources}, {"address", node.address}});
    return declared ? Result<void>() : declared.error();
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

Result<void> RemoteNetwork::apply(const Grudge& grudge) {
  const auto wanted = [&](const NodeName& name) {
    std::set<std::size_t> sources;
    const auto found = grudge.find(name);
    for (std::size_t i = 0; found != grudge.end() && i < nodes_.size(); ++i) {
      if (found->second.contains(nodes_[i]->link.node().name)) sources.insert(i);
    }
    return sources;
  };
  return on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
    const NodeName& name = node.link.node().name;
    const auto sources = wanted(name);
    {
      const std::lock_guard lock(mutex_);
      const auto known = dropped_.find(name);
      if (known == dropped_.end() ? sources.empty() : known->second == sources) return {};
      dropped_.erase(name);
    }
    if (auto loaded = node.link.ask({{"do", "drop"}, {"sources", sources}}); !loaded) {
      const std::lock_guard lock(mutex_);
      dropped_[name] = {nodes_.size()};  // nobody knows: neither what is wanted next nor nothing
      return loaded.error();
    }
    const std::lock_guard lock(mutex_);
    dropped_[name] = sources;
    return {};
  });
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

Result<void> RemoteNetwork::cut_clients(const ClientCuts& cuts) {
  return cuts.empty() ? Result<void>() : clients_stay();
}

Result<void> RemoteNetwork::can_cut_clients() const { return clients_stay(); }

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
  const auto probed = on_each(nodes_, [&](RemoteNode& node) { return probe_node(node, limit); });
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
  for (const auto& [name, packets] : packets_) sum += packets;
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
  if (!needs_.packets || !can_shape({})) return text;
  text +=
      "; packets are delayed, lost, doubled, reordered, damaged, slowed down and held by the keeper of the node they "
      "reach (NFQUEUE)";
  return baseline_ ? text : text + "; probes between nodes do not all pass, so that healed links are only connected to";
}

}  // namespace faultline::live::remote
