// Selectors resolve when a decision fires: which nodes, which grudge.
#include <faultline/grudge.hpp>
#include <faultline/nemesis.hpp>

#include <algorithm>
#include <array>

#include "parameters.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

constexpr std::array<std::string_view, 8> shapes{"halves", "random_halves",   "isolate_one", "minority",
                                                 "bridge", "majorities_ring", "primaries",   "one_way"};
constexpr std::array<std::string_view, 6> targets{"one", "minority", "majority", "primaries", "random", "all"};

// Of `count` at random, in the cluster's order.
Nodes some(const Nodes& nodes, std::size_t count, Rng& rng) {
  std::vector<std::size_t> order(nodes.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  rng.shuffle(std::span(order));
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  Nodes chosen;
  for (const std::size_t i : order) chosen.push_back(nodes[i]);
  return chosen;
}

Nodes select(std::string_view target, const Nodes& nodes, const Nodes& primaries, Rng& rng) {
  const std::size_t n = nodes.size();
  if (target == "all") return nodes;
  if (target == "one") return some(nodes, 1, rng);
  if (target == "majority") return some(nodes, quorum(n), rng);
  if (target == "random") return some(nodes, 1 + rng.below(n), rng);
  if (target == "minority") return some(nodes, 1 + rng.below(std::max<std::size_t>(1, n - quorum(n))), rng);
  FL_ASSERT(target == "primaries");
  Nodes known;
  for (const NodeName& node : nodes) {
    if (std::find(primaries.begin(), primaries.end(), node) != primaries.end()) known.push_back(node);
  }
  return known.empty() ? some(nodes, 1, rng) : known;
}

Grudge shape_grudge(std::string_view shape, const Nodes& nodes, const Nodes& primaries, Rng& rng) {
  if (shape == "halves") return halves(nodes);
  if (shape == "random_halves") return random_halves(nodes, rng);
  if (shape == "isolate_one") return isolate_one(nodes, rng);
  if (shape == "minority") return minority(nodes, rng);
  if (shape == "bridge") return bridge(nodes, rng);
  if (shape == "majorities_ring") return majorities_ring(nodes, rng);
  FL_ASSERT(shape == "primaries");
  return isolate(nodes, select("primaries", nodes, primaries, rng));
}

std::string_view text_of(const Value& parameters, std::string_view name) {
  const Value& value = parameters.get(name);
  return value.is_string() ? value.as_text() : std::string_view();
}

bool has_links(std::string_view kind) { return kind == "clog" || kind == "packet"; }

Result<void> validate_word(const Value& word, std::string_view what, std::span<const std::string_view> known) {
  if (!word.is_string()) {
    return Error::bad_input(fmt::format("the {} is missing or no string: {}", what, clip(word.to_string(), 80)),
                            fmt::format("known: {}", joined(known)));
  }
  if (std::find(known.begin(), known.end(), word.as_text()) == known.end())
    return unknown_word(what, word.as_text(), known);
  return {};
}

Result<void> validate_partition(const Fault& fault) {
  if (!fault.nodes.empty()) {
    return Error::bad_input("a partition has a grudge or a shape, not nodes", R"(e.g. {"shape":"isolate_one"})");
  }
  if (is_explicit(fault)) {
    if (fault.parameters.get("clients").is_integer())
      return Error::bad_input("'clients' of a grudge are named", R"(e.g. {"n1":["c0"]}: c0 is cut off from n1)");
    return {};
  }
  if (auto checked = validate_word(fault.parameters.get("shape"), "shape", shapes); !checked) return checked;
  const Value& inner = fault.parameters.get("of");
  if (text_of(fault.parameters, "shape") != "one_way") {
    if (!inner.is_null()) return Error::bad_input("'of' belongs to the shape one_way alone");
    return {};
  }
  if (auto checked = validate_word(inner, "shape of one_way", shapes); !checked) return checked;
  if (inner.as_text() == "one_way") return Error::bad_input("one_way of one_way says nothing");
  return {};
}

Result<void> validate_target(const Fault& fault, const Nodes& nodes) {
  if (!fault.grudge.empty())
    return Error::bad_input(fmt::format("a {} has nodes or a target, not a grudge", fault.kind));
  if (fault.kind == "swizzle_clog") {
    if (fault.nodes.empty() && fault.parameters.get("clogs").is_null() != fault.parameters.get("window").is_null())
      return {};
    return Error::bad_input("a swizzle_clog has its clogs, or a window to draw them in", R"(e.g. {"window":"4s"})");
  }
  if (is_explicit(fault)) return {};
  if (has_links(fault.kind) && !fault.parameters.get("pairs").is_null()) {
    if (fault.parameters.get("target").is_null()) return {};
    return Error::bad_input("'pairs' and 'target' exclude each other");
  }
  const Value& target = fault.parameters.get("target");
  if (!target.is_list()) return validate_word(target, "target", targets);
  const auto listed = node_list(target, "'target'");
  if (!listed) return listed.error();
  if (listed.value().empty()) return Error::bad_input("'target' is an empty list: the fault would hit nobody");
  for (const NodeName& node : listed.value()) {
    if (auto known = known_node(node, nodes); !known) return known;
  }
  return {};
}

// A cluster grows by a node that is not in it: the port knows which. It shrinks by nodes it has, one or its leader, for
// with fewer than a majority left it could not even be healed.
Result<void> validate_membership(const Fault& fault, const Nodes& nodes) {
  static constexpr std::array<std::string_view, 2> changes{"shrink", "grow"};
  static constexpr std::array<std::string_view, 2> few{"one", "primaries"};
  const Value& change = fault.parameters.get("change");
  if (auto known = validate_word(change, "change", changes); !known) return known;
  const Value& target = fault.parameters.get("target");
  if (change.as_text() == "grow") {
    if (target.is_null() && fault.grudge.empty()) return {};
    return Error::bad_input("a membership that grows takes no target", R"(e.g. {"change":"grow"})");
  }
  if (!is_explicit(fault) && target.is_string()) return validate_word(target, "target of a shrink", few);
  return validate_target(fault, nodes);
}

// Puts a parameter in the place of another one (which may be the same, or absent).
Value with_parameter(const Value& parameters, std::string_view name, Value value, std::string_view instead_of = {}) {
  std::vector<Value::Entry> entries;
  if (parameters.is_map()) {
    for (const Value::Entry& entry : parameters.as_map()) {
      if (entry.first != Value(instead_of)) entries.push_back(entry);
    }
  }
  entries.emplace_back(name, std::move(value));
  return Value::map(std::move(entries));
}

// --- links, clogs, clients -------------------------------------------------------------------------------------------

Value draw_links(std::size_t count, const Nodes& nodes, Rng& rng) {
  std::vector<Value> links;
  for (const NodeName& from : nodes) {
    for (const NodeName& to : nodes) {
      if (from != to) links.push_back(Value::list({from, to}));
    }
  }
  rng.shuffle(std::span(links));
  links.resize(std::min(count, links.size()));
  return Value::list(std::move(links));
}

// The clogs of a swizzle: each node with p = 1/2, at least one, from some time in the window's first half to one in its second.
Value draw_clogs(Duration window, const Nodes& nodes, Rng& rng) {
  Nodes chosen;
  for (const NodeName& node : nodes) {
    if (rng.chance(0.5)) chosen.push_back(node);
  }
  if (chosen.empty()) chosen.push_back(rng.pick(nodes));
  const std::int64_t half = std::max<std::int64_t>(1, window.count() / 2'000'000);
  std::vector<Value> clogs;
  for (const NodeName& node : chosen) {
    const std::int64_t from = rng.between(0, half);
    const std::int64_t to = half + rng.between(0, half);
    clogs.push_back(Value::map({{"node", node}, {"from", fmt::format("{}ms", from)}, {"to", fmt::format("{}ms", to)}}));
  }
  return Value::list(std::move(clogs));
}

// Clients of nodes that are cut off from somebody, each with p = 1/2 on another side than its node.
Value draw_clients(std::size_t clients, const Grudge& grudge, const Nodes& nodes, Rng& rng) {
  std::vector<Value::Entry> cut_off;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    std::vector<Value> names;
    for (std::size_t client = n; client < clients; client += nodes.size()) {
      if (grudge.contains(nodes[n]) && rng.chance(0.5)) names.emplace_back(fmt::format("c{}", client));
    }
    if (!names.empty()) cut_off.emplace_back(nodes[n], Value::list(std::move(names)));
  }
  return Value::map(std::move(cut_off));
}

