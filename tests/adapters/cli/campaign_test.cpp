#include "adapters/cli/campaign.hpp"

#include <gtest/gtest.h>

namespace faultline::cli {
namespace {

using raft::sim::SimRun;

SimRun short_run() {
  SimRun run;
  run.nodes = 3;
  run.duration = std::chrono::seconds(2);
  run.rate = 50;
  run.workload = "register";
  return run;
}

// Stale by configuration: some seeds fail, some do not.
SimRun stale_run() {
  SimRun run = short_run();
  run.reads = "local";
  run.nemesis = {"partition"};
  run.duration = std::chrono::seconds(8);
  return run;
}

CampaignResult run(SimRun what, std::uint64_t first, std::uint64_t last, unsigned threads, bool keep_going) {
  return Campaign({.first = first, .last = last, .run = std::move(what), .keep_going = keep_going, .threads = threads})
      .run();
}

std::vector<std::uint64_t> hashes(const CampaignResult& result) {
  std::vector<std::uint64_t> all;
  for (const SeedResult& seed : result.seeds) all.push_back(seed.hash);
  return all;
}

TEST(Campaign, TellsTheSameWhateverTheNumberOfThreads) {
  const CampaignResult one = run(short_run(), 1, 24, 1, false), four = run(short_run(), 1, 24, 4, false);
  ASSERT_EQ(one.seeds.size(), 24U);
  EXPECT_EQ(hashes(one), hashes(four));
  EXPECT_EQ(one.probes, four.probes);
  EXPECT_FALSE(one.interrupted);
}

TEST(Campaign, StopsAtTheSmallestSeedThatFailed) {
  const CampaignResult all = run(stale_run(), 1, 16, 3, true);
  ASSERT_EQ(all.seeds.size(), 16U);
  const auto first = std::find_if(all.seeds.begin(), all.seeds.end(), [](const SeedResult& s) { return s.bad(); });
  ASSERT_NE(first, all.seeds.end()) << "local reads under partitions are stale";
  EXPECT_FALSE(first->signature.empty());
  EXPECT_FALSE(first->sentence.empty());
  for (const unsigned threads : {1U, 3U}) {
    const CampaignResult stopped = run(stale_run(), 1, 16, threads, false);
    ASSERT_EQ(stopped.seeds.size(), static_cast<std::size_t>(first - all.seeds.begin()) + 1);
    EXPECT_EQ(stopped.seeds.back().signature, first->signature);
  }
}

TEST(Campaign, OneSeedOfTwentyRunsTwice) {
  int twice = 0;
  for (std::uint64_t seed = 0; seed < 100'000; ++seed) twice += runs_twice(seed);
  EXPECT_NEAR(twice, 5000, 250);
}

TEST(Campaign, ADifferenceBetweenTwoRunsIsNamed) {
  SimRun seeded = short_run();
  seeded.seed = 3;
  const auto result = raft::sim::run_simulation(seeded);
  EXPECT_EQ(difference(seeded, result, result), "");
  auto other = result;
  other.hash ^= 1;
  EXPECT_NE(difference(seeded, result, other).find("two more did not"), std::string::npos);
  other = result;
  ++other.draws.begin()->second;
  EXPECT_NE(difference(seeded, result, other).find("the stream '" + other.draws.begin()->first + "'"),
            std::string::npos);
}

TEST(Campaign, AnInterruptEndsIt) {
  const CampaignResult result =
      Campaign({.first = 1, .last = 1'000'000, .run = short_run(), .threads = 2, .interrupted = [] { return true; }})
          .run();
  EXPECT_TRUE(result.interrupted);
  EXPECT_LT(result.seeds.size(), 1000U);
}

TEST(Campaign, OptionsThatMakeNoSenseEndItAtOnce) {
  SimRun wrong = short_run();
  wrong.workload = "registr";
  const CampaignResult result = run(wrong, 1, 100, 2, true);
  ASSERT_FALSE(result.seeds.empty());
  EXPECT_TRUE(result.seeds.back().bad_input);
  EXPECT_LT(result.seeds.size(), 10U);
}

}  // namespace
}  // namespace faultline::cli
