// faultline merge: one result of many folders, the same whatever the split and the order.
//
// The folders are shards of one campaign (or one whole one, whose pages are written anew). results.jsonl of the merged folder has their
// lines in the order of the plan; the run directories that were kept are copied, up to the campaign's disk budget.
#include <fmt/format.h>

#include <algorithm>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "night/record.hpp"
#include "night_report.hpp"
#include "system.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;

Result<night::Plan> plan_in(const fs::path& folder, std::string& toml) {
  auto text = read_file(folder / "campaign.toml");
  if (!text) {
    return Error::bad_input(fmt::format("{}: no folder of a campaign: it has no campaign.toml", folder.string()),
                            "give the folders that `faultline campaign --out` wrote");
  }
  toml = std::move(text).value();
  return night::read_plan((folder / "campaign.toml").string(), toml);
}

Result<std::vector<Part>> parts_of(const std::vector<std::string>& folders, const night::Plan& plan) {
  std::vector<Part> parts;
  std::vector<std::string> problems;
  for (const std::string& folder : folders) {
    auto results = index_results(fs::path(folder) / "results.jsonl", plan);
    if (!results) {
      problems.push_back(results.error().to_string());
    } else if (results.value().header.plan.empty()) {
      problems.push_back(fmt::format("{}: its results.jsonl is empty", folder));
    } else {
      parts.push_back({folder, std::move(results).value()});
    }
  }
  if (!problems.empty()) return Error::bad_input(join(problems, "\n"));
  return parts;
}

Result<void> copy_kept(const night::Plan& plan, const std::vector<Part>& parts, const std::vector<Placed>& placed,
                       const fs::path& out) {
  std::uint64_t bytes = 0;
  for (const Placed& one : placed) {
    const fs::path from = parts[one.part].folder / "runs" / plan.runs[one.entry.run].id,
                   to = out / "runs" / plan.runs[one.entry.run].id;
    std::error_code error;
    if (!fs::exists(from, error) || fs::equivalent(from, to, error)) continue;
    bytes += folder_bytes(from);
    if (bytes > plan.budget.disk) return {};
    fs::create_directories(to, error);
    fs::copy(from, to,
             fs::copy_options::recursive | fs::copy_options::overwrite_existing | fs::copy_options::copy_symlinks,
             error);
    if (error)
      return Error::environment(fmt::format("{}: cannot copy it: {}", from.string(), error.message()),
                                "check that there is room");
  }
  return {};
}

Result<void> write_results(const night::Plan& plan, const std::vector<Part>& parts, const std::vector<Placed>& placed,
                           const fs::path& out) {
  std::string began = parts.front().results.header.began;
  for (const Part& part : parts) began = std::min(began, part.results.header.began);
  std::string text = results_header({plan.hash, "", began}, plan.name);
  for (const Placed& one : placed) {
    auto line = line_at(parts[one.part].results, one.entry);
    if (!line) return line.error();
    text += line.value();
  }
  return write_file(out / "results.jsonl", text);
}

Result<void> refuse_other(const fs::path& out, const night::Plan& plan) {
  std::error_code ignored;
  if (!fs::exists(out / "results.jsonl", ignored)) return {};
  if (auto there = index_results(out / "results.jsonl", plan); !there) return there.error();
  return {};
}

}  // namespace

int merge_command(const Settings& settings, Console& console) {
  const fs::path out = settings.text("out");
  std::string toml;
  const auto plan = plan_in(settings.arguments()[0], toml);
  if (!plan) return fail(plan.error(), console);
  auto parts = parts_of(settings.arguments(), plan.value());
  if (!parts) return fail(parts.error(), console);
  const auto placed = in_order(plan.value(), parts.value());
  if (!placed) return fail(placed.error(), console);
  if (auto fine = refuse_other(out, plan.value()); !fine) return fail(fine.error(), console);
  std::error_code error;
  fs::create_directories(out / "runs", error);
  if (error)
    return fail(Error::environment(fmt::format("{}: cannot create the folder: {}", out.string(), error.message()),
                                   "choose a writable one with --out"),
                console);
  console.phase("merge", fmt::format("{} runs of {} folders", placed.value().size(), parts.value().size()));
  for (const auto& written :
       {write_file(out / "campaign.toml", toml), copy_kept(plan.value(), parts.value(), placed.value(), out),
        write_results(plan.value(), parts.value(), placed.value(), out)}) {
    if (!written) return fail(written.error(), console);
  }
  const std::string history = settings.given("history") ? settings.text("history") : plan.value().history;
  const auto report =
      write_night(plan.value(), parts.value(), {.out = out, .history = history, .shard = {}, .stopped = {}}, console);
  if (!report) return fail(report.error(), console);
  print_night(report.value(), out, console);
  if (settings.flag("open")) open_in_browser(out / "index.html", console);
  return campaign_exit_code(report.value());
}

}  // namespace faultline::cli
