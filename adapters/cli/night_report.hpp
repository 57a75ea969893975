// From the results in one or many folders to the pages of a campaign: the same code for `campaign`, for one shard, and for `merge`.
#pragma once

#include <faultline/campaign_report.hpp>
#include <faultline/result.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "night/nights.hpp"
#include "night/plan.hpp"
#include "night/shard.hpp"
#include "night_engine.hpp"
#include "night_folder.hpp"

namespace faultline::cli {

// Earlier nights of this campaign, oldest first; files that are none are named in a note and passed over.
std::vector<night::Night> read_nights(const std::filesystem::path& folder, const std::string& campaign,
                                      Console& console);
Pace pace_of(const std::vector<night::Night>& nights);

struct Part {
  std::filesystem::path folder;
  ResultsIndex results;
};

struct NightPages {
  std::filesystem::path out;
  std::string history;  // folder of nights; empty: none
  night::Shard shard;
  bool interrupted = false;
  std::string stopped;
};

// One line of one part. Runs that several parts have done count once; bad input: they differ in what must be the same.
struct Placed {
  std::size_t part = 0;
  ResultsIndex::Entry entry;
};
Result<std::vector<Placed>> in_order(const night::Plan& plan, const std::vector<Part>& parts);

// index.html, campaign.json, junit.xml, summary.md, annotations.txt; and, of a whole campaign that was not interrupted, its night.
Result<CampaignReport> write_night(const night::Plan& plan, const std::vector<Part>& parts, const NightPages& pages,
                                   Console& console);

// The last words on stdout.
void print_night(const CampaignReport& report, const std::filesystem::path& out, Console& console);

}  // namespace faultline::cli
