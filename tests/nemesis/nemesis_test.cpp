#include <faultline/nemesis.hpp>

#include <gtest/gtest.h>

#include "scripted_port.hpp"
#include "tests/workloads/golden.hpp"

namespace faultline {
namespace {

const std::vector<std::string> all_packages{"partition", "kill", "pause", "membership"};

Nemesis nemesis(const std::vector<std::string>& names, const NemesisOptions& options = {}) {
  auto made = make_nemesis(names, options);
  EXPECT_TRUE(made.ok()) << made.error().to_string();
  return std::move(made).value();
}

RunResult run_nemesis(const Nemesis& chosen, Duration time_limit, ScriptedPort& port) {
  NemesisProcess process(Rng(1).fork("process"));
  ScriptedWorld world(script_of(process, port));
  return run({.main = on_nemesis(chosen.faults), .heal = chosen.heal}, world,
             {.concurrency = 1, .time_limit = time_limit});
}

struct Band {
  std::string kind;
  Instant start, stop = never;
};

std::vector<Band> bands_of(const History& history) {
  std::vector<Band> bands;
  for (const EventIndex note : history.notes()) {
    const Event event = history.event(note);
    if (event.type != EventType::invoke) continue;
    if (event.f.starts_with("start-")) {
      bands.push_back({event.f.substr(6), event.time});
    } else {
      for (Band& band : bands) {
        if (band.stop == never && (event.f == "heal-all" || event.f == "stop-" + band.kind)) band.stop = event.time;
      }
    }
  }
  return bands;
}

TEST(Nemesis, EveryPackageOfAShortRunHitsTheLeaderOnce) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ScriptedPort port;
    const RunResult result = run_nemesis(nemesis(all_packages, {.seed = seed}), 40s, port);
    EXPECT_FALSE(result.failure);
    std::map<std::string, Fault> first;
    for (const EventIndex note : result.history.notes()) {
      const Event event = result.history.event(note);
      if (event.type != EventType::info || !event.f.starts_with("start-")) continue;
      first.emplace(event.f.substr(6), fault_of_note(event.value).value());
    }
    ASSERT_EQ(first.size(), 4U) << "seed " << seed;
    EXPECT_EQ(first["kill"].nodes, (Nodes{"n2"}));
    EXPECT_EQ(first["pause"].nodes, (Nodes{"n2"}));
    EXPECT_EQ(first["membership"].nodes, (Nodes{"n2"}));
    EXPECT_EQ(first["partition"].grudge, isolate(port.all, {"n2"}));
    EXPECT_LE(bands_of(result.history).front().start, Instant(3250ms));
  }
}

TEST(Nemesis, FaultsAndGapsLastAboutTheirInterval) {
  ScriptedPort port;
  const RunResult result = run_nemesis(nemesis({"pause"}, {.seed = 2, .interval = 10s}), 2h, port);
  const std::vector<Band> bands = bands_of(result.history);
  ASSERT_GT(bands.size(), 400U);
  Duration faults{}, gaps{};
  for (std::size_t i = 0; i + 1 < bands.size(); ++i) {
    const Duration fault = bands[i].stop - bands[i].start, gap = bands[i + 1].start - bands[i].stop;
    EXPECT_GE(fault, 7s);
    EXPECT_LE(fault, 13200ms);  // and 100 ms to apply it
    EXPECT_GE(gap, 4200ms);
    EXPECT_LE(gap, 8s);
    faults += fault;
    gaps += gap;
  }
  EXPECT_NEAR(static_cast<double>(faults.count()) / 1e9 / static_cast<double>(bands.size()), 10.1, 0.4);
  EXPECT_NEAR(static_cast<double>(gaps.count()) / 1e9 / static_cast<double>(bands.size()), 6.1, 0.3);
}

TEST(Nemesis, KindsTakeTurnsAndOverlapSometimesAtMostTwoNeverTheSame) {
  ScriptedPort port;
  const std::vector<Band> bands = bands_of(run_nemesis(nemesis(all_packages, {.seed = 3}), 4h, port).history);
  std::map<std::string, int> count;
  int overlapping = 0;
  for (std::size_t i = 0; i < bands.size(); ++i) {
    ++count[bands[i].kind];
    int active = 0;
    for (std::size_t j = 0; j < i; ++j) {
      if (bands[j].stop <= bands[i].start) continue;
      ++active;
      EXPECT_NE(bands[j].kind, bands[i].kind);
    }
    EXPECT_LE(active, 1);
    overlapping += active;
  }
  for (std::size_t i = 0; i + 2 < bands.size(); ++i) EXPECT_LT(bands[i].stop, bands[i + 2].start);  // then all works
  for (const auto& [kind, n] : count) EXPECT_NEAR(n, static_cast<double>(bands.size()) / 4, 30) << kind;
  EXPECT_GT(overlapping, static_cast<int>(bands.size()) / 10);
  EXPECT_LT(overlapping, static_cast<int>(bands.size()) / 3);
  const auto never_together = bands_of(run_nemesis(nemesis(all_packages, {.seed = 3, .overlap = 0}), 1h, port).history);
  for (std::size_t i = 0; i + 1 < never_together.size(); ++i)
    EXPECT_LT(never_together[i].stop, never_together[i + 1].start);
}

