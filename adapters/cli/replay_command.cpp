// faultline replay: the same again. A simulated run step by step, which its hash proves; a live run's schedule live, where the system may
// answer otherwise; and either one's schedule in the other world, where that world has all of its faults.
#include <faultline/formats.hpp>
#include <faultline/schedule.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "campaign.hpp"
#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "schedule_file.hpp"
#include "simulated.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

struct Recorded {
  std::optional<RunDirectory> directory;  // of a run; absent: a scenario file
  std::optional<ScenarioFile> scenario;   // simulated
  std::optional<Settings> live;           // the run.toml of a live one
};

Result<Recorded> open_recorded(const std::string& argument) {
  Recorded recorded;
  std::error_code ignored;
  if (!std::filesystem::is_directory(argument, ignored)) {
    auto scenario = read_scenario(argument);
    if (!scenario) return scenario.error();
    recorded.scenario = std::move(scenario).value();
    return recorded;
  }
  auto directory = RunDirectory::open(argument);
  if (!directory) return directory.error();
  recorded.directory = directory.value();
  if (is_simulated(directory.value())) {
    auto scenario = read_scenario(directory.value().file("simulation.json"));
    if (!scenario) return scenario.error();
    recorded.scenario = std::move(scenario).value();
    return recorded;
  }
  auto settings = Settings::from_file(*find_verb("run"), directory.value().file("run.toml").string());
  if (!settings) return settings.error();
  recorded.live = std::move(settings).value();
  return recorded;
}

Result<Schedule> schedule_in(const RunDirectory& directory) {
  return read_schedule(directory.file("schedule.json"), {});
}

// --- simulated -------------------------------------------------------------------------------------------------------------------------

// The last lines of the run's own report; its pages are written only where they lie already.
int tell(const SimResult& result, const ScenarioFile& expected, const std::string& source, std::string_view how,
         Console& console) {
  if (result.failure) return fail(*result.failure, console);
  const bool same = !expected.hash || *expected.hash == result.hash;
  const std::string signature = result.signature();
  ReportInput input = simulated_input(result);
  input.run->directory = source;
  input.run->repeat = fmt::format("faultline replay {}{}", shell_word(source), how);
  if (!same) {
    input.ending = Ending::harness_failure;
    input.failure = fmt::format(
        "the run is not the one that was recorded: hash {:016x}, expected {:016x}; another build of faultline, or a "
        "defect of the simulator",
        result.hash, *expected.hash);
  }
  describe_tool(input);
  if (console.json()) {
    console.result(render_verdict_json(input) + "\n");
    return same ? exit_code_of(result) : 3;
  }
  if (!same) console.error(input.failure);
  std::string text;
  for (const std::string& line : input.story) text += line + "\n";
  text += same ? fmt::format("{}hash {:016x}, {} events{}\n", expected.hash ? "repeated exactly: " : "", result.hash,
                             result.steps,
                             expected.signature && *expected.signature != signature
                                 ? fmt::format("; expected {}, found {}",
                                               expected.signature->empty() ? "no failure" : *expected.signature,
                                               signature.empty() ? "no failure" : signature)
                                 : "")
               : "";
  const std::string report = render_terminal(input, console.style());
  // The report of a replay is the run's own, where there is one.
  std::error_code ignored;
  const bool has_page = how.empty() && std::filesystem::exists(std::filesystem::path(source) / "report.html", ignored);
  for (std::size_t at = 0; at < report.size();) {
    const std::size_t end = std::min(report.find('\n', at), report.size() - 1) + 1;
    const std::string line = report.substr(at, end - at);
    if (has_page || line.find("report:") == std::string::npos) text += line;
    at = end;
  }
  console.result(text);
  return same ? exit_code_of(result) : 3;
}

int simulate(SimRun run, const ScenarioFile& expected, const std::string& source, std::string_view how,
             Console& console) {
  console.note(fmt::format("seed {}  {}", run.seed, source));
  console.phase("sim");
  run.trace = run.explain = true;
  return tell(raft::sim::run_simulation(run), expected, source, how, console);
}

// The live run's options and schedule for the simulator. What a live run does not decide (delays, latencies) is drawn from its seed.
Result<SimRun> simulated(const Settings& live, Schedule schedule) {
  if (live.given("endpoints") || live.text("target") != "raft")
    return Error::bad_input("only runs of the in-tree Raft can be repeated in the simulator",
                            "this run tested another system");
  SimRun run{.seed = live.number("seed")};
  run.nodes = live.number("nodes");
  run.workload = live.text("workload");
  run.concurrency = live.number("concurrency");
  run.keys = live.number("keys");
  run.rate = live.rate("rate");
  run.duration = live.duration("time-limit");
  run.operation_timeout = live.duration("operation-timeout");
  run.election_timeout = std::chrono::milliseconds(1000);  // as live clusters have them
  run.heartbeat = std::chrono::milliseconds(100);
  run.fsync = true;
  const std::string reads = live.text("reads");
  run.serializable = reads == "serializable";
  run.reads = reads.empty() || *run.serializable ? "index" : reads;
  const bool grows = std::any_of(schedule.decisions.begin(), schedule.decisions.end(),
                                 [](const Decision& decision) { return decision.fault.kind == "membership"; });
  run.spares = grows ? 2 : 0;
  run.schedule = std::move(schedule);
  return run;
}

