// Monitors for what is counted, numbered or handed on: counters, ids, lists that grow, locks, versioned registers. Private to checker/.
//
// As in monitor.hpp: a monitor decides or declines (nullopt), it never guesses; `valid` comes with an order in which every operation lies
// inside its interval, `invalid` with a contradiction. Operations that such a contradiction consists of are named in `core`: kept alone,
// with all others relaxed, they still admit no order. Time is counted in ranks and gaps, see monitor.hpp.
//
// All poll the budget at least every 65,536 operations and between passes, and say `unknown` when it ends.
#pragma once

#include <optional>

#include "../problem.hpp"

namespace faultline {

// add n, inc [n], dec [n], read. Decides histories whose changes all are by one amount; of others it finds reads that are out of range.
std::optional<SearchResult> monitor_counter(const Items& items, std::int64_t initial, const Budget& budget);

// generate → id, none given out before. Decides every history.
std::optional<SearchResult> monitor_unique_ids(const Items& items, const Budget& budget);

// append v and read, from an empty list. Decides histories in which no value is appended twice.
std::optional<SearchResult> monitor_append_list(const Items& items, const Budget& budget);

// acquire and release. Decides every history.
std::optional<SearchResult> monitor_mutex(const Items& items, bool held, const Budget& budget);

// acquire → token, release [token], write [token v]; free at first, no token given out. Declines if releases with and without tokens are
// mixed, and most histories in which an acquisition that never returned must have happened though nobody names its token.
std::optional<SearchResult> monitor_fenced_mutex(const Items& items, const Budget& budget);

// acquire → token, release, write [token v]; no token given out. Declines if something is written under a token whose acquisition never
// returned.
std::optional<SearchResult> monitor_fencing(const Items& items, const Budget& budget);

// Registers whose results carry the version that was read or made (Item::version). Only ever says `valid`, whatever the versions are worth,
// or declines: a history may be legal in another order than the one its versions state.
std::optional<SearchResult> monitor_versioned(const Items& items, const Value& initial, const Budget& budget);

}  // namespace faultline
