#include "engines.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "monitors/monitor.hpp"
#include "monitors/tallies.hpp"
#include "register/register.hpp"
#include "search/generic.hpp"
#include "unseen.hpp"

namespace faultline {

namespace {

constexpr std::array<std::string_view, 7> names{"auto",  "generic", "frontier", "depth-first",
                                                "zones", "monitor", "versioned"};

std::optional<GenericEngine> generic_of(std::string_view name) {
  if (name == "auto" || name == "generic") return GenericEngine::both;
  if (name == "frontier") return GenericEngine::frontier;
  if (name == "depth-first") return GenericEngine::depth_first;
  return std::nullopt;
}

Error unknown_engine(std::string_view name) {
  const std::string_view near = nearest(name, names);
  return Error::bad_input(fmt::format("unknown engine {}{}", escape_controls(name),
                                      near.empty() ? "" : fmt::format("; did you mean {}?", near)),
                          fmt::format("engines: {}", fmt::join(names, ", ")));
}

// Near-linear deciders; nullopt where the model has none or the values repeat.
template <class M>
std::optional<SearchResult> monitor(const M& model, const Items& items, const Budget& budget) {
  if constexpr (std::is_same_v<M, Counter>) return monitor_counter(items, model.initial, budget);
  if constexpr (std::is_same_v<M, Mutex>) return monitor_mutex(items, model.initial, budget);
  if (!model.equal(model.init(), M{}.init())) return std::nullopt;  // monitors begin with the empty object
  if constexpr (std::is_same_v<M, FifoQueue>) return monitor_queue(items, QueueKind::fifo, budget);
  if constexpr (std::is_same_v<M, UnorderedQueue>) return monitor_queue(items, QueueKind::unordered, budget);
  if constexpr (std::is_same_v<M, Set>) return monitor_set(items, budget);
  if constexpr (std::is_same_v<M, Stack>) return monitor_stack(items, budget);
  if constexpr (std::is_same_v<M, PriorityQueue>) return monitor_priority_queue(items, budget);
  if constexpr (std::is_same_v<M, UniqueIds>) return monitor_unique_ids(items, budget);
  if constexpr (std::is_same_v<M, AppendList>) return monitor_append_list(items, budget);
  if constexpr (std::is_same_v<M, FencedMutex>) return monitor_fenced_mutex(items, budget);
  if constexpr (std::is_same_v<M, Fencing>) return monitor_fencing(items, budget);
  return std::nullopt;
}

SearchResult search_seen(const Items& items, const Kv& model, const Budget& budget) {
  const std::vector<std::uint32_t> seen = without_unseen_updates(items);
  if (seen.size() == items.size()) return search_generic(items, model, budget, GenericEngine::both);
  Items some;
  some.reserve(seen.size());
  for (const std::uint32_t i : seen) some.push_back(items[i]);
  SearchResult result = search_generic(some, model, budget, GenericEngine::both);
  for (std::uint32_t& i : result.order) i = seen[i];
  for (std::uint32_t& i : result.core) i = seen[i];
  return result;
}

template <class M>
SearchResult decide(const M& model, std::string_view name, const Items& items, const Budget& budget) {
  constexpr bool is_register = std::is_same_v<M, Register> || std::is_same_v<M, CasRegister>;
  if constexpr (is_register) {
    if (name == "auto" || name == "versioned") {
      // Where it has no room others may do with less.
      auto found = monitor_versioned(items, model.initial, budget);
      if (found && (name == "versioned" || found->reason != stopped_by_memory)) return *found;
    }
    if (name == "versioned") {
      return {.engine = "versioned", .reason = "the versions are missing or do not state a legal order"};
    }
    // Registers have engines of their own, also under the names of the generic ones; `generic` remains as a second
    // opinion.
    if (const auto which = register_engine(name)) return search_register(items, model.initial, budget, *which);
  }
  if (name == "zones") return {.engine = "zones", .reason = "zones judge registers only"};
  if (name == "versioned") return {.engine = "versioned", .reason = "versions order registers only"};
  if (name == "auto" || name == "monitor") {
    if (auto found = monitor(model, items, budget)) return *found;
    if (name == "monitor") return {.engine = "monitor", .reason = "the monitor cannot decide this history"};
  }
  // The generic engines remain as a second opinion under their own names.
  if constexpr (std::is_same_v<M, Kv>) {
    if (name == "auto") return search_seen(items, model, budget);
  }
  return search_generic(items, model, budget, *generic_of(name));
}

}  // namespace

std::span<const std::string_view> engine_names() { return names; }

Result<Engine> make_engine(const AnyModel& model, std::string_view name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) return unknown_engine(name);
  return Engine([model, name = std::string(name)](const Items& items, const Budget& budget) {
    return std::visit([&](const auto& concrete) { return decide(concrete, name, items, budget); }, model);
  });
}

Result<Engine> make_engine(std::function<std::unique_ptr<Space>()> make_space, std::string_view name) {
  const auto generic = generic_of(name);
  if (!generic) return unknown_engine(name);
  return Engine([make_space = std::move(make_space), generic](const Items& items, const Budget& budget) {
    return search_generic(
        items, [&](const Items&, const Budget&) { return make_space(); }, budget, *generic);
  });
}

}  // namespace faultline
