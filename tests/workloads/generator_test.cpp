// Every combinator against the exact operations it must give, on a simulated clock.
#include <faultline/generator.hpp>

#include <gtest/gtest.h>

#include "scripted_world.hpp"

namespace faultline {
namespace {

Invocation op(std::string f, Value value = {}) { return {std::move(f), std::move(value), {}}; }

// a1 a2 a3 … for ever, one after the other.
Generator counting(const std::string& f) {
  return unfold<int>(Rng(1), 0, [f](int& n, const Context&, Rng&) { return op(f, ++n); });
}

std::string invoked(Generator generator, Worker concurrency = 1, Duration time_limit = Duration::max()) {
  const RunResult result = run_ok(std::move(generator), concurrency, time_limit);
  EXPECT_FALSE(result.failure.has_value()) << result.failure->to_string();
  return invocations(result.history);
}

Context context_of(std::span<const Process> processes, Instant now = Instant{}) {
  Context context{
      .now = now, .workers = WorkerSet::of_clients(static_cast<Worker>(processes.size())), .processes = processes};
  context.workers.insert(nemesis_worker);
  context.free = context.workers;
  return context;
}

TEST(Generator, OneInvocationIsOneOperation) {
  EXPECT_EQ(invoked(op("read")), "0 read\n");
  EXPECT_EQ(invoked(Generator()), "");
}

TEST(Generator, AskingHasNoEffect) {
  const std::array<Process, 2> processes{0, 1};
  const Context context = context_of(processes);
  const Generator generator = mix(Rng(3).fork("mix"), {{1, counting("a")}, {1, stagger(Rng(4), 1ms, counting("b"))}});
  const Step first = generator.op(context), again = generator.op(context);
  EXPECT_EQ(first.event, again.event);
  EXPECT_EQ(first.next->op(context).event, again.next->op(context).event);
}

TEST(Generator, PendingWhileAllWorkersAreBusy) {
  const std::array<Process, 2> processes{0, 1};
  Context context = context_of(processes);
  context.free = {};
  for (const Generator& generator : {Generator(op("read")), counting("a"), operations({op("a")})}) {
    const Step step = generator.op(context);
    EXPECT_TRUE(step.is_pending());
    EXPECT_EQ(step.until, never);
    EXPECT_TRUE(step.next->same_as(generator));
  }
}

TEST(Generator, OperationsComeInOrderThenEnd) {
  EXPECT_EQ(invoked(operations({op("a"), op("b", 2), op("c")})), "0 a\n10 b 2\n20 c\n");
  EXPECT_EQ(invoked(operations({})), "");
}

TEST(Generator, FunctionDrawsFromItsOwnStreamUntilItReturnsNothing) {
  const auto draw = [](const Context& context, Rng& rng) -> std::optional<Invocation> {
    if (context.now >= Instant(35ms)) return std::nullopt;
    return op("write", rng.between(0, 9));
  };
  const std::string once = invoked(function(Rng(7).fork("writes"), draw));
  EXPECT_EQ(once, invoked(function(Rng(7).fork("writes"), draw)));
  EXPECT_EQ(std::count(once.begin(), once.end(), '\n'), 4);
  EXPECT_NE(once, invoked(function(Rng(8).fork("writes"), draw)));
}

TEST(Generator, UnfoldRemembersItsState) { EXPECT_EQ(invoked(limit(3, counting("w"))), "0 w 1\n10 w 2\n20 w 3\n"); }

TEST(Generator, SleepBeginsWhenFirstAsked) {
  EXPECT_EQ(invoked(sequence({op("a"), sleep(100ms), op("b"), sleep(0ms), op("c")})), "0 a\n100 b\n110 c\n");
}

TEST(Generator, SequenceGoesOnWithoutWaitingForCompletions) {
  EXPECT_EQ(invoked(sequence({op("a"), Generator(), op("b"), op("c")}), 3), "0 a\n0 b\n0 c\n");
}

TEST(Generator, SequenceMadeOnTheFlyEndsWithNothing) {
  const auto make = [](std::uint64_t i) -> std::optional<Generator> {
    if (i == 3) return std::nullopt;
    return Generator(op("x", static_cast<int>(i)));
  };
  EXPECT_EQ(invoked(sequence(make)), "0 x 0\n10 x 1\n20 x 2\n");
}

TEST(Generator, EndlessSupplyOfNothingEndsWithTheTimeLimit) {
  const Generator nothing = sequence([](std::uint64_t) { return std::optional(Generator()); });
  EXPECT_EQ(invoked(time_limit(20ms, nothing)), "");
  EXPECT_EQ(invoked(time_limit(20ms, filter([](const Event&) { return false; }, counting("a")))), "");
  EXPECT_EQ(invoked(time_limit(20ms, concurrent_keys(2,
                                                     [](std::uint64_t i) {
                                                       return Keyed{static_cast<int>(i), {}};
                                                     })),
                    4),
            "");
  EXPECT_EQ(invoked(cycle(Generator())), "");
  EXPECT_EQ(invoked(repeat(Generator())), "");
}

TEST(Generator, PhasesWaitForEveryOperation) {
  const Generator phase = limit(2, counting("a"));
  EXPECT_EQ(invoked(phases({phase, op("b"), phase}), 3), "0 a 1\n0 a 2\n10 b\n20 a 1\n20 a 2\n");
  EXPECT_EQ(invoked(then(op("a"), op("b")), 2), "0 a\n10 b\n");
}

TEST(Generator, SynchronizeWaitsOnlyForWorkersItSees) {
  // The nemesis is busy from 0 to 10 ms; clients do not wait for it.
  EXPECT_EQ(invoked(any({on_nemesis(op("fault")), sequence({sleep(1ms), on_clients(synchronize(op("a")))})})),
            "0 fault\n1 a\n");
  EXPECT_EQ(invoked(any({on_nemesis(op("fault")), sequence({sleep(1ms), synchronize(op("a"))})})), "0 fault\n10 a\n");
}

TEST(Generator, CycleStartsAgain) {
  EXPECT_EQ(invoked(limit(5, cycle(operations({op("a"), op("b")})))), "0 a\n10 b\n20 a\n30 b\n40 a\n");
  EXPECT_EQ(invoked(cycle(2, operations({op("a"), op("b")}))), "0 a\n10 b\n20 a\n30 b\n");
  EXPECT_EQ(invoked(cycle(0, op("a"))), "");
  EXPECT_EQ(invoked(cycle(2, sequence({sleep(5ms), op("a")}))), "5 a\n15 a\n");
}

TEST(Generator, RepeatDoesNotAdvance) {
  EXPECT_EQ(invoked(repeat(3, counting("a"))), "0 a 1\n10 a 1\n20 a 1\n");
  EXPECT_EQ(invoked(limit(2, repeat(op("a")))), "0 a\n10 a\n");
  EXPECT_EQ(invoked(repeat(2, sequence({sleep(5ms), op("a")}))), "5 a\n15 a\n");
}

TEST(Generator, FlipFlopTakesTurnsUntilOneEnds) {
  EXPECT_EQ(invoked(flip_flop({counting("a"), operations({op("b"), op("c")})})), "0 a 1\n10 b\n20 a 2\n30 c\n40 a 3\n");
  EXPECT_EQ(invoked(flip_flop({})), "");
}

TEST(Generator, UntilOkStopsAtItsOwnFirstSuccess) {
  ScriptedWorld world([](const Event& event, Rng&) {
    const bool good = event.f == "other" || event.value == Value(3);
    return Reply{.latency = event.f == "other" ? 1ms : 10ms, .type = good ? EventType::ok : EventType::fail};
  });
  // `other` succeeds at once, but is none of its operations.
  const RunResult result =
      run({.main = any({until_ok(counting("try")), op("other")})}, world, {.concurrency = 1, .seed = 2});
  std::string tries;
  for (const Event& event : world.dispatched) tries += event.f + " ";
  EXPECT_TRUE(tries == "other try try try " || tries == "try other try try " || tries == "try try other try ") << tries;
}

TEST(Generator, UntilOkEndsWhileFurtherTriesAreOutstanding) {
  ScriptedWorld world([](const Event& event, Rng&) {
    return Reply{.latency = event.value == Value(2) ? 5ms : 50ms, .type = EventType::ok};
  });
  const RunResult result = run({.main = sequence({until_ok(counting("try")), op("after")})}, world, {.concurrency = 3});
  EXPECT_EQ(invocations(result.history), "0 try 1\n0 try 2\n0 try 3\n5 after\n");
}

TEST(Generator, MixDrawsByWeightAndDropsWhatIsExhausted) {
  const RunResult result =
      run_ok(limit(10'000, mix(Rng(5).fork("mix"), {{3, counting("a")}, {1, counting("b")}, {0, counting("c")}})));
  std::map<std::string, int> count;
  for (EventIndex i = 0; i < result.history.size(); i += 2) ++count[result.history.event(i).f];
  EXPECT_EQ(count["c"], 0);
  EXPECT_EQ(count["a"] + count["b"], 10'000);
  EXPECT_NEAR(count["a"], 7500, 150);  // standard deviation 43

  const std::string few = invoked(mix(Rng(5), {{1, limit(3, counting("a"))}, {1, limit(2, counting("b"))}}));
  EXPECT_EQ(std::count(few.begin(), few.end(), 'a'), 3);
  EXPECT_EQ(std::count(few.begin(), few.end(), 'b'), 2);
}

TEST(Generator, AnyTakesWhatIsReadyFirst) {
  EXPECT_EQ(invoked(any({sequence({sleep(25ms), op("late")}), limit(3, counting("a"))})),
            "0 a 1\n10 a 2\n20 a 3\n30 late\n");
  EXPECT_EQ(invoked(any({sequence({sleep(25ms), op("late")}), sequence({sleep(7ms), op("soon")})})),
            "7 soon\n25 late\n");
}

TEST(Generator, AnyIsFairAmongThoseReady) {
  const RunResult result = run_ok(limit(9000, any({counting("a"), any({counting("b"), counting("c")})})));
  std::map<std::string, int> count;
  for (EventIndex i = 0; i < result.history.size(); i += 2) ++count[result.history.event(i).f];
  EXPECT_NEAR(count["a"], 4500, 250);  // nested choices do not draw alike
  EXPECT_NEAR(count["b"], 2250, 250);
  EXPECT_NEAR(count["c"], 2250, 250);
}

TEST(Generator, TimeLimitBeginsWhenFirstAsked) {
  EXPECT_EQ(invoked(sequence({sleep(100ms), time_limit(25ms, counting("a")), op("b")})),
            "100 a 1\n110 a 2\n120 a 3\n130 b\n");
  EXPECT_EQ(invoked(sequence({time_limit(25ms, sleep(1h)), op("b")})), "25 b\n");
  EXPECT_EQ(invoked(time_limit(Duration::max(), limit(1, counting("a")))), "0 a 1\n");
}

TEST(Generator, DelayKeepsExactIntervals) {
  EXPECT_EQ(invoked(limit(4, delay(25ms, counting("a")))), "0 a 1\n25 a 2\n50 a 3\n75 a 4\n");
  // Slower than the interval: as fast as it goes, and no burst when the stall of 500 ms ends.
  const auto stalling = [](const Event& event, Rng&) {
    return Reply{.latency = event.value == Value(2) ? 500ms : 1ms};
  };
  ScriptedWorld world(stalling);
  const RunResult result = run({.main = limit(6, delay(25ms, counting("a")))}, world, {.concurrency = 1});
  EXPECT_EQ(invocations(result.history), "0 a 1\n25 a 2\n525 a 3\n526 a 4\n550 a 5\n575 a 6\n");
}

TEST(Generator, StaggerKeepsItsMeanRate) {
  const RunResult result = run_ok(time_limit(60s, stagger(Rng(9).fork("pace"), 2ms, counting("a"))), 100);
  EXPECT_NEAR(static_cast<double>(result.history.operation_count()), 30'000, 600);  // standard deviation 100
  Instant last{};
  Duration longest{};
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) {
    const Instant time = result.history.time(result.history.invoked(o));
    longest = std::max(longest, time - last);
    last = time;
  }
  EXPECT_LE(longest, 4ms);
  EXPECT_GT(longest, 3ms);
}

TEST(Generator, MapChangesAndFilterLeavesOut) {
  const auto doubled = [](Event event) {
    event.value = event.value.as_integer() * 2;
    return event;
  };
  const auto wanted = [](const Event& event) { return event.value.as_integer() % 3 == 0; };
  EXPECT_EQ(invoked(limit(2, filter(wanted, map(doubled, counting("a"))))), "0 a 6\n10 a 12\n");
}

TEST(Generator, ByRoleKeepsClientsAndNemesisApart) {
  const RunResult result = run_ok(by_role(limit(2, counting("a")), limit(2, counting("fault"))), 1);
  EXPECT_EQ(transcript(result.history).find("0 invoke fault"), std::string::npos);
  std::string of_nemesis;
  for (const EventIndex note : result.history.notes()) of_nemesis += line_of(result.history.event(note));
  EXPECT_EQ(of_nemesis, "0 -1 invoke fault 1\n10 -1 info fault\n10 -1 invoke fault 2\n20 -1 info fault\n");
  EXPECT_EQ(result.history.operation_count(), 2U);
}

TEST(Generator, EachWorkerHasItToItself) {
  const RunResult result = run_ok(on_clients(each_worker(operations({op("a"), op("b")}))), 3);
  std::map<Process, std::string> by_process;
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) {
    by_process[result.history.operation(o).process] += result.history.operation(o).f;
  }
  EXPECT_EQ(by_process, (std::map<Process, std::string>{{0, "ab"}, {1, "ab"}, {2, "ab"}}));
}

TEST(Generator, ReserveDividesTheWorkers) {
  const RunResult result = run_ok(time_limit(1s, reserve({{2, counting("w")}, {1, counting("c")}}, counting("r"))), 5);
  std::map<std::string, std::set<Process>> by_f;
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) {
    by_f[result.history.operation(o).f].insert(result.history.operation(o).process);
  }
  EXPECT_EQ(by_f["w"], (std::set<Process>{0, 1}));
  EXPECT_EQ(by_f["c"], (std::set<Process>{2}));
  EXPECT_EQ(by_f["r"], (std::set<Process>{3, 4}));
  EXPECT_TRUE(result.history.notes().empty());  // the nemesis takes no operation that is not meant for it
}

TEST(Generator, ReserveOfMoreThanThereAreLeavesTheRestNothing) {
  const RunResult result = run_ok(limit(10, on_clients(reserve({{4, counting("w")}}, counting("r")))), 2);
  for (OperationIndex o = 0; o < 10; ++o) EXPECT_EQ(result.history.operation(o).f, "w");
}

std::optional<Keyed> two_each(std::uint64_t i) {
  if (i == 5) return std::nullopt;
  return Keyed{Value("k" + std::to_string(i)), limit(2, counting("w"))};
}

TEST(Generator, SequentialKeysComeOneAfterTheOther) {
  EXPECT_EQ(invoked(limit(5, sequential_keys(two_each))), "0 w k0 1\n10 w k0 2\n20 w k1 1\n30 w k1 2\n40 w k2 1\n");
}

TEST(Generator, ConcurrentKeysGiveEachGroupItsOwn) {
  const RunResult result = run_ok(concurrent_keys(2, two_each), 5);
  std::map<Value, std::set<Process>> workers;
  std::map<Value, int> count;
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) {
    const Operation operation = result.history.operation(o);
    workers[operation.key].insert(operation.process);
    ++count[operation.key];
  }
  EXPECT_EQ(count, (std::map<Value, int>{{"k0", 2}, {"k1", 2}, {"k2", 2}, {"k3", 2}, {"k4", 2}}));
  for (const auto& [key, processes] : workers) {  // groups {0,1} {2,3} {4}
    std::set<Process> groups;
    for (const Process process : processes) groups.insert(process / 2);
    EXPECT_EQ(groups.size(), 1U) << key.to_string();
  }
  // The first three keys are worked on at once.
  std::set<Value> first;
  for (OperationIndex o = 0; o < 5; ++o) first.insert(result.history.operation(o).key);
  EXPECT_EQ(first, (std::set<Value>{"k0", "k1", "k2"}));
}

TEST(Generator, KeyedGeneratorsHearOfTheirKeyAlone) {
  // Each key is tried until one ok. The first try on k0 succeeds late, when k1 is under way: that must not end k1.
  ScriptedWorld world([](const Event& event, Rng&) {
    const bool late = event.key == Value(0) && event.value == Value(1);
    const bool good = late || event.value == Value(3);
    return Reply{.latency = late ? 45ms : 10ms, .type = good ? EventType::ok : EventType::fail};
  });
  const auto keys = [](std::uint64_t i) -> std::optional<Keyed> {
    if (i == 2) return std::nullopt;
    return Keyed{static_cast<int>(i), until_ok(limit(i == 0 ? 2 : 9, counting("try")))};
  };
  const RunResult result = run({.main = sequential_keys(keys)}, world, {.concurrency = 2});
  int on_second = 0;
  for (const Event& event : world.dispatched) on_second += event.key == Value(1) ? 1 : 0;
  EXPECT_EQ(on_second, 3);
}

TEST(WorkerSet, KnowsItsMembersInOrder) {
  WorkerSet set = WorkerSet::of_clients(130);
  set.insert(nemesis_worker);
  EXPECT_EQ(set.size(), 131U);
  EXPECT_EQ(set.nth(0), nemesis_worker);
  EXPECT_EQ(set.nth(1), 0);
  EXPECT_EQ(set.nth(130), 129);
  set.erase(64);
  EXPECT_FALSE(set.contains(64));
  EXPECT_EQ(set.nth(65), 65);
  EXPECT_EQ((set & WorkerSet::of(129)), WorkerSet::of(129));
  EXPECT_TRUE((set & WorkerSet::of(64)).empty());
  EXPECT_FALSE(set.contains(max_workers));
  EXPECT_EQ(WorkerSet::of_clients(max_workers).nth(static_cast<std::size_t>(max_workers) - 1), max_workers - 1);
}

}  // namespace
}  // namespace faultline
