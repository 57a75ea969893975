// Counters, ids, append lists, locks and versioned registers: each monitor against trying all orders. FL_ROUNDS=N plays N scenes each.
#include <faultline/models.hpp>

#include <gtest/gtest.h>

#include <cstdlib>

#include "checker/monitors/tallies.hpp"
#include "scenes.hpp"
#include "tests/checker/oracle.hpp"

namespace faultline::test {
namespace {

std::uint64_t rounds() {
  const char* wanted = std::getenv("FL_ROUNDS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 8'000;
}

using Found = std::optional<SearchResult>;
using Decide = std::function<Found(const Items&)>;

struct Tally {
  std::uint64_t valid = 0, invalid = 0, declined = 0, with_core = 0;
};

// The verdict is the true one, and each part of it proves what it is there to prove.
template <class M>
void expect_true(const M& model, const Items& items, const Found& found, Tally& tally) {
  if (!found) {
    ++tally.declined;
    return;
  }
  const bool truth = Oracle(items, model).linearizable();
  ASSERT_EQ(found->kind, truth ? VerdictKind::valid : VerdictKind::invalid);
  ++(truth ? tally.valid : tally.invalid);
  if (truth) {
    ASSERT_TRUE(legal_order(items, model, found->order, true));
    return;
  }
  ASSERT_FALSE(Oracle(until(model, items, found->died_at), model).linearizable()) << "died at " << found->died_at;
  if (found->core.empty()) return;
  ++tally.with_core;
  ASSERT_FALSE(Oracle(kept(model, items, found->core), model).linearizable()) << "the core is none";
}

template <class M>
Tally play(const M& model, std::string_view name, const Decide& decide,
           const std::function<std::vector<Deed>(Rng&)>& act) {
  Tally tally;
  for (std::uint64_t round = 0; round < rounds(); ++round) {
    Rng rng = Rng(round).fork(name);
    const std::vector<Deed> deeds = act(rng);
    const Items items = scene(model, deeds, rng, rng.chance(0.5) ? 0.2 : 0);
    expect_true(model, items, decide(items), tally);
    if (testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << name << ", round " << round << "\n" << to_text(items);
      break;
    }
  }
  return tally;
}

// Both verdicts are common, and declining is rare.
void expect_telling(const Tally& tally, double most_declined = 0.02) {
  const std::uint64_t all = tally.valid + tally.invalid + tally.declined;
  EXPECT_GT(tally.valid * 10, all);
  EXPECT_GT(tally.invalid * 10, all);
  EXPECT_LE(static_cast<double>(tally.declined), most_declined * static_cast<double>(all));
}

// --- counters ----------------------------------------------------------------------------------------------

std::vector<Deed> count(Rng& rng, bool one_amount) {
  std::vector<Deed> deeds;
  const std::int64_t amount = rng.chance(0.7) ? 1 : rng.between(-3, 3);
  std::int64_t value = 2;
  for (std::uint64_t n = 2 + rng.below(6); n > 0; --n) {
    if (rng.chance(0.45)) {
      deeds.push_back({did("read", {}, value + (rng.chance(0.12) ? rng.between(-2, 2) : 0))});
      continue;
    }
    const std::int64_t by = one_amount ? amount : rng.between(rng.chance(0.2) ? -2 : 0, 3);
    deeds.push_back({rng.chance(0.5) ? did("dec", -by) : by == 1 && rng.chance(0.5) ? did("inc") : did("add", by)});
    value += by;
  }
  return deeds;
}

TEST(CounterMonitor, DecidesCountersThatChangeByOneAmount) {
  const Counter model{2};
  const auto tally = play(
      model, "one amount", [](const Items& items) { return monitor_counter(items, 2, {}); },
      [](Rng& rng) { return count(rng, true); });
  expect_telling(tally);
  EXPECT_EQ(tally.invalid, tally.with_core);
}

TEST(CounterMonitor, FindsReadsThatAreOutOfRangeWhateverTheAmounts) {
  const Counter model{2};
  const auto tally = play(
      model, "amounts", [](const Items& items) { return monitor_counter(items, 2, {}); },
      [](Rng& rng) { return count(rng, false); });
  EXPECT_GT(tally.invalid, tally.declined / 20);
  EXPECT_EQ(tally.invalid, tally.with_core);
}

TEST(CounterMonitor, LeavesSumsThatMayWrapAroundToOthers) {
  Items items{{.operation = 0, .invoked = 0, .completed = 1, .call = did("add", INT64_MAX)},
              {.operation = 1, .invoked = 2, .completed = 3, .call = did("add", INT64_MAX)},
              {.operation = 2, .invoked = 4, .completed = 5, .call = did("read", {}, -2)}};
  EXPECT_FALSE(monitor_counter(items, 0, {}).has_value());
  items[0].call.input = items[1].call.input = 1;
  items[2].call.output = INT64_MIN;
  EXPECT_EQ(monitor_counter(items, 0, {})->kind, VerdictKind::invalid);
}

// --- ids ---------------------------------------------------------------------------------------------------

TEST(UniqueIdsMonitor, AgreesWithTryingAllOrders) {
  const auto tally = play(
      UniqueIds{}, "ids", [](const Items& items) { return monitor_unique_ids(items, {}); },
      [](Rng& rng) {
        std::vector<Deed> deeds(2 + rng.below(5));
        for (Deed& deed : deeds) deed.call = did("generate", {}, static_cast<std::int64_t>(rng.below(20)));
        return deeds;
      });
  expect_telling(tally, 0);
  EXPECT_EQ(tally.invalid, tally.with_core);
}

// --- append lists ------------------------------------------------------------------------------------------

Value bent(std::vector<Value> list, Rng& rng) {
  switch (rng.below(4)) {
    case 0: list.emplace_back(rng.between(0, 8)); break;
    case 1:
      if (!list.empty()) list.erase(list.begin() + static_cast<std::ptrdiff_t>(rng.below(list.size())));
      break;
    case 2: rng.shuffle(std::span(list)); break;
    default: list.resize(list.size() / 2);
  }
  return list.empty() && rng.chance(0.5) ? Value() : Value::list(std::move(list));
}

TEST(AppendListMonitor, AgreesWithTryingAllOrders) {
  const auto tally = play(
      AppendList{}, "list", [](const Items& items) { return monitor_append_list(items, {}); },
      [](Rng& rng) {
        std::vector<Deed> deeds;
        std::vector<Value> list;
        for (std::uint64_t n = 2 + rng.below(6); n > 0; --n) {
          if (rng.chance(0.45)) {
            deeds.push_back({did("read", {}, rng.chance(0.1) ? bent(list, rng) : Value::list(list))});
          } else {
            list.emplace_back(static_cast<std::int64_t>(list.size()));
            deeds.push_back({did("append", list.back())});
          }
        }
        return deeds;
      });
  expect_telling(tally, 0);
  EXPECT_EQ(tally.invalid, tally.with_core);
}

TEST(AppendListMonitor, LeavesValuesThatAreAppendedTwiceToOthers) {
  const Items items{{.operation = 0, .invoked = 0, .completed = 2, .call = did("append", 1)},
                    {.operation = 1, .invoked = 1, .completed = 3, .call = did("append", 1)}};
  EXPECT_FALSE(monitor_append_list(items, {}).has_value());
}

// --- locks -------------------------------------------------------------------------------------------------

TEST(MutexMonitor, AgreesWithTryingAllOrders) {
  for (const bool held_first : {false, true}) {
    const auto tally = play(
        Mutex{held_first}, "mutex", [&](const Items& items) { return monitor_mutex(items, held_first, {}); },
        [&](Rng& rng) {
          std::vector<Deed> deeds;
          bool held = held_first;
          for (std::uint64_t n = 2 + rng.below(6); n > 0; --n) {
            if (!rng.chance(0.06)) held = !held;
            deeds.push_back({did(held ? "acquire" : "release")});
          }
          return deeds;
        });
    expect_telling(tally, 0);
  }
}

std::vector<Deed> lock_and_write(Rng& rng, bool named_releases, bool writes) {
  std::vector<Deed> deeds;
  std::int64_t token = 0;
  bool held = false;
  for (std::uint64_t n = 2 + rng.below(6); n > 0; --n) {
    const std::int64_t shown = token + (rng.chance(0.04) ? rng.between(-2, 2) : 0);
    if (writes && token > 0 && rng.chance(0.35)) {
      deeds.push_back({did("write", Value::list({shown, 0}))});
      continue;
    }
    held = rng.chance(0.03) ? held : !held;
    if (held) {
      token += rng.chance(0.6) ? 1 : 2;
      deeds.push_back({did("acquire", {}, rng.chance(0.04) ? token - rng.between(1, 3) : token)});
    } else {
      deeds.push_back({did("release", named_releases ? Value(shown) : Value())});
    }
  }
  return deeds;
}

TEST(FencedMutexMonitor, AgreesWithTryingAllOrdersWhereReleasesNameTheirToken) {
  const auto tally = play(
      FencedMutex{}, "named", [](const Items& items) { return monitor_fenced_mutex(items, {}); },
      [](Rng& rng) { return lock_and_write(rng, true, rng.chance(0.5)); });
  expect_telling(tally, 0);
}

TEST(FencedMutexMonitor, AgreesWithTryingAllOrdersWhereReleasesNameNone) {
  const auto tally = play(
      FencedMutex{}, "unnamed", [](const Items& items) { return monitor_fenced_mutex(items, {}); },
      [](Rng& rng) { return lock_and_write(rng, false, rng.chance(0.5)); });
  expect_telling(tally, 0.15);
}

// --- versioned registers -----------------------------------------------------------------------------------

struct Store {
  Value value = 0;
  std::int64_t version = 1;
};

Deed use(Store& store, Rng& rng) {
  const auto any = [&rng] { return Value(rng.between(0, 3)); };
  const std::uint64_t dice = rng.below(4);
  if (dice == 0) {
    store.value = any();
    return {did("write", store.value), store.version += rng.between(1, 2)};
  }
  if (dice == 1) {
    const Value from = rng.chance(0.7) ? store.value : any(), to = any();
    Call call = did("cas", Value::list({from, to}));
    if (from != store.value) {
      call.failed = true;
      return {call};
    }
    store.value = to;
    return {call, store.version += rng.between(1, 2)};
  }
  return {did("read", {}, store.value), store.version == 1 && rng.chance(0.5) ? unversioned : store.version};
}

TEST(VersionedMonitor, IsValidOnlyWhereSomeOrderIsLegalAndFindsTheOneTheVersionsState) {
  const CasRegister model{0};
  std::uint64_t stated = 0;
  const auto tally = play(
      model, "versions",
      [](const Items& items) {
        const Found found = monitor_versioned(items, 0, {});
        EXPECT_TRUE(!found || found->kind == VerdictKind::valid);
        return found;
      },
      [&](Rng& rng) {
        std::vector<Deed> deeds;
        Store store;
        for (std::uint64_t n = 2 + rng.below(6); n > 0; --n) deeds.push_back(use(store, rng));
        Deed& deed = deeds[rng.below(deeds.size())];
        const std::uint64_t bend = rng.below(8);
        if (bend == 0 && deed.version != unversioned) deed.version += rng.between(-2, 2);
        if (bend == 1 && deed.call.f == "read") deed.call.output = Value(rng.between(0, 3));
        if (bend == 2) deed.version = unversioned;
        stated += bend > 2;
        return deeds;
      });
  EXPECT_GT(tally.valid * 3, stated);
  EXPECT_GT(tally.declined, 0U);
}

TEST(VersionedMonitor, NeverSaysInvalidOfARegisterThatOnlyItsVersionsContradict) {
  const Items items{{.operation = 0, .invoked = 0, .completed = 1, .call = did("write", 1), .version = 7},
                    {.operation = 1, .invoked = 2, .completed = 3, .call = did("write", 2), .version = 6}};
  EXPECT_FALSE(monitor_versioned(items, {}, {}).has_value());
}

}  // namespace
}  // namespace faultline::test
