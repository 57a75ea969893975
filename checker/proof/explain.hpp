// explain: from an invalid key to what a person needs to believe it: a small core, the class, the longest legal prefix
// and why it ends.
//
// Pure; deterministic as far as the budget's `stop` is. Driven by any engine, trusting none: the prefix and the
// refusals come from exhaustive search over the core and its context, a class from premises about the recorded
// operations.
#pragma once

#include <faultline/explain.hpp>

#include "shrink.hpp"

namespace faultline {

// `items` are those of the key, `found` the engine's answer for them. REQUIRES: found.kind == invalid.
// An exhausted budget makes the core larger, never the explanation wrong.
Anomaly explain(const History& history, const ModelView& model, const Items& items, const SearchResult& found,
                const Engine& engine, const Budget& budget);

}  // namespace faultline
