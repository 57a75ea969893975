// ModelView: what explanations need of a model, without the type of its state; so that they are compiled once, not per
// model.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "brute_force.hpp"

namespace faultline {

// Items taken one after the other: indices into Items.
using Order = std::vector<std::uint32_t>;

struct ModelView {
  std::string name;  // of the catalogue: known calls have their known meaning; any other: nothing is assumed of them
  Value initial;     // as in ModelOptions
  std::function<BruteForceResult(const Items&, std::uint64_t max_steps)> search;
  // For people: the state before the order and after each of its steps. REQUIRES: the order is legal.
  std::function<std::vector<std::string>(const Items&, const Order&)> states;
  // Why the call is illegal after the order, as a fragment of a sentence ("" if the model cannot say); none if it is
  // legal.
  std::function<std::optional<std::string>(const Items&, const Order&, const Call&)> refusal;
  std::function<bool(const Call&)> observer;
};

namespace detail {

template <class M>
std::string describe_state(const M& model, const typename M::State& state) {
  if constexpr (requires {
                  { model.describe(state) } -> std::convertible_to<std::string>;
                })
    return model.describe(state);
  return "?";
}

template <class M>
typename M::State state_after(const M& model, const Items& items, const Order& order) {
  typename M::State state = model.init();
  for (const std::uint32_t i : order) {
    auto next = model.step(state, items[i].call);
    FL_ASSERT(next);
    state = std::move(*next);
  }
  return state;
}

}  // namespace detail

// Keeps a copy of the model.
template <Model M>
ModelView view_of(const M& model, std::string name, Value initial) {
  ModelView view;
  view.name = std::move(name);
  view.initial = std::move(initial);
  view.search = [model](const Items& items, std::uint64_t max_steps) {
    return brute_force_with_memo(model, items, max_steps);
  };
  view.states = [model](const Items& items, const Order& order) {
    typename M::State state = model.init();
    std::vector<std::string> states{detail::describe_state(model, state)};
    for (const std::uint32_t i : order) {
      auto next = model.step(state, items[i].call);
      FL_ASSERT(next);
      state = std::move(*next);
      states.push_back(detail::describe_state(model, state));
    }
    return states;
  };
  view.refusal = [model](const Items& items, const Order& order, const Call& call) -> std::optional<std::string> {
    const typename M::State state = detail::state_after(model, items, order);
    if (model.step(state, call)) return std::nullopt;
    if constexpr (requires {
                    { model.explain(state, call) } -> std::convertible_to<std::string>;
                  })
      return model.explain(state, call);
    return std::string();
  };
  view.observer = [model](const Call& call) {
    if constexpr (requires {
                    { model.observer(call) } -> std::convertible_to<bool>;
                  })
      return model.observer(call);
    return false;
  };
  return view;
}

}  // namespace faultline
