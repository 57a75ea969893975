// Every kind of fault bites, as its counter and its effect show, and heals.
#include <gtest/gtest.h>

#include "faults.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

using Faults = Fixture;

Fault partition(Grudge grudge) {
  return {.kind = "partition", .nodes = {}, .grudge = std::move(grudge), .parameters = {}};
}

// --- network -----------------------------------------------------------------------------------------------------------------

TEST_F(Faults, APartitionCutsOneWayOrBoth) {
  const Fault cut = partition({{"n2", {"n1"}}});  // n2 hears nothing from n1
  EXPECT_EQ(counter(apply(cut), "dropped_pairs"), 1);
  EXPECT_EQ(heard(0, 1), 0U);
  EXPECT_GE(heard(1, 0), 19U);
  EXPECT_GE(heard(0, 2), 19U);
  EXPECT_GE(counter(heal(cut), "dropped_packets"), 60);
  EXPECT_GE(heard(0, 1), 19U);
}

TEST_F(Faults, OverlappingPartitionsHoldUntilBothAreHealed) {
  const Fault one = partition({{"n2", {"n1"}}}), two = partition({{"n2", {"n1", "n3"}}});
  ASSERT_TRUE(apply(one));
  ASSERT_TRUE(apply(two));
  ASSERT_TRUE(heal(one));
  EXPECT_EQ(heard(0, 1), 0U);
  ASSERT_TRUE(heal(two));
  EXPECT_GE(heard(0, 1), 19U);
  EXPECT_EQ(counter(heal(two), "dropped_packets"), 0);  // healed already
}

TEST_F(Faults, AClogHoldsAndDeliversLateInOrder) {
  const Fault clog = fault("clog", {}, {{"links", Value::list({Value::list({"n1", "n2"})})}});
  EXPECT_EQ(counter(apply(clog), "clogged_links"), 1);
  const std::uint64_t sent_before = toy.sent[{0, 1}];
  EXPECT_EQ(heard(0, 1), 0U);
  const auto healed = heal(clog);
  EXPECT_GE(counter(healed, "held_packets"), 20);
  pass(50ms);
  // Not one is missing, and they come in order.
  std::uint64_t last = 0, count = 0;
  for (const Ping& ping : toy.heard[1]) {
    if (ping.from != 0 || ping.number <= sent_before) continue;
    EXPECT_EQ(ping.number, last == 0 ? sent_before + 1 : last + 1);
    last = ping.number;
    ++count;
  }
  EXPECT_GE(count, 30U);
}

TEST_F(Faults, OverlappingClogsHoldUntilBothAreHealed) {
  const Fault one = fault("clog", {"n1"}),
              two = fault("clog", {}, {{"links", Value::list({Value::list({"n1", "n2"})})}});
  ASSERT_TRUE(apply(one));
  ASSERT_TRUE(apply(two));
  ASSERT_TRUE(heal(one));
  EXPECT_EQ(heard(0, 1), 0U);
  EXPECT_GE(heard(0, 2), 19U);
  ASSERT_TRUE(heal(two));
  EXPECT_GE(heard(0, 1), 19U);
}

TEST_F(Faults, AClogOfANodeHoldsItsClientsToo) {
  const Fault clog = fault("clog", {"n1"});
  EXPECT_EQ(counter(apply(clog), "clogged_links"), 8);  // two peers and two clients, both ways
  EXPECT_EQ(write(0, 1).error(), Value("timeout"));
  EXPECT_EQ(heard(1, 0), 0U);
  EXPECT_GE(heard(1, 2), 19U);
  ASSERT_TRUE(heal(clog));
  EXPECT_EQ(write(0, 2).type, EventType::ok);
}

