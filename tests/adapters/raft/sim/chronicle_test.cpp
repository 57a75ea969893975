// What is told of a run changes nothing of it, and is what its Raft did.
#include <faultline/raft/sim/simulation.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace faultline::raft::sim {
namespace {

using namespace std::chrono_literals;

// The texts of the notes that begin so, in order.
std::vector<std::string> notes(const SimResult& result, std::string_view kind) {
  std::vector<std::string> found;
  for (const TraceLine& line : result.trace) {
    if (line.kind == "note" && line.text.starts_with(kind)) found.push_back(line.text);
  }
  return found;
}

SimRun three_nodes(std::uint64_t seed) {
  SimRun run{.seed = seed};
  run.nodes = 3;
  run.spares = 0;
  run.workload = "register";
  run.nemesis.emplace();
  run.duration = 10s;
  run.trace = true;
  return run;
}

TEST(Chronicle, TracingARunLeavesItAsItIs) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const SimResult told = run_simulation({.seed = seed, .trace = true});
    const SimResult silent = run_simulation({.seed = seed, .trace = false});
    EXPECT_EQ(told.hash, silent.hash) << seed;
    EXPECT_EQ(told.draws, silent.draws) << seed;
    EXPECT_TRUE(silent.trace.empty());
  }
}

TEST(Chronicle, ALeaderIsToldWithItsVotersItsLogAndItsFirstCommit) {
  const SimResult result = run_simulation(three_nodes(1));
  ASSERT_FALSE(result.failed());
  const auto elected = notes(result, "elected: ");
  ASSERT_EQ(elected.size(), 1U);
  EXPECT_TRUE(std::regex_match(
      elected[0], std::regex("elected: n[123] is leader in term 2; n[123]( and n[123])? voted for it; its log ends at "
                             "1/1 \\(index/term\\)")))
      << elected[0];
  const auto commits = notes(result, "commit: ");
  ASSERT_EQ(commits.size(), 1U);
  EXPECT_TRUE(std::regex_match(
      commits[0], std::regex("commit: n[123], leader of term 2, takes [0-9]+/2 for committed; n[123]( and n[123])? "
                             "(has|have) it, too")))
      << commits[0];
  EXPECT_TRUE(notes(result, "log: n1 overwrites").empty());
}

// A healthy leader commits by entries of its own term alone; what it could not commit is overwritten by the next one.
TEST(Chronicle, WhatALeaderLeavesUncommittedIsToldAsOverwritten) {
  std::size_t overwritten = 0;
  for (std::uint64_t seed = 1; seed <= 20 && overwritten == 0; ++seed) {
    SimRun run = three_nodes(seed);
    run.nemesis = {"partition"};
    const SimResult result = run_simulation(run);
    ASSERT_FALSE(result.failed());
    for (const std::string& line : notes(result, "commit: ")) EXPECT_EQ(line.find("earlier term"), std::string::npos);
    const auto lines = notes(result, "log: ");
    overwritten += static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find(" overwrites ") != std::string::npos;
    }));
  }
  EXPECT_GT(overwritten, 0U);
}

TEST(Chronicle, WhatAPowerLossTookIsTold) {
  std::size_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 40 && lost == 0; ++seed) {
    SimRun run = three_nodes(seed);
    run.nemesis = {"power"};
    for (const std::string& line : notes(run_simulation(run), "log: "))
      lost += line.find("which its disk has lost") == std::string::npos ? 0 : 1;
  }
  EXPECT_GT(lost, 0U);
}

}  // namespace
}  // namespace faultline::raft::sim
