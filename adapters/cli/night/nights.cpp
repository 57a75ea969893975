#include "night/nights.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace faultline::cli::night {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_nights = 90;

std::string cell_name(const CampaignCell& cell) { return cell.target + " × " + cell.workload + " × " + cell.nemesis; }

const NightFinding* find(const Night& night, const std::string& id) {
  for (const NightFinding& finding : night.findings) {
    if (finding.id == id) return &finding;
  }
  return nullptr;
}

}  // namespace

std::string to_json(const Night& night) {
  const CampaignNight& c = night.counts;
  Json object{{"schema", 1},          {"name", night.name}, {"utc", c.utc},
              {"verdict", c.verdict}, {"runs", c.runs},     {"valid", c.valid}};
  object["new"] = c.fresh;
  object["known"] = c.known;
  object["unknown"] = c.unknown;
  object["broken"] = c.broken;
  object["seconds"] = c.seconds;
  object["seconds_per_simulated"] = night.seconds_per_simulated;
  object["seconds_beside_live"] = night.seconds_beside_live;
  object["findings"] = Json::array();
  for (const NightFinding& f : night.findings) {
    object["findings"].push_back({{"id", f.id},
                                  {"target", f.target},
                                  {"workload", f.workload},
                                  {"class", f.anomaly},
                                  {"known", f.known},
                                  {"failed", f.failed},
                                  {"runs", f.runs}});
  }
  object["cells"] = night.cells;
  return object.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Night> night_from(std::string_view json) try {
  const Json object = Json::parse(json);
  if (object.at("schema").get<int>() != 1) return Error::environment("its schema is not 1");
  Night night{.name = object.at("name").get<std::string>(), .counts = {}, .findings = {}, .cells = {}};
  CampaignNight& c = night.counts;
  c.utc = object.at("utc").get<std::string>();
  c.verdict = object.at("verdict").get<std::string>();
  c.runs = object.at("runs").get<std::size_t>();
  c.valid = object.at("valid").get<std::size_t>();
  c.fresh = object.at("new").get<std::size_t>();
  c.known = object.at("known").get<std::size_t>();
  c.unknown = object.at("unknown").get<std::size_t>();
  c.broken = object.at("broken").get<std::size_t>();
  c.seconds = object.at("seconds").get<double>();
  night.seconds_per_simulated = object.value("seconds_per_simulated", 0.0);
  night.seconds_beside_live = object.value("seconds_beside_live", 0.0);
  for (const Json& f : object.at("findings")) {
    night.findings.push_back({.id = f.at("id").get<std::string>(),
                              .target = f.at("target").get<std::string>(),
                              .workload = f.at("workload").get<std::string>(),
                              .anomaly = f.at("class").get<std::string>(),
                              .known = f.at("known").get<bool>(),
                              .failed = f.at("failed").get<std::size_t>(),
                              .runs = f.at("runs").get<std::size_t>()});
  }
  night.cells = object.at("cells").get<std::vector<std::string>>();
  c.findings = night.findings.size();
  return night;
} catch (const nlohmann::json::exception& error) {
  return Error::environment(fmt::format("it is no night of a campaign: {}", error.what()));
}

Night night_of(const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  Night night{.name = report.name, .counts = {}, .findings = {}, .cells = {}};
  night.counts = {.utc = report.utc,
                  .verdict = campaign_verdict(report),
                  .runs = counts.done,
                  .valid = counts.valid,
                  .findings = report.findings.size(),
                  .fresh = counts.fresh,
                  .known = counts.known,
                  .unknown = counts.unknown,
                  .broken = counts.broken,
                  .seconds = report.seconds};
  for (const CampaignFinding& f : report.findings) {
    night.findings.push_back({.id = f.id,
                              .target = f.target,
                              .workload = f.workload,
                              .anomaly = f.anomaly,
                              .known = f.state == FindingState::known,
                              .failed = f.failed,
                              .runs = f.runs});
  }
  for (const CampaignCell& cell : report.cells) {
    if (cell.runs > cell.not_run) night.cells.push_back(cell_name(cell));
  }
  return night;
}

void compare(CampaignReport& report, const std::vector<Night>& earlier) {
  for (CampaignFinding& finding : report.findings) {
    finding.nights = earlier.size();
    for (const Night& night : earlier) {
      if (find(night, finding.id) == nullptr) continue;
      if (finding.nights_seen++ == 0) finding.since = night.counts.utc;
    }
    if (finding.nights_seen > 0 && finding.state == FindingState::fresh) finding.state = FindingState::again;
  }
  if (!earlier.empty()) {
    for (const NightFinding& past : earlier.back().findings) {
      const bool still = std::any_of(report.findings.begin(), report.findings.end(),
                                     [&](const CampaignFinding& f) { return f.id == past.id; });
      const bool ran = std::any_of(report.cells.begin(), report.cells.end(), [&](const CampaignCell& cell) {
        return cell.target == past.target && cell.workload == past.workload && !cell.canary && cell.runs > cell.not_run;
      });
      if (!still && ran)
        report.gone.push_back({past.id, past.target, past.workload, past.anomaly, earlier.back().counts.utc});
    }
  }
  const std::size_t first = earlier.size() > most_nights ? earlier.size() - most_nights : 0;
  for (std::size_t n = first; n < earlier.size(); ++n) report.nights.push_back(earlier[n].counts);
}

}  // namespace faultline::cli::night
