// Schedules that the world performs itself, at times and at events.
#include <gtest/gtest.h>

#include "toy.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

struct Scheduled : testing::Test {
  Scheduled() : world(SimOptions(), toy) { toy.world = &world; }
  void watch(std::vector<Decision> decisions) {
    const auto watched = world.watch({.seed = 9, .decisions = std::move(decisions)});
    ASSERT_TRUE(watched) << watched.error().to_string();
  }
  Toy toy;
  SimWorld world;
};

Fault cut() { return {.kind = "partition", .nodes = {}, .grudge = {{"n2", {"n1"}}}, .parameters = {}}; }

TEST_F(Scheduled, DecisionsBeginAndEndAtTheirTimesAndAreNoted) {
  watch({{.id = 4, .when = Duration(1s), .lasts = 500ms, .fault = cut()}});
  run(world, at(2s));
  const auto notes = world.take_notes();
  ASSERT_EQ(notes.size(), 4U);
  EXPECT_EQ(notes[0].f, "start-partition");
  EXPECT_EQ(notes[0].type, EventType::invoke);
  EXPECT_EQ(notes[0].process, nemesis_process);
  EXPECT_EQ(notes[0].time, at(1s));
  EXPECT_EQ(notes[1].type, EventType::info);
  EXPECT_EQ(notes[1].value.get("done"), Value::map({{"dropped_pairs", 1}}));
  EXPECT_EQ(notes[1].extra.get("decision"), Value(4));
  EXPECT_EQ(notes[3].f, "stop-partition");
  EXPECT_EQ(notes[3].time, at(1500ms));
  EXPECT_GE(notes[3].value.get("done").get("dropped_packets").as_integer(), 99);
  EXPECT_TRUE(world.take_notes().empty());
  for (const Happening& happening : world.trace()) {
    if (happening.kind == Happening::Kind::fault) {
      EXPECT_EQ(happening.decision, 4U);
    }
  }
}

TEST(Targets, ATargetIsDrawnWhenItFiresFromAStreamOfTheDecisionsOwn) {
  const auto victim = [](std::vector<Decision> decisions) {
    Toy toy;
    SimWorld world(SimOptions(), toy);
    EXPECT_TRUE(world.watch({.seed = 9, .decisions = std::move(decisions)}));
    run(world, at(3s));
    return world.take_notes().back().value.get("nodes");
  };
  const Decision first{.id = 1, .when = Duration(1s), .lasts = {}, .fault = fault("pause", {}, {{"target", "one"}})};
  const Decision second{.id = 2, .when = Duration(2s), .lasts = {}, .fault = fault("kill", {}, {{"target", "one"}})};
  EXPECT_EQ(victim({first, second}), victim({second}));
}

TEST_F(Scheduled, AFrameOnALinkTriggers) {
  watch({{.id = 1,
          .when = EventTrigger{FrameTrigger{.frame = "Ping", .from = "n1", .to = "n2", .nth = 11}, {}},
          .lasts = {},
          .fault = cut()}});
  run(world, at(1s));
  // The eleventh is on its way when the cut comes.
  EXPECT_EQ(toy.pings(0, 1), 10U);
  EXPECT_GT(toy.pings(1, 0), 190U);
}

TEST_F(Scheduled, ACallTriggersAtItsEdgeAndTheCallMeetsTheFault) {
  const auto call = [](bool after) {
    return EventTrigger{CallTrigger{.call = "fsync", .node = "n1", .file = "log/*", .nth = 2, .after = after}, {}};
  };
  watch({{.id = 1, .when = call(false), .lasts = 200ms, .fault = fault("fsync_error", {"n1"}, {{"errno", "EIO"}})},
         {.id = 2, .when = EventTrigger{HealTrigger{1}, 100ms}, .lasts = 1s, .fault = fault("pause", {"n3"})}});
  EXPECT_EQ(ask(world, 0, "write", 1).type, EventType::ok);
  EXPECT_EQ(ask(world, 0, "write", 2).type, EventType::info);
  EXPECT_EQ(world.end_of(0), "cannot sync log/1: EIO");
  const Instant died = world.now();
  run(world, died + 250ms);
  EXPECT_TRUE(world.is_running(0));  // healed
  EXPECT_FALSE(world.is_paused(2));
  run(world, died + 320ms);
  EXPECT_TRUE(world.is_paused(2));  // 100 ms after the heal
  run(world, died + 1400ms);
  EXPECT_FALSE(world.is_paused(2));
}

TEST_F(Scheduled, AKillAtTheEdgeOfACallTakesWhatWasNotSynced) {
  watch(
      {{.id = 1,
        .when = EventTrigger{CallTrigger{.call = "fsync", .node = "n1", .file = "log/*", .nth = 1, .after = false}, {}},
        .lasts = 1s,
        .fault = fault("kill", {"n1", "n2"}, {{"disk", "lose_unsynced"}})}});
  EXPECT_EQ(ask(world, 0, "write", 1).error(), Value("broken"));
  EXPECT_FALSE(world.is_running(0));
  EXPECT_FALSE(world.is_running(1));
  run(world, world.now() + 2s);
  EXPECT_TRUE(world.is_running(0));
  EXPECT_TRUE(toy.recovered[0].empty());
  const auto notes = world.take_notes();
  ASSERT_EQ(notes.size(), 4U);
  EXPECT_EQ(notes[3].value.get("done").get("rolled_back_pages"), Value(1));
}

