#include "simulator.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace faultline::raft::test {
namespace {

// FL_SEEDS=1..20000 runs others than the suite does.
std::pair<std::uint64_t, std::uint64_t> seeds(std::uint64_t first, std::uint64_t last) {
  const char* asked = std::getenv("FL_SEEDS");
  if (!asked) return {first, last};
  const std::string range = asked;
  const auto dots = range.find("..");
  return {std::stoull(range), std::stoull(range.substr(dots + 2))};
}

TEST(Simulator, InvariantsHoldUnderAllFaultsAndTheGroupServesOnceTheyEnd) {
  SimulatorResult sum;
  const auto [first, last] = seeds(1, 200);
  // Many short runs in the suite, long ones by hand.
  const Duration chaos = std::getenv("FL_SEEDS") ? std::chrono::seconds(4) : std::chrono::seconds(1);
  const bool trace = std::getenv("FL_TRACE") != nullptr;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const SimulatorResult result = simulate({.seed = seed, .chaos = chaos, .trace = trace});
    for (const std::string& violation : result.violations)
      ADD_FAILURE() << "FL_SEEDS=" << seed << ".." << seed << ": " << violation;
    sum.committed += result.committed;
    sum.crashes += result.crashes;
    sum.reads += result.reads;
    sum.lease_reads += result.lease_reads;
    sum.follower_reads += result.follower_reads;
    sum.changes += result.changes;
    sum.transfers += result.transfers;
    sum.rejoined += result.rejoined;
  }
  std::printf(
      "%lu committed, %lu crashes, %lu reads (%lu by lease, %lu at followers), %lu changes, %lu transfers, %lu "
      "rejoined\n",
      sum.committed, sum.crashes, sum.reads, sum.lease_reads, sum.follower_reads, sum.changes, sum.transfers,
      sum.rejoined);
  if (last - first < 50) return;
  EXPECT_GT(sum.reads, 0U);  // nothing is shown by faults that never came
  EXPECT_GT(sum.lease_reads, 0U);
  EXPECT_GT(sum.follower_reads, 0U);
  EXPECT_GT(sum.changes, 0U);
  EXPECT_GT(sum.transfers, 0U);
}

TEST(Simulator, TheSameSeedGivesTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(simulate({.seed = seed}).trace_hash, simulate({.seed = seed}).trace_hash);
  }
  EXPECT_NE(simulate({.seed = 1}).trace_hash, simulate({.seed = 2}).trace_hash);
}

}  // namespace
}  // namespace faultline::raft::test
