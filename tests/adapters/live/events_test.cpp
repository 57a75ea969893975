// Events of a running system: each is told once, when it happens, and what met it waits for its fault as long as it should and no longer.
#include <gtest/gtest.h>

#include <atomic>

#include <faultline/live/events.hpp>

#include "adapters/live/stream.hpp"
#include "support.hpp"

namespace faultline::live::test {
namespace {

using namespace std::chrono_literals;

Decision decision(std::uint64_t id, EventTrigger trigger, const std::string& kind = "kill") {
  return {.id = id,
          .when = std::move(trigger),
          .lasts = {},
          .fault = {.kind = kind, .nodes = {"n1"}, .grudge = {}, .parameters = {}}};
}

EventTrigger frame(std::uint64_t nth, Duration after = {}) { return {FrameTrigger{"line", "n1", "n2", nth}, after}; }
EventTrigger role(const NodeName& node, std::uint64_t nth) { return {RoleTrigger{"leader", node, nth}, {}}; }

// --- the board -------------------------------------------------------------------------------------------------------------------------

struct Board : testing::Test {
  void open() {
    board.open([this] { return Instant(now); }, [this] { ++woken; });
  }
  Duration now = 1s;
  int woken = 0;
  EventBoard board{{.seed = 1,
                    .decisions = {decision(1, frame(1)), decision(2, frame(1, 1ms)), decision(3, frame(1), "pause"),
                                  decision(4, EventTrigger{HealTrigger{1}, {}})}}};
};

TEST_F(Board, TheFirstTimeCountsAndWakesTheWorld) {
  open();
  EXPECT_EQ(board.watched().size(), 3U) << "a heal is seen in the history";
  board.happened(1);
  now = 5s;
  board.happened(1);
  EXPECT_EQ(board.when(1), Instant(1s));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(board.when(2), std::nullopt);
  EXPECT_EQ(board.missed(), (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(Board, WhatMetTheEventWaitsUntilItsFaultIsThereAndNotForEver) {
  open();
  EXPECT_FALSE(board.holds(1)) << "nothing has happened";
  for (const std::uint64_t id : {1, 2, 3}) board.happened(id);
  EXPECT_TRUE(board.holds(1));
  EXPECT_FALSE(board.holds(2)) << "its fault comes later";
  EXPECT_FALSE(board.holds(3)) << "a daemon that waits cannot be paused";
  board.performed(1);
  EXPECT_FALSE(board.holds(1));

  EventBoard late{{.seed = 1, .decisions = {decision(1, frame(1))}}};
  late.open([this] { return Instant(now); }, [] {});
  late.happened(1);
  now += EventBoard::hold_limit - 1ms;
  EXPECT_TRUE(late.holds(1));
  now += 1ms;
  EXPECT_FALSE(late.holds(1));
}

TEST_F(Board, AClosedBoardTellsNobodyAndHoldsNothing) {
  board.happened(1);
  EXPECT_EQ(board.when(1), std::nullopt) << "before it is open";
  open();
  board.happened(1);
  EXPECT_TRUE(board.holds(1));
  board.close();
  EXPECT_FALSE(board.holds(1));
  board.happened(2);
  EXPECT_EQ(woken, 1);
}

// --- frames ----------------------------------------------------------------------------------------------------------------------------

TEST(FrameWatches, TheNthOfItsNameAndOnlyOnce) {
  FrameWatches watches({{.frame = "a", .nth = 2}, {.frame = "b", .nth = 1}, {.frame = "a", .nth = 3}});
  EXPECT_TRUE(watches.meet("a").empty());
  EXPECT_TRUE(watches.meet("c").empty());
  EXPECT_EQ(watches.meet("b").size(), 1U);
  EXPECT_TRUE(watches.meet("b").empty());
  ASSERT_EQ(watches.meet("a").size(), 1U);
  EXPECT_FALSE(watches.empty());
  EXPECT_EQ(watches.meet("a").front().nth, 3U);
  EXPECT_TRUE(watches.empty());
}

// Gossip talks in numbered lines.
struct LineFramer final : Framer {
  FrameLook look(std::string_view bytes) override {
    const auto end = bytes.find('\n');
    return end == std::string_view::npos ? FrameLook() : FrameLook{.size = end + 1};
  }
  [[nodiscard]] std::string_view name(std::string_view) const override { return "line"; }
  [[nodiscard]] std::span<const std::string_view> names() const override {
    static constexpr std::array<std::string_view, 1> all{"line"};
    return all;
  }
};

struct Cluster {
  explicit Cluster(NetworkKind kind = NetworkKind::proxy)
      : options(gossip_options(folder.path(), kind)), cluster((options.framer = framer(), options)) {}
  static MakeFramer framer() {
    return [] { return std::make_unique<LineFramer>(); };
  }
  void start(const std::shared_ptr<EventBoard>& board) {
    const auto up = cluster.set_up();
    ASSERT_TRUE(up.ok()) << up.error().to_string();
    board->open([] { return steady_now(); }, [] {});
    const auto watched = cluster.watch(board);
    ASSERT_TRUE(watched.ok()) << watched.error().to_string();
  }
  Folder folder;
  LocalClusterOptions options;
  LocalCluster cluster;
};

TEST(FrameEvents, NothingFollowsTheAwaitedFrameUntilTheFaultIsThere) {
  Cluster run;
  const auto board = std::make_shared<EventBoard>(Schedule{.seed = 1, .decisions = {decision(1, frame(20))}});
  ASSERT_NO_FATAL_FAILURE(run.start(board));
  ASSERT_TRUE(eventually([&] { return board->when(1).has_value(); }));
  if (!board->holds(1)) GTEST_SUCCEED() << "the machine is too slow for more";
  const long then = heard(run.cluster, "n2", "stream.n1");
  const long other = heard(run.cluster, "n3", "stream.n1");
  std::this_thread::sleep_for(100ms);
  const long later = heard(run.cluster, "n2", "stream.n1");
  const bool held = board->holds(1);
  if (held) {
    EXPECT_EQ(later, then) << "a line every 10 ms is held back";
    EXPECT_GT(heard(run.cluster, "n3", "stream.n1"), other) << "other links go on";
  }
  board->performed(1);
  EXPECT_TRUE(grows(run.cluster, "n2", "stream.n1"));
}

// --- roles -----------------------------------------------------------------------------------------------------------------------------

TEST(RoleEvents, ALeaderIsSeenByAskingAndTheNextOne) {
  Cluster run;
  const auto board =
      std::make_shared<EventBoard>(Schedule{.seed = 1,
                                            .decisions = {decision(1, role("n1", 1)), decision(2, role("n2", 1)),
                                                          decision(3, role("", 2)), decision(4, role("n1", 2))}});
  ASSERT_NO_FATAL_FAILURE(run.start(board));
  ASSERT_TRUE(eventually([&] { return board->when(1).has_value(); })) << "the first to lead";
  // It starts alone, so others may believe for a moment that they lead; from here on it is n1.
  const Fault kill{.kind = "kill", .nodes = {"n1"}, .grudge = {}, .parameters = {}};
  ASSERT_TRUE(run.cluster.apply(kill).ok());
  EXPECT_TRUE(eventually([&] { return board->when(2).has_value() && board->when(3).has_value(); }));
  EXPECT_EQ(board->when(4), std::nullopt);
  ASSERT_TRUE(run.cluster.heal(kill).ok());
  EXPECT_TRUE(eventually([&] { return board->when(4).has_value(); })) << "once more";
}

TEST(Events, WhatCannotBeSeenIsRefusedWithTheReason) {
  const auto why = [](const LocalCluster& cluster, const EventTrigger& trigger) {
    const auto can = cluster.can_watch(trigger);
    return can ? std::string() : can.error().message;
  };
  const Cluster proxy;
  EXPECT_EQ(why(proxy.cluster, frame(1)), "");
  EXPECT_EQ(why(proxy.cluster, {FrameTrigger{"Lime", "n1", "n2", 1}, {}}), "there is no frame 'Lime'");
  EXPECT_EQ(why(proxy.cluster, role("n1", 1)), "");
  EXPECT_EQ(why(proxy.cluster, {RoleTrigger{"candidate", "n1", 1}, {}}),
            "of this system's roles only the leader's is seen, not 'candidate'");
  EXPECT_NE(why(proxy.cluster, {CallTrigger{"fsync", "n1", "", 1, false}, {}}).find("supervised from their start"),
            std::string::npos);
  EXPECT_EQ(why(proxy.cluster, {CallTrigger{"fdatasync", "n1", "", 1, false}, {}}), "there is no call 'fdatasync'");
  const Cluster namespaces(NetworkKind::namespaces);
  EXPECT_NE(why(namespaces.cluster, frame(1)).find("only seen by the fault proxy"), std::string::npos);
}

}  // namespace
}  // namespace faultline::live::test
