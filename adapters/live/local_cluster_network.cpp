// The faults `packet`, `clog` and `swizzle_clog` of a local cluster, and the clients of a partition.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <faultline/grudge.hpp>

namespace faultline::live {
namespace {

using Entries = std::vector<Value::Entry>;

constexpr std::array<std::string_view, 7> packet_counters{
    "delayed_packets",   "lost_packets",      "duplicated_packets", "reordered_packets",
    "corrupted_packets", "throttled_packets", "throttled_bytes"};

std::string_view text_of(const Value& value) { return value.is_string() ? value.as_text() : std::string_view(); }

// REQUIRES for this and the next two: the parameters were validated.
Duration duration_of(const Value& value) {
  return value.is_null() ? Duration::zero() : parse_duration(text_of(value)).value();
}

double probability_of(const Value& value) {
  return value.is_real() ? value.as_real() : value.is_integer() ? static_cast<double>(value.as_integer()) : 0;
}

// "64KB/s".
std::uint64_t rate_of(const Value& value) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> units{{{"B/s", 1},
                                                                             {"KB/s", 1000},
                                                                             {"MB/s", 1000'000},
                                                                             {"GB/s", 1000'000'000},
                                                                             {"KiB/s", 1U << 10U},
                                                                             {"MiB/s", 1U << 20U},
                                                                             {"GiB/s", 1U << 30U}}};
  const std::string_view text = text_of(value);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return 0;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, size] : units) {
    if (unit == name) return std::max<std::uint64_t>(1, number * size);
  }
  return 0;
}

PacketRules rules_of(const Value& parameters) {
  return {.delay = duration_of(parameters.get("delay")),
          .jitter = duration_of(parameters.get("jitter")),
          .loss = probability_of(parameters.get("loss")),
          .duplicate = probability_of(parameters.get("duplicate")),
          .reorder = probability_of(parameters.get("reorder")),
          .corrupt = probability_of(parameters.get("corrupt")),
          .rate = rate_of(parameters.get("rate"))};
}

std::set<LinkName> listed_links(const Value& links) {
  std::set<LinkName> listed;
  for (const Value& link : links.as_list()) listed.emplace(link.as_list()[0].as_text(), link.as_list()[1].as_text());
  return listed;
}

// The worker of "c3".
std::optional<std::size_t> worker_of(std::string_view name) {
  std::size_t worker = 0;
  if (!name.starts_with('c')) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), worker);
  const bool whole = error == std::errc{} && end == name.data() + name.size();
  return whole ? std::optional(worker) : std::nullopt;
}

Result<void> check_link_ends(const Value& links, const std::string& kind, const std::vector<NodeName>& nodes) {
  if (!links.is_list()) return {};
  for (const auto& [from, to] : listed_links(links)) {
    for (const NodeName& end : {from, to}) {
      if (std::find(nodes.begin(), nodes.end(), end) != nodes.end()) continue;
      return Error::bad_input("fault '" + kind + "' names the link of a client, '" + end + "'",
                              "only links between nodes can be " +
                                  std::string(kind == "packet" ? "slowed" : "clogged") +
                                  " here; clients can be cut off: a partition with \"clients\"");
    }
  }
  return {};
}

Value to_value(const NetworkCounters& counters) {
  Entries entries;
  for (const auto& [name, count] : counters) entries.emplace_back(name, count);
  return Value::map(std::move(entries));
}

}  // namespace

bool is_traffic_fault(std::string_view kind) { return kind == "packet" || kind == "clog" || kind == "swizzle_clog"; }

bool counts_for(std::string_view kind, std::string_view counter) {
  const bool of_packets = std::find(packet_counters.begin(), packet_counters.end(), counter) != packet_counters.end();
  if (kind == "packet") return of_packets;
  const bool of_clogs = counter == "held_packets";
  return is_traffic_fault(kind) ? of_clogs : !of_clogs && !of_packets;
}

void LocalCluster::learn_network_limits() {
  limits_ = {.packets = network_->can_shape({}),
             .copies_alone = network_->can_shape({.duplicate = 1}),
             .clients = network_->can_cut_clients()};
}

Result<void> LocalCluster::supports_traffic(const Fault& fault) const {
  const auto refuse = [&](const Error& why) {
    return Error::bad_input("fault '" + fault.kind + "' is not available here: " + why.message, why.remedy);
  };
  if (!limits_.packets) return refuse(limits_.packets.error());
  if (auto valid = validate(fault, options_.nodes); !valid) return valid;
  if (auto known = check_link_ends(fault.parameters.get("links"), fault.kind, options_.nodes); !known) return known;
  if (const Value& clogs = fault.parameters.get("clogs"); clogs.is_list()) {
    for (const Value& clog : clogs.as_list()) {
      if (const Value& links = clog.get("links"); !links.is_null()) {
        const Fault its{.kind = "clog", .nodes = {}, .grudge = {}, .parameters = Value::map({{"links", links}})};
        if (auto valid = validate(its, options_.nodes); !valid) return valid;
        if (auto known = check_link_ends(links, fault.kind, options_.nodes); !known) return known;
      }
    }
  }
  if (fault.kind != "packet") return {};
  const PacketRules rules = rules_of(fault.parameters);
  const bool only_copies = rules.duplicate > 0 && PacketRules{.duplicate = rules.duplicate} == rules;
  if (only_copies && !limits_.copies_alone) return refuse(limits_.copies_alone.error());
  return {};
}

