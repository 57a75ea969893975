#include "adapters/cli/settings.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace faultline::cli {
namespace {

class SettingsTest : public testing::Test {
 protected:
  Result<Settings> parse(const std::vector<std::string>& words, std::string_view verb = "run") {
    return Settings::parse(*find_verb(verb), words);
  }
  std::string file(std::string_view text) {
    std::ofstream(folder_ / "test.toml") << text;
    return (folder_ / "test.toml").string();
  }
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "faultline-settings-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // The error without the scratch folder's name.
  std::string problems(std::string_view text) {
    const auto parsed = parse({file(text)});
    if (parsed.ok()) return "";
    std::string message = parsed.error().message;
    const std::string prefix = folder_.string() + "/";
    for (std::size_t at; (at = message.find(prefix)) != std::string::npos;) message.erase(at, prefix.size());
    return message;
  }
  std::filesystem::path folder_;
};

TEST_F(SettingsTest, ADefaultHoldsUntilSomethingElseIsGiven) {
  const auto settings = parse({});
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings.value().duration("time-limit"), std::chrono::seconds(30));
  EXPECT_FALSE(settings.value().given("time-limit"));
}

TEST_F(SettingsTest, AFlagBeatsSetBeatsTheFileBeatsTheDefault) {
  const std::string path = file("nodes = 5\nkeys = 7\nconcurrency = 4\n");
  const auto settings = parse({path, "--set", "keys=8", "--set", "concurrency=6", "--concurrency", "9"});
  ASSERT_TRUE(settings.ok()) << settings.error().to_string();
  EXPECT_EQ(settings.value().number("nodes"), 5U);
  EXPECT_EQ(settings.value().number("keys"), 8U);
  EXPECT_EQ(settings.value().number("concurrency"), 9U);
}

TEST_F(SettingsTest, TheResolvedConfigurationRepeatsTheRun) {
  const auto first = parse({"--seed", "18446744073709551615", "--nemesis", "pause,kill", "--set",
                            "nemesis.pause.interval=3s", "--rate", "20/s", "--out", "a \"b\""});
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  const auto again = parse({file(first.value().to_toml())});
  ASSERT_TRUE(again.ok()) << again.error().to_string() << first.value().to_toml();
  EXPECT_EQ(again.value().to_toml(), first.value().to_toml());
  EXPECT_EQ(again.value().number("seed"), 18446744073709551615U);
  EXPECT_EQ(again.value().text("out"), "a \"b\"");
  EXPECT_EQ(again.value().nemesis_parameter("pause", "interval"), "3s");
  EXPECT_EQ(again.value().list("nemesis").size(), 2U);
}

TEST_F(SettingsTest, AllProblemsOfAFileAreReportedAtOnceWithTheirPlaces) {
  EXPECT_EQ(problems("nodes = 3\ntime-limit = 30\nworkloat = \"register\"\n[nemesis.pause]\nintervall = \"5s\"\n"),
            "test.toml:5:1: error: unknown key 'nemesis.pause.intervall'; did you mean 'interval'?\n"
            "test.toml:2:14: error: time-limit = 30: a duration needs a unit: \"30s\", \"5m\"\n"
            "test.toml:3:1: error: unknown key 'workloat'; did you mean 'workload'?");
}

TEST_F(SettingsTest, BrokenTomlNamesLineAndColumn) {
  EXPECT_EQ(problems("nodes = \n").substr(0, 19), "test.toml:1:9: erro");
}

TEST_F(SettingsTest, AnUnknownChoiceGetsItsNearestMatch) {
  EXPECT_EQ(
      problems("workload = \"regster\"\n"),
      "test.toml:1:12: error: workload = regster: 'regster' is none of register, cas-register, kv-append, set, lock, "
      "fenced-lock, lease; did you mean 'register'?");
}

TEST_F(SettingsTest, ANumberOutOfRangeIsRefused) {
  EXPECT_NE(problems("nodes = -1\n").find("needs a whole number"), std::string::npos);
}

TEST_F(SettingsTest, AMisspeltFlagGetsItsNearestMatch) {
  const auto parsed = parse({"--time-limt", "3s"});
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().exit_code(), 64);
  EXPECT_NE(parsed.error().message.find("unknown option '--time-limt'; did you mean 'time-limit'?"), std::string::npos);
}

TEST_F(SettingsTest, AFlagWithoutItsUnitIsRefused) {
  const auto parsed = parse({"--time-limit", "30"});
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().message, "--time-limit: error: time-limit = 30: a duration needs a unit: \"30s\", \"5m\"");
}

TEST_F(SettingsTest, TooFewArgumentsAreRefused) {
  const auto parsed = parse({"history.jsonl"}, "verify");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().message.find("expected HISTORY CERTIFICATE, found 1 argument"), std::string::npos);
}

TEST_F(SettingsTest, EveryVerbsHelpFitsOneScreenAndStartsWithAnExample) {
  for (const VerbSpec& verb : verbs()) {
    const std::string help = help_text(verb);
    EXPECT_LE(std::count(help.begin(), help.end(), '\n'), 45) << verb.name;
    EXPECT_TRUE(help.starts_with("  faultline ")) << verb.name;
  }
}

TEST_F(SettingsTest, EveryDefaultIsAValueOfItsOption) {
  for (const VerbSpec& verb : verbs()) {
    for (const OptionSpec& option : verb.options) {
      if (!option.fallback.empty()) {
        EXPECT_EQ(why_not(option, option.fallback), std::nullopt) << verb.name << " --" << option.name;
      }
    }
  }
}

}  // namespace
}  // namespace faultline::cli
