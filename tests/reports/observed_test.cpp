// What a watcher inside a simulated system saw counts as a violation in every format, whatever the history says; and its story is told.
#include <faultline/checker.hpp>
#include <faultline/report.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

struct Watched {
  History history;
  ReportInput input;
};

Watched watched(std::string detector, std::string sentence) {
  Watched w;
  const auto write = w.history.invoke(0, "write", 1);
  w.history.ok(write);
  w.input.verdict = check_linearizable(Register{}, w.history);
  w.input.run =
      RunInfo{.directory = "runs/sim", .target = "raft, simulated", .workload = "register", .exact_repeat = true};
  w.input.observed = {{std::move(detector), std::move(sentence)}};
  w.input.story = {"1. n1 is leader in term 2. (3 ms)", "2. n2 <b>applied</b> another. (4 ms)"};
  return w;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Observed, ABrokenInvariantIsAViolationThoughTheHistoryIsValid) {
  Watched w = watched("I:SMS", "n2 applied 17/4 where n1 had applied 17/3");
  w.input.history = &w.history;
  ASSERT_EQ(w.input.verdict->kind, VerdictKind::valid);
  EXPECT_EQ(exit_code(w.input), 1);
  EXPECT_EQ(headline(w.input), "✗ An invariant does not hold");
  EXPECT_EQ(contradiction(w.input), "n2 applied 17/4 where n1 had applied 17/3");
  const std::string json = render_verdict_json(w.input);
  EXPECT_TRUE(contains(json, "\"verdict\": \"invalid\"") || contains(json, "\"verdict\":\"invalid\"")) << json;
  EXPECT_TRUE(contains(json, "I:SMS"));
  EXPECT_TRUE(contains(json, "n1 is leader in term 2"));
  for (const std::string& page : {render_html(w.input), render_markdown(w.input)}) {
    EXPECT_TRUE(contains(page, "n2 applied 17/4 where n1 had applied 17/3"));
    EXPECT_TRUE(contains(page, "What happened"));
    EXPECT_FALSE(contains(page, "<b>applied"));
  }
  EXPECT_TRUE(contains(render_junit(w.input), "<failure type=\"I:SMS\""));
  EXPECT_TRUE(contains(render_terminal(w.input, {}), "I:SMS"));
  EXPECT_TRUE(contains(render_annotations(w.input), "::error"));
}

TEST(Observed, AGroupThatDoesNotConvergeIsSaidSo) {
  Watched w = watched("L", "after 10 s n1, n2 and n3 have acknowledged nothing");
  w.input.history = &w.history;
  EXPECT_EQ(headline(w.input), "✗ Did not converge");
  EXPECT_EQ(exit_code(w.input), 1);
}

TEST(Observed, NothingIsJudgedWithoutAVerdict) {
  Watched w = watched("I:SMS", "n2 applied 17/4");
  w.input.history = &w.history;
  w.input.verdict.reset();
  EXPECT_EQ(exit_code(w.input), 2);
}

}  // namespace
}  // namespace faultline
