// What the tests of stacks and priority queues share: small histories, all of them or random ones, long ones that are linearizable by
// construction, and what a verdict on them must prove.
#pragma once

#include <faultline/history.hpp>
#include <faultline/models.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

#include <functional>

#include "checker/problem.hpp"

namespace faultline::containers {

using Monitor = std::optional<SearchResult> (*)(const Items& items, const Budget& budget);

struct Kind {
  std::string_view model;
  std::string_view insert, remove;
  Monitor monitor;
};
extern const Kind stack, priority_queue;

// How many histories of a kind that costs about 20 µs each: FL_TINY, or a number that suits an ordinary run.
std::uint64_t histories(std::uint64_t ordinarily);

// Random calls on up to four values, most of them inserted once, with random intervals; insertions and removals may be open.
Items random_items(const Kind& kind, Rng& rng, double open_insertions, double open_removals);

// Calls each small history over two values: up to `most` calls, each with every interval, the last event of any of them missing or not.
void for_each_small(const Kind& kind, std::size_t most, bool open, const std::function<void(const Items&)>& visit);

struct Tally {
  std::uint64_t valid = 0, invalid = 0, declined = 0;
};

// The monitor's answer is that of trying all orders; an order it gives is legal, a core admits none though all else is relaxed, and the
// history up to its death is invalid already. It declines only where removals are open.
void expect_truth(const Kind& kind, const Items& items, Tally& tally);

// What may be wrong with a long history.
enum class Flaw { none, order, lost, twice, phantom, early, full };

struct Recipe {
  std::size_t operations = 10'000;
  std::size_t clients = 20;
  std::size_t depth = 20;  // about how many elements are inside
  double info = 0.01;      // of insertions; half of them take effect
  double open_removals = 0;
  std::uint64_t seed = 1;
  Flaw flaw = Flaw::none;  // planted once, after nine tenths
};

// Each operation takes effect on a container of the standard library at one moment between its invocation and its completion.
//   order    an element that should come later is removed first, alone
//   lost     an element that was inserted is never seen, though the container is found empty before and after
//   twice    an element is removed twice
//   phantom  an element is removed that was never inserted
//   early    an element is removed before its insertion begins
//   full     the container is found empty, though an element is inside
History by_construction(const Kind& kind, const Recipe& recipe);

// As the engines get it; refers to the history. REQUIRES: one key.
Items items_of(const Kind& kind, const History& history);
Items items_of(const Kind& kind, History&& history) = delete;

// Long histories with open insertions are valid, and their certificates verify.
void expect_long_ones_valid(const Kind& kind);

// The same with open removals, whose effect the monitor has to guess.
void expect_open_removals_guessed(const Kind& kind);

// Of a hundred operations, two results swapped in every other history: the general search finds the same.
void expect_what_the_search_finds(const Kind& kind);

// With each flaw they are invalid; few operations prove it, and the verifier agrees.
void expect_planted_flaws_proved(const Kind& kind);

}  // namespace faultline::containers
