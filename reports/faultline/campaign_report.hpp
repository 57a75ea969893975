// The campaign's report: from what a night of runs showed to the morning page, junit.xml, summary.md and annotations.
//
// A CampaignReport is plain data that somebody else has counted, sorted and compared with earlier nights; nothing is decided here but
// how it is said and, from the counts, the verdict of the night. Pure: same input, same bytes. As in report.hpp every text may come from
// a hostile system, and each format escapes it in its own way.
//
// The verdict of a night, the worst that holds: a violation that is not a known one (exit code 1); a canary that was not found, or a run
// that the harness could not finish (3); a run that is undecided or was not done (2); else clean (0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace faultline {

// One target under one workload and one mix of faults; as many runs as seeds.
struct CampaignCell {
  std::string target, workload, nemesis;
  bool simulated = false, canary = false;
  std::size_t runs = 0, valid = 0, violated = 0, known = 0, unknown = 0, broken = 0, not_run = 0;
  std::size_t idle = 0;  // valid, but none of their faults had an effect
};

enum class FindingState : std::uint8_t {
  fresh,   // in no earlier night, or there is none to compare with
  again,   // in an earlier night too
  known,   // listed as known, until a date that has not passed
  overdue  // listed as known until a date that has passed
};

// All failing runs that failed in the same way: the same target, workload, class of anomaly and shape of the smallest scenario.
struct CampaignFinding {
  std::string id;  // short, the same every night
  std::string target, workload, anomaly, shape;
  FindingState state = FindingState::fresh;
  bool flaky = false;                // of a live target, and not in every run: a simulated run fails always or never
  std::size_t failed = 0, runs = 0;  // failing runs, of all runs of the cells it was seen in
  std::size_t nights_seen = 0, nights = 0;  // of the earlier nights
  std::string since;                        // the first night it was seen in, if that is an earlier one
  std::vector<std::string> mixes;           // the faults under which it was seen
  std::string why, until;                   // of a known one
  std::string sentence, story, repro;       // of its smallest run; story: one numbered sentence a line
  std::string shrunk;                       // "1 decision, 3 nodes"; empty if it was not
  std::string page;                         // relative path of its smallest run's report; empty if not kept
  std::string first_failing;                // the first version that fails; empty if none were named
  std::vector<std::string> run_ids;         // in order, at most 20
};

struct CampaignCanary {
  std::string name, expected;
  std::size_t runs = 0, done = 0, found = 0;
  std::string otherwise;  // what its runs failed with instead, or why they did not run
};

// What was known, was seen last night or is listed, and is not seen any more although its cells ran.
struct CampaignGone {
  std::string id, target, workload, anomaly, last_seen;
};
struct CampaignKnownUnseen {
  std::string target, workload, anomaly, until, why;
};

struct CampaignNight {
  std::string utc, verdict;  // verdict: violated, broken, unknown, clean
  std::size_t runs = 0, valid = 0, findings = 0, fresh = 0, known = 0, unknown = 0, broken = 0;
  double seconds = 0;
};

struct CampaignFault {
  std::size_t runs = 0, bit = 0;  // runs that had this kind among their faults, and those in which it had an effect
};

struct CampaignCoverage {
  std::uint64_t operations = 0, ok = 0, info = 0, under_fault = 0, leader_changes = 0;
  std::size_t live_runs = 0, simulated_runs = 0, vacuous = 0;
  std::map<std::string, CampaignFault> faults;
  std::map<std::string, std::uint64_t> probes;  // of simulated runs: how often each situation occurred
};

struct CampaignRunNote {  // of a slow, undecided, broken or retried run
  std::string run, text;
  double seconds = 0;
};

struct CampaignReport {
  std::string name, utc, shard;  // shard: "2/4"; empty: the whole campaign
  bool interrupted = false;
  std::string stopped;  // why not every run was done; empty: all were
  std::vector<CampaignCell> cells;
  std::vector<CampaignFinding> findings;  // worst first
  std::vector<CampaignCanary> canaries;
  std::vector<CampaignGone> gone;
  std::vector<CampaignKnownUnseen> known_unseen;
  std::vector<CampaignNight> nights;  // earlier ones, oldest first
  CampaignCoverage coverage;
  std::vector<CampaignRunNote> slowest, unknowns, broken, retried;
  double seconds = 0;                       // from the first run's begin to the last one's end, on all machines
  std::map<std::string, std::string> tool;  // "version", "commit", "compiler"
};

struct CampaignCounts {
  std::size_t runs = 0, done = 0, valid = 0, violated = 0, known = 0, unknown = 0, broken = 0, not_run = 0, idle = 0;
  std::size_t canaries_missed = 0, fresh = 0;
};
CampaignCounts campaign_counts(const CampaignReport& report);
// 0, 1, 2 or 3 as above; 130 if it was interrupted.
int campaign_exit_code(const CampaignReport& report);
std::string campaign_verdict(const CampaignReport& report);   // violated, broken, unknown, clean, interrupted
std::string campaign_headline(const CampaignReport& report);  // "✗ 2 violations, 1 of them new"
std::string campaign_sentence(const CampaignReport& report);  // what was done, and whether it tested anything

std::string render_campaign_html(const CampaignReport& report);
std::string render_campaign_markdown(const CampaignReport& report);
// One testcase per cell, and one per canary.
std::string render_campaign_junit(const CampaignReport& report);
// Workflow commands of GitHub Actions, at most 10 lines; empty for a clean night.
std::string render_campaign_annotations(const CampaignReport& report);
std::string render_campaign_terminal(const CampaignReport& report, bool utf8);

}  // namespace faultline
