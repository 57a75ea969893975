// faultline shrink of a simulated failure: fewer decisions, clients, operations and nodes, simpler faults and times, as long as it
// still fails in the same way; written as a scenario with its story.
#include <faultline/shrink_schedule.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <thread>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "simulated.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

SimRun run_of(const SimRun& original, const Scenario& candidate) {
  SimRun run = original;
  run.schedule = candidate.schedule;
  run.nodes = candidate.nodes.size();
  for (const Size& size : candidate.sizes) {
    if (size.name == "concurrency") run.concurrency = size.value;
    if (size.name == "duration") run.duration = std::chrono::milliseconds(size.value);
    if (size.name == "keys") run.keys = size.value;
    if (size.name == "spares") run.spares = size.value;
  }
  return run;
}

Scenario scenario_from(const SimRun& run, Schedule schedule) {
  Scenario scenario{.schedule = std::move(schedule), .sizes = {}, .nodes = {}};
  for (std::size_t n = 1; n <= *run.nodes; ++n) scenario.nodes.push_back(fmt::format("n{}", n));
  scenario.sizes = {{"concurrency", *run.concurrency, 1},
                    {"duration", static_cast<std::uint64_t>(run.duration->count() / 1'000'000), 100},
                    {"keys", *run.keys, 1},
                    {"spares", *run.spares, 0}};
  return scenario;
}

// What really happened with what it waited for: decisions that never fired are gone, and those that did name whom they hit.
Schedule fired(const Schedule& asked, const Schedule& done) {
  Schedule schedule{.seed = asked.seed, .decisions = {}};
  for (const Decision& decision : asked.decisions) {
    const auto found = std::find_if(done.decisions.begin(), done.decisions.end(),
                                    [&](const Decision& d) { return d.id == decision.id; });
    if (found == done.decisions.end()) continue;
    schedule.decisions.push_back(decision);
    schedule.decisions.back().fault = found->fault;
  }
  return schedule;
}

class Shrinking {
 public:
  Shrinking(const Settings& settings, Console& console)
      : settings_(settings), console_(console), limit_(settings.duration("time-limit")), interrupts_(interrupts()) {}

  int go(const std::filesystem::path& source) {
    auto read = read_scenario(source);
    if (!read) return fail(read.error(), console_);
    auto drawn = raft::sim::drawn(read.value().run);
    if (!drawn) return fail(drawn.error(), console_);
    SimRun run = std::move(drawn).value();
    run.trace = false;
    run.explain = true;
    const SimResult first = raft::sim::run_simulation(run);
    if (first.failure) return fail(*first.failure, console_);
    signature_ = first.signature();
    if (signature_.empty()) {
      console_.result("The run does not fail. Nothing to shrink.\n");
      return exit_code_of(first);
    }
    original_ = run;
    original_.explain = signature_.starts_with("H:");
    console_.phase("shrink", fmt::format("{}  {} decisions", signature_, run.schedule->decisions.size()));
    const Scenario start = starting_point(first);
    const ShrinkOutcome outcome =
        shrink_schedule(start, [this](const Scenario& candidate) { return fails(candidate); },
                        {.candidates = settings_.number("candidates"),
                         .stop = [this] { return over(); },
                         .failing_many = [this](const std::vector<Scenario>& wave) { return fail_together(wave); },
                         .at_once = core_count()});
    return finish(run, outcome, source);
  }

 private:
  bool over() const { return interrupts() > interrupts_ || watch_.elapsed() > limit_; }

  bool fails(const Scenario& candidate) {
    ++runs_;
    console_.progress(fmt::format("{} runs  {} decisions left", runs_, candidate.schedule.decisions.size()));
    return raft::sim::run_simulation(run_of(original_, candidate)).signature() == signature_;
  }