TEST_F(Faults, ASwizzleClogsNodesOneAfterTheOther) {
  const auto clog = [](const char* node, const char* from, const char* to) {
    return Value::map({{"node", node}, {"from", from}, {"to", to}});
  };
  const Fault swizzle =
      fault("swizzle_clog", {}, {{"clogs", Value::list({clog("n1", "100ms", "300ms"), clog("n3", "200ms", "500ms")})}});
  EXPECT_EQ(counter(apply(swizzle), "clogged_links"), 12);
  EXPECT_GE(heard(0, 1, 80ms), 15U);
  pass(20ms);
  EXPECT_EQ(heard(0, 1, 60ms), 0U);  // 120 to 180
  pass(130ms);
  EXPECT_GT(heard(0, 1, 40ms), 5U);                       // 320 to 360: n1 is free, what was held has come
  EXPECT_EQ(heard(2, 1, 50ms), 0U);                       // 370 to 420: n3 is not
  EXPECT_GE(counter(heal(swizzle), "held_packets"), 50);  // healed early
  EXPECT_GE(heard(2, 1), 19U);
  pass(1s);
  EXPECT_GE(heard(2, 1), 19U);  // nothing comes back
}

TEST_F(Faults, PacketsAreDelayedLostDoubledReorderedDamaged) {
  const auto measure = [&](std::vector<Value::Entry> parameters, std::string_view name) {
    parameters.emplace_back("links", Value::list({Value::list({"n1", "n2"})}));
    const Fault packet = fault("packet", {}, parameters);
    toy.heard.clear();
    toy.damaged.clear();
    EXPECT_EQ(counter(apply(packet), "affected_links"), 1);
    const std::uint64_t sent = toy.sent[{0, 1}];
    pass(10s);
    const std::int64_t hit = counter(heal(packet), name);
    pass(1s);
    EXPECT_GT(hit, 300);
    EXPECT_NEAR(static_cast<double>(toy.sent[{0, 1}] - sent), 2200, 30);
    std::uint64_t swaps = 0;
    const auto& heard_by = toy.heard[1];
    std::uint64_t last = 0;
    for (const Ping& ping : heard_by) {
      if (ping.from != 0) continue;
      swaps += ping.number < last ? 1 : 0;
      last = ping.number;
    }
    return std::tuple(static_cast<std::int64_t>(toy.pings(0, 1)), swaps, hit);
  };
  const auto [all, none_swapped, delayed] = measure({{"delay", "50ms"}, {"jitter", "20ms"}}, "delayed_packets");
  EXPECT_NEAR(static_cast<double>(all), 2200, 30);
  EXPECT_EQ(none_swapped, 0U);  // a stream stays in order
  const auto [left, also_none, lost] = measure({{"loss", 0.2}}, "lost_packets");
  EXPECT_EQ(also_none, 0U);
  EXPECT_NEAR(static_cast<double>(left + lost), 2200, 30);
  const auto [more, some, doubled] = measure({{"duplicate", 0.25}}, "duplicated_packets");
  EXPECT_NEAR(static_cast<double>(more - doubled), 2200, 30);
  const auto [same, swapped, reordered] = measure({{"delay", "10ms"}, {"reorder", 0.2}}, "reordered_packets");
  EXPECT_NEAR(static_cast<double>(same), 2200, 30);
  EXPECT_GT(swapped, 200U);
  const auto [good, ordered, damaged] = measure({{"corrupt", 0.2}}, "corrupted_packets");
  EXPECT_NEAR(static_cast<double>(good + static_cast<std::int64_t>(toy.damaged[1])), 2200, 30);
  EXPECT_GE(damaged, static_cast<std::int64_t>(toy.damaged[1]));
  EXPECT_GT(toy.damaged[1], 200U);
}

TEST_F(Faults, ARateLetsOnlySoMuchThrough) {
  const Fault slow = fault("packet", {}, {{"rate", "3600B/s"}, {"links", Value::list({Value::list({"n1", "n2"})})}});
  ASSERT_TRUE(apply(slow));
  pass(5s);
  // 72 bytes a packet with its header: 50 a second.
  EXPECT_NEAR(static_cast<double>(heard(0, 1, 10s)), 500, 25);
  EXPECT_GT(counter(heal(slow), "throttled_packets"), 500);
  pass(3s);
  EXPECT_NEAR(static_cast<double>(heard(0, 1, 1s)), 200, 5);
}

