// Whatever the packages of the nemesis draw the world can do, and it bites.
#include <gtest/gtest.h>

#include <faultline/effects.hpp>
#include <faultline/swarm.hpp>

#include <map>

#include "toy.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

struct Performed {
  std::map<std::string, std::int64_t> counters;
  std::uint64_t hash = 0;
  std::string problem;
};

Schedule schedule_of(const Mix& mix, const SimOptions& options) {
  ScheduleOptions told;
  told.seed = options.seed;
  told.duration = 10s;
  told.nodes = options.nodes;
  told.frames = {"Ping"};
  told.drawing.scale = 100ms;
  told.drawing.clients = options.concurrency;
  told.drawing.files = {"log/*"};
  auto drawn = draw_schedule(mix, told);
  FL_ASSERT(drawn.ok());
  return std::move(drawn).value();
}

Performed perform(const Schedule& schedule, const SimOptions& options) {
  Toy toy;
  toy.members = true;
  toy.keeps = false;
  for (NodeIndex node = 0; node < options.nodes.size(); ++node) toy.configuration.insert(node);
  SimWorld world(options, toy);
  Performed result;
  if (const auto watched = world.watch(schedule); !watched) {
    result.problem = watched.error().to_string();
    return result;
  }
  std::vector<Process> next;
  for (std::size_t worker = 0; worker < options.concurrency; ++worker) next.push_back(static_cast<Process>(worker));
  const auto work = [&](Process process) { world.dispatch(invoke(process, process % 2 == 0 ? "read" : "write", 1)); };
  for (const Process process : next) work(process);
  while (const auto completion = world.next_completion(at(11s))) {
    work(completion->process + static_cast<Process>(options.concurrency));
  }
  world.stop_watching();
  for (const Event& note : world.take_notes()) {
    const Value& done = note.value.get("done");
    if (!done.is_map()) continue;
    for (const auto& [name, value] : done.as_map())
      result.counters[note.f.substr(note.f.find('-') + 1) + " " + std::string(name.as_text())] +=
          counter(note.value.get("done"), name.as_text());
  }
  if (const auto healed = world.heal_all(); !healed) result.problem = healed.error().to_string();
  world.run_until(world.now() + 40s);
  if (!world.settled()) result.problem = "members are still being changed";
  const auto probed = world.heal_all();
  if (!probed || !probed.value().get("refused").is_null()) result.problem = "not all are back";
  result.hash = world.hash();
  return result;
}

TEST(Packages, EachCanBePerformedBitesAndHealsInAllItsKinds) {
  std::map<std::string, std::int64_t> total;
  for (const Package& package : packages()) {
    if (package.name == "upgrade") continue;  // refused: see Restarts.UpgradesAreRefusedWithTheReason
    for (std::uint64_t seed = 0; seed < (package.name == "disk" ? 20U : 4U); ++seed) {
      SimOptions options = draw_options(seed, 3, 1, 6);
      options.network.client_delay = 20ms;
      const Mix mix = draw_mix(Rng(seed), std::vector<std::string>{std::string(package.name)}, 0);
      const Performed result = perform(schedule_of({{std::string(package.name)}, mix.tastes}, options), options);
      ASSERT_EQ(result.problem, "") << package.name << ", seed " << seed;
      for (const auto& [name, count] : result.counters) total[name] += count;
    }
  }
  for (const Kind& kind : kinds()) {
    // The toy writes too little to fill a disk; Faults.AFullDiskRefusesWritesUntilHealed shows it.
    if (kind.name == "enospc" || kind.name == "upgrade") continue;
    std::int64_t shown = 0;
    for (const Evidence& evidence : kind.evidence)
      shown += total[std::string(kind.name) + " " + std::string(evidence.counter)];
    EXPECT_GT(shown, 0) << kind.name;
  }
}

TEST(Packages, ASwarmOfAllGivesTheSameHashTwiceAlsoFromWhatWasPrinted) {
  std::vector<std::string> names;
  for (const Package& package : packages()) {
    if (package.name != "upgrade") names.emplace_back(package.name);
  }
  for (std::uint64_t seed = 100; seed < 103; ++seed) {
    SimOptions options = draw_options(seed, 3 + seed % 3, 1, 5);
    options.network.client_delay = 20ms;
    const Schedule schedule = schedule_of(draw_mix(Rng(seed), names), options);
    const Performed first = perform(schedule, options);
    ASSERT_EQ(first.problem, "") << "seed " << seed;
    Nodes nodes = options.nodes;
    nodes.insert(nodes.end(), options.spares.begin(), options.spares.end());
    const auto read_schedule = schedule_from_value(to_value(schedule), nodes);
    const auto read_options = options_from_value(to_value(options));
    ASSERT_TRUE(read_schedule && read_options);
    const Performed second = perform(read_schedule.value(), read_options.value());
    ASSERT_EQ(first.hash, second.hash) << "seed " << seed;
    ASSERT_EQ(first.counters, second.counters);
  }
}

}  // namespace
}  // namespace faultline::sim
