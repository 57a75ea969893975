#include <faultline/fault.hpp>

#include <algorithm>
#include <array>

#include "strict.hpp"

namespace faultline {

namespace {

Value names(const auto& nodes) {
  std::vector<Value> list;
  for (const NodeName& node : nodes) list.emplace_back(node);
  return Value::list(std::move(list));
}

Result<Grudge> grudge_of(const Value& value) {
  if (!value.is_map()) return Error::bad_input("'grudge' is no object: " + clip(value.to_string(), 80));
  Grudge grudge;
  for (const auto& [node, dropped] : value.as_map()) {
    if (!node.is_string() || node.as_text().empty()) {
      return Error::bad_input("'grudge' has a key that is no node name: " + clip(node.to_string(), 80));
    }
    const auto list = node_list(dropped, fmt::format("grudge of {}", quoted(node.as_text())));
    if (!list) return list.error();
    std::set<NodeName>& from = grudge[std::string(node.as_text())];
    from.insert(list.value().begin(), list.value().end());
    if (from.contains(std::string(node.as_text()))) {
      return Error::bad_input(fmt::format("grudge of {} drops its own packets", quoted(node.as_text())));
    }
  }
  return grudge;
}

}  // namespace

Value to_value(const Fault& fault) {
  std::vector<Value::Entry> fields{{"kind", fault.kind}};
  if (!fault.nodes.empty()) fields.emplace_back("nodes", names(fault.nodes));
  if (!fault.grudge.empty()) {
    std::vector<Value::Entry> grudge;
    for (const auto& [node, dropped] : fault.grudge) grudge.emplace_back(node, names(dropped));
    fields.emplace_back("grudge", Value::map(std::move(grudge)));
  }
  if (!fault.parameters.is_null()) fields.emplace_back("parameters", fault.parameters);
  return Value::map(std::move(fields));
}

Result<Fault> fault_from_value(const Value& value) {
  constexpr std::array<std::string_view, 4> fields{"kind", "nodes", "grudge", "parameters"};
  if (const auto checked = only_fields(value, "a fault", fields); !checked) return checked.error();
  const Value& kind = value.get("kind");
  if (!kind.is_string() || kind.as_text().empty()) {
    return Error::bad_input("a fault needs its kind: " + clip(value.to_string(), 80),
                            R"(e.g. {"kind":"kill","nodes":["n1"]})");
  }
  Fault fault{.kind = std::string(kind.as_text()), .nodes = {}, .grudge = {}, .parameters = value.get("parameters")};
  if (const Value& listed = value.get("nodes"); !listed.is_null()) {
    auto nodes = node_list(listed, "'nodes'");
    if (!nodes) return nodes.error();
    fault.nodes = std::move(nodes).value();
  }
  if (const Value& written = value.get("grudge"); !written.is_null()) {
    auto grudge = grudge_of(written);
    if (!grudge) return grudge.error();
    fault.grudge = std::move(grudge).value();
  }
  if (!fault.parameters.is_null() && !fault.parameters.is_map()) {
    return Error::bad_input("'parameters' is no object: " + clip(fault.parameters.to_string(), 80));
  }
  return fault;
}

}  // namespace faultline
