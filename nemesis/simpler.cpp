#include "simpler.hpp"

#include <algorithm>
#include <array>

#include "draw.hpp"

namespace faultline {

namespace {

// Parameters a fault says the same without, more or less.
constexpr std::array<std::string_view, 12> optional_parameters{
    "fallback", "shape", "of", "target", "jitter", "duplicate", "reorder", "corrupt", "rate", "delay", "loss", "file"};
constexpr std::array<std::string_view, 7> packet_effects{"delay",   "jitter",  "loss", "duplicate",
                                                         "reorder", "corrupt", "rate"};

Value map_without(const Value& map, std::string_view name) {
  std::vector<Value::Entry> entries;
  for (const Value::Entry& entry : map.as_map()) {
    if (entry.first != Value(name)) entries.push_back(entry);
  }
  return entries.empty() ? Value() : Value::map(std::move(entries));
}

Value map_with(const Value& map, std::string_view name, Value value) {
  std::vector<Value::Entry> entries(map.as_map().begin(), map.as_map().end());
  entries.emplace_back(name, std::move(value));
  return Value::map(std::move(entries));
}

Value list_without(const Value& list, std::size_t index) {
  std::vector<Value> items(list.as_list().begin(), list.as_list().end());
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(index));
  return Value::list(std::move(items));
}

bool mentions(const Value& value, const NodeName& node) {
  if (value.is_string()) return value.as_text() == node;
  if (value.is_list())
    return std::any_of(value.as_list().begin(), value.as_list().end(),
                       [&](const Value& v) { return mentions(v, node); });
  return value.is_map() && value.get("node") == Value(node);
}

Value items_without(const Value& list, const NodeName& node) {
  std::vector<Value> items;
  for (const Value& item : list.as_list()) {
    if (!mentions(item, node)) items.push_back(item);
  }
  return Value::list(std::move(items));
}

bool trigger_mentions(const EventTrigger& trigger, const NodeName& node) {
  if (const auto* frame = std::get_if<FrameTrigger>(&trigger.what)) return frame->from == node || frame->to == node;
  if (const auto* call = std::get_if<CallTrigger>(&trigger.what)) return call->node == node;
  const auto* role = std::get_if<RoleTrigger>(&trigger.what);
  return role != nullptr && role->node == node;
}

// A parameter whose absence changes what is asked for, not merely what is told: only once the fault names what it hits.
bool may_go(const Fault& fault, std::string_view name) {
  if (fault.parameters.get(name).is_null()) return false;
  const bool selector = name == "shape" || name == "of" || name == "target";
  if (selector) return !fault.nodes.empty() || !fault.grudge.empty();
  if (fault.kind == "clock" || fault.kind == "partition") return name == "fallback";
  if (fault.kind != "packet") return true;
  const bool effect = std::find(packet_effects.begin(), packet_effects.end(), name) != packet_effects.end();
  const auto effects = std::count_if(packet_effects.begin(), packet_effects.end(),
                                     [&](std::string_view other) { return !fault.parameters.get(other).is_null(); });
  return !effect || effects > 1;
}

class Variants {
 public:
  explicit Variants(const Decision& decision) : decision_(decision) {}
  void add(Fault fault) {
    Decision changed = decision_;
    changed.fault = std::move(fault);
    list_.push_back(std::move(changed));
  }
  void add(EventTrigger trigger) {
    Decision changed = decision_;
    changed.when = std::move(trigger);
    list_.push_back(std::move(changed));
  }
  std::vector<Decision> take() && { return std::move(list_); }

