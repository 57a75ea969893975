// What nodes said of themselves: leaders and terms from answers and logs, clocks from the notes of the nemesis, and logs of nodes whose
// clocks were wrong.
#include <faultline/report.hpp>

#include <gtest/gtest.h>

#include <cmath>

#include "reports/node_state.hpp"

namespace faultline {
namespace {

using namespace reports;

Instant at_ms(std::int64_t ms) { return Instant(std::chrono::milliseconds(ms)); }

struct Recorded {
  History history;
  ReportInput input;

  void answer(std::int64_t ms, const char* node, int term) {
    const auto o = history.invoke(0, "read", {}, {}, at_ms(ms - 1));
    Event event = history.event(history.invoked(o));
    event.type = EventType::ok;
    event.time = at_ms(ms);
    event.extra = Value::map({{"node", node}, {"raft_term", term}});
    ASSERT_TRUE(history.append(std::move(event)).ok());
  }
  void note(std::int64_t ms, EventType type, const char* f, Value value) {
    Event event{.type = type,
                .process = nemesis_process,
                .f = f,
                .key = {},
                .value = std::move(value),
                .time = at_ms(ms),
                .extra = {}};
    ASSERT_TRUE(history.append(std::move(event)).ok());
  }
  const ReportInput& with_logs(std::vector<NodeLog> logs) {
    input.history = &history;
    input.run = RunInfo{.directory = "r", .target = "t", .workload = "w", .logs = std::move(logs)};
    return input;
  }
};

LogLine line(std::int64_t ms, const char* text) { return {std::chrono::milliseconds(ms), text}; }

std::vector<std::string> told(const ReportInput& input) {
  std::vector<std::string> list;
  const Terms terms = terms_seen(input);
  for (const TermPoint& p : terms.overall) list.push_back(std::to_string(p.term) + " " + p.leader);
  for (const NodeTerm& p : terms.by_node) list.push_back(p.node + " " + std::to_string(p.term) + " " + p.role);
  return list;
}

TEST(TermsSeen, AreThoseOfLogsAndAnswersInOrderOfTime) {
  Recorded r;
  r.answer(10, "n1", 2);
  r.answer(30, "n2", 3);
  const auto& input = r.with_logs(
      {{.node = "n1", .file = "daemon.log", .lines = {line(-5, "2026-… I | raft: 8e9 became leader at term 2")}},
       {.node = "n2",
        .file = "events.jsonl",
        .lines = {line(20, R"({"wall":1,"term":2,"event":"role","text":"candidate in term 3, leader unknown"})"),
                  line(21, R"({"wall":2,"term":3,"event":"role","text":"leader in term 3, leader 2"})")}}});
  EXPECT_EQ(told(input),
            (std::vector<std::string>{"2 n1", "3 ", "3 n2", "n1 2 leader", "n2 3 candidate", "n2 3 leader"}));
}

TEST(TermsSeen, AreNotTakenFromWhatOnlyLooksLikeOne) {
  Recorded r;
  r.answer(10, "n1", 2);
  const auto& input = r.with_logs(
      {{.node = "n1",
        .file = "f",
        .lines = {line(1, "x became leader at term many"), line(2, "x became king at term 7"),
                  line(3, R"("event":"role","text":"leader in doubt")"), line(4, " became leader at term -3")}}});
  EXPECT_EQ(told(input), (std::vector<std::string>{"2 ", "n1 2 "}));
}

TEST(TermsSeen, AnAnswerOfAnOlderTermIsLateNotNews) {
  Recorded r;
  r.answer(10, "n1", 4);
  r.answer(20, "n1", 3);
  EXPECT_EQ(told(r.with_logs({})), (std::vector<std::string>{"4 ", "n1 4 "}));
}

Value clock_fault(Value done, const char* clock = "wall") {
  return Value::map({{"kind", "clock"}, {"done", std::move(done)}, {"parameters", Value::map({{"clock", clock}})}});
}

// n1 is set back by 1.5 s between 100 and 200 ms, and right again from 5,000 to 5,100 ms on.
void set_back(Recorded& r) {
  r.note(100, EventType::invoke, "start-clock", {});
  r.note(200, EventType::info, "start-clock", clock_fault(Value::map({{"skewed", Value::map({{"n1", -1500.0}})}})));
  r.note(5000, EventType::invoke, "heal-all", {});
  const Value healed =
      clock_fault(Value::map({{"skewed", Value::map({{"n1", -1500.0}})}, {"healed", Value::list({"n1"})}}));
  r.note(5100, EventType::info, "heal-all", Value::map({{"stopped", Value::list({healed})}}));
}

std::vector<std::string> offsets(const History& history) {
  std::vector<std::string> list;
  for (const ClockOffset& o : clock_offsets(history)) {
    list.push_back(o.node + " " + std::to_string(o.time.time_since_epoch().count() / 1'000'000) + " " +
                   std::to_string(std::lround(o.seconds * 1000)) + (o.wall ? "" : " mono"));
  }
  return list;
}

TEST(ClockOffsets, ChangeBetweenTheAskingAndTheAnswer) {
  Recorded r;
  set_back(r);
  EXPECT_EQ(offsets(r.history), (std::vector<std::string>{"n1 100 0", "n1 200 -1500", "n1 5000 -1500", "n1 5100 0"}));
}

TEST(ClockOffsets, ASlewTakesAsLongAsItSays) {
  Recorded r;
  r.note(100, EventType::invoke, "stop-clock", {});
  r.note(200, EventType::info, "stop-clock",
         clock_fault(Value::map({{"skewed", Value::map({{"n2", 40}})},
                                 {"healed", Value::list({"n2"})},
                                 {"slewing_ms", Value::map({{"n2", 80}})}}),
                     "mono"));
  EXPECT_EQ(offsets(r.history), (std::vector<std::string>{"n2 100 40 mono", "n2 200 40 mono", "n2 280 0 mono"}));
}

TEST(ClockOffsets, NotesOfAnyShapeDoNoHarm) {
  Recorded r;
  for (const Value& odd : {Value(), Value(7), Value::list({1, 2}), Value::map({{"done", 3}}),
                           Value::map({{"stopped", Value::list({"x", Value()})}}),
                           clock_fault(Value::map({{"skewed", Value::map({{"n1", "much"}})}})),
                           Value::map({{"clock-offsets", Value::map({{"n1", "x"}})}})})
    r.note(10, EventType::info, "start-clock", odd);
  EXPECT_TRUE(clock_offsets(r.history).empty());
}

std::vector<std::int64_t> milliseconds_of(std::string_view text, const LogClock& clock) {
  std::vector<std::int64_t> list;
  for (const LogLine& l : parse_node_log("n1", "f", text, clock).lines) list.push_back(l.since.count() / 1'000'000);
  return list;
}

// 2026-10-20 00:00:10 UTC.
constexpr std::int64_t began = (1'792'454'400 + 10) * std::int64_t{1'000'000'000};

TEST(NodeLog, ALineStandsWhereItWasWrittenNotWhereABentClockSays) {
  Recorded r;
  set_back(r);
  const LogClock clock{.began = began, .zone = {}, .offsets = clock_offsets(r.history)};
  const char* text =
      "2026-10-20T00:00:10.050Z before\n"
      "2026-10-20T00:00:09.500Z bent\n"   // 1,000 ms
      "2026-10-20T00:00:13.400Z bent\n"   // 4,900 ms
      "2026-10-20T00:00:16.000Z after\n"  // 6,000 ms
      ;
  EXPECT_EQ(milliseconds_of(text, clock), (std::vector<std::int64_t>{50, 1000, 4900, 6000}));
  // The same stamps of another node are right.
  const LogClock other{.began = began, .zone = {}, .offsets = {{"n2", at_ms(0), 5.0}, {"n2", at_ms(1), 5.0}}};
  EXPECT_EQ(milliseconds_of("2026-10-20T00:00:10.050Z x\n", other), std::vector<std::int64_t>{50});
}

TEST(NodeLog, ADriftingClockIsUnbentEvenly) {
  const LogClock clock{.began = began, .zone = {}, .offsets = {{"n1", at_ms(1000), 0}, {"n1", at_ms(3000), 2}}};
  EXPECT_EQ(milliseconds_of("2026-10-20T00:00:12Z half\n2026-10-20T00:00:15Z over\n", clock),
            (std::vector<std::int64_t>{1500, 3000}));
}

TEST(NodeLog, AStampNobodyCanExplainStandsAsItIs) {
  Recorded r;
  set_back(r);
  const LogClock clock{.began = began, .zone = {}, .offsets = clock_offsets(r.history)};
  EXPECT_EQ(milliseconds_of("2026-10-20T00:00:20Z late\n2026-10-20T00:00:11Z early\n", clock),
            (std::vector<std::int64_t>{1000, 10'000}));
}

TEST(NodeLog, AStampOfWholeSecondsStandsNoSoonerThanTheLineBefore) {
  const char* text =
      "2026-10-20 00:00:11.700000 I | rafthttp: x\nraft2026/10/20 00:00:11 INFO: became candidate at term 4\n"
      "raft2026/10/20 00:00:13 INFO: became leader at term 4\n2026-10-20 00:00:13.100000 I | y\n";
  EXPECT_EQ(milliseconds_of(text, {.began = began}), (std::vector<std::int64_t>{1700, 1700, 3000, 3100}));
}

TEST(NodeLog, KnowsTheZoneOfStampsThatNameNone) {
  const LogClock clock{.began = began, .zone = std::chrono::hours(2), .offsets = {}};
  EXPECT_EQ(milliseconds_of("2026-10-20 02:00:11 I | x\n2026-10-20T00:00:12Z y\n2026-10-20T01:00:13+01:00 z\n", clock),
            (std::vector<std::int64_t>{1000, 2000, 3000}));
}

TEST(NodeLog, ReadsNanosecondsOfAnEventLog) {
  const std::string text = "{\"wall\":" + std::to_string(began + 5'000'000) + ",\"mono\":1,\"event\":\"start\"}\n";
  EXPECT_EQ(milliseconds_of(text, {.began = began}), std::vector<std::int64_t>{5});
  EXPECT_TRUE(milliseconds_of("{\"wall\":\"soon\"}\n{\"wall\":-5}\n{\"wall\":99999999999999999999}\n", {.began = began})
                  .empty());
}

}  // namespace
}  // namespace faultline
