// Counters, ids, append lists, locks and versioned registers at full length, through the front door: legal by construction, with and
// without operations that never returned, and with one lie planted. Every certificate is verified.
#include <gtest/gtest.h>

#include <chrono>

#include <faultline/certificate.hpp>

#include "checker/engines.hpp"
#include "checker/prepare.hpp"
#include "checker/search/generic.hpp"
#include "tests/checker/by_construction.hpp"

namespace faultline::test {
namespace {

struct Case {
  Recipe recipe;
  std::string_view engine;  // the one that must decide; empty: any
};

std::string name_of(const Case& c) {
  std::string name(c.recipe.model);
  std::erase(name, '-');
  name += "_" + std::to_string(c.recipe.operations) + "_c" + std::to_string(c.recipe.clients);
  if (c.recipe.info > 0) name += "_info";
  if (c.recipe.values == 0) name += "_unique";
  if (c.recipe.values > 1 && c.recipe.model == "counter") name += "_amounts";
  return name + (c.recipe.lie == Lie::none ? "" : c.recipe.lie == Lie::stale ? "_stale" : "_phantom");
}

void PrintTo(const Case& c, std::ostream* out) { *out << name_of(c); }

class Tallies : public testing::TestWithParam<Case> {};

TEST_P(Tallies, VerdictIsTheOneBuiltInAndItsCertificateHolds) {
  const Case& c = GetParam();
  const History history = by_construction(c.recipe);
  const auto begin = std::chrono::steady_clock::now();
  const CheckOptions options{.time_limit = std::chrono::seconds(60),
                             .elapsed = [begin] { return Duration(std::chrono::steady_clock::now() - begin); },
                             .certify = true};
  const auto verdict = check(history, c.recipe.model, options);
  ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
  ASSERT_EQ(verdict.value().kind, c.recipe.lie == Lie::none ? VerdictKind::valid : VerdictKind::invalid)
      << verdict.value().reason;
  EXPECT_TRUE(c.engine.empty() || verdict.value().engine == c.engine) << verdict.value().engine;
  const auto verified = verify(history, make_certificate(history, verdict.value(), options));
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;
  const bool lock = c.recipe.model.ends_with("mutex");  // two holders are not always two operations that say so
  for (const Anomaly& anomaly : verdict.value().anomalies) {
    EXPECT_TRUE(lock || anomaly.name != "no-legal-order") << anomaly.sentence;
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const Recipe& recipe, std::string_view engine) { all.push_back({recipe, engine}); };
  const auto add_long = [&](Recipe recipe, std::string_view engine) {
    add(recipe, engine);
    recipe.clients = 20;
    recipe.operations = 100'000;
    recipe.seed = 3;
    add(recipe, engine);
  };
  for (const std::string_view model : {"counter", "append-list", "mutex", "fenced-mutex", "unique-ids"}) {
    add({.model = model, .values = 1, .depth = 20}, model);
  }
  add({.model = "unique-ids", .info = 0.01}, "unique-ids");
  add_long({.model = "counter", .info = 0.01, .values = 1}, "counter");
  add({.model = "append-list", .info = 0.01, .depth = 20}, "append-list");
  add_long({.model = "mutex", .info = 0.01}, "mutex");
  add_long({.model = "fenced-mutex", .info = 0.01}, "fenced-mutex");
  add({.model = "register", .info = 0.01, .versions = true}, "versioned");
  add({.model = "cas-register", .info = 0.01, .values = 3, .versions = true}, "");
  for (const Lie lie : {Lie::stale, Lie::phantom}) {
    add_long({.model = "counter", .info = 0.01, .values = 1, .lie = lie}, "counter");
    add({.model = "counter", .values = 5, .lie = lie}, "counter");
    add({.model = "append-list", .info = 0.01, .depth = 20, .lie = lie}, "append-list");
    add_long({.model = "fenced-mutex", .seed = 2, .lie = lie}, "fenced-mutex");
    add({.model = "register", .values = 0, .versions = true, .lie = lie}, "");
  }
  add({.model = "unique-ids", .info = 0.01, .lie = Lie::stale}, "unique-ids");
  add({.model = "mutex", .lie = Lie::stale}, "mutex");
  add({.model = "fenced-mutex", .info = 0.01, .lie = Lie::stale}, "fenced-mutex");
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Tallies, testing::ValuesIn(cases()),
                         [](const auto& instance) { return name_of(instance.param); });

// Histories too long to try all orders, against the complete search.
TEST(TalliesMidSize, MonitorsAgreeWithTheCompleteSearch) {
  std::size_t decided = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (const std::string_view name : {"counter", "unique-ids", "append-list", "mutex", "fenced-mutex"}) {
      const Lie lie = seed % 3 == 0 ? Lie::none : seed % 3 == 1 || name != "counter" ? Lie::stale : Lie::phantom;
      const History history = by_construction({.model = name,
                                               .operations = 120,
                                               .clients = 2 + seed % 6,
                                               .seed = seed,
                                               .info = lie == Lie::none || name != "mutex" ? 0.03 : 0,
                                               .values = 1,
                                               .lie = lie});
      const auto monitor = make_engine(make_model(name).value(), "monitor");
      const auto done = with_model(name, {}, [&](const auto& model) {
        using M = std::decay_t<decltype(model)>;
        const ModelRules rules{.model = M::name,
                               .catalogued = true,
                               .functions = M::functions(),
                               .accepts = {},
                               .observer = [&](const Call& call) { return model.observer(call); }};
        const auto prepared = prepare(history, rules, {});
        EXPECT_TRUE(prepared.ok());
        for (const KeyProblem& key : prepared.value().keys) {
          const SearchResult found = monitor.value()(key.items, {});
          if (found.kind == VerdictKind::unknown) continue;
          ++decided;
          EXPECT_EQ(found.kind, search_generic(key.items, model, {}).kind) << name << ", seed " << seed;
        }
        return true;
      });
      ASSERT_TRUE(done.ok());
    }
  }
  EXPECT_GT(decided, 250U);
}

TEST(TalliesBudget, MonitorsStopWhenTheTimeOrTheMemoryIsSpent) {
  for (const std::string_view name : {"counter", "unique-ids", "append-list", "mutex", "fenced-mutex", "register"}) {
    const History history = by_construction({.model = name, .operations = 1'000, .values = 1, .versions = true});
    for (const bool memory : {false, true}) {
      const CheckOptions options{.memory_limit = memory ? 100'000U : UINT64_MAX,
                                 .cancelled = [memory] { return !memory; }};
      const auto verdict = check(history, name, options);
      ASSERT_TRUE(verdict.ok());
      EXPECT_EQ(verdict.value().kind, VerdictKind::unknown) << name;
      const std::string_view reason = memory ? "memory limit" : "interrupted";
      EXPECT_NE(verdict.value().reason.find(reason), std::string::npos) << name << ": " << verdict.value().reason;
    }
  }
}

}  // namespace
}  // namespace faultline::test
