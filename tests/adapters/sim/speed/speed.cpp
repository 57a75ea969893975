// Measures the world without a system worth the name: five nodes that ping each other, clients that write and read, faults that come and go.
//
// usage: sim_speed [OPERATIONS…]     one line each: events per second of one core, virtual time over real time, cost per operation
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "toy.hpp"

namespace {

using namespace faultline;
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

void measure(std::size_t operations) {
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
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  const double simulated = std::chrono::duration<double>(world.now().time_since_epoch()).count();
  const auto& counters = world.counters();
  fmt::print(
      "{:>8} operations, {:>9} events: {:>5.2f} million events/s, {:>6.0f} x real time, {:.2f} us an operation\n",
      operations, counters.events, static_cast<double>(counters.events) / seconds / 1e6, simulated / seconds,
      seconds * 1e6 / static_cast<double>(operations));
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    for (const std::size_t operations : {1'000, 10'000, 100'000, 1'000'000}) measure(operations);
  }
  for (int i = 1; i < count; ++i) measure(std::strtoull(arguments[i], nullptr, 10));
}
