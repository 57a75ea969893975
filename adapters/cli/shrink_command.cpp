// faultline shrink: from an invalid history to a few operations of it that prove it invalid, as a history of its own.
//
// The same shrinking by relaxation that explains every verdict (checker/faultline/explain.hpp), with the whole time limit
// to itself. A run directory stands for its history.jsonl and the model of its workload.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include "checking.hpp"
#include "commands.hpp"
#include "judge.hpp"
#include "run_directory.hpp"
#include "run_info.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

struct Source {
  std::string history, out;
  Settings settings;  // with the model of the run, if it is one
};

Result<Source> source_of(const Settings& settings) {
  const std::string& argument = settings.arguments()[0];
  std::error_code ignored;
  Source source{.history = argument, .out = settings.text("out"), .settings = settings};
  if (!std::filesystem::is_directory(argument, ignored)) {
    if (source.out.empty()) source.out = "minimal.jsonl";
    return source;
  }
  auto directory = RunDirectory::open(argument);
  if (!directory) return directory.error();
  auto run = Settings::from_file(*find_verb("run"), directory.value().file("run.toml").string());
  if (!run) return run.error();
  source.history = directory.value().file("history.jsonl").string();
  if (source.out.empty()) source.out = directory.value().file("minimal.jsonl").string();
  if (!settings.given("model")) source.settings.set("model", model_of(run.value().text("workload")));
  if (!settings.given("format")) source.settings.set("format", "jsonl");
  return source;
}

std::string how_small(const Anomaly& anomaly, std::size_t operations) {
  const std::size_t kept = anomaly.core.size();
  std::string text = fmt::format("{} of {} operations", kept + anomaly.context.size(), operations);
  if (anomaly.one_minimal) return text + ", 1-minimal: with less said of any one of them a legal order exists";
  return text + ", not known to be minimal: " + anomaly.doubt;
}

std::string first_lines(std::string_view text, int count) {
  std::size_t end = 0;
  while (count-- > 0) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return std::string(text.substr(0, end));
}

void print_shrunk(const ReportInput& input, const std::string& minimal, Console& console) {
  const Anomaly& anomaly = input.verdict->anomalies.front();
  std::string text = minimal + first_lines(render_terminal(input, console.style()), 2);
  text += fmt::format("minimal: {}  {}\n", input.minimal_path, how_small(anomaly, input.verdict->operations));
  text += fmt::format("repro:  faultline check {} --model {}{}{}\n", shell_word(input.minimal_path),
                      shell_word(input.verdict->model), input.model_options.empty() ? "" : " ", input.model_options);
  console.result(text);
}

// Nothing was shrunk: what the check would say, and no file.
void print_unshrunk(const ReportInput& input, Console& console) {
  std::string text = first_lines(render_terminal(input, console.style()), 2);
  if (input.verdict->kind == VerdictKind::valid) text += "Nothing to shrink.\n";
  console.result(text);
}

void print_json(const ReportInput& input, Console& console) {
  nlohmann::ordered_json object{{"schema", 1},
                                {"verdict", to_string(input.verdict->kind)},
                                {"exit_code", exit_code(input)},
                                {"source", input.source},
                                {"model", input.verdict->model},
                                {"operations", input.verdict->operations},
                                {"seconds", std::chrono::duration<double>(input.verdict->cost.time).count()}};
  if (input.verdict->anomalies.empty()) {
    object["reason"] = contradiction(input);
  } else {
    const Anomaly& anomaly = input.verdict->anomalies.front();
    object["reason"] = anomaly.sentence;
    object["class"] = anomaly.name;
    object["minimal"] = input.minimal_path;
    object["core_operations"] = anomaly.core.size();
    object["context_operations"] = anomaly.context.size();
    object["one_minimal"] = anomaly.one_minimal;
    if (!anomaly.doubt.empty()) object["doubt"] = anomaly.doubt;
  }
  console.result(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

// A simulated run, or a scenario of one.
std::optional<std::filesystem::path> simulated_source(const std::filesystem::path& argument) {
  std::error_code ignored;
  if (std::filesystem::is_directory(argument, ignored)) {
    const auto simulation = argument / "simulation.json";
    return std::filesystem::exists(simulation, ignored) ? std::optional(simulation) : std::nullopt;
  }
  return argument.extension() == ".json" ? std::optional(argument) : std::nullopt;
}

}  // namespace

int shrink_command(const Settings& given, Console& console) {
  if (const auto scenario = simulated_source(given.arguments()[0])) return shrink_simulation(*scenario, given, console);
  if (given.given("save")) return fail(Error::bad_input("--save is for simulated runs", "leave it out"), console);
  if (given.flag("faults")) return shrink_live(given, console);
  if (given.given("candidates")) {
    return fail(
        Error::bad_input("--candidates is for the faults of a run", "leave it out, or add --faults for a live run"),
        console);
  }
  auto source = source_of(given);
  if (!source) return fail(source.error(), console);
  const Settings& settings = source.value().settings;
  const Stopwatch since;
  const Limits limits = limits_of(settings, "time-limit", since);
  auto loaded = load(source.value().history, settings, limits, console);
  if (!loaded) return fail(loaded.error(), console);
  const auto& [read, model, unfinished] = loaded.value();
  CheckOptions options = check_options(settings, read.format);
  options.explain_limit = Duration::max();  // the time limit is all for this
  const int interrupts_before = interrupts();
  auto judged = unfinished.empty() ? judge(read.history, model, std::move(options), limits, false, console)
                                   : Judgement{.verdict = unread(loaded.value())};
  if (!judged) return fail(in_file(source.value().history, judged.error()), console);

  ReportInput input{.history = &read.history, .source = source.value().history};
  input.model_options = meaning_of_native(settings, read.format);
  input.time_limit = limits.time;
  input.memory_limit = limits.memory;
  input.verdict = std::move(judged.value().verdict);
  if (interrupts() > interrupts_before) input.ending = Ending::interrupted;
  auto& anomalies = input.verdict->anomalies;
  if (!anomalies.empty()) {
    anomalies.resize(1);
    input.minimal_path = source.value().out;
    const std::string minimal = render_minimal_jsonl(read.history, anomalies.front());
    if (auto written = write_file(input.minimal_path, minimal); !written) return fail(written.error(), console);
    if (!console.json()) print_shrunk(input, minimal, console);
  } else if (!console.json()) {
    print_unshrunk(input, console);
  }
  if (console.json()) print_json(input, console);
  return exit_code(input);
}

}  // namespace faultline::cli