 private:
  const Decision& decision_;
  std::vector<Decision> list_;
};

void fewer_parameters(const Fault& fault, Variants& variants) {
  for (const std::string_view name : optional_parameters) {
    if (!may_go(fault, name)) continue;
    Fault changed = fault;
    changed.parameters = map_without(fault.parameters, name);
    variants.add(std::move(changed));
  }
  for (const std::string_view name : {"links", "clogs"}) {
    const Value& list = fault.parameters.get(name);
    for (std::size_t i = 0; list.is_list() && list.as_list().size() > 1 && i < list.as_list().size(); ++i) {
      Fault changed = fault;
      changed.parameters = map_with(fault.parameters, name, list_without(list, i));
      variants.add(std::move(changed));
    }
  }
  const Value& clients = fault.parameters.get("clients");
  if (!clients.is_map()) return;
  for (const auto& [node, names] : clients.as_map()) {
    Fault changed = fault;
    const Value fewer = map_without(clients, node.as_text());
    changed.parameters =
        fewer.is_null() ? map_without(fault.parameters, "clients") : map_with(fault.parameters, "clients", fewer);
    if (!changed.parameters.is_null() || !changed.grudge.empty()) variants.add(std::move(changed));
  }
}

void fewer_nodes(const Fault& fault, Variants& variants) {
  for (std::size_t i = 0; fault.nodes.size() > 1 && i < fault.nodes.size(); ++i) {
    Fault changed = fault;
    changed.nodes.erase(changed.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    variants.add(std::move(changed));
  }
  std::size_t cuts = 0;
  for (const auto& [node, dropped] : fault.grudge) cuts += dropped.size();
  for (const auto& [node, dropped] : fault.grudge) {
    for (const NodeName& from : dropped) {
      if (cuts < 2) continue;
      Fault changed = fault;
      changed.grudge[node].erase(from);
      if (changed.grudge[node].empty()) changed.grudge.erase(node);
      variants.add(std::move(changed));
    }
  }
}

// An earlier n-th: the first, then half of it, then one less.
void earlier_trigger(const Decision& decision, Variants& variants) {
  const auto* trigger = std::get_if<EventTrigger>(&decision.when);
  if (trigger == nullptr) return;
  if (trigger->after > Duration::zero()) {
    EventTrigger changed = *trigger;
    changed.after = {};
    variants.add(changed);
  }
  const auto with = [&](std::uint64_t nth) {
    EventTrigger changed = *trigger;
    std::visit(
        [&](auto& what) {
          if constexpr (requires { what.nth; }) what.nth = nth;
        },
        changed.what);
    variants.add(changed);
  };
  std::uint64_t nth = 1;
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { what.nth; }) nth = what.nth;
      },
      trigger->what);
  if (nth > 1) with(1);
  if (nth > 3) with(nth / 2);
  if (nth > 2) with(nth - 1);
}

// Rounder numbers below or near it, the roundest first; never above it twice.
std::vector<Duration> rounder(Duration duration) {
  std::vector<Duration> all;
  for (Duration::rep unit = 1'000'000'000; unit >= 1'000; unit /= 10) {
    if (duration.count() % unit == 0) break;  // as round already
    const Duration near(duration.count() / unit * unit);
    if (near > Duration::zero()) all.push_back(near);
  }
  return all;
}

}  // namespace

std::optional<Decision> without_node(const Decision& decision, const NodeName& node) {
  if (const auto* trigger = std::get_if<EventTrigger>(&decision.when); trigger && trigger_mentions(*trigger, node))
    return std::nullopt;
  Decision changed = decision;
  Fault& fault = changed.fault;
  std::erase(fault.nodes, node);
  fault.grudge.erase(node);
  for (auto left = fault.grudge.begin(); left != fault.grudge.end();) {
    left->second.erase(node);
    left = left->second.empty() ? fault.grudge.erase(left) : std::next(left);
  }
  bool emptied =
      fault.nodes.empty() != decision.fault.nodes.empty() || fault.grudge.empty() != decision.fault.grudge.empty();
  for (const std::string_view name : {"links", "clogs", "target"}) {
    const Value& list = decision.fault.parameters.get(name);
    if (!list.is_list()) continue;
    const Value fewer = items_without(list, node);
    emptied = emptied || fewer.as_list().empty();
    fault.parameters = map_with(fault.parameters, name, fewer);
  }
  if (const Value& clients = decision.fault.parameters.get("clients"); clients.is_map()) {
    const Value fewer = map_without(clients, node);
    fault.parameters =
        fewer.is_null() ? map_without(fault.parameters, "clients") : map_with(fault.parameters, "clients", fewer);
    emptied = emptied || (fewer.is_null() && fault.grudge.empty() && fault.parameters.get("shape").is_null());
  }
  if (emptied) return std::nullopt;
  return changed;
}

std::vector<Decision> simpler_faults(const Decision& decision) {
  Variants variants(decision);
  earlier_trigger(decision, variants);
  fewer_nodes(decision.fault, variants);
  fewer_parameters(decision.fault, variants);
  if (decision.fault.kind == "kill" && !decision.fault.parameters.get("disk").is_null()) {
    Fault plain = decision.fault;
    plain.parameters = map_without(plain.parameters, "disk");
    variants.add(std::move(plain));
  }
  return std::move(variants).take();
}

std::vector<Decision> simpler_times(const Decision& decision) {
  std::vector<Decision> all;
  const auto lasting = [&](Duration lasts) {
    all.push_back(decision);
    all.back().lasts = lasts;
  };
  if (decision.lasts) {
    const Duration lasts = *decision.lasts;
    constexpr Duration shortest = std::chrono::milliseconds(1);
    for (const int part : {10, 4, 2}) {
      if (lasts / part >= shortest) lasting(rounded(lasts / part));
    }
    for (const Duration round : rounder(lasts)) lasting(round);
  }
  if (const auto* at = std::get_if<Duration>(&decision.when)) {
    for (const Duration round : rounder(*at)) {
      all.push_back(decision);
      all.back().when = round;
    }
  }
  return all;
}

}  // namespace faultline