// --- processes -----------------------------------------------------------------------------------------------------------------

TEST_F(Faults, AKilledNodeIsGoneUntilHealedAndKeepsWhatItSynced) {
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  EXPECT_EQ(write(0, 2).type, EventType::ok);
  const Fault kill = fault("kill", {"n1"}, {{"disk", "lose_unsynced"}});
  EXPECT_EQ(apply(kill).value().get("killed"), Value::map({{"n1", 1}}));
  EXPECT_FALSE(world->is_running(0));
  EXPECT_EQ(heard(0, 1), 0U);
  EXPECT_EQ(toy.ends[0], 1);
  EXPECT_EQ(heal(kill).value().get("restarted"), Value::map({{"n1", 2}}));
  EXPECT_EQ(toy.recovered[0], (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(read(0), "2");
  EXPECT_GE(heard(0, 1), 19U);
}

TEST_F(Faults, ASecondKillOfANodeKeepsItDownUntilBothAreHealed) {
  const Fault one = fault("kill", {"n1"}), two = fault("kill", {"n1", "n2"});
  ASSERT_TRUE(apply(one));
  EXPECT_EQ(apply(two).value().get("skipped"), Value::map({{"n1", "is down (killed)"}}));
  EXPECT_EQ(heal(one).value().get("restarted"), Value());
  EXPECT_FALSE(world->is_running(0));
  EXPECT_EQ(counter(heal(two), "restarted"), 2);
  EXPECT_TRUE(world->is_running(0));
}

TEST_F(Faults, AKillNobodyCanTakeIsAnError) {
  ASSERT_TRUE(apply(fault("kill", {"n1"})));
  const auto again = apply(fault("kill", {"n1"}, {{"disk", "torn"}}));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "no node could take the fault 'kill': {\"n1\" \"is down (killed)\"}");
}

TEST_F(Faults, APowerLossTakesWhatWasNotSynced) {
  for (const char* mode : {"lose_unsynced", "torn", "reordered"}) {
    std::int64_t pages = 0;
    for (int round = 0; round < 30; ++round) {
      // The crash comes between write and sync.
      const Fault crash = fault("crash_point", {"n1"}, {{"call", "fsync"}, {"edge", "before"}, {"disk", mode}});
      ASSERT_TRUE(apply(crash));
      EXPECT_EQ(write(0, 100 + round).type, EventType::info);
      pages += std::max<std::int64_t>(0, counter(heal(crash), "rolled_back_pages"));
      pass(50ms);
    }
    EXPECT_GT(pages, 3) << mode;
  }
}

TEST_F(Faults, ACrashPointStrikesAtTheNamedCall) {
  const Fault crash =
      fault("crash_point", {"n1"},
            {{"call", "fsync"}, {"nth", 2}, {"edge", "after"}, {"file", "log/*"}, {"disk", "lose_unsynced"}});
  EXPECT_EQ(apply(crash).value().get("armed"), Value::list({"n1"}));
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  EXPECT_TRUE(world->is_running(0));
  EXPECT_EQ(write(0, 2).type, EventType::info);  // synced, and dead before it could say so
  EXPECT_FALSE(world->is_running(0));
  EXPECT_TRUE(world->end_of(0).starts_with("crashed after fsync 2 of log/1")) << world->end_of(0);
  EXPECT_TRUE(world->unexpected_ends().empty());
  const auto healed = heal(crash);
  EXPECT_EQ(healed.value().get("crashed"), Value::map({{"n1", 1}}));
  EXPECT_EQ(healed.value().get("restarted"), Value::map({{"n1", 2}}));
  EXPECT_EQ(toy.recovered[0], (std::vector<std::string>{"1", "2"}));
}

TEST_F(Faults, ACrashPointThatNeverCameSaysSo) {
  const Fault crash = fault("crash_point", {"n1"}, {{"call", "rename"}});
  ASSERT_TRUE(apply(crash));
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  EXPECT_EQ(counter(heal(crash), "crashed"), 0);
  EXPECT_TRUE(world->is_running(0));
}

TEST_F(Faults, APausedNodeGetsEverythingWhenItIsResumed) {
  const Fault pause = fault("pause", {"n2"});
  EXPECT_EQ(apply(pause).value().get("paused"), Value::map({{"n2", 1}}));
  EXPECT_TRUE(world->is_paused(1));
  const std::size_t wakes = toy.wakes[1].size();
  EXPECT_EQ(heard(0, 1), 0U);
  EXPECT_EQ(heard(1, 0), 0U);
  EXPECT_EQ(toy.wakes[1].size(), wakes);
  const auto healed = heal(pause);
  EXPECT_GE(counter(healed, "held_events"), 40);
  EXPECT_EQ(healed.value().get("resumed"), Value::map({{"n2", 1}}));
  pass(1ms);
  EXPECT_EQ(toy.wakes[1].size(), wakes + 1);  // one alarm, late
  pass(50ms);
  std::uint64_t last = 1;  // which n2 missed, as it was not up yet
  for (const Ping& ping : toy.heard[1]) {
    if (ping.from != 0) continue;
    ASSERT_EQ(ping.number, ++last);
  }
  EXPECT_GT(last, 60U);
}

TEST_F(Faults, APausedNodeCanBeKilledAndComesBackAwake) {
  const Fault pause = fault("pause", {"n2"}), kill = fault("kill", {"n2"});
  ASSERT_TRUE(apply(pause));
  pass(50ms);
  ASSERT_TRUE(apply(kill));
  ASSERT_TRUE(heal(kill));
  EXPECT_FALSE(world->is_paused(1));
  EXPECT_GE(heard(1, 0), 19U);
  EXPECT_EQ(counter(heal(pause), "resumed"), 0);
}

TEST_F(Faults, PressureMakesANodeSlow) {
  const Fault pressure = fault("pressure", {"n1"}, {{"speed", 0.001}});  // 20 ms an event
  EXPECT_EQ(apply(pressure).value().get("slowed"), Value::list({"n1"}));
  EXPECT_LE(heard(0, 1, 1s), 50U);
  EXPECT_GT(counter(heal(pressure), "slowed_events"), 100);
  pass(1s);
  EXPECT_GE(heard(0, 1), 19U);
}

// --- clocks ----------------------------------------------------------------------------------------------------------------------

TEST_F(Faults, AClockAtAThirdOfItsRateWakesItsNodeAThirdAsOften) {
  const Fault slow = fault("clock", {"n1"}, {{"clock", "mono"}, {"change", "rate"}, {"rate", 0.3}});
  EXPECT_EQ(apply(slow).value().get("skewed"), Value::list({"n1"}));
  EXPECT_NEAR(static_cast<double>(heard(0, 1, 1s)), 60, 4);
  const auto healed = heal(slow);
  EXPECT_NEAR(static_cast<double>(counter(healed, "skew_ms")), 707, 5);
  EXPECT_GT(counter(healed, "clock_reads"), 50);
  EXPECT_GE(heard(0, 1), 19U);
  for (std::size_t i = 1; i < toy.wakes[0].size(); ++i) ASSERT_GE(toy.wakes[0][i], toy.wakes[0][i - 1]);
}

TEST_F(Faults, AFastMonotonicClockThatIsHealedGoesOnWithoutAStep) {
  const Fault fast = fault("clock", {"n1"}, {{"clock", "mono"}, {"change", "rate"}, {"rate", 3.0}});
  ASSERT_TRUE(apply(fast));
  pass(1s);
  EXPECT_GE(counter(heal(fast), "skew_ms"), 1990);
  pass(1s);
  const auto& wakes = toy.wakes[0];
  EXPECT_NEAR(static_cast<double>((wakes.back() - wakes.front()) / 1ms), 4100, 30);
  for (std::size_t i = 1; i < wakes.size(); ++i) {
    ASSERT_GE(wakes[i] - wakes[i - 1], 5ms);
    ASSERT_LT(wakes[i] - wakes[i - 1], 6ms);
  }
}

TEST_F(Faults, AFrozenClockNeverWakesItsNode) {
  const Fault freeze = fault("clock", {"n1"}, {{"clock", "both"}, {"change", "freeze"}});
  ASSERT_TRUE(apply(freeze));
  EXPECT_EQ(heard(0, 1, 1s), 0U);
  EXPECT_GE(counter(heal(freeze), "skew_ms"), 1000);
  EXPECT_GE(heard(0, 1), 19U);
}

TEST_F(Faults, AForwardJumpFiresTimersEarly) {
  toy.ping_interval = 10s;
  pass(1s);
  const std::size_t before = toy.wakes[0].size();
  const Fault jump = fault("clock", {"n1"}, {{"clock", "both"}, {"change", "jump"}, {"by", "20s"}});
  ASSERT_TRUE(apply(jump));
  pass(1ms);
  EXPECT_EQ(toy.wakes[0].size(), before + 1);
  EXPECT_EQ(counter(heal(jump), "skew_ms"), 20'000);
}

struct ClockReader final : Daemon {
  explicit ClockReader(Surroundings& w) : world(w) {}
  void wake() override {}
  void receive(NodeIndex, std::string) override {}
  void request(Connection from, std::string) override {
    world.reply(from, std::to_string(world.wall().time_since_epoch().count()));
  }
  Surroundings& world;
};
struct ClockSystem final : System {
  Toy toy;
  Result<std::unique_ptr<Daemon>> boot(Surroundings& world) override {
    return std::unique_ptr<Daemon>(std::make_unique<ClockReader>(world));
  }
  std::unique_ptr<Client> client(Process process, ClientSurroundings& world) override {
    return toy.client(process, world);
  }
};

TEST(WallClock, JumpsBackStrobesAndIsRightAgainAtOnce) {
  ClockSystem system;
  SimOptions options;
  options.clock.wall_offset_max = 0ns;
  options.clock.drift_ppm_max = 0;
  SimWorld world(options, system);
  run(world, at(10s));
  const auto error_ms = [&] {
    const std::string text(ask(world, 0, "read").value.as_text());
    return static_cast<double>(std::stoll(text) - world.now().time_since_epoch().count()) / 1e6;
  };
  EXPECT_NEAR(error_ms(), 0, 3);
  const Fault back = fault("clock", {"n1"}, {{"clock", "wall"}, {"change", "jump"}, {"by", "-2s"}});
  ASSERT_TRUE(world.apply(back));
  EXPECT_NEAR(error_ms(), -2000, 3);
  EXPECT_EQ(counter(world.heal(back), "skew_ms"), 2000);
  EXPECT_NEAR(error_ms(), 0, 3);
  const Fault strobe =
      fault("clock", {"n1"}, {{"clock", "wall"}, {"change", "strobe"}, {"by", "500ms"}, {"period", "100ms"}});
  ASSERT_TRUE(world.apply(strobe));
  int high = 0, low = 0;
  for (int i = 0; i < 100; ++i) {
    run(world, world.now() + 17ms);
    (error_ms() > 400 ? high : low)++;
  }
  EXPECT_GT(high, 25);
  EXPECT_GT(low, 25);
  EXPECT_EQ(counter(world.heal(strobe), "skew_ms"), 500);
  EXPECT_NEAR(error_ms(), 0, 3);
}

// --- disks -----------------------------------------------------------------------------------------------------------------------

TEST_F(Faults, WritesFailWithTheNamedError) {
  const Fault error = fault("io_error", {"n1"}, {{"call", "write"}, {"errno", "EROFS"}, {"file", "log/*"}});
  ASSERT_TRUE(apply(error));
  EXPECT_EQ(write(0, 1).type, EventType::info);
  EXPECT_EQ(world->end_of(0), "cannot write log/1: EROFS");
  EXPECT_EQ(write(1, 1).type, EventType::ok);
  const auto healed = heal(error);
  EXPECT_EQ(counter(healed, "io_errors"), 1);
  EXPECT_EQ(counter(healed, "restarted"), 1);
  EXPECT_EQ(write(0, 2).type, EventType::ok);
}

TEST_F(Faults, ReadsFailWhenANodeStarts) {
  const Fault error = fault("io_error", {"n1"}, {{"call", "read"}}), kill = fault("kill", {"n1"});
  ASSERT_TRUE(apply(error));
  ASSERT_TRUE(apply(kill));
  const auto healed = heal(kill);
  EXPECT_EQ(counter(healed, "refused"), 1);
  EXPECT_TRUE(world->end_of(0).starts_with("refused to start: cannot read log/1: EIO")) << world->end_of(0);
  EXPECT_EQ(counter(heal(error), "restarted"), 1);
}

TEST_F(Faults, TheNthSyncFailsOnceAndItsPagesAreGone) {
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  const Fault error = fault("fsync_error", {"n1"}, {{"pages", "drop"}, {"nth", 2}});
  ASSERT_TRUE(apply(error));
  EXPECT_EQ(write(0, 2).type, EventType::ok);
  EXPECT_EQ(write(0, 3).type, EventType::info);
  const auto healed = heal(error);
  EXPECT_EQ(counter(healed, "failed_syncs"), 1);
  EXPECT_EQ(counter(healed, "dropped_pages"), 1);
  EXPECT_EQ(toy.recovered[0], (std::vector<std::string>{"1", "2"}));
}

TEST_F(Faults, AFailedSyncThatKeepsItsPagesLosesThemOnlyWithThePower) {
  const Fault error = fault("fsync_error", {"n1"}, {{"pages", "keep"}});
  ASSERT_TRUE(apply(error));
  EXPECT_EQ(write(0, 1).type, EventType::info);
  ASSERT_TRUE(heal(error));
  EXPECT_EQ(toy.recovered[0], (std::vector<std::string>{"1"}));  // still in the cache
  const Fault power = fault("kill", {"n1"}, {{"disk", "lose_unsynced"}});
  EXPECT_EQ(counter(apply(power), "rolled_back_pages"), 1);
  ASSERT_TRUE(heal(power));
  EXPECT_TRUE(toy.recovered[0].empty());
}

TEST_F(Faults, AFullDiskRefusesWritesUntilHealed) {
  const Fault full = fault("enospc", {"n1"}, {{"bytes", "64B"}});
  ASSERT_TRUE(apply(full));
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  EXPECT_EQ(write(0, 2).type, EventType::ok);
  EXPECT_EQ(write(0, 3).type, EventType::info);
  EXPECT_EQ(world->end_of(0), "cannot write log/1: No space left on device (ENOSPC)");
  EXPECT_EQ(counter(heal(full), "refused_writes"), 1);
  EXPECT_EQ(write(0, 4).type, EventType::ok);
}

TEST_F(Faults, ASlowDiskIsSlow) {
  const auto took = [&](int value) {
    const Instant before = world->now();
    EXPECT_EQ(write(0, value).type, EventType::ok);
    return world->now() - before;
  };
  EXPECT_LT(took(1), 40ms);
  const Fault slow = fault("slow_disk", {"n1"}, {{"latency", "200ms"}});
  ASSERT_TRUE(apply(slow));
  EXPECT_GE(took(2), 100ms);
  EXPECT_EQ(counter(heal(slow), "slowed_calls"), 1);
  EXPECT_LT(took(3), 40ms);
}

TEST_F(Faults, BitsFlipOnlyInFilesNobodyWritesToAndOnlyOnAMinority) {
  const Fault flip = fault("bit_flip", {"n1"}, {{"file", "log/1"}, {"bits", 1}});
  const auto open = apply(flip);
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("has no such file that is closed"), std::string::npos) << open.error().message;
  const Fault closed = fault("bit_flip", {"n1"}, {{"file", "log/*"}});
  EXPECT_EQ(apply(closed).value().get("files"), Value::map({{"n1", "log/0"}}));
  // Neither while it is down: what was being written when it ended may be torn, and is not told from rot.
  ASSERT_TRUE(apply(fault("kill", {"n1"})));
  EXPECT_FALSE(apply(flip));
  SimOptions options;
  options.beyond_model = true;
  restart(options);
  EXPECT_EQ(write(0, 12345).type, EventType::ok);
  EXPECT_EQ(counter(apply(flip), "flipped_bits"), 1);
  EXPECT_TRUE(world->is_rotten(0));
  const Fault kill = fault("kill", {"n1"});
  ASSERT_TRUE(apply(kill));
  ASSERT_TRUE(heal(kill));
  EXPECT_TRUE(toy.recovered[0].empty());  // its checksum tells
}

TEST_F(Faults, OnlyAMinorityOfDisksRots) {
  const Fault one = fault("wipe", {"n1"}), two = fault("wipe", {"n2"});
  EXPECT_EQ(apply(one).value().get("wiped"), Value::list({"n1"}));
  const auto second = apply(two);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("a majority of clean disks must remain"), std::string::npos);
}

