// Every outcome in every textual format, word for word. FL_REWRITE=1 rewrites the golden files.
#include "samples.hpp"

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace faultline {
namespace {

void compare(const std::string& file, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(FL_SOURCE_DIR) / "tests/reports/golden" / file;
  if (std::getenv("FL_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in.good()) << path << " is missing; FL_REWRITE=1 writes it";
  std::stringstream wanted;
  wanted << in.rdbuf();
  EXPECT_EQ(wanted.str(), text) << path;
}

TEST(Golden, TerminalLinesOfEveryOutcome) {
  for (const samples::Sample& s : samples::all()) compare(s.name + ".txt", render_terminal(s.input, {}));
}

TEST(Golden, TerminalWithColour) {
  compare("stale-read.colour.txt", render_terminal(samples::named("stale-read").input, {.colour = true}));
}

TEST(Golden, TerminalWithoutUtf8) {
  const std::string text = render_terminal(samples::named("lost-update").input, {.utf8 = false});
  compare("lost-update.ascii.txt", text);
  for (const char c : text) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
}

TEST(Golden, VerdictJsonOfEveryOutcome) {
  for (const samples::Sample& s : samples::all()) {
    const std::string json = render_verdict_json(s.input);
    EXPECT_TRUE(parse_json(json.substr(0, json.size() - 1)).ok()) << s.name;
    compare(s.name + ".json", json);
  }
}

TEST(Golden, SummaryOfEveryOutcome) {
  for (const samples::Sample& s : samples::all()) compare(s.name + ".md", render_markdown(s.input));
}

TEST(Golden, JUnitOfEveryOutcome) {
  for (const samples::Sample& s : samples::all()) compare(s.name + ".xml", render_junit(s.input));
}

TEST(Golden, AnnotationsStopAtTen) { compare("many.annotations", render_annotations(samples::named("many").input)); }

TEST(Golden, MinimalHistory) {
  for (const char* name : {"stale-read", "two-holders", "fallback"}) {
    const samples::Sample s = samples::named(name);
    const std::string lines = render_minimal_jsonl(*s.history, s.input.verdict->anomalies.front());
    EXPECT_TRUE(read_history(lines, {.format = Format::jsonl}).ok()) << name;
    compare(std::string(name) + ".minimal.jsonl", lines);
  }
}

}  // namespace
}  // namespace faultline