TEST_F(Scheduled, AKillOfWhatIsDownKeepsItDownOnlyUntilItIsHealed) {
  watch({{.id = 1, .when = Duration(1s), .lasts = 2s, .fault = fault("kill", {"n1"})},
         {.id = 2, .when = Duration(2s), .lasts = 3s, .fault = fault("kill", {"n1"})}});
  run(world, at(4s));
  EXPECT_FALSE(world.is_running(0));
  run(world, at(5100ms));
  EXPECT_TRUE(world.is_running(0));
}

struct RoleDaemon final : Daemon {
  explicit RoleDaemon(Surroundings& w) : world(w) { world.wake_at(world.monotonic() + 1s); }
  void wake() override {
    world.took_role("leader");
    world.wake_at(world.monotonic() + 1s);
  }
  void receive(NodeIndex, std::string) override {}
  void request(Connection, std::string) override {}
  Surroundings& world;
};
struct RoleSystem final : System {
  Result<std::unique_ptr<Daemon>> boot(Surroundings& world) override {
    return std::unique_ptr<Daemon>(std::make_unique<RoleDaemon>(world));
  }
  std::unique_ptr<Client> client(Process, ClientSurroundings&) override { return nullptr; }
};

TEST(Triggers, ARoleOfANodeOrOfAnyTriggers) {
  RoleSystem system;
  SimWorld world(SimOptions(), system);
  ASSERT_TRUE(
      world.watch({.seed = 1,
                   .decisions = {{.id = 1,
                                  .when = EventTrigger{RoleTrigger{.role = "leader", .node = "n2", .nth = 3}, 100ms},
                                  .lasts = {},
                                  .fault = fault("kill", {"n2"})},
                                 {.id = 2,
                                  .when = EventTrigger{RoleTrigger{.role = "leader", .node = {}, .nth = 2}, {}},
                                  .lasts = {},
                                  .fault = fault("pause", {"n3"})}}}));
  world.run_until(at(1500ms));
  EXPECT_TRUE(world.is_paused(2));
  EXPECT_TRUE(world.is_running(1));
  world.run_until(at(3050ms));
  EXPECT_TRUE(world.is_running(1));
  world.run_until(at(3150ms));
  EXPECT_FALSE(world.is_running(1));
}

TEST_F(Scheduled, NothingHappensAnyMoreOnceWatchingStops) {
  watch({{.id = 1, .when = Duration(1s), .lasts = 1s, .fault = cut()},
         {.id = 2, .when = Duration(3s), .lasts = 1s, .fault = fault("kill", {"n3"})}});
  run(world, at(1500ms));
  world.stop_watching();
  run(world, at(5s));
  EXPECT_TRUE(world.is_running(2));
  EXPECT_LT(toy.pings(0, 1), 250U);  // the cut stays
}

TEST_F(Scheduled, WhatCannotBePerformedIsRefusedBeforehand) {
  const auto refusal = [&](Decision decision) {
    const auto watched = world.watch({.seed = 1, .decisions = {std::move(decision)}});
    return watched ? std::string("watched") : watched.error().message;
  };
  EXPECT_EQ(refusal({.id = 3, .when = Duration(1s), .lasts = {}, .fault = fault("gremlin", {"n1"})}),
            "decision 3: unknown kind of fault 'gremlin'");
  EXPECT_EQ(refusal({.id = 3,
                     .when = EventTrigger{CallTrigger{"fdatasync", "n1", "", 1, false}, {}},
                     .lasts = {},
                     .fault = cut()}),
            "decision 3: unknown call 'fdatasync'");
  EXPECT_EQ(
      refusal({.id = 3, .when = EventTrigger{FrameTrigger{"Ping", "n1", "n9", 1}, {}}, .lasts = {}, .fault = cut()}),
      "decision 3: unknown node 'n9'");
}

// The trace of a run tells its story.
TEST_F(Scheduled, TheTraceTellsWhatHappened) {
  world.record_all(100'000);
  watch({{.id = 1, .when = Duration(10ms), .lasts = 10ms, .fault = fault("kill", {"n1"})}});
  run(world, at(100ms));
  std::vector<std::string> story;
  bool sent = false, delivered = false;
  for (const Happening& h : world.trace()) {
    sent = sent || h.kind == Happening::Kind::sent;
    delivered = delivered || h.kind == Happening::Kind::delivered;
    if (h.node == 0 && h.kind < Happening::Kind::fault) story.push_back(std::string(to_string(h.kind)) + ' ' + h.text);
  }
  EXPECT_TRUE(sent);
  EXPECT_TRUE(delivered);
  EXPECT_EQ(story, (std::vector<std::string>{"booted ", "killed killed", "booted "}));
}

}  // namespace
}  // namespace faultline::sim