TEST_F(Faults, ATruncatedFileEndsEarly) {
  SimOptions options;
  options.beyond_model = true;
  restart(options);
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  EXPECT_EQ(write(0, 2).type, EventType::ok);
  EXPECT_EQ(counter(apply(fault("truncate", {"n1"}, {{"file", "log/1"}, {"bytes", "10B"}})), "truncated_bytes"), 10);
  const Fault kill = fault("kill", {"n1"});
  ASSERT_TRUE(apply(kill));
  ASSERT_TRUE(heal(kill));
  EXPECT_EQ(toy.recovered[0], (std::vector<std::string>{"1"}));
}

TEST_F(Faults, AWipedNodeIsEmptyOrRefusesToStart) {
  EXPECT_EQ(write(0, 1).type, EventType::ok);
  const Fault wipe = fault("wipe", {"n1"});
  ASSERT_TRUE(apply(wipe));
  EXPECT_FALSE(world->is_running(0));
  EXPECT_EQ(counter(heal(wipe), "restarted"), 1);
  EXPECT_EQ(read(0), "");
  restart({});
  toy.needs_data = true;
  ASSERT_TRUE(apply(wipe));
  EXPECT_EQ(heal(wipe).value().get("refused"), Value::map({{"n1", "refused to start: the data is gone"}}));
  const auto all = world->heal_all();  // a finding, and no failure of the heal
  ASSERT_TRUE(all);
  EXPECT_EQ(all.value().get("running"), Value::list({"n2", "n3"}));
  EXPECT_EQ(counter(all, "refused"), 1);
}