TEST(Nemesis, EveryShapeAndTargetIsAskedFor) {
  ScriptedPort port;
  std::set<Value> asked;
  const RunResult result = run_nemesis(nemesis(all_packages, {.seed = 4, .interval = 1s}), 1h, port);
  for (const EventIndex note : result.history.notes()) {
    const Event event = result.history.event(note);
    if (event.type != EventType::invoke) continue;
    asked.insert(event.value.get("parameters").get("shape"));
    asked.insert(event.value.get("parameters").get("target"));
  }
  for (const std::string_view shape : shape_names()) EXPECT_TRUE(asked.contains(Value(shape))) << shape;
  for (const std::string_view target : target_names()) EXPECT_TRUE(asked.contains(Value(target))) << target;
}

TEST(Nemesis, PackagesHaveTheirOwnIntervals) {
  ScriptedPort port;
  const Nemesis made =
      nemesis({"kill", "pause"}, {.seed = 5, .interval = 10s, .intervals = {{"pause", 1s}}, .overlap = 0});
  for (const Band& band : bands_of(run_nemesis(made, 1h, port).history)) {
    if (band.stop == never) continue;
    EXPECT_EQ(band.stop - band.start < 2s, band.kind == "pause");
  }
}

TEST(Nemesis, SameSeedSameFaults) {
  const auto asked = [](std::uint64_t seed) {
    ScriptedPort port;
    return invocations(run_nemesis(nemesis(all_packages, {.seed = seed}), 5min, port).history);
  };
  EXPECT_EQ(asked(1), asked(1));
  EXPECT_NE(asked(1), asked(2));
}

TEST(Nemesis, NoPackageNoFault) {
  ScriptedPort port;
  const RunResult result = run_nemesis(nemesis({}), 1h, port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"heal_all"}));
  EXPECT_FALSE(result.failure);
}

TEST(Nemesis, UnknownAndRepeatedNamesAndBadOptionsAreRefused) {
  const auto refused = [](const std::vector<std::string>& names, const NemesisOptions& options = {}) {
    const auto made = make_nemesis(names, options);
    EXPECT_FALSE(made.ok());
    if (made.ok()) return std::string();
    EXPECT_EQ(made.error().kind, ErrorKind::bad_input);
    return made.error().to_string();
  };
  EXPECT_EQ(refused({"partitions"}), "unknown nemesis package 'partitions'\n  did you mean 'partition'?");
  EXPECT_EQ(refused({"gremlins"}),
            "unknown nemesis package 'gremlins'\n  known: partition, kill, rolling, upgrade, pause, membership, "
            "directed, clog, "
            "packet, frames, power, crash, clock, disk, wipe, pressure, plays");
  EXPECT_EQ(refused({"kill", "kill"}), "nemesis package 'kill' is named twice");
  EXPECT_EQ(refused({"kill"}, {.intervals = {{"pause", 1s}}}),
            "an interval is given for 'pause', which is no package of this run");
  EXPECT_FALSE(refused({"kill"}, {.interval = 0s}).empty());
  EXPECT_FALSE(refused({"kill"}, {.intervals = {{"kill", -1s}}}).empty());
  EXPECT_FALSE(refused({"kill"}, {.overlap = 2}).empty());
}

TEST(Nemesis, ARunLooksLikeThis) {
  ScriptedPort port;
  const RunResult result = run_nemesis(nemesis(all_packages, {.seed = 23496, .overlap = 0.5}), 45s, port);
  std::string calls;
  for (const std::string& call : port.calls) calls += call + "\n";
  expect_golden("tests/nemesis/golden/run.txt", transcript(result.history) + "----\n" + calls);
}

Event asked(std::string f, Value value = {}) {
  return {
      .type = EventType::invoke, .process = nemesis_process, .f = std::move(f), .value = std::move(value), .extra = {}};
}
Value target(std::string kind, Value whom) {
  return Value::map({{"kind", kind}, {"parameters", Value::map({{"target", std::move(whom)}})}});
}

TEST(NemesisProcess, TellsTheResolvedFaultAndWhatWasDone) {
  ScriptedPort port;
  NemesisProcess process(Rng(1));
  const Event started = process.perform(asked("start-kill", target("kill", "primaries")), port);
  EXPECT_EQ(started.type, EventType::info);
  EXPECT_EQ(started.process, nemesis_process);
  EXPECT_EQ(started.value.get("nodes"), Value::list({"n2"}));
  EXPECT_EQ(started.value.get("done"), Value::map({{"killed", Value::map({{"n2", 4711}})}}));
  EXPECT_TRUE(started.error().is_null());
  EXPECT_EQ(fault_of_note(started.value).value().nodes, (Nodes{"n2"}));

  port.leading = {"n3"};  // meanwhile; the stop is of what was started
  const Event stopped = process.perform(asked("stop-kill", target("kill", "primaries")), port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"primaries", "apply kill n2", "heal kill n2"}));
  EXPECT_EQ(stopped.value.get("nodes"), Value::list({"n2"}));
}