Result<void> LocalCluster::supports_clients(const Fault& fault) const {
  const Value& clients = fault.parameters.get("clients");
  if (!clients.is_map() || clients.as_map().empty()) return {};
  for (const auto& [node, names] : clients.as_map()) {
    const bool known = std::find(options_.nodes.begin(), options_.nodes.end(), text_of(node)) != options_.nodes.end();
    if (!known)
      return Error::bad_input("fault '" + fault.kind + "' cuts clients from the unknown node " + node.to_string());
    for (const Value& name : names.is_list() ? names.as_list() : std::span<const Value>()) {
      if (!worker_of(text_of(name))) {
        return Error::bad_input("fault '" + fault.kind + "' names the client " + name.to_string(),
                                "clients are named c0, c1, … by their workers");
      }
    }
  }
  if (limits_.clients) return {};
  return Error::bad_input("clients cannot be cut off here: " + limits_.clients.error().message,
                          limits_.clients.error().remedy);
}

// All links of these nodes, in both directions.
std::set<LinkName> LocalCluster::links_of(const std::vector<NodeName>& nodes) const {
  std::set<LinkName> links;
  for (const NodeName& node : nodes) {
    for (const NodePlace& other : places_) {
      if (other.name == node) continue;
      links.emplace(node, other.name);
      links.emplace(other.name, node);
    }
  }
  return links;
}

// What the fault puts on links from `now` on.
Traffic LocalCluster::traffic_of(const Fault& fault, Instant now) const {
  Traffic traffic;
  const auto clog = [&](const Value& links, const std::vector<NodeName>& nodes, Clog when) {
    for (const LinkName& link : links.is_list() ? listed_links(links) : links_of(nodes))
      traffic[link].clogs.push_back(when);
  };
  const Value& links = fault.parameters.get("links");
  if (fault.kind == "clog") {
    clog(links, fault.nodes, {.from = now, .to = Instant::max()});
  } else if (fault.kind == "swizzle_clog") {
    const Value& clogs = fault.parameters.get("clogs");
    for (const Value& one : clogs.is_list() ? clogs.as_list() : std::span<const Value>()) {
      clog(one.get("links"), {NodeName(text_of(one.get("node")))},
           {.from = now + duration_of(one.get("from")), .to = now + duration_of(one.get("to"))});
    }
  } else {
    const PacketRules rules = rules_of(fault.parameters);
    for (const LinkName& link : links.is_list() ? listed_links(links) : links_of(fault.nodes))
      traffic[link].packets.push_back(rules);
  }
  return traffic;
}

// The network carries the union of all faults that are in force.
Result<void> LocalCluster::load_traffic() {
  Traffic total;
  for (const Active& active : active_) {
    for (const auto& [link, faults] : active.traffic) {
      LinkFaults& sum = total[link];
      sum.packets.insert(sum.packets.end(), faults.packets.begin(), faults.packets.end());
      sum.clogs.insert(sum.clogs.end(), faults.clogs.begin(), faults.clogs.end());
    }
  }
  return network_->shape(total);
}

ClientCuts LocalCluster::client_cuts() const {
  ClientCuts cuts;
  for (const Active& active : active_) {
    const Value& clients = active.fault.parameters.get("clients");
    if (active.fault.kind != "partition" || !clients.is_map()) continue;
    for (const auto& [node, names] : clients.as_map()) {
      for (const Value& name : names.as_list()) cuts[NodeName(text_of(node))].insert(worker_of(text_of(name)).value());
    }
  }
  return cuts;
}

Result<Value> LocalCluster::apply_traffic(const Fault& fault) {
  Active active{
      .fault = fault, .nodes = {}, .before = network_->counters(), .traffic = traffic_of(fault, steady_now())};
  const auto links = static_cast<std::int64_t>(active.traffic.size());
  active_.push_back(std::move(active));
  if (auto loaded = load_traffic(); !loaded) {
    active_.pop_back();
    // Back to what was in force; if that fails too, heal_all() finds and says so.
    (void)load_traffic().ok();
    return loaded.error();
  }
  Entries done{{fault.kind == "packet" ? "affected_links" : "clogged_links", links}};
  if (rules_of(fault.parameters).duplicate > 0 && fault.kind == "packet" && !limits_.copies_alone)
    done.emplace_back("skipped", Value::map({{"duplicate", limits_.copies_alone.error().message}}));
  return Value::map(std::move(done));
}

Result<Value> LocalCluster::heal_traffic(const Active& healed) {
  if (auto loaded = load_traffic(); !loaded) return loaded.error();
  NetworkCounters did;
  for (const auto& [name, count] : network_->counters()) {
    if (!counts_for(healed.fault.kind, name)) continue;
    const auto before = healed.before.find(name);
    did[name] = count - (before == healed.before.end() ? 0 : before->second);
  }
  return to_value(did);
}

// Without the lock, which a fault may hold for long: the network and its addresses stay as they are from set_up() to tear_down().
ClientRoute LocalCluster::client_route(const NodeName& node, std::size_t worker) const {
  FL_ASSERT(network_ != nullptr);
  return network_->client_route(node, worker);
}

}  // namespace faultline::live
