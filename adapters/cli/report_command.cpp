// faultline report: judges a run directory again and writes all its pages anew.
#include <faultline/formats.hpp>

#include <fmt/format.h>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "node_logs.hpp"
#include "run_info.hpp"
#include "simulated.hpp"

namespace faultline::cli {

namespace {

// What only the run itself knew: versions, when it began, what was seen meanwhile, how it ended. A run that was killed has left less; that
// is no error.
struct Remembered {
  std::map<std::string, std::string> versions;
  std::string utc;
  std::string failure;
  bool cut_short = false;
  std::optional<OnlineInfo> online;
};

std::string text_in(const Value& object, std::string_view field) {
  const Value& value = object.get(field);
  return value.is_string() ? std::string(value.as_text()) : std::string();
}

std::size_t count_in(const Value& object, std::string_view field) {
  const Value& value = object.get(field);
  return value.is_integer() && value.as_integer() > 0 ? static_cast<std::size_t>(value.as_integer()) : 0;
}

Instant instant_in(const Value& object, std::string_view field) {
  const Value& value = object.get(field);
  return value.is_integer() ? Instant(Duration(value.as_integer())) : no_time;
}

std::optional<OnlineInfo> online_in(const Value& verdict) {
  const Value& seen = verdict.get("online");
  if (!seen.is_map()) return std::nullopt;
  OnlineInfo online{.stopped = instant_in(seen, "stopped"),
                    .keys = count_in(seen, "keys"),
                    .keys_relaxed = count_in(seen, "keys_relaxed"),
                    .keys_given_up = count_in(seen, "keys_given_up"),
                    .reason = text_in(seen, "reason")};
  if (!seen.get("violations").is_list()) return online;
  for (const Value& found : seen.get("violations").as_list()) {
    online.violations.push_back({.key = found.get("key"),
                                 .event = static_cast<EventIndex>(count_in(found, "event")),
                                 .time = instant_in(found, "time"),
                                 .found = instant_in(found, "found")});
  }
  return online;
}

Remembered remembered(const RunDirectory& directory) {
  Remembered found{.versions = {}, .utc = {}, .failure = {}, .cut_short = true, .online = {}};
  const auto text = read_file(directory.file("verdict.json"));
  if (!text) return found;
  const auto parsed = parse_json(text.value());
  if (!parsed || !parsed.value().is_map()) return found;
  const Value& verdict = parsed.value();
  const std::string ending = text_in(verdict, "ending");
  found.cut_short = ending == "interrupted";
  found.utc = text_in(verdict, "utc");
  if (ending == "harness-failure") found.failure = text_in(verdict, "reason");
  if (!text_in(verdict, "error").empty() && ending == "harness-failure") found.failure = text_in(verdict, "error");
  found.online = online_in(verdict);
  if (const Value& versions = verdict.get("versions"); versions.is_map()) {
    for (const auto& [name, version] : versions.as_map()) {
      if (name.is_string() && version.is_string())
        found.versions[std::string(name.as_text())] = std::string(version.as_text());
    }
  }
  return found;
}

// A simulated run is run again, for its story.
int report_simulation(const RunDirectory& directory, Console& console) {
  const auto scenario = read_scenario(directory.file("simulation.json"));
  if (!scenario) return fail(scenario.error(), console);
  raft::sim::SimRun run = scenario.value().run;
  run.trace = run.explain = true;
  const raft::sim::SimResult result = raft::sim::run_simulation(run);
  ReportInput input = report_input_of(result, directory);
  if (scenario.value().hash && *scenario.value().hash != result.hash) {
    return fail(Error::environment(fmt::format("{}: this build does not repeat the run: hash {:016x}, recorded {:016x}",
                                               directory.path().string(), result.hash, *scenario.value().hash),
                                   "use the build that recorded it; its pages stay as they are"),
                console);
  }
  if (auto written = write_simulation(directory, result, input, console); !written)
    return fail(written.error(), console);
  print_result(input, console);
  return exit_code_of(result);
}

}  // namespace

int report_command(const Settings& settings, Console& console) {
  auto directory = RunDirectory::open(settings.arguments()[0]);
  if (!directory) return fail(directory.error(), console);
  if (is_simulated(directory.value())) return report_simulation(directory.value(), console);
  auto run_settings = Settings::from_file(*find_verb("run"), directory.value().file("run.toml").string());
  if (!run_settings) return fail(run_settings.error(), console);
  for (const char* name : {"check-time-limit", "memory-limit", "threads"}) {
    if (settings.given(name)) run_settings.value().set(name, settings.text(name));
  }
  const std::string path = directory.value().file("history.jsonl").string();
  auto read = read_history_file(path, {.format = Format::jsonl});
  if (!read) return fail(read.error(), console);
  for (const Remark& remark : read.value().remarks) console.note(fmt::format("{}: {}", path, remark.text));
  const Remembered past = remembered(directory.value());
  ReportInput input{.history = &read.value().history, .source = path, .utc = past.utc};
  const auto clock = read_run_clock(directory.value().path());
  if (input.utc.empty() && clock) input.utc = utc_text(clock->began / 1'000'000'000);
  input.run = run_info(directory.value().path(), run_settings.value(), read.value().history, past.versions);
  input.online = past.online;
  if (past.cut_short) input.ending = Ending::interrupted;
  if (!past.failure.empty()) {
    input.ending = Ending::harness_failure;
    input.failure = past.failure;
  }
  return judge_run(directory.value(), input, run_settings.value(), console);
}

}  // namespace faultline::cli
