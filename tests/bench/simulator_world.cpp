// The world without a system worth the name: five nodes that ping each other, clients that write and read, faults that come and go.
#include <ctime>

#include "simulator_figures.hpp"
#include "toy.hpp"

namespace faultline::bench {
namespace {

using namespace faultline::sim;
using namespace std::chrono_literals;

const std::vector<Fault>& faults() {
  static const std::vector<Fault> all{
      toy::fault("packet", {"n1", "n2"}, {{"delay", "3ms"}, {"loss", 0.05}, {"duplicate", 0.05}, {"reorder", 0.1}}),
      toy::fault("kill", {"n2"}, {{"disk", "reordered"}}),
      toy::fault("pause", {"n3"}),
      toy::fault("clog", {"n4"}),
      toy::fault("clock", {"n5"}, {{"clock", "wall"}, {"change", "jump"}, {"by", "2s"}}),
      toy::fault("slow_disk", {"n1"}, {{"latency", "20ms"}}),
      {.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2", "n3"}}, {"n2", {"n1"}}}, .parameters = {}}};
  return all;
}

}  // namespace

Cost cost_of_world(std::size_t operations) {
  toy::Toy toy;
  toy.keeps = false;
  toy.ping_interval = 2ms;
  SimOptions options;
  options.nodes = {"n1", "n2", "n3", "n4", "n5"};
  options.concurrency = 10;
  SimWorld world(options, toy);
  Rng rng(1);
  std::size_t done = 0;
  Process next = 0;
  std::vector<Process> workers;
  for (std::size_t worker = 0; worker < options.concurrency; ++worker) workers.push_back(next++);
  const std::clock_t began = std::clock();
  const auto invoke = [&](Process process) {
    world.dispatch(toy::invoke(process, rng.chance(0.5) ? "read" : "write", static_cast<std::int64_t>(done)));
  };
  for (const Process process : workers) invoke(process);
  const Fault* active = nullptr;
  Instant change = Instant(500ms);
  while (done < operations) {
    if (world.now() >= change) {
      change += 500ms;
      (void)(active != nullptr ? world.heal(*active) : world.apply(*(active = &rng.pick(faults())))).ok();
      if (world.now().time_since_epoch() / 500ms % 2 == 0) active = nullptr;
    }
    const auto completion = world.next_completion(change);
    if (!completion) continue;
    ++done;
    // As in a run with a rate: the next operation comes a little later, from a process of its own after `info`.
    invoke(completion->type == EventType::info ? completion->process + static_cast<Process>(options.concurrency)
                                               : completion->process);
  }
  return {.operations = operations,
          .events = world.counters().events,
          .simulated = std::chrono::duration<double>(world.now().time_since_epoch()).count(),
          .seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC};
}

}  // namespace faultline::bench
