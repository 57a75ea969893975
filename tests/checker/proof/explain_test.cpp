// Golden scripts: tests/checker/proof/scripts/*.txt. The first line names model and options, then the history, then
// "----", then all that the explanation says. FL_REWRITE=1 rewrites them; commit only differences that can be
// explained.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support.hpp"

namespace faultline {
namespace {

struct Script {
  std::string head;  // "cas-register initial=0 failed-cas=observe"
  std::string history;
  std::string expected;
};

const std::filesystem::path folder = FL_SOURCE_DIR "/tests/checker/proof/scripts";

std::vector<std::string> script_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::filesystem::path file_of(const std::string& name) { return folder / (name + ".txt"); }

Script read_script(const std::filesystem::path& file) {
  std::ifstream in(file);
  Script script;
  std::getline(in, script.head);
  std::string* part = &script.history;
  for (std::string line; std::getline(in, line);) {
    if (line == "----") {
      part = &script.expected;
    } else {
      *part += line + "\n";
    }
  }
  return script;
}

std::pair<std::string, CheckOptions> options_of(const std::string& head) {
  std::istringstream words(head);
  std::string model, word;
  words >> model;
  CheckOptions options;
  while (std::getline(words >> std::ws, word, ' ')) {
    if (word.starts_with("initial=")) options.initial = parse_value(word.substr(8));
    if (word == "failed-cas=observe") options.failed_cas = FailedCas::observe;
    if (word == "nil-read=unknown") options.nil_read = NilRead::unknown;
  }
  return {model, options};
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, ExplanationIsAsWrittenAndProved) {
  const Script script = read_script(file_of(GetParam()));
  const auto [model, options] = options_of(script.head);
  const History history = parse_history(script.history);
  const Judged judged = judge(history, model, options);
  ASSERT_EQ(judged.kind, VerdictKind::invalid);
  ASSERT_EQ(judged.anomalies.size(), 1U);
  const Anomaly& anomaly = judged.anomalies[0];
  const std::string said = to_script(history, anomaly);
  if (std::getenv("FL_REWRITE") != nullptr) {
    std::ofstream(file_of(GetParam())) << script.head << "\n" << script.history << "----\n" << said;
  } else {
    EXPECT_EQ(said, script.expected);
  }

  const auto verified = verify(history, judged.certificate);
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;

  const History minimal = minimal_history(history, anomaly);
  EXPECT_EQ(judge(minimal, model, options).kind, VerdictKind::invalid) << "the minimal history is itself invalid";
  EXPECT_LE(anomaly.core.size() + anomaly.context.size(), 9U) << "small enough to be read";
}

INSTANTIATE_TEST_SUITE_P(Scripts, Golden, testing::ValuesIn(script_names()), [](const auto& script) {
  std::string name = script.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace faultline
