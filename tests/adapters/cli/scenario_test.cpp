// Scenario files: what is written is read, and what is wrong is refused by name.
#include "adapters/cli/scenario.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

#include "adapters/cli/simulated.hpp"

namespace faultline::cli {
namespace {

using raft::sim::SimRun;

class ScenarioFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "faultline-scenario-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file(std::string_view bytes) {
    const auto path = folder_ / "scenario.json";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  // The error of the file without its path.
  std::string refused(std::string_view bytes) {
    const auto path = file(bytes);
    const auto read = read_scenario(path);
    EXPECT_FALSE(read.ok()) << bytes;
    if (read.ok()) return {};
    EXPECT_EQ(read.error().exit_code(), 64);
    const std::string text = read.error().to_string();
    EXPECT_TRUE(text.starts_with(path.string() + ": ")) << text;
    return text.substr(path.string().size() + 2);
  }
  std::filesystem::path folder_;
};

SimRun short_run(std::uint64_t seed) {
  SimRun run{.seed = seed};
  run.nodes = 3;
  run.workload = "register";
  run.duration = std::chrono::seconds(2);
  run.nemesis = {"kill"};
  run.trace = true;
  return run;
}

TEST_F(ScenarioFiles, RepeatTheRunToTheLastBit) {
  const auto result = raft::sim::run_simulation(short_run(5));
  ASSERT_FALSE(result.failure);
  const ScenarioFile written = scenario_of(result, "five");
  const auto read = read_scenario(file(to_json(written)));
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read.value().name, "five");
  EXPECT_EQ(read.value().shows, written.shows);
  EXPECT_EQ(read.value().story, written.story);
  EXPECT_EQ(read.value().signature, written.signature);
  EXPECT_EQ(read.value().hash, result.hash);
  EXPECT_EQ(read.value().run, written.run);
  const auto again = raft::sim::run_simulation(read.value().run);
  EXPECT_EQ(again.hash, result.hash);
  EXPECT_EQ(again.draws, result.draws);
  EXPECT_EQ(to_json(scenario_of(raft::sim::run_simulation([&] {
                                  SimRun traced = read.value().run;
                                  traced.trace = true;
                                  return traced;
                                }()),
                                "five")),
            to_json(written));
}

TEST_F(ScenarioFiles, ExpectationsMayBeLeftOut) {
  const auto read = read_scenario(file(R"({"scenario":1,"run":{"seed":7,"nodes":3}})"));
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read.value().run.seed, 7U);
  EXPECT_FALSE(read.value().hash);
  EXPECT_FALSE(read.value().signature);
}

TEST_F(ScenarioFiles, WhatIsWrongIsRefusedByName) {
  EXPECT_EQ(refused("[]"), "a scenario is an object");
  EXPECT_EQ(refused(R"({"run":{}})"),
            "no scenario of version 1: it lacks \"scenario\":1\n  `faultline shrink` writes scenarios");
  EXPECT_EQ(refused(R"({"scenario":1,"rum":{}})"), "unknown field of a scenario: 'rum'\n  did you mean 'run'?");
  EXPECT_EQ(refused(R"({"scenario":1,"run":{"nods":3}})"),
            "a simulated run has no option 'nods'\n  did you mean 'nodes'?");
  EXPECT_EQ(
      refused(
          R"({"scenario":1,"run":{"seed":1,"schedule":{"version":1,"seed":1,"decisions":[{"id":1,"at":"1s","fault":{"kind":"kil"}}]}}})"),
      "schedule: decision 1 of 1: unknown kind of fault 'kil'\n  did you mean 'kill'?");
  EXPECT_EQ(refused(R"({"scenario":1,"name":7,"run":{}})"), "'name' is no text: 7");
  EXPECT_EQ(refused(R"({"scenario":1,"expect":{"hash":"xyz"},"run":{}})"), "'hash' is no hexadecimal number: \"xyz\"");
  EXPECT_EQ(
      refused(R"({"scenario":1,"expect":{"hush":"1"},"run":{}})"),
      "unknown or mistyped field of 'expect': \"hush\"\n  known: signature and hash, both text, and bugs, an object");
  EXPECT_FALSE(refused("{").empty());
  EXPECT_EQ(read_scenario(folder_ / "none.json").error().kind, ErrorKind::environment);
}

TEST_F(ScenarioFiles, OptionsOfTheCommandLineBecomeARun) {
  const auto settings =
      Settings::parse(*find_verb("sim"), {"--nodes", "5", "--time-limit", "3s", "--nemesis", "kill,power", "--rate",
                                          "200/s", "--options", "fsync=off,snapshot_entries=16"});
  ASSERT_TRUE(settings.ok()) << settings.error().to_string();
  const auto run = sim_run_of(settings.value());
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  EXPECT_EQ(run.value().nodes, 5U);
  EXPECT_EQ(run.value().duration, std::chrono::seconds(3));
  EXPECT_EQ(run.value().nemesis, (std::vector<std::string>{"kill", "power"}));
  EXPECT_EQ(run.value().rate, 200);
  EXPECT_EQ(run.value().fsync, false);
  EXPECT_EQ(run.value().snapshot_entries, 16U);
  EXPECT_FALSE(run.value().workload);
  EXPECT_EQ(sim_command_line(settings.value(), 9),
            "faultline sim --seeds 9..9 --nemesis kill,power --nodes 5 --rate 200/s --time-limit 3s --options "
            "fsync=off,snapshot_entries=16");
}

}  // namespace
}  // namespace faultline::cli
