#include "simulated.hpp"

#include <faultline/effects.hpp>
#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "judge.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

// Options of the verb that are options of a run under another name, or under the same.
constexpr std::pair<std::string_view, std::string_view> run_options[] = {
    {"workload", "workload"},   {"nemesis", "nemesis"},         {"preset", "preset"},
    {"nodes", "nodes"},         {"concurrency", "concurrency"}, {"keys", "keys"},
    {"reads", "reads"},         {"time-limit", "duration"},     {"operation-timeout", "operation_timeout"},
    {"detectors", "detectors"},
};

std::map<std::string, std::string> options_text(const SimRun& run) {
  std::map<std::string, std::string> words;
  const Value options = raft::sim::to_value(run);
  for (const auto& [name, value] : options.as_map()) {
    const std::string_view key = name.as_text();
    constexpr std::string_view left_out[] = {"schedule",     "mix",        "world",  "trace",
                                             "trace_frames", "hash_every", "explain"};
    if (std::find(std::begin(left_out), std::end(left_out), key) != std::end(left_out)) continue;
    words[std::string(key)] = value.is_string() ? std::string(value.as_text()) : to_json(value);
  }
  return words;
}

std::vector<std::string> kinds_of(const Schedule& schedule) {
  std::vector<std::string> kinds;
  for (const Decision& decision : schedule.decisions) {
    if (std::find(kinds.begin(), kinds.end(), decision.fault.kind) == kinds.end()) kinds.push_back(decision.fault.kind);
  }
  return kinds;
}

RunInfo info_of(const SimResult& result) {
  RunInfo info{.directory = {},
               .target = "raft, simulated",
               .workload = result.run.workload.value_or(""),
               .nemesis = kinds_of(*result.run.schedule),
               .seed = result.run.seed,
               .nodes = result.run.nodes.value_or(0),
               .concurrency = result.run.concurrency.value_or(0),
               .leader_changes = leader_changes(result.history),
               .versions = options_text(result.run),
               .exact_repeat = true};
  for (const KindEffect& effect : fault_effects(result.history))
    info.faults.push_back({.kind = effect.kind, .count = effect.count, .effect = effect.text, .bit = effect.bit});
  return info;
}

}  // namespace

Result<SimRun> sim_run_of(const Settings& settings) {
  SimRun run;
  for (const auto& [option, name] : run_options) {
    if (!settings.given(option)) continue;
    if (auto set = raft::sim::set_option(run, name, settings.text(option)); !set) return set.error();
  }
  if (settings.given("rate")) run.rate = settings.rate("rate");
  for (const std::string& pair : settings.list("options")) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos)
      return Error::bad_input(fmt::format("--options {}: KEY=VALUE is expected", pair), "e.g. --options fsync=off");
    if (auto set = raft::sim::set_option(run, pair.substr(0, equals), pair.substr(equals + 1)); !set)
      return set.error();
  }
  return run;
}

std::string sim_command_line(const Settings& settings, std::uint64_t seed) {
  std::string line = fmt::format("faultline sim --seeds {}..{}", seed, seed);
  for (const std::string_view option : {"workload", "nemesis", "preset", "nodes", "concurrency", "keys", "rate",
                                        "reads", "time-limit", "operation-timeout", "detectors", "options"}) {
    if (settings.given(option)) line += fmt::format(" --{} {}", option, shell_word(settings.text(option)));
  }
  return line;
}

bool is_simulated(const RunDirectory& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory.file("simulation.json"), ignored);
}

ReportInput report_input_of(const SimResult& result, const RunDirectory& directory) {
  ReportInput input = simulated_input(result);
  input.source = directory.file("history.jsonl").string();
  input.run->directory = directory.path().string();
  return input;
}

ReportInput simulated_input(const SimResult& result) {
  ReportInput input{.history = &result.history, .verdict = result.verdict};
  input.run = info_of(result);
  for (const auto& violation : result.violations)
    input.observed.push_back({"I:" + violation.detector, violation.sentence});
  if (result.liveness.kind == raft::sim::Liveness::Kind::failed) input.observed.push_back({"L", result.liveness.text});
  if (!result.failed()) input.vacuous = result.vacuous;
  if (result.failure) {
    input.ending = Ending::harness_failure;
    input.failure = result.failure->to_string();
  }
  input.story = story_of(result);
  return input;
}

Result<void> write_simulation(const RunDirectory& directory, const SimResult& result, ReportInput& input,
                              Console& console) {
  const auto history = write_history(result.history, Format::jsonl);
  if (!history) return history.error();
  const ScenarioFile scenario = scenario_of(result, directory.path().parent_path().filename().string());
  const std::pair<const char*, std::string> files[] = {{"history.jsonl", history.value().text},
                                                       {"schedule.json", to_json(to_value(result.done)) + "\n"},
                                                       {"simulation.json", to_json(scenario)}};
  for (const auto& [name, bytes] : files) {
    if (auto written = write_file(directory.file(name), bytes); !written) return written;
  }
  std::optional<Certificate> certificate;
  if (!result.failure) {
    const Limits limits{.time = std::chrono::seconds(60), .memory = default_memory_limit(), .threads = 1, .since = {}};
    auto judged = judge(result.history, result.verdict.model, {}, limits, true, console);
    if (!judged) return judged.error();
    if (judged.value().verdict.kind == result.verdict.kind) {
      input.verdict = std::move(judged.value().verdict);
      input.certificate_verified = judged.value().certificate_verified;
      certificate = std::move(judged.value().certificate);
    }
  }
  describe_tool(input);
  return write_run_files(directory.path(), input, certificate);
}

int exit_code_of(const SimResult& result) {
  if (result.failed()) return 1;
  if (result.failure) return 3;
  return result.verdict.kind == VerdictKind::valid && result.vacuous.empty() ? 0 : 2;
}

}  // namespace faultline::cli
