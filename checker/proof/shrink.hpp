// Shrinking: from an invalid key to a few operations that prove it invalid, by relaxation alone.
//
// First the history is cut: behind the completion no configuration survives (linearizability is prefix-closed), and in
// front of a write close to that point (`since`, see certificate.hpp). Then ddmin over the kept operations: relax
// halves, quarters, … single ones, those far from the death first, and accept a step only if the engine calls the
// result invalid; `unknown` is a refusal. Whether a step is possible only depends on the answer to it, and behaviours
// only grow, so one pass over single operations is enough.
//
// Operations that are said to contradict each other by themselves (SearchResult::core) are tried first, alone.
//
// Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", 2002 (ddmin).
#pragma once

#include "relax.hpp"

namespace faultline {

using Engine = std::function<SearchResult(const Items&, const Budget&)>;

struct Core {
  Items items;                  // kept ones with result and deadline, relaxed ones (context) open; by invocation
  OperationIndex since = none;  // see Anomaly
  bool one_minimal = false;     // every single further relaxation was tried and made it legal
  std::string doubt;            // why that is not known; empty if it is
};

// REQUIRES: `found` is the engine's answer for `items`: invalid.
Core shrink(const ModelView& model, const Items& items, const SearchResult& found, const Engine& engine,
            const Budget& budget);

}  // namespace faultline
