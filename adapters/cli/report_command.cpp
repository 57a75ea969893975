// faultline report: judges a run directory again and writes all its pages anew.
#include <faultline/formats.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "run_info.hpp"
#include "simulated.hpp"

namespace faultline::cli {

namespace {

// What only the run itself knew: versions, when it began, how it ended. A run that was killed has left less; that is no error.
struct Remembered {
  std::map<std::string, std::string> versions;
  std::string utc;
  std::string failure;
};

Remembered remembered(const RunDirectory& directory) {
  Remembered found;
  const auto text = read_file(directory.file("verdict.json"));
  if (!text) return found;
  const auto object = nlohmann::json::parse(text.value(), nullptr, false);
  if (!object.is_object()) return found;
  found.utc = object.value("utc", "");
  if (object.value("ending", "") == "harness-failure") found.failure = object.value("reason", "");
  if (const auto versions = object.find("versions"); versions != object.end() && versions->is_object()) {
    for (const auto& [name, version] : versions->items()) {
      if (version.is_string()) found.versions[name] = version.get<std::string>();
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
  input.run = run_info(directory.value().path(), run_settings.value(), read.value().history, past.versions);
  if (!past.failure.empty()) {
    input.ending = Ending::harness_failure;
    input.failure = past.failure;
  }
  return judge_run(directory.value(), input, run_settings.value(), console);
}

}  // namespace faultline::cli
