// Model: what a correct object does, as three pure functions, and nothing else.
//
//   init()                    the state before the first operation
//   step(state, call)         the state after it, or nullopt if the object could not have answered so
//   equal(state, state)       whether two states are the same
//
// A model never sees time, processes or other keys. Optional members make it faster or more talkative, never different:
//   hash(state)               equal states hash alike; without it, states are compared one by one
//   describe(state)           for people; default: "?"
//   explain(state, call)      the refusal as a sentence fragment: "returned 1, but the register holds 4"
//   observer(call)            the call never changes the state; it is then placed as early as it fits
//   commute(call, call)       in every state both orders are possible or neither is, and both lead to the same state
//   accepts(f)                whether the model knows an operation of that name
//   weight(state)             bytes the state adds to those it shares structure with, for the memory limit
//   name                      a static string
//
// Herlihy, Wing: "Linearizability: a correctness condition for concurrent objects", 1990, section 2 (sequential specifications).
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include <faultline/event.hpp>

namespace faultline {

// One operation as a model sees it.
struct Call {
  std::string_view f;
  Value input;          // of the invocation (a completion's value, where the formats let it replace the invocation's)
  Value output;         // of the completion; meaningless unless `result_known`
  bool result_known;    // false for an open operation: step must accept whatever the object would have answered
  bool failed = false;  // a failed cas that counts as the observation "value != expected"
};

template <class M>
concept Model = requires(const M& model, const typename M::State& state, const Call& call) {
  { model.init() } -> std::convertible_to<typename M::State>;
  { model.step(state, call) } -> std::convertible_to<std::optional<typename M::State>>;
  { model.equal(state, state) } -> std::convertible_to<bool>;
};

}  // namespace faultline
