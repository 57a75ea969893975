// Random histories of up to eight operations, against a search that tries every order, by every engine.
//
// FAULTLINE_FUZZ_CASES=N judges N of each shape instead of a few thousand.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engines.hpp"

namespace faultline {
namespace {

std::uint64_t cases() {
  const char* text = std::getenv("FAULTLINE_FUZZ_CASES");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 2'000;
}

void judge_random(std::uint64_t seed, double open, bool unique) {
  Rng rng = Rng(seed).fork("small histories");
  std::uint64_t valid = 0;
  for (std::uint64_t i = 0; i < cases(); ++i) {
    const oracle::Shape shape{.operations = 1 + static_cast<unsigned>(rng.below(8)),
                              .processes = rng.below(2) == 0 ? 0 : 2 + static_cast<unsigned>(rng.below(4)),
                              .values = 2 + static_cast<unsigned>(rng.below(3)),
                              .open = open,
                              .cas = rng.below(4) != 0,
                              .differs = rng.below(2) == 0,
                              .unique = unique};
    const RegisterProblem problem = oracle::random_problem(rng, shape);
    valid += oracle::linearizable(problem) ? 1 : 0;
    ASSERT_EQ(oracle::judge(problem, i % 8 == 0), "") << "seed " << seed << ", case " << i;
  }
  // Otherwise the generator has come to make only one kind.
  EXPECT_GT(valid, cases() / 5);
  EXPECT_LT(valid, cases() * 4 / 5);
}

TEST(RandomHistory, WithoutOpenOperationsIsJudgedRight) { judge_random(1, 0, false); }
TEST(RandomHistory, WithSomeOpenOperationsIsJudgedRight) { judge_random(2, 0.15, false); }
TEST(RandomHistory, WithManyOpenOperationsIsJudgedRight) { judge_random(3, 0.5, false); }
TEST(RandomHistory, OfUniqueValuesIsJudgedRight) { judge_random(4, 0, true); }
TEST(RandomHistory, OfUniqueValuesWithOpenOperationsIsJudgedRight) { judge_random(5, 0.3, true); }

}  // namespace
}  // namespace faultline
