// Prints what the simulator costs, by processor time of one thread.
//
// usage: simulator_figures [SEEDS [MOST_OPERATIONS]]     default: 200 seeds, runs of up to 1000000 operations
//
// Runs of the in-tree Raft are whole: drawing, clients, faults, invariants after every step, liveness phase, the checker's verdict. It exits
// 1 if one of them fails.
#include "simulator_figures.hpp"

#include <faultline/raft/sim/simulation.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

namespace {

using namespace faultline;
using bench::Cost;
using raft::sim::SimRun;

Cost cost_of(const SimRun& run) {
  const std::clock_t began = std::clock();
  const raft::sim::SimResult result = raft::sim::run_simulation(run);
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  if (result.failure || result.failed()) {
    fmt::print(stderr, "seed {} failed: {}\n", run.seed,
               result.failure ? result.failure->to_string() : result.signature());
    std::exit(1);
  }
  return {.operations = result.history.operation_count(),
          .events = result.steps,
          .simulated = std::chrono::duration<double>(result.virtual_time).count(),
          .seconds = seconds};
}

void print(const std::string& what, const Cost& cost) {
  fmt::print("| {} | {} | {} | {:.2f} | {:.0f} | {:.1f} |\n", what, cost.operations, cost.events,
             static_cast<double>(cost.events) / cost.seconds / 1e6, cost.simulated / cost.seconds,
             cost.seconds * 1e6 / static_cast<double>(cost.operations));
  std::fflush(stdout);
}

Cost cost_of_campaign(std::uint64_t seeds) {
  Cost sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Cost one = cost_of({.seed = seed, .nodes = 5});
    sum.operations += one.operations;
    sum.events += one.events;
    sum.simulated += one.simulated;
    sum.seconds += one.seconds;
  }
  return sum;
}

Cost cost_of_long_run(std::size_t operations, std::vector<std::string> nemesis, std::uint64_t snapshot_entries) {
  constexpr double rate = 100;
  return cost_of({.seed = 2,
                  .nodes = 5,
                  .snapshot_entries = snapshot_entries,
                  .workload = "register",
                  .rate = rate,
                  .keys = 8,
                  .duration = std::chrono::seconds(operations / static_cast<std::size_t>(rate)),
                  .nemesis = std::move(nemesis)});
}

}  // namespace

int main(int count, char** arguments) {
  const std::uint64_t seeds = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 200;
  const std::uint64_t most = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1'000'000;
  fmt::print("| what | operations | events | million events/s | times real time | us an operation |\n");
  fmt::print("|---|---|---|---|---|---|\n");
  print(fmt::format("five nodes, preset default, seeds 1..{}", seeds), cost_of_campaign(seeds));
  for (std::uint64_t operations = 1000; operations <= most; operations *= 10) {
    print("one run without faults", cost_of_long_run(operations, {}, 500));
  }
  for (std::uint64_t operations = 1000; operations <= most; operations *= 10) {
    print("one run, kills, cuts, bad packets, a snapshot every 16 entries",
          cost_of_long_run(operations, {"kill", "partition", "packet"}, 16));
  }
  for (std::uint64_t operations = 1000; operations <= most; operations *= 10) {
    print("the world alone", bench::cost_of_world(operations));
  }
}
