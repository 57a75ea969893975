// Masks of every width, and an engine with more operations in flight than any fixed mask holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

#include <faultline/checker.hpp>
#include <faultline/models.hpp>
#include <faultline/rng.hpp>

#include "by_construction.hpp"
#include "checker/prepare.hpp"
#include "checker/search/engine.hpp"
#include "checker/search/generic.hpp"
#include "checker/search/mask.hpp"
#include "oracle.hpp"
#include "tiny.hpp"

namespace faultline::test {
namespace {

template <class Mask>
std::set<std::size_t> members(const Mask& mask) {
  std::set<std::size_t> all;
  mask.for_each([&](std::size_t i) { all.insert(i); });
  return all;
}

template <class Mask>
void behaves_like_a_set(std::size_t bits) {
  Rng rng(bits);
  Mask a, b;
  std::set<std::size_t> x, y;
  for (int round = 0; round < 2'000; ++round) {
    const std::size_t i = rng.below(bits), j = rng.below(bits);
    a.set(i), x.insert(i);
    b.set(j), y.insert(j);
    if (rng.chance(0.7)) a.clear(j), x.erase(j);
    if (rng.chance(0.7)) b.clear(i), y.erase(i);
    ASSERT_EQ(members(a), x);
    ASSERT_EQ(a.test(j), x.contains(j));
    ASSERT_EQ(a.any(), !x.empty());
    std::set<std::size_t> rest;
    std::set_difference(x.begin(), x.end(), y.begin(), y.end(), std::inserter(rest, rest.end()));
    ASSERT_EQ(members(a.without(b)), rest);
    ASSERT_EQ(a.contains(b), std::includes(x.begin(), x.end(), y.begin(), y.end()));
    ASSERT_EQ(a == b, x == y);
    if (x == y) {
      ASSERT_EQ(a.hash(), b.hash());
    }
  }
}

TEST(Masks, BehaveLikeSets) {
  behaves_like_a_set<search::FixedMask<1>>(64);
  behaves_like_a_set<search::FixedMask<2>>(128);
  behaves_like_a_set<search::FixedMask<4>>(256);
  behaves_like_a_set<search::WideMask>(700);
}

TEST(Width, DoesNotChangeTheAnswer) {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    Rng rng(seed);
    const CasRegister model;
    const ModelRules rules{.model = CasRegister::name,
                           .catalogued = true,
                           .functions = CasRegister::functions(),
                           .observer = [&](const Call& call) { return model.observer(call); }};
    const History history = tiny_history("cas-register", rng);
    const auto prepared = prepare(history, rules, {});
    ASSERT_TRUE(prepared.ok());
    const Items& items = prepared.value().keys[0].items;
    const bool truth = Oracle(items, model).linearizable();
    const search::CallTable calls(items);
    for (const std::size_t width : {64U, 128U, 256U, 257U}) {
      for (const auto make : {search::make_frontier, search::make_depth_first}) {
        ModelSpace<CasRegister> space(model);
        const Budget budget;
        const auto engine = make(items, calls, space, budget, width);
        const search::Progress progress = engine->advance(1'000'000);
        ASSERT_EQ(progress, truth ? search::Progress::valid : search::Progress::invalid) << seed << " " << width;
      }
    }
  }
}

TEST(Width, HundredsOfOperationsInFlightAreNoLimit) {
  History h;
  std::vector<OperationIndex> writes;
  for (Process p = 0; p < 600; ++p) writes.push_back(h.invoke(p, "add", p));
  for (const OperationIndex o : writes) h.ok(o);
  EXPECT_EQ(check_linearizable(Counter{}, h, {.engine = "frontier"}).kind, VerdictKind::valid);
  auto r = h.invoke(0, "read");
  h.ok(r, 599 * 600 / 2);
  EXPECT_EQ(check_linearizable(Counter{}, h, {.engine = "frontier"}).kind, VerdictKind::valid);
  r = h.invoke(0, "read");
  h.ok(r, 599 * 600 / 2 - 1);
  EXPECT_EQ(check_linearizable(Counter{}, h, {.engine = "frontier", .explain = false}).kind, VerdictKind::invalid);
}

}  // namespace
}  // namespace faultline::test