// --- all of them -------------------------------------------------------------------------------------------------------------------

TEST_F(Faults, HealAllEndsEverythingAndLooks) {
  toy.leader = 1;
  EXPECT_EQ(world->primaries(), std::vector<NodeName>{"n2"});
  const std::vector<Fault> all{
      partition({{"n2", {"n1"}}}),
      fault("clog", {"n3"}),
      fault("packet", {"n1"}, {{"loss", 0.5}}),
      fault("pause", {"n2"}),
      fault("clock", {"n1"}, {{"clock", "both"}, {"change", "freeze"}}),
      fault("slow_disk", {"n1"}),
      fault("fsync_error", {"n1"}),
      fault("pressure", {"n3"}, {{"speed", 0.1}}),
      fault("kill", {"n3"}),
  };
  for (const Fault& one : all) ASSERT_TRUE(apply(one)) << one.kind;
  EXPECT_TRUE(world->primaries().empty());
  pass(1s);
  const auto healed = world->heal_all();
  ASSERT_TRUE(healed) << healed.error().to_string();
  EXPECT_EQ(counter(healed, "reachable_pairs"), 6);
  EXPECT_EQ(healed.value().get("running"), Value::list({"n1", "n2", "n3"}));
  pass(100ms);
  for (NodeIndex from = 0; from < 3; ++from) {
    for (NodeIndex to = 0; to < 3; ++to) {
      if (from == to) continue;
      EXPECT_GE(heard(from, to), 19U) << from << to;
    }
  }
  for (NodeIndex node = 0; node < 3; ++node) EXPECT_EQ(write(node, 1).type, EventType::ok);
  for (const Fault& one : all) EXPECT_EQ(heal(one).value(), Value::map({}));
  ASSERT_TRUE(world->heal_all());  // idempotent
}