  // Each in a thread of its own.
  std::vector<bool> fail_together(const std::vector<Scenario>& wave) {
    std::vector<char> fails(wave.size());
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < wave.size(); ++i) {
        threads.emplace_back([&, i] {
          fails[i] = raft::sim::run_simulation(run_of(original_, wave[i])).signature() == signature_ ? 1 : 0;
        });
      }
    }
    runs_ += wave.size();
    console_.progress(fmt::format("{} runs  {} decisions left", runs_, wave.front().schedule.decisions.size()));
    return {fails.begin(), fails.end()};
  }

  // The smallest reading of the run that fails all the same.
  Scenario starting_point(const SimResult& first) {
    for (const Schedule& schedule : {fired(*original_.schedule, first.done), first.done}) {
      Scenario start = scenario_from(original_, schedule);
      if (fails(start)) return start;
    }
    return scenario_from(original_, *original_.schedule);
  }

  int finish(const SimRun& original, const ShrinkOutcome& outcome, const std::filesystem::path& source) {
    SimRun run = run_of(original, outcome.scenario);
    run.trace = run.explain = true;
    const SimResult result = raft::sim::run_simulation(run);
    if (result.signature() != signature_) {
      return fail(Error::environment(fmt::format("the smallest run fails as '{}', not as '{}', when it is repeated",
                                                 result.signature(), signature_),
                                     "the simulator is not deterministic; please report this seed"),
                  console_);
    }
    std::filesystem::path out = settings_.text("out");
    if (out.empty()) out = source.parent_path() / "scenario.json";
    ScenarioFile scenario = scenario_of(result, out.stem().string());
    if (auto written = write_file(out, to_json(scenario)); !written) return fail(written.error(), console_);
    if (settings_.given("save")) {
      // A regression outlives this build: it expects the failure, not every step of it.
      const std::filesystem::path saved = settings_.text("save");
      ScenarioFile regression = scenario;
      regression.name = saved.stem().string();
      regression.hash.reset();
      if (auto written = write_file(saved, to_json(regression)); !written) return fail(written.error(), console_);
    }
    const std::filesystem::path page = std::filesystem::path(out).replace_extension(".html");
    if (auto written = write_page(result, out, page); !written) return fail(written.error(), console_);
    tell(scenario, outcome, out, page);
    return interrupts() > interrupts_ ? 130 : 1;
  }

  Result<void> write_page(const SimResult& result, const std::filesystem::path& out,
                          const std::filesystem::path& page) {
    ReportInput input = simulated_input(result);
    input.run->directory = out.parent_path().string();
    input.run->repeat = "faultline replay " + shell_word(out.string());
    input.report_path = page.string();
    describe_tool(input);
    return cli::write_page(page, input);
  }

  void tell(const ScenarioFile& scenario, const ShrinkOutcome& outcome, const std::filesystem::path& out,
            const std::filesystem::path& page) {
    const std::size_t decisions = outcome.scenario.schedule.decisions.size();
    if (console_.json()) {
      nlohmann::ordered_json object{{"schema", 1},
                                    {"verdict", "invalid"},
                                    {"exit_code", 1},
                                    {"signature", signature_},
                                    {"reason", scenario.shows},
                                    {"scenario", out.string()},
                                    {"report", page.string()},
                                    {"decisions", decisions},
                                    {"removed", outcome.removed},
                                    {"nodes", outcome.scenario.nodes.size()},
                                    {"runs", runs_},
                                    {"one_minimal", outcome.minimal},
                                    {"story", scenario.story}};
      for (const Size& size : outcome.scenario.sizes) object[size.name] = size.value;
      return console_.result(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    }
    std::string text;
    for (const std::string& line : scenario.story) text += line + "\n";
    text += fmt::format("{} {}\n{}\n", console_.style().utf8 ? "✗" : "X", scenario.shows, outcome.text);
    text += fmt::format("report: {}\nrepro:  faultline replay {}\n", page.string(), shell_word(out.string()));
    console_.result(text);
  }

  const Settings& settings_;
  Console& console_;
  Duration limit_;
  int interrupts_;
  Stopwatch watch_;
  SimRun original_;
  std::string signature_;
  std::size_t runs_ = 0;
};

}  // namespace

int shrink_simulation(const std::filesystem::path& scenario, const Settings& settings, Console& console) {
  return Shrinking(settings, console).go(scenario);
}

}  // namespace faultline::cli