// Every fault must exist in the other world; those that do not are named.
Result<void> all_exist(const Schedule& schedule, std::string_view world,
                       const std::function<Result<void>(const Fault&)>& exists) {
  std::vector<std::string> missing;
  std::string reason;
  for (const Decision& decision : schedule.decisions) {
    const auto known = exists(decision.fault);
    if (known) continue;
    if (reason.empty()) reason = known.error().message;
    if (std::find(missing.begin(), missing.end(), decision.fault.kind) == missing.end())
      missing.push_back(decision.fault.kind);
  }
  if (missing.empty()) return {};
  return Error::bad_input(
      fmt::format("this schedule cannot be performed {}: it has {} ({})", world, join(missing, ", "), reason),
      "shrink the run first, or replay it in its own world");
}

// --- live ------------------------------------------------------------------------------------------------------------------------------

// What clusters of this machine take; see LocalCluster::supports.
Result<void> exists_live(const Fault& fault) {
  constexpr std::array<std::string_view, 15> kinds{"partition", "restart",     "kill",     "pause",       "membership",
                                                   "clock",     "crash_point", "io_error", "fsync_error", "enospc",
                                                   "slow_disk", "bit_flip",    "truncate", "wipe",        "pressure"};
  constexpr std::array<std::string_view, 23> parameters{
      "grace", "down", "shape", "of",   "target", "fallback",    "change", "clock", "by",      "rate", "period", "disk",
      "call",  "nth",  "edge",  "file", "errno",  "probability", "pages",  "bytes", "latency", "bits", "speed"};
  if (std::find(kinds.begin(), kinds.end(), fault.kind) == kinds.end())
    return Error::bad_input("live clusters know no such fault");
  if (!fault.parameters.is_map()) return {};
  for (const auto& [name, value] : fault.parameters.as_map()) {
    const bool plain = std::find(parameters.begin(), parameters.end(), name.as_text()) != parameters.end();
    const bool empty = (value.is_map() && value.as_map().empty()) || value == Value("keep");
    if (!plain && !empty)
      return Error::bad_input(fmt::format("live clusters know no '{}' of a {}", name.as_text(), fault.kind));
  }
  return {};
}

Result<Settings> live_settings(const SimRun& run) {
  std::vector<std::string> words;
  const auto add = [&](std::string name, std::string value) {
    words.push_back("--" + std::move(name));
    words.push_back(std::move(value));
  };
  add("workload", *run.workload);
  add("nodes", std::to_string(*run.nodes));
  add("concurrency", std::to_string(*run.concurrency));
  add("keys", std::to_string(*run.keys));
  add("rate", fmt::format("{}/s", *run.rate));
  add("time-limit", fmt::format("{}ms", run.duration->count() / 1'000'000));
  add("operation-timeout", fmt::format("{}ms", run.operation_timeout->count() / 1'000'000));
  add("reads", *run.serializable ? "serializable" : *run.reads);
  add("seed", std::to_string(run.seed));
  return Settings::parse(*find_verb("run"), words);
}

int replay_live(Settings live, const Schedule& schedule, const Settings& asked, Console& console) {
  if (auto exist = all_exist(schedule, "live", exists_live); !exist) return fail(exist.error(), console);
  if (asked.given("out")) live.set("out", asked.text("out"));
  return run_schedule(std::move(live), schedule, console);
}

}  // namespace

int replay_command(const Settings& settings, Console& console) {
  const std::string& source = settings.arguments()[0];
  auto opened = open_recorded(source);
  if (!opened) return fail(opened.error(), console);
  Recorded& recorded = opened.value();
  const std::string world = settings.text("in").empty() ? (recorded.scenario ? "sim" : "live") : settings.text("in");
  if (recorded.scenario && world == "sim")
    return simulate(recorded.scenario->run, *recorded.scenario, source, "", console);
  if (recorded.scenario) {
    auto drawn = raft::sim::drawn(recorded.scenario->run);
    if (!drawn) return fail(drawn.error(), console);
    auto schedule = recorded.directory ? schedule_in(*recorded.directory) : Result<Schedule>(*drawn.value().schedule);
    if (!schedule) return fail(schedule.error(), console);
    auto live = live_settings(drawn.value());
    if (!live) return fail(live.error(), console);
    return replay_live(std::move(live).value(), schedule.value(), settings, console);
  }
  auto schedule = schedule_in(*recorded.directory);
  if (!schedule) return fail(schedule.error(), console);
  if (world == "live") return replay_live(std::move(*recorded.live), schedule.value(), settings, console);
  auto run = simulated(*recorded.live, schedule.value());
  if (!run) return fail(run.error(), console);
  const auto exist = all_exist(schedule.value(), "in the simulator",
                               [&](const Fault& fault) { return raft::sim::supports(run.value(), fault); });
  if (!exist) return fail(exist.error(), console);
  return simulate(std::move(run).value(), {}, source, " --in sim", console);
}

}  // namespace faultline::cli
