// Monitors: near-linear deciders for objects whose values are unique. Private to checker/.
//
// A monitor either decides or declines; it never guesses. `valid` comes with an order it has built and timed, which is its own proof:
// every operation lies inside its interval. `invalid` comes with a pattern that no order can contain, named in `core`. Whatever is
// neither (values that repeat, open removals that could explain anything, initial contents) is left to the general engines.
//
// Time here is counted in ranks: the events of the key, numbered without gaps. An operation with invocation i and completion r may take
// effect in any *gap* p with i <= p < r, the moment after event p; several may share a gap, in any order.
//
// Sources: Henzinger, Sezgin, Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR 2013 (the four patterns of a queue);
// Bouajjani, Emmi, Enea, Hamza, "On reducing linearizability to state reachability", ICALP 2015; Lee, Mathur, "Efficient
// decrease-and-conquer linearizability monitoring", OOPSLA 2025 (stacks and priority queues by removing one value after the other);
// Abdulla and others, "Efficient linearizability monitoring", PLDI 2025 (stacks).
#pragma once

#include <optional>

#include "../problem.hpp"

namespace faultline {

enum class QueueKind : std::uint8_t { fifo, unordered };

// enqueue v (input) and dequeue (output; nil: found it empty), from an empty queue. nullopt: cannot decide.
std::optional<SearchResult> monitor_queue(const Items& items, QueueKind kind, const Budget& budget);

// add e (input), read (output: all elements) and contains e (input; output: boolean), from an empty set. nullopt: cannot decide.
std::optional<SearchResult> monitor_set(const Items& items, const Budget& budget);

// push v (input) and pop (output; nil: found it empty), from an empty stack. nullopt: cannot decide.
std::optional<SearchResult> monitor_stack(const Items& items, const Budget& budget);

// enqueue v (input) and dequeue (output: the greatest; nil: found it empty), from an empty queue. nullopt: cannot decide.
std::optional<SearchResult> monitor_priority_queue(const Items& items, const Budget& budget);

}  // namespace faultline
