#include <faultline/effects.hpp>

#include <faultline/fault.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace faultline {
namespace {

// A history written down by hand: notes with what was done, and clients that tell of terms.
struct Script {
  History history;
  std::int64_t ms = 0;

  void note(const std::string& f, Value done, Value error = {}) {
    const std::string kind = f.substr(f.find('-') + 1);
    Event event{.type = EventType::invoke,
                .process = nemesis_process,
                .f = f,
                .value = Value::map({{"kind", kind}}),
                .extra = {}};
    event.time = Instant(std::chrono::milliseconds(++ms));
    ASSERT_TRUE(history.append(event).ok());
    event.type = EventType::info;
    event.time = Instant(std::chrono::milliseconds(++ms));
    event.value = Value::map({{"kind", kind}, {"done", std::move(done)}});
    if (f == "heal-all") event.value = event.value.get("done");
    ASSERT_TRUE(history.append(error.is_null() ? event : event.with("error", error)).ok());
  }
  void read(EventType type, std::string_view extra = {}, Value value = {}) {
    Event event{.type = EventType::invoke, .process = 0, .f = "read", .extra = {}};
    event.process = static_cast<Process>(history.size());
    ASSERT_TRUE(history.append(event).ok());
    event.type = type;
    ASSERT_TRUE(history.append(extra.empty() ? event : event.with(extra, std::move(value))).ok());
  }
};

Value done(std::string_view name, Value value) { return Value::map({{name, std::move(value)}}); }
const Value two_pids = Value::map({{"n1", 4711}, {"n2", 4712}});
const std::vector<std::string> partition_only{"partition"};

const KindEffect& of_kind(const std::vector<KindEffect>& effects, std::string_view kind) {
  return *std::find_if(effects.begin(), effects.end(), [&](const KindEffect& e) { return e.kind == kind; });
}

TEST(Effects, SumsWhatTheNotesTell) {
  Script script;
  script.note("start-partition", done("dropped_pairs", 4));
  script.note("stop-partition", done("dropped_packets", 800));
  script.note("start-kill", done("killed", two_pids));
  script.note("start-partition", done("dropped_pairs", 4));
  script.note(
      "heal-all",
      Value::map(
          {{"stopped", Value::list({Value::map({{"kind", "partition"}, {"done", done("dropped_packets", 12)}})})}}));
  const std::vector<KindEffect> effects = fault_effects(script.history);
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(effects[0].kind, "partition");
  EXPECT_EQ(effects[0].count, 2U);
  EXPECT_EQ(effects[0].text, "812 packets dropped");
  EXPECT_EQ(effects[0].counters.at("dropped_pairs"), 8);
  EXPECT_TRUE(effects[0].bit);
  EXPECT_EQ(effects[1].text, "2 daemons killed");
}

TEST(Effects, RulesAloneAreNoEffect) {
  Script script;
  script.note("start-partition", done("dropped_pairs", 4));
  script.note("stop-partition", done("dropped_packets", 0));
  script.read(EventType::ok);
  const std::vector<KindEffect> effects = fault_effects(script.history);
  EXPECT_FALSE(effects.front().bit);
  EXPECT_EQ(effects.front().text, "no effect");
  EXPECT_EQ(vacuous(script.history, partition_only), "partition: no effect");
}

TEST(Effects, LeaderChangesBelongToTheFaultsActiveThen) {
  Script script;
  script.read(EventType::ok, "raft_term", 2);
  script.read(EventType::ok, "raft_term", 3);  // before any fault
  script.note("start-partition", done("dropped_pairs", 4));
  script.read(EventType::ok, "raft_term", 3);
  script.read(EventType::info, "raft_term", 4);
  script.read(EventType::ok, "raft_term", 3);  // from a node that is behind
  script.read(EventType::fail, "raft_term", 6);
  script.note("stop-partition", done("dropped_packets", 0));
  script.note("start-pause", done("paused", two_pids));
  script.read(EventType::ok, "raft_term", 7);
  const std::vector<KindEffect> effects = fault_effects(script.history);
  EXPECT_EQ(of_kind(effects, "partition").leader_changes, 2U);
  EXPECT_EQ(of_kind(effects, "partition").text, "2 leader changes");
  EXPECT_TRUE(of_kind(effects, "partition").bit);
  EXPECT_EQ(of_kind(effects, "pause").text, "2 daemons paused, 1 leader change");
  EXPECT_EQ(leader_changes(script.history), 4U);
}

TEST(Effects, TermsMayBeText) {
  Script script;
  script.read(EventType::ok, "raft_term", "9");
  script.read(EventType::ok, "raft_term", "10");
  script.read(EventType::ok, "raft_term", "x");
  EXPECT_EQ(leader_changes(script.history), 1U);
}

TEST(Effects, WithoutTermsTheLeaderItselfCounts) {
  Script script;
  for (const char* leader : {"n1", "n1", "n2", "n1"}) script.read(EventType::ok, "leader", leader);
  EXPECT_EQ(leader_changes(script.history), 2U);
}

TEST(Effects, FaultsThatNeverAppliedSayWhy) {
  Script script;
  script.note("start-partition", {}, "needs root");
  script.note("stop-partition", {}, "no such partition is active");
  script.read(EventType::ok);
  const std::vector<KindEffect> effects = fault_effects(script.history);
  EXPECT_EQ(effects.front().count, 0U);
  EXPECT_EQ(effects.front().failed, 1U);
  EXPECT_EQ(vacuous(script.history, partition_only), "partition: never applied: needs root");
}

TEST(Effects, OneFaultThatBitIsEnough) {
  Script script;
  script.note("start-partition", done("dropped_pairs", 4));
  script.note("start-kill", done("killed", two_pids));
  script.read(EventType::ok);
  EXPECT_EQ(vacuous(script.history, partition_only), "");
}

TEST(Effects, FaultsWithoutClientsProveNothing) {
  Script script;
  script.read(EventType::ok);
  script.note("start-kill", done("killed", two_pids));
  script.read(EventType::info);
  script.read(EventType::fail);
  EXPECT_EQ(vacuous(script.history, partition_only), "no operation succeeded after the first fault began");
  script.read(EventType::ok);
  EXPECT_EQ(vacuous(script.history, partition_only), "");
}

TEST(Effects, ARunTooShortForAFaultIsVacuousUnlessNoneWasRequested) {
  Script script;
  script.read(EventType::ok);
  EXPECT_EQ(vacuous(script.history, partition_only), "the run ended before the first fault");
  EXPECT_EQ(vacuous(script.history, {}), "");
}

}  // namespace
}  // namespace faultline