TEST(NemesisProcess, AsksForPrimariesOnlyWhenTheyMatter) {
  ScriptedPort port;
  NemesisProcess process(Rng(1));
  process.perform(asked("start-pause", target("pause", "all")), port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"apply pause n1 n2 n3"}));
}

TEST(NemesisProcess, StopsTheOldestOfEqualFaults) {
  ScriptedPort port;
  NemesisProcess process(Rng(1));
  const Value primaries = target("pause", "primaries");
  process.perform(asked("start-pause", primaries), port);
  port.leading = {"n3"};
  process.perform(asked("start-pause", primaries), port);
  process.perform(asked("stop-pause", primaries), port);
  process.perform(asked("stop-pause", primaries), port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"primaries", "apply pause n2", "primaries", "apply pause n3",
                                                  "heal pause n2", "heal pause n3"}));
  const Event again = process.perform(asked("stop-pause", primaries), port);
  EXPECT_EQ(again.error(), Value("no such pause is active"));
}

TEST(NemesisProcess, StopOfNamedNodesNeedsNoMemory) {
  ScriptedPort port;
  NemesisProcess process(Rng(1));
  const Event stopped = process.perform(
      asked("stop-kill", to_value(Fault{.kind = "kill", .nodes = {"n1"}, .grudge = {}, .parameters = {}})), port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"heal kill n1"}));
  EXPECT_TRUE(stopped.error().is_null());
}

TEST(NemesisProcess, HealAllStopsWhatIsActiveFirstForItsCounters) {
  ScriptedPort port;
  NemesisProcess process(Rng(1));
  process.perform(
      asked("start-partition", Value::map({{"kind", "partition"}, {"parameters", Value::map({{"shape", "halves"}})}})),
      port);
  const Event healed = process.perform(asked("heal-all"), port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"apply partition n1<n2n3 n2<n1 n3<n1",
                                                  "heal partition n1<n2n3 n2<n1 n3<n1", "heal_all"}));
  EXPECT_EQ(healed.value.get("done"), Value::map({{"reachable_pairs", 6}}));
  EXPECT_EQ(healed.value.get("stopped").as_list()[0].get("done"), Value::map({{"dropped_packets", 100}}));
  process.perform(asked("heal-all"), port);
  EXPECT_EQ(port.calls.size(), 4U);  // nothing is left to stop
}

TEST(NemesisProcess, WhateverFailsIsInTheError) {
  ScriptedPort port;
  port.unsupported = "pause";
  port.broken = "kill";
  port.heals = false;
  NemesisProcess process(Rng(1));
  const auto error = [&](const std::string& f, const Value& value) {
    const Event done = process.perform(asked(f, value), port);
    EXPECT_EQ(done.type, EventType::info);
    EXPECT_EQ(done.f, f);
    return done.error().is_string() ? std::string(done.error().as_text()) : std::string();
  };
  EXPECT_EQ(error("start-pause", target("pause", "one")), "pause needs what is not here\n  get it");
  EXPECT_EQ(error("start-kill", target("kill", "one")), "cannot kill");
  EXPECT_EQ(error("stop-kill", target("kill", "one")), "cannot heal kill");  // it may have been applied in part
  EXPECT_EQ(error("start-kill", target("kill", "onne")), "unknown target 'onne'\n  did you mean 'one'?");
  EXPECT_EQ(error("start-pause", target("kill", "one")), "start-pause with a fault of kind 'kill'");
  EXPECT_EQ(error("start-kill", 7), "a fault is no object: 7");
  EXPECT_EQ(error("stop-kill", 7), "a fault is no object: 7");
  EXPECT_EQ(error("dance", 7), "the nemesis cannot 'dance'\n  start-KIND, stop-KIND or heal-all");
  EXPECT_EQ(error("heal-all", {}), "n3 does not answer\n  see its log");
}

TEST(NemesisProcess, AFailedHealingIsAFailureOfTheRun) {
  ScriptedPort port;
  port.heals = false;
  const RunResult result = run_nemesis(nemesis({"kill"}), 5s, port);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message, "the faults could not be healed: n3 does not answer\n  see its log");
}

TEST(NemesisProcess, DecisionsDrawFromStreamsOfTheirOwn) {
  // The second decision hits the same nodes whether or not the first drew anything.
  const auto second = [](const Value& first) {
    ScriptedPort port;
    port.all = {"n1", "n2", "n3", "n4", "n5", "n6", "n7"};
    NemesisProcess process(Rng(9));
    process.perform(asked("start-kill", first), port);
    return process.perform(asked("start-pause", target("pause", "random")), port).value;
  };
  EXPECT_EQ(second(target("kill", "all")), second(target("kill", "random")));
}

}  // namespace
}  // namespace faultline