Fault resolve_partition(const Fault& fault, const Nodes& nodes, const Nodes& primaries, Rng& rng) {
  Fault resolved = fault;
  const std::string_view shape = text_of(fault.parameters, "shape");
  if (shape == "one_way") {
    const Grudge whole = shape_grudge(text_of(fault.parameters, "of"), nodes, primaries, rng);
    resolved.grudge = one_way(whole, nodes, rng);
  } else {
    resolved.grudge = shape_grudge(shape, nodes, primaries, rng);
  }
  if (const Value& clients = fault.parameters.get("clients"); clients.is_integer()) {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(clients.as_integer(), 1023));
    resolved.parameters =
        with_parameter(resolved.parameters, "clients", draw_clients(count, resolved.grudge, nodes, rng), "clients");
  }
  return resolved;
}

}  // namespace

std::span<const std::string_view> shape_names() { return shapes; }
std::span<const std::string_view> target_names() { return targets; }

bool is_explicit(const Fault& fault) {
  if (!fault.nodes.empty() || !fault.grudge.empty()) return true;
  return fault.parameters.get("links").is_list() || fault.parameters.get("clogs").is_list() ||
         (fault.parameters.get("clients").is_map() && fault.parameters.get("shape").is_null());
}

bool needs_primaries(const Fault& fault) {
  if (is_explicit(fault)) return false;
  for (const std::string_view name : {"shape", "of", "target"}) {
    if (text_of(fault.parameters, name) == "primaries") return true;
  }
  return false;
}

