// prepare: from a History to one Items per key, by the rules of semantics (what ok, fail, info, nil and a failed cas
// mean).
//
// Engines see the result only, so what an operation means is decided here and nowhere else. One pass over the history's
// columns, about 70 bytes an operation. Calls point into History::functions(): the history must outlive them. Pure; any
// thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <faultline/checker.hpp>
#include <faultline/models.hpp>

#include "problem.hpp"

namespace faultline {

// What prepare must know of a model.
struct ModelRules {
  std::string_view model;
  bool catalogued = false;                          // `functions` is all it knows, and other models may know more
  std::span<const FunctionSpec> functions;          // of a model of one's own: may be empty
  std::function<bool(std::string_view f)> accepts;  // of a model of one's own; empty: everything
  std::function<bool(const Call& call)> observer;   // never changes the state; empty: unknown
};

struct KeyProblem {
  Value key;
  Items items;
  std::size_t operations = 0;  // of the history, on this key
};

struct Prepared {
  std::vector<KeyProblem> keys;  // in order of first appearance
  std::size_t failed = 0;        // dropped, certainly no effect
  std::size_t open = 0;          // info or never completed
  std::vector<std::string> ignored;
};

// The error is bad_input and names the line: a function the model does not know, a value of the wrong shape.
Result<Prepared> prepare(const History& history, const ModelRules& rules, const CheckOptions& options);

}  // namespace faultline
