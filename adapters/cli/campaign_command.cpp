// faultline campaign: a TOML file of targets, workloads, mixes of faults and seeds, run unattended, and the page of the morning after.
//
// Order of safety: everything that can be wrong with the file or the machine is said before anything is made; the folder is printed first
// and last; what is finished is on disk as it happens (night_folder.hpp); the pages are written at every end, also of an interrupted one.
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "night_engine.hpp"
#include "night_report.hpp"
#include "simulated.hpp"
#include "system.hpp"
#include "targets.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;
using night::Plan;
using night::RunSpec;

bool in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "/usr/bin:/bin", ':')) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

// What `run` or `sim` would say to a run, before any of them begins.
Result<void> possible(const Plan& plan, const RunSpec& run, Console& console) {
  std::vector<std::string> words = night::command_of(plan, run);
  const VerbSpec& verb = *find_verb(words[0]);
  words.erase(words.begin());
  auto settings = Settings::parse(verb, words);
  if (!settings) return settings.error();
  if (plan.simulated(run)) {
    auto simulated = sim_run_of(settings.value());
    if (!simulated) return simulated.error();
    simulated.value().seed = run.seed;
    const auto drawn = raft::sim::drawn(simulated.value());
    return drawn ? Result<void>() : drawn.error();
  }
  if (auto settled = settle_target(settings.value()); !settled) return settled;
  if (settings.value().text("target") == "etcd" && !settings.value().given("endpoints") && !in_path("etcd"))
    return Error::environment("there is no etcd in PATH", "apt install etcd-server");
  const auto made = make_target(settings.value(), fs::temp_directory_path(), nullptr, console);
  return made ? Result<void>() : made.error();
}

void check_versions(const std::string& path, const Plan& plan, std::vector<std::string>& problems) {
  for (const night::Target& target : plan.targets) {
    for (const night::Version& version : target.versions) {
      if (::access(version.path.c_str(), X_OK) != 0)
        problems.push_back(fmt::format("{}:{}:{}: error: version {} of target '{}': there is no program or folder {}",
                                       path, target.place.line, target.place.column, version.name, target.name,
                                       version.path));
    }
  }
}

// All problems at once; bad input counts before what the machine lacks.
Result<void> check_runs(const std::string& path, const Plan& plan, Console& console) {
  std::vector<std::string> problems;
  check_versions(path, plan, problems);
  bool bad_input = false;
  std::set<std::pair<std::size_t, night::Options>> asked;  // many seeds share them
  for (const RunSpec& run : plan.runs) {
    if (!asked.emplace(run.target, run.options).second) continue;
    const auto fine = possible(plan, run, console);
    if (fine) continue;
    const night::Target& target = plan.targets[run.target];
    const Error& error = fine.error();
    bad_input = bad_input || error.kind == ErrorKind::bad_input;
    std::string text = fmt::format("{}:{}:{}: error: target '{}': {}{}", path, target.place.line, target.place.column,
                                   target.name, error.message, error.remedy.empty() ? "" : "; " + error.remedy);
    if (std::find(problems.begin(), problems.end(), text) == problems.end()) problems.push_back(std::move(text));
  }
  if (problems.empty()) return {};
  return bad_input ? Error::bad_input(join(problems, "\n")) : Error::environment(join(problems, "\n"));
}