TEST_F(Faults, TheCoreIsHealedAndWhatIsOutsideStaysAsItIs) {
  ASSERT_TRUE(apply(partition({{"n1", {"n2", "n3"}}, {"n2", {"n1", "n3"}}, {"n3", {"n1", "n2"}}})));
  ASSERT_TRUE(apply(fault("kill", {"n2"})));
  ASSERT_TRUE(apply(fault("slow_disk", {"n1"})));
  const Fault packet = fault("packet", {"n3"}, {{"loss", 1.0}});
  ASSERT_TRUE(apply(packet));
  const std::vector<NodeIndex> core{0, 1};
  EXPECT_EQ(counter(world->heal_core(core), "restarted"), 1);
  EXPECT_GE(heard(0, 1), 19U);
  EXPECT_GE(heard(1, 0), 19U);
  EXPECT_EQ(heard(0, 2), 0U);
  EXPECT_EQ(heard(2, 1), 0U);
  EXPECT_EQ(write(1, 1).type, EventType::ok);
  EXPECT_EQ(heal(packet).error().message, "the faults of this run are frozen");
  EXPECT_FALSE(apply(fault("kill", {"n1"})));
  ASSERT_TRUE(world->heal_all());
  EXPECT_GE(heard(2, 1), 19U);
  EXPECT_TRUE(apply(fault("kill", {"n1"})));
}

