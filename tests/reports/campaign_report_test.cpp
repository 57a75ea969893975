// The campaign's report: the verdict of the night from its counts, and four formats that no text of a run can break.
#include <faultline/campaign_report.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "markup.hpp"

namespace faultline {
namespace {

CampaignReport clean_night() {
  CampaignReport report{.name = "nightly", .utc = "2026-11-20 02:14:06 UTC"};
  report.cells = {{.target = "raft", .workload = "register", .nemesis = "partition", .runs = 10, .valid = 10}};
  report.coverage.operations = 5000;
  report.coverage.faults["partition"] = {.runs = 10, .bit = 9};
  return report;
}

CampaignFinding finding(FindingState state) {
  return {.id = "a3f81c02",
          .target = "raft",
          .workload = "register",
          .anomaly = "stale-read",
          .shape = "partition",
          .state = state,
          .failed = 2,
          .runs = 10,
          .mixes = {"partition"},
          .sentence = "Process 1 read 3.",
          .repro = "faultline replay runs/1",
          .run_ids = {"00001-raft"}};
}

CampaignReport failing_night(FindingState state) {
  CampaignReport report = clean_night();
  report.findings = {finding(state)};
  const bool known = state == FindingState::known;
  report.cells[0].valid = 8;
  (known ? report.cells[0].known : report.cells[0].violated) = 2;
  return report;
}

TEST(CampaignVerdict, CleanNightIsZero) {
  EXPECT_EQ(campaign_exit_code(clean_night()), 0);
  EXPECT_EQ(campaign_headline(clean_night()), "✓ Clean");
}

TEST(CampaignVerdict, AViolationIsOneUnlessItIsKnown) {
  EXPECT_EQ(campaign_exit_code(failing_night(FindingState::fresh)), 1);
  EXPECT_EQ(campaign_exit_code(failing_night(FindingState::overdue)), 1);
  EXPECT_EQ(campaign_exit_code(failing_night(FindingState::known)), 0);
}

TEST(CampaignVerdict, AMissedPlantedBugIsRedAndAShardDoesNotJudgeIt) {
  CampaignReport report = clean_night();
  report.canaries = {
      {.name = "local reads", .expected = "stale-read", .runs = 4, .done = 4, .found = 0, .otherwise = {}}};
  EXPECT_EQ(campaign_exit_code(report), 3);
  EXPECT_NE(render_campaign_html(report).find("not found"), std::string::npos);
  EXPECT_NE(render_campaign_junit(report).find("<error type=\"canary\""), std::string::npos);
  report.canaries[0].done = 0;
  EXPECT_EQ(campaign_exit_code(report), 3);
  report.shard = "1/4";
  EXPECT_EQ(campaign_exit_code(report), 0);
}

TEST(CampaignVerdict, TheWorstCountsInTheOrderViolationHarnessUnknown) {
  CampaignReport report = clean_night();
  report.cells[0].unknown = 1;
  EXPECT_EQ(campaign_exit_code(report), 2);
  report.cells[0].broken = 1;
  EXPECT_EQ(campaign_exit_code(report), 3);
  report.cells[0].violated = 1;
  EXPECT_EQ(campaign_exit_code(report), 1);
  report.interrupted = true;
  EXPECT_EQ(campaign_exit_code(report), 130);
}

TEST(CampaignVerdict, RunsThatWereNotDoneAreNotClean) {
  CampaignReport report = clean_night();
  report.cells[0].not_run = 10;
  report.cells[0].valid = 0;
  EXPECT_EQ(campaign_exit_code(report), 2);
  EXPECT_EQ(campaign_exit_code(CampaignReport{}), 2);
}

TEST(CampaignVerdict, WhatAPlantedBugViolatesIsNoFailure) {
  CampaignReport report = clean_night();
  report.cells.push_back(
      {.target = "bad", .workload = "register", .nemesis = "partition", .canary = true, .runs = 3, .violated = 3});
  report.canaries = {
      {.name = "local reads", .expected = "stale-read", .runs = 3, .done = 3, .found = 3, .otherwise = {}}};
  EXPECT_EQ(campaign_exit_code(report), 0);
  EXPECT_EQ(campaign_counts(report).violated, 0U);
}

// Every text that comes from outside, everywhere it can stand.
CampaignReport hostile_night() {
  const std::string evil = "</style><script>alert(1)</script>\n::error::x `|` \x1b[31m\xff %0A \"'&";
  CampaignReport report = failing_night(FindingState::fresh);
  CampaignFinding& f = report.findings[0];
  for (std::string* text : {&f.target, &f.workload, &f.anomaly, &f.shape, &f.why, &f.until, &f.sentence, &f.story,
                            &f.repro, &f.shrunk, &f.first_failing, &f.since})
    *text = evil;
  f.mixes = {evil};
  f.run_ids = {evil, evil};
  f.page = "javascript:alert(1)";
  report.cells[0].target = report.cells[0].workload = report.cells[0].nemesis = evil;
  report.canaries = {{.name = evil, .expected = evil, .runs = 1, .done = 1, .found = 0, .otherwise = evil}};
  report.gone = {{evil, evil, evil, evil, evil}};
  report.known_unseen = {{evil, evil, evil, evil, evil}};
  report.nights = {{.utc = evil, .verdict = evil, .runs = 1}};
  report.coverage.faults[evil] = {.runs = 1, .bit = 0};
  report.coverage.probes[evil] = 1;
  report.unknowns = report.broken = report.slowest = report.retried = {{evil, evil, 1}};
  report.tool = {{"version", evil}};
  report.name = report.utc = report.shard = report.stopped = evil;
  return report;
}

TEST(CampaignFormats, HostileTextsBreakNoFormat) {
  const CampaignReport report = hostile_night();
  const std::string html = render_campaign_html(report);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("javascript:"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
  EXPECT_EQ(markup::parse(html).error, "");
  const std::string junit = render_campaign_junit(report);
  EXPECT_EQ(markup::parse(junit).error, "");
  EXPECT_EQ(junit.find("<script"), std::string::npos);
  EXPECT_EQ(junit.find('\x1b'), std::string::npos);
  const std::string annotations = render_campaign_annotations(report);
  for (std::size_t at = 0; at < annotations.size(); at = annotations.find('\n', at) + 1)
    EXPECT_TRUE(annotations.substr(at).starts_with("::error title=") ||
                annotations.substr(at).starts_with("::warning title="));
  const std::string markdown = render_campaign_markdown(report);
  EXPECT_EQ(markdown.find('\x1b'), std::string::npos);
  EXPECT_EQ(render_campaign_terminal(report, true).find('\x1b'), std::string::npos);
}

TEST(CampaignFormats, AHugeNightStaysWithinBounds) {
  CampaignReport report = failing_night(FindingState::fresh);
  report.findings.assign(5000, report.findings[0]);
  report.cells.assign(3000, report.cells[0]);
  report.unknowns.assign(200, {"00001-raft", std::string(500, 'x'), 1});
  EXPECT_LE(render_campaign_markdown(report).size(), 61'000U);
  EXPECT_LE(render_campaign_html(report).size(), 2'000'000U);
  const std::string annotations = render_campaign_annotations(report);
  EXPECT_EQ(std::count(annotations.begin(), annotations.end(), '\n'), 10);
}

TEST(CampaignFormats, ThePageSaysStateRateAndHowToRepeat) {
  CampaignReport report = failing_night(FindingState::again);
  report.findings[0].nights = 5;
  report.findings[0].nights_seen = 2;
  report.findings[0].since = "2026-11-01 02:00:00 UTC";
  const std::string html = render_campaign_html(report);
  for (const char* text :
       {"2 of 10 runs, 2 of 5 earlier nights", "faultline replay runs/1", "First seen", "again", "Trend"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
}

}  // namespace
}  // namespace faultline