std::optional<std::string> environment(std::string_view name) {
  const char* text = std::getenv(std::string(name).c_str());
  return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

std::string time_words(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  return whole < 120 ? fmt::format("{} s", whole) : fmt::format("{} min", (whole + 30) / 60);
}

class CampaignVerb {
 public:
  CampaignVerb(const Settings& settings, Console& console) : settings_(settings), console_(console) {}

  int go() {
    const std::string& file = settings_.arguments()[0];
    auto toml = read_file(file);
    if (!toml)
      return fail(
          Error::bad_input(toml.error().message, "give the path of a campaign, e.g. tests/campaigns/smoke.toml"),
          console_);
    auto plan = night::read_plan(file, toml.value());
    if (!plan) return fail(plan.error(), console_);
    plan_ = std::move(plan).value();
    if (settings_.given("parallel")) plan_.budget.parallel = settings_.number("parallel");
    auto shard = night::shard_of(settings_.text("shard"), environment);
    if (!shard) return fail(shard.error(), console_);
    shard_ = std::move(shard).value();
    if (auto checked = check_runs(file, plan_, console_); !checked) return fail(checked.error(), console_);
    history_ = settings_.given("history") ? settings_.text("history") : plan_.history;
    if (!history_.empty()) pace_ = pace_of(read_nights(history_, plan_.name, console_));
    return settings_.flag("dry-run") ? dry_run() : run(toml.value());
  }

 private:
  [[nodiscard]] std::string estimate_text(const NightEstimate& night) const {
    return fmt::format("{} runs ({} live, {} simulated), about {}", night.live + night.simulated, night.live,
                       night.simulated, time_words(night.seconds));
  }
  [[nodiscard]] std::string disk_text(const NightEstimate& night) const {
    return fmt::format("disk: at most {} by runs under way, {} for runs that pass, {} for failures",
                       bytes_text(night.working_bytes), bytes_text(night.kept_bytes), bytes_text(plan_.budget.disk));
  }

  int dry_run() {
    const NightEstimate night = estimate_night(plan_, shard_, nullptr, pace_);
    const Parallel parallel = parallel_of(plan_.budget);
    std::vector<std::size_t> runs(plan_.cells.size(), 0);
    for (const RunSpec& run : plan_.runs) runs[run.cell] += shard_.takes(run.index) ? 1 : 0;
    nlohmann::ordered_json cells = nlohmann::ordered_json::array();
    std::string text;
    for (std::size_t c = 0; c < plan_.cells.size(); ++c) {
      const night::Cell& cell = plan_.cells[c];
      const night::Target& target = plan_.targets[cell.target];
      const std::string canary = cell.canary == night::none ? "" : plan_.canaries[cell.canary].name;
      text += fmt::format("{:>5}  {} {} × {} × {}{}\n", runs[c], target.simulated ? "sim " : "live", target.name,
                          cell.workload, cell.nemesis, canary.empty() ? "" : "  planted: " + canary);
      cells.push_back({{"runs", runs[c]},
                       {"target", target.name},
                       {"simulated", target.simulated},
                       {"workload", cell.workload},
                       {"nemesis", cell.nemesis},
                       {"canary", canary}});
    }
    text += fmt::format("{}{}, {} at once ({} live)\n{}\n", shard_.whole() ? "" : "shard " + shard_.text() + ": ",
                        estimate_text(night), parallel.all, parallel.live, disk_text(night));
    if (console_.json()) {
      const nlohmann::ordered_json object{{"schema", 1},
                                          {"campaign", plan_.name},
                                          {"plan", plan_.hash},
                                          {"shard", shard_.text()},
                                          {"runs", night.live + night.simulated},
                                          {"live", night.live},
                                          {"simulated", night.simulated},
                                          {"seconds", night.seconds},
                                          {"parallel", parallel.all},
                                          {"parallel_live", parallel.live},
                                          {"bytes_working", night.working_bytes},
                                          {"bytes_passed", night.kept_bytes},
                                          {"bytes_failures", plan_.budget.disk},
                                          {"cells", cells}};
      text = object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    }
    console_.result(text);
    return 0;
  }

  // Before anything is made.
  static Result<void> check_room(const fs::path& out, const NightEstimate& night) {
    std::error_code ignored;
    fs::path there = fs::absolute(out, ignored);
    while (!fs::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
    const std::uint64_t free = free_bytes(there), needed = night.working_bytes + night.kept_bytes;
    if (free >= needed) return {};
    return Error::environment(
        fmt::format("{}: {} are free, and the runs need {}", out.string(), bytes_text(free), bytes_text(needed)),
        "make room, lower budget.parallel, or choose another place with --out");
  }

  int run(const std::string& toml) {
    const fs::path out =
        settings_.given("out") ? fs::path(settings_.text("out")) : fs::path("campaigns") / plan_.name / utc_compact();
    if (!fs::exists(out)) {
      if (auto enough = check_room(out, estimate_night(plan_, shard_, nullptr, pace_)); !enough)
        return fail(enough.error(), console_);
    }
    auto opened = NightFolder::open(out, plan_, toml, shard_, utc_text());
    if (!opened) return fail(opened.error(), console_);
    NightFolder& folder = opened.value();
    const NightEstimate night = estimate_night(plan_, shard_, &folder, pace_);
    console_.note(fmt::format("campaign {}  {}{}", plan_.name, out.string(),
                              shard_.whole() ? "" : fmt::format("  shard {} ({})", shard_.text(), shard_.origin)));
    if (folder.done_count() > 0)
      console_.note(fmt::format("{} of {} runs are done already", folder.done_count(), plan_.runs.size()));
    console_.note(estimate_text(night));
    console_.note(fmt::format("{}; {} are free", disk_text(night), bytes_text(free_bytes(out))));
    if (auto enough = check_room(out, night); !enough) return fail(enough.error(), console_);
    const NightEngine::End end = NightEngine(plan_, shard_, folder, pace_, console_).run();
    if (end.failure) console_.error(end.failure->to_string());
    console_.phase("report");
    auto results = index_results(out / "results.jsonl", plan_);
    if (!results) return fail(results.error(), console_);
    const std::vector<Part> parts{{out, std::move(results).value()}};
    const auto report = write_night(
        plan_, parts,
        {.out = out, .history = history_, .shard = shard_, .interrupted = end.interrupted, .stopped = end.stopped},
        console_);
    if (!report) return fail(report.error(), console_);
    print_night(report.value(), out, console_);
    if (settings_.flag("open")) open_in_browser(out / "index.html", console_);
    const int code = campaign_exit_code(report.value());
    return end.failure && code != 1 ? end.failure->exit_code() : code;
  }

  const Settings& settings_;
  Console& console_;
  Plan plan_;
  night::Shard shard_;
  std::string history_;
  Pace pace_;
};

}  // namespace

int campaign_command(const Settings& settings, Console& console) { return CampaignVerb(settings, console).go(); }

}  // namespace faultline::cli