Result<void> validate(const Fault& fault, const Nodes& nodes) {
  if (find_kind(fault.kind) == nullptr) {
    std::vector<std::string_view> known;
    for (const Kind& kind : kinds()) known.push_back(kind.name);
    return unknown_word("kind of fault", fault.kind, known);
  }
  if (auto checked = check_parameters(fault, nodes); !checked) return checked;
  for (const NodeName& node : fault.nodes) {
    if (auto known = known_node(node, nodes); !known) return known;
  }
  for (const auto& [node, dropped] : fault.grudge) {
    if (auto known = known_node(node, nodes); !known) return known;
    for (const NodeName& from : dropped) {
      if (auto known = known_node(from, nodes); !known) return known;
    }
  }
  if (fault.kind == "partition") return validate_partition(fault);
  return fault.kind == "membership" ? validate_membership(fault, nodes) : validate_target(fault, nodes);
}

Result<Fault> resolve(const Fault& fault, const Nodes& nodes, const Nodes& primaries, Rng& rng) {
  if (nodes.empty()) return Error::environment("there is no node a fault could hit");
  if (const auto valid = validate(fault, nodes); !valid) return valid.error();
  if (is_explicit(fault)) return fault;
  Fault resolved = fault;
  const Nodes now_primary = needs_primaries(fault) ? primaries : Nodes();
  if (needs_primaries(fault) && primaries.empty()) {
    resolved.parameters = with_parameter(fault.parameters, "fallback", "no primary answered");
  }
  if (fault.kind == "partition") return resolve_partition(resolved, nodes, now_primary, rng);
  if (fault.kind == "swizzle_clog") {
    const Duration window = parse_duration(text_of(fault.parameters, "window")).value();
    resolved.parameters = with_parameter(resolved.parameters, "clogs", draw_clogs(window, nodes, rng), "window");
    return resolved;
  }
  if (const Value& pairs = fault.parameters.get("pairs"); has_links(fault.kind) && pairs.is_integer()) {
    const auto count = static_cast<std::size_t>(pairs.as_integer());
    resolved.parameters = with_parameter(resolved.parameters, "links", draw_links(count, nodes, rng), "pairs");
    return resolved;
  }
  const Value& target = fault.parameters.get("target");
  if (target.is_null()) return resolved;  // a membership that grows
  resolved.nodes =
      target.is_list() ? node_list(target, "'target'").value() : select(target.as_text(), nodes, now_primary, rng);
  // Two nodes may believe that they lead; both at once may be more than a cluster can miss.
  if (fault.kind == "membership" && !target.is_list()) resolved.nodes.resize(1);
  return resolved;
}

}  // namespace faultline
