// drive --seeds A..B [--run JSON]: simulated runs, one JSON object a line.
//
//   drive --seeds 1..200 --run '{"nodes":5,"nemesis":["partition"]}'
//   {"seed":1,"detectors":["I:SMS","H"],"why":"n2 applied …","steps":81234,"cpu":0.21,…}
//
// --run is a SimRun as JSON; its seed is the one of --seeds. --history leaves the invariants out; --show adds the run with nothing left
// open, which repeats it; --trace tells on stderr what happened. A failing assertion ends the process, naming its seed.
#include <faultline/formats.hpp>
#include <faultline/raft/sim/simulation.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace {

namespace sim = faultline::raft::sim;
using faultline::Value;

struct Asked {
  std::uint64_t first = 1, last = 1;
  sim::SimRun run;
};

int refuse(std::string_view why) {
  fmt::print(stderr, "drive: {}\n", why);
  return 64;
}

bool read_seeds(std::string_view text, Asked& asked) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, asked.first);
  if (first.ec != std::errc() || end - first.ptr < 3 || first.ptr[0] != '.' || first.ptr[1] != '.') return false;
  const auto last = std::from_chars(first.ptr + 2, end, asked.last);
  return last.ec == std::errc() && last.ptr == end && asked.first <= asked.last;
}

std::string why(const sim::SimResult& result) {
  if (!result.violations.empty()) return result.violations.front().sentence;
  if (result.verdict.kind == faultline::VerdictKind::invalid) return result.verdict.reason;
  if (result.liveness.kind == sim::Liveness::Kind::failed) return result.liveness.text;
  return {};
}

Value summary(const sim::SimResult& result, double cpu, bool show) {
  std::vector<Value> detectors;
  for (const std::string& detector : result.detectors()) detectors.emplace_back(detector);
  std::vector<Value::Entry> fields{{"seed", static_cast<std::int64_t>(result.run.seed)},
                                   {"detectors", Value::list(std::move(detectors))},
                                   {"why", why(result)},
                                   {"liveness", sim::to_string(result.liveness.kind)},
                                   {"vacuous", result.vacuous},
                                   {"failure", result.failure ? result.failure->to_string() : std::string()},
                                   {"refusals", static_cast<std::int64_t>(result.refusals.size())},
                                   {"steps", static_cast<std::int64_t>(result.steps)},
                                   {"operations", static_cast<std::int64_t>(result.history.operation_count())},
                                   {"hash", fmt::format("{:016x}", result.hash)},
                                   {"cpu", cpu}};
  if (show) fields.emplace_back("run", sim::to_value(result.run));
  return Value::map(std::move(fields));
}

}  // namespace

int main(int count, char** arguments) {
  Asked asked;
  Value run = Value::map({});
  bool history_only = false;
  bool show = false;
  bool trace = false;
  bool has_seeds = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--history") {
      history_only = true;
    } else if (name == "--trace") {
      trace = true;
    } else if (name == "--show") {
      show = true;
    } else if (i + 1 == count) {
      return refuse(fmt::format("{} needs a value, or is not known", name));
    } else if (name == "--seeds") {
      has_seeds = read_seeds(arguments[++i], asked);
    } else if (name == "--run") {
      auto parsed = faultline::parse_json(arguments[++i]);
      if (!parsed) return refuse(parsed.error().to_string());
      run = std::move(parsed).value();
    } else {
      return refuse(fmt::format("{} is not known", name));
    }
  }
  if (!has_seeds) return refuse("--seeds A..B is missing");
  auto read = sim::sim_run_from_value(run);
  if (!read) return refuse(read.error().to_string());
  asked.run = std::move(read).value();
  if (history_only) asked.run.detectors = sim::Detectors::history;
  asked.run.trace = trace;
  for (std::uint64_t seed = asked.first; seed <= asked.last; ++seed) {
    asked.run.seed = seed;
    const std::clock_t begun = std::clock();
    const sim::SimResult result = sim::run_simulation(asked.run);
    const double cpu = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    for (const sim::TraceLine& line : result.trace) {
      fmt::print(stderr, "{:10.4f} {:4} {:8} {}\n", std::chrono::duration<double>(line.time.time_since_epoch()).count(),
                 line.node, line.kind, line.text);
    }
    fmt::print("{}\n", faultline::to_json(summary(result, cpu, show)));
    std::fflush(stdout);
  }
  return 0;
}
