// What counting alone proves is true, by exhaustive search.
#include "checker/proof/ledgers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include <faultline/models.hpp>
#include <faultline/rng.hpp>

#include "checker/proof/brute_force.hpp"

namespace faultline {
namespace {

// Up to seven items at random places; a third of them open.
Items random_items(Rng& rng, const std::function<Call()>& draw) {
  const std::size_t count = 1 + rng.below(7);
  std::vector<EventIndex> places(2 * count);
  for (EventIndex i = 0; i < places.size(); ++i) places[i] = i;
  for (std::size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[rng.below(i)]);
  Items items;
  for (std::size_t i = 0; i < count; ++i) {
    Item item{.operation = static_cast<OperationIndex>(i), .call = draw()};
    item.invoked = std::min(places[2 * i], places[2 * i + 1]);
    item.completed = rng.below(3) == 0 ? none : std::max(places[2 * i], places[2 * i + 1]);
    item.call.result_known = item.completed != none;
    items.push_back(std::move(item));
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
  return items;
}

constexpr std::uint64_t rounds = 20'000;
constexpr std::uint64_t no_limit = UINT64_MAX;

TEST(Ledgers, AMutexIsOverdrawnExactlyIfItHasNoLegalOrder) {
  std::uint64_t overdrawn = 0;
  for (std::uint64_t seed = 0; seed < rounds; ++seed) {
    Rng rng(seed);
    const bool held = rng.chance(0.5);
    const Items items = random_items(rng, [&] { return Call{.f = rng.chance(0.5) ? "acquire" : "release"}; });
    const bool wrong = brute_force(Mutex{held}, items, no_limit).kind == VerdictKind::invalid;
    ASSERT_EQ(mutex_is_overdrawn(items, held), wrong) << "seed " << seed;
    overdrawn += wrong;
  }
  EXPECT_GT(overdrawn, rounds / 10);
  EXPECT_LT(overdrawn, rounds * 9 / 10);
}

TEST(Ledgers, TokensAreOverdrawnOnlyIfThereIsNoLegalOrder) {
  std::uint64_t overdrawn = 0;
  for (std::uint64_t seed = 0; seed < rounds; ++seed) {
    Rng rng(seed);
    const Items items = random_items(rng, [&] {
      if (rng.chance(0.4)) return Call{.f = "release"};
      return Call{.f = "acquire", .output = Value(static_cast<std::int64_t>(rng.below(6)))};
    });
    if (!tokens_are_overdrawn(items)) continue;
    ++overdrawn;
    ASSERT_EQ(brute_force(FencedMutex{}, items, no_limit).kind, VerdictKind::invalid) << "seed " << seed;
  }
  EXPECT_GT(overdrawn, rounds / 100);
}

TEST(Ledgers, ASetIsContradictedOnlyIfThereIsNoLegalOrder) {
  std::uint64_t contradicted = 0, invalid = 0;
  for (std::uint64_t seed = 0; seed < rounds; ++seed) {
    Rng rng(seed);
    const bool filled = rng.chance(0.3);
    const Value initial = filled ? Value::list({Value(0)}) : Value();
    const Items items = random_items(rng, [&] {
      if (rng.chance(0.5)) return Call{.f = "add", .input = Value(static_cast<std::int64_t>(rng.below(3)))};
      std::vector<Value> shown;
      for (std::int64_t e = 0; e < 3; ++e) {
        if (rng.chance(0.5)) shown.emplace_back(e);
      }
      return Call{.f = "read", .output = Value::list(std::move(shown))};
    });
    const auto model = make_model("set", {.initial = initial});
    const bool wrong = brute_force(std::get<Set>(model.value()), items, no_limit).kind == VerdictKind::invalid;
    invalid += wrong;
    if (!set_is_contradicted(items, initial)) continue;
    ++contradicted;
    ASSERT_TRUE(wrong) << "seed " << seed;
  }
  EXPECT_GT(contradicted, invalid * 9 / 10) << "nearly everything that is wrong with a set";
}

}  // namespace
}  // namespace faultline