TEST_F(Faults, WhatCannotBeDoneIsRefusedWithTheReason) {
  EXPECT_EQ(refusal(fault("gremlin", {"n1"})).substr(0, 52), "fault 'gremlin' is not available in the simulator\n  ");
  EXPECT_EQ(refusal(fault("kil", {"n1"})), "fault 'kil' is not available in the simulator\n  did you mean 'kill'?");
  EXPECT_EQ(refusal(fault("kill", {"n9"})), "fault 'kill' names the unknown node 'n9'\n  known: n1, n2, n3");
  EXPECT_EQ(refusal(fault("kill", {"n1"}, {{"dsk", "torn"}})),
            "fault 'kill' has no parameter 'dsk'\n  did you mean 'disk'?");
  EXPECT_EQ(refusal(fault("kill", {"n1"}, {{"disk", "burnt"}})),
            "fault 'kill': 'disk' must be one of keep, lose_unsynced, torn, reordered, not \"burnt\"");
  EXPECT_EQ(refusal(fault("packet", {"n1"}, {{"loss", 2}})),
            "fault 'packet': 'loss' must be a number from 0 to 1, not 2");
  EXPECT_EQ(refusal(fault("kill", {})), "fault 'kill' names no node\n  name its nodes, or a target");
  EXPECT_EQ(refusal(fault("kill", {}, {{"target", "primaries"}})), "supported");
  EXPECT_EQ(
      refusal(fault("clock", {"n1"}, {{"clock", "mono"}, {"change", "jump"}, {"by", "-1s"}})),
      "a monotonic clock that steps back is beyond the model of a correct system\n  jump forward, or allow what is "
      "beyond the model");
  EXPECT_EQ(
      refusal(fault("membership", {}, {{"change", "grow"}})),
      "fault 'membership' is not available: this system's members cannot be changed while it runs\n  leave it out");
  EXPECT_EQ(refusal(fault("partition", {}, {{"clients", Value::map({{"n1", Value::list({"x0"})}})}})),
            "fault 'partition' names the client 'x0'\n  clients are named c0, c1, … by their workers");
  // Of a run with more clients: nobody.
  EXPECT_EQ(refusal(fault("partition", {}, {{"clients", Value::map({{"n1", Value::list({"c77"})}})}})), "supported");
}

}  // namespace
}  // namespace faultline::sim
