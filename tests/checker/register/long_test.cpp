// Long histories that are linearizable by construction, and such with one planted lie.
#include <gtest/gtest.h>

#include "engines.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline {
namespace {

using synthetic::Bad;
using synthetic::Mix;
using synthetic::Values;

RegisterProblem problem_of(const synthetic::Options& options) {
  return compile(synthetic::history(options), {.initial = {}, .failed_cas = FailedCas::observe});
}

void expect_valid(const synthetic::Options& options, RegisterEngine engine = RegisterEngine::automatic) {
  const RegisterProblem problem = problem_of(options);
  const SearchResult result = search_register(problem, {}, engine);
  ASSERT_EQ(result.kind, VerdictKind::valid) << "seed " << options.seed << " died at " << result.died_at;
  ASSERT_EQ(oracle::check_order(problem, result.order, true), "") << "seed " << options.seed;
}

void expect_invalid(const synthetic::Options& options, RegisterEngine engine = RegisterEngine::automatic) {
  const RegisterProblem problem = problem_of(options);
  const SearchResult result = search_register(problem, {}, engine);
  ASSERT_EQ(result.kind, VerdictKind::invalid) << "seed " << options.seed;
  ASSERT_EQ(oracle::check_order(problem, result.order, false), "") << "seed " << options.seed;
  ASSERT_NE(result.died_at, none);
}

struct Case {
  unsigned clients;
  Mix mix;
  Values values;
  double info;
};

class LongHistory : public testing::TestWithParam<Case> {
 protected:
  static synthetic::Options options(std::size_t operations, Bad bad, std::uint64_t seed) {
    const Case& c = GetParam();
    return {.operations = operations,
            .clients = c.clients,
            .mix = c.mix,
            .values = c.values,
            .info = c.info,
            .bad = bad,
            .seed = seed};
  }
};

TEST_P(LongHistory, LinearizableByConstructionIsValid) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) expect_valid(options(10'000, Bad::none, seed));
}

TEST_P(LongHistory, WithAStaleReadIsInvalid) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) expect_invalid(options(3'000, Bad::stale, seed));
}

TEST_P(LongHistory, WithAPhantomReadIsInvalid) { expect_invalid(options(3'000, Bad::phantom, 1)); }

TEST_P(LongHistory, GetsOneVerdictFromAllEngines) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    // A random result may or may not be possible; many clients or open operations are too much for the frontier alone.
    auto o = options(1'000, Bad::flip, seed);
    o.clients = std::min(o.clients, 12U);
    o.info = 0;
    const RegisterProblem problem = problem_of(o);
    const SearchResult first = search_register(problem, {});
    ASSERT_NE(first.kind, VerdictKind::unknown);
    for (const oracle::Way& way : oracle::ways(true)) {
      if (way.engine == RegisterEngine::zones && !zones_apply(problem)) continue;
      if (!way.prunings.dominance) continue;  // what it drops is what keeps a long history's frontier finite
      const SearchResult result = oracle::run(problem, way);
      if (result.kind == VerdictKind::unknown && way.engine == RegisterEngine::zones) continue;
      ASSERT_EQ(result.kind, first.kind) << way.name << ", seed " << seed;
      ASSERT_EQ(oracle::check_order(problem, result.order, result.kind == VerdictKind::valid), "") << way.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LongHistory,
                         testing::Values(Case{5, Mix::cas, Values::few, 0}, Case{20, Mix::cas, Values::few, 0},
                                         Case{50, Mix::cas, Values::few, 0}, Case{100, Mix::cas, Values::few, 0},
                                         Case{10, Mix::cas, Values::few, 0.01}, Case{20, Mix::cas, Values::few, 0.1},
                                         Case{20, Mix::cas, Values::unique, 0},
                                         Case{20, Mix::cas, Values::unique, 0.05}, Case{20, Mix::rw, Values::few, 0},
                                         Case{20, Mix::rw, Values::few, 0.05}, Case{100, Mix::rw, Values::unique, 0},
                                         Case{30, Mix::rw, Values::unique, 0.1}));

TEST(LongHistoryAlone, IsValidForTheFrontierAlone) {
  expect_valid({.operations = 10'000, .clients = 20}, RegisterEngine::frontier);
  expect_invalid({.operations = 10'000, .clients = 20, .bad = Bad::stale}, RegisterEngine::frontier);
}

TEST(LongHistoryAlone, WithHundredsOfClientsNeedsNoMaximum) {
  expect_valid({.operations = 3'000, .clients = 250});
  expect_valid({.operations = 3'000, .clients = 400});
  expect_invalid({.operations = 3'000, .clients = 400, .bad = Bad::stale});
}

}  // namespace
}  // namespace faultline
