// Triage: from the records of a campaign, in the order of its plan, to what the morning page says.
//
// Failures are one finding if they agree in target, workload, class of anomaly and shape of the smallest scenario; the id of a finding is
// a hash of these, the same every night and on every machine. A finding that is listed as known is no failure before its date has passed.
// Runs of a canary are apart: what they find is what was planted. Memory: findings and cells, not runs. Pure.
#pragma once

#include <faultline/campaign_report.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "night/plan.hpp"
#include "night/record.hpp"
#include "night/shard.hpp"

namespace faultline::cli::night {

// "a3f81c02": of target, workload, class and shape.
std::string signature_id(std::string_view target, std::string_view workload, std::string_view anomaly,
                         std::string_view shape);

class Triage {
 public:
  // `today`, "2026-11-20", decides which known failures are overdue; `folder` is the campaign's, as the user would name it.
  // REQUIRES: `plan` outlives it.
  Triage(const Plan& plan, const Shard& shard, std::string today, std::string folder);

  // REQUIRES: `record` is of the plan, and comes after all of smaller index.
  void add(const Record& record);

  // Cells, findings, canaries, coverage, slowest, unknowns, broken; name and times are the caller's.
  [[nodiscard]] CampaignReport report() const;

 private:
  void add_coverage(const Record& record, bool simulated);
  void add_finding(const Record& record, const RunSpec& run);
  void add_note(std::vector<CampaignRunNote>& notes, const Record& record, const std::string& text) const;
  void add_slow(const Record& record);

  const Plan& plan_;
  std::string today_, folder_;
  CampaignReport report_;
  std::map<std::string, CampaignFinding> findings_;  // by id
  std::map<std::string, std::set<std::size_t>> cells_of_;
  std::vector<std::size_t> done_;  // per cell
  bool shard_whole_;
  double begin_ms_ = 0, end_ms_ = 0;
};

// How a person repeats one run: the replay of its directory if that was kept, else its command.
std::string repro_of(const Plan& plan, const RunSpec& run, const Record& record, std::string_view folder);

// campaign.json, the result that is the same whatever the split and the order: everything of the plan and its records but what was
// measured, which is left to live runs. `runs` holds the lines of all done runs in order, by to_line().
std::string result_json(const Plan& plan, const CampaignReport& report, const std::vector<std::string>& runs);

}  // namespace faultline::cli::night
