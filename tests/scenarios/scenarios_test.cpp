// Every file of this folder is a run that must come out as it says. Most are scripts of planted bugs (tests/mutants), which the tree as it
// is passes; others were failures once, saved by `faultline shrink --save`, and pass since.
#include "adapters/cli/scenario.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>

namespace faultline::cli {
namespace {

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(FL_SOURCE_DIR "/tests/scenarios")) {
    if (entry.path().extension() == ".json") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

class Scenarios : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Scenarios, ComeOutAsTheySay) {
  const auto read = read_scenario(GetParam());
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const ScenarioFile& scenario = read.value();
  ASSERT_TRUE(scenario.signature.has_value()) << "it does not say what to expect: \"expect\":{\"signature\":\"\"}";
  EXPECT_FALSE(scenario.shows.empty());
  const raft::sim::SimResult result = raft::sim::run_simulation(scenario.run);
  ASSERT_FALSE(result.failure) << result.failure->to_string();
  EXPECT_EQ(result.signature(), *scenario.signature) << "faultline replay " << GetParam().string() << "\n"
                                                     << sentence_of(result);
}

TEST_P(Scenarios, AreWrittenAsTheyAreRead) {
  const auto read = read_scenario(GetParam());
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const std::string written = to_json(read.value());
  EXPECT_NE(written.find("\"scenario\":1"), std::string::npos);
  const auto copy = std::filesystem::path(testing::TempDir()) / GetParam().filename();
  {
    std::ofstream file(copy, std::ios::binary);
    file << written;
  }
  const auto again = read_scenario(copy);
  std::filesystem::remove(copy);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again.value().run, read.value().run);
  EXPECT_EQ(again.value().bugs, read.value().bugs);
  EXPECT_EQ(to_json(again.value()), written);
}

std::string name_of(const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, Scenarios, testing::ValuesIn(files()), name_of);

}  // namespace
}  // namespace faultline::cli
