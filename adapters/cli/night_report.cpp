#include "night_report.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

#include "files.hpp"
#include "night/triage.hpp"
#include "system.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;

std::string earliest(const std::vector<Part>& parts) {
  std::string began;
  for (const Part& part : parts) {
    if (began.empty() || part.results.header.began < began) began = part.results.header.began;
  }
  return began;
}

// "2026-11-20 02:14:06 UTC" as a name that sorts: "20261120T021406Z".
std::string compact(const std::string& utc) {
  std::string digits;
  for (const char c : utc) {
    if (c >= '0' && c <= '9') digits += c;
    if (c == ' ' && digits.size() == 8) digits += 'T';
  }
  return digits + "Z";
}

struct Times {
  double simulated = 0, beside_live = 0;
  std::size_t simulated_runs = 0, live_runs = 0;

  void add(const night::Plan& plan, const night::RunSpec& run, double seconds) {
    if (plan.simulated(run)) {
      ++simulated_runs;
      simulated += seconds;
      return;
    }
    const Pace nothing{.simulated = 1, .beside_live = 1e-9};
    ++live_runs;
    beside_live += std::max(0.0, seconds - estimate_of(plan, run, nothing).seconds);
  }
};

Result<void> write_pages(const fs::path& out, const night::Plan& plan, const CampaignReport& report,
                         const std::vector<std::string>& lines) {
  const std::vector<std::pair<const char*, std::string>> files{
      {"campaign.json", night::result_json(plan, report, lines)},
      {"junit.xml", render_campaign_junit(report)},
      {"summary.md", render_campaign_markdown(report)},
      {"annotations.txt", render_campaign_annotations(report)},
      {"index.html", render_campaign_html(report)}};
  for (const auto& [name, bytes] : files) {
    if (auto written = write_file(out / name, bytes); !written) return written;
  }
  return {};
}

Result<void> write_own_night(const fs::path& folder, const CampaignReport& report, const Times& times) {
  night::Night night = night::night_of(report);
  if (times.simulated_runs > 0)
    night.seconds_per_simulated = times.simulated / static_cast<double>(times.simulated_runs);
  if (times.live_runs > 0) night.seconds_beside_live = times.beside_live / static_cast<double>(times.live_runs);
  std::error_code error;
  fs::create_directories(folder, error);
  return write_file(folder / fmt::format("{}-{}.json", compact(report.utc), report.name), night::to_json(night));
}

}  // namespace

std::vector<night::Night> read_nights(const fs::path& folder, const std::string& campaign, Console& console) {
  std::vector<night::Night> nights;
  std::error_code ignored;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end; at.increment(ignored)) {
    if (at->path().extension() == ".json") files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const auto text = read_file(file);
    auto night = text ? night::night_from(text.value()) : Result<night::Night>(text.error());
    if (!night) {
      console.note(fmt::format("{}: passed over: {}", file.string(), night.error().message));
    } else if (night.value().name == campaign) {
      nights.push_back(std::move(night).value());
    }
  }
  return nights;
}

Pace pace_of(const std::vector<night::Night>& nights) {
  if (nights.empty()) return {};
  return {.simulated = nights.back().seconds_per_simulated, .beside_live = nights.back().seconds_beside_live};
}

Result<std::vector<Placed>> in_order(const night::Plan& plan, const std::vector<Part>& parts) {
  std::vector<Placed> all;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (const ResultsIndex::Entry& entry : parts[p].results.entries) all.push_back({p, entry});
  }
  std::stable_sort(all.begin(), all.end(), [](const Placed& a, const Placed& b) { return a.entry.run < b.entry.run; });
  std::vector<Placed> distinct;
  for (const Placed& one : all) {
    if (distinct.empty() || distinct.back().entry.run != one.entry.run) {
      distinct.push_back(one);
      continue;
    }
    const Placed& other = distinct.back();
    std::vector<std::string> texts;
    for (const Placed* placed : {&other, &one}) {
      const auto line = line_at(parts[placed->part].results, placed->entry);
      if (!line) return line.error();
      const auto record = night::record_from(line.value());
      if (!record) return record.error();
      texts.push_back(night::to_line(record.value(), !plan.simulated(plan.runs[one.entry.run])));
    }
    if (texts[0] == texts[1]) continue;
    return Error::bad_input(
        fmt::format("{} and {} both have run {}, with different results", parts[other.part].folder.string(),
                    parts[one.part].folder.string(), plan.runs[one.entry.run].id),
        "merge the shards of one night: each run belongs to one of them");
  }
  return distinct;
}

Result<CampaignReport> write_night(const night::Plan& plan, const std::vector<Part>& parts, const NightPages& pages,
                                   Console& console) {
  auto placed = in_order(plan, parts);
  if (!placed) return placed.error();
  const std::string began = earliest(parts);
  night::Triage triage(plan, pages.shard, began.substr(0, 10), pages.out.string());
  std::vector<std::string> lines;
  Times times;
  for (const Placed& one : placed.value()) {
    const auto line = line_at(parts[one.part].results, one.entry);
    if (!line) return line.error();
    const auto record = night::record_from(line.value());
    if (!record) return record.error();
    const night::RunSpec& run = plan.runs[one.entry.run];
    triage.add(record.value());
    lines.push_back(night::to_line(record.value(), !plan.simulated(run)));
    times.add(plan, run, record.value().measured.seconds);
  }
  CampaignReport report = triage.report();
  report.utc = began;
  report.shard = pages.shard.text();
  report.interrupted = pages.interrupted;
  report.stopped = pages.stopped;
  report.tool = tool_versions();
  const bool remembers = !pages.history.empty() && pages.shard.whole();
  if (remembers) {
    std::vector<night::Night> nights = read_nights(pages.history, plan.name, console);
    std::erase_if(nights, [&](const night::Night& night) { return night.counts.utc >= began; });
    night::compare(report, nights);
  }
  if (auto written = write_pages(pages.out, plan, report, lines); !written) return written.error();
  if (remembers && !pages.interrupted) {
    if (auto written = write_own_night(pages.history, report, times); !written) return written.error();
  }
  return report;
}

void print_night(const CampaignReport& report, const fs::path& out, Console& console) {
  if (!console.json()) {
    console.result(render_campaign_terminal(report, console.style().utf8) +
                   fmt::format("report: {}\n", (out / "index.html").string()));
    return;
  }
  const CampaignCounts counts = campaign_counts(report);
  nlohmann::ordered_json object{{"schema", 1},
                                {"verdict", campaign_verdict(report)},
                                {"exit_code", campaign_exit_code(report)},
                                {"reason", campaign_headline(report) + ": " + campaign_sentence(report)},
                                {"campaign", report.name},
                                {"directory", out.string()},
                                {"runs", counts.runs},
                                {"done", counts.done},
                                {"valid", counts.valid},
                                {"violated", counts.violated},
                                {"known", counts.known},
                                {"unknown", counts.unknown},
                                {"broken", counts.broken},
                                {"canaries_missed", counts.canaries_missed},
                                {"new", counts.fresh},
                                {"gone", report.gone.size()},
                                {"seconds", report.seconds}};
  object["findings"] = nlohmann::ordered_json::array();
  for (const CampaignFinding& f : report.findings)
    object["findings"].push_back({{"id", f.id}, {"class", f.anomaly}, {"repro", f.repro}});
  console.result(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace faultline::cli
