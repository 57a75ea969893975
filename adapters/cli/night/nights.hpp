// Nights: what earlier nights of a campaign found, from a plain folder with one small JSON file per night.
//
// The folder may live in a branch of git, in an artefact store, on a share; <utc>-<name>.json sorts by time, files of other campaigns and
// files that cannot be read are passed over (and named). A night's file holds its counts, and of every finding its id and its failing and
// all runs, so that the next night knows what is new, what went away and how often a flaky failure comes. Pure; private to the
// command line.
#pragma once

#include <faultline/campaign_report.hpp>
#include <faultline/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace faultline::cli::night {

struct NightFinding {
  std::string id, target, workload, anomaly;
  bool known = false;
  std::size_t failed = 0, runs = 0;
};

struct Night {
  std::string name;  // of the campaign
  CampaignNight counts;
  std::vector<NightFinding> findings;
  std::vector<std::string> cells;                             // "target × workload × nemesis" that ran
  double seconds_per_simulated = 0, seconds_beside_live = 0;  // for the next night's estimate; 0: none ran
};

Result<Night> night_from(std::string_view json);
std::string to_json(const Night& night);
// What this night leaves for the next ones.
Night night_of(const CampaignReport& report);

// Marks what is new or seen before, adds the trend and what is gone. `earlier` is oldest first and all of this campaign.
void compare(CampaignReport& report, const std::vector<Night>& earlier);

}  // namespace faultline::cli::night
