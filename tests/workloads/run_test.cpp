// The run loop against a simulated clock: what is recorded, in which order, and how a run ends.
#include <faultline/run.hpp>

#include <gtest/gtest.h>

#include "scripted_world.hpp"

namespace faultline {
namespace {

Invocation op(std::string f, Value value = {}) { return {std::move(f), std::move(value), {}}; }

Generator counting(const std::string& f) {
  return unfold<int>(Rng(1), 0, [f](int& n, const Context&, Rng&) { return op(f, ++n); });
}

const Generator heal_all = op("heal-all");

TEST(Run, RecordsInvocationBeforeDispatchAndCompletionAfter) {
  std::vector<std::string> journal;
  std::vector<std::size_t> journalled_at_dispatch;
  struct Watching final : World {
    ScriptedWorld inner;
    std::vector<std::string>* journal = nullptr;
    std::vector<std::size_t>* sizes = nullptr;
    [[nodiscard]] Instant now() const override { return inner.now(); }
    void dispatch(const Event& invocation) override {
      sizes->push_back(journal->size());
      inner.dispatch(invocation);
    }
    std::optional<Event> next_completion(Instant until) override { return inner.next_completion(until); }
  } world;
  world.journal = &journal;
  world.sizes = &journalled_at_dispatch;
  RunOptions options{.concurrency = 1};
  options.on_event = [&](const Event& event) {
    journal.push_back(line_of(event));
    return Result<void>();
  };
  const RunResult result = run({.main = limit(2, counting("w"))}, world, options);
  EXPECT_EQ(journal, (std::vector<std::string>{"0 0 invoke w 1\n", "10 0 ok w\n", "10 0 invoke w 2\n", "20 0 ok w\n"}));
  EXPECT_EQ(journalled_at_dispatch, (std::vector<std::size_t>{1, 3}));
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.outstanding, 0U);
  EXPECT_EQ(result.main_ended, Instant(10ms));
}

TEST(Run, DrainsCompletionsBeforeItAsks) {
  // Both workers complete at 10 ms; both completions are recorded before the next invocation.
  const RunResult result = run_ok(limit(4, counting("w")), 2);
  std::string types;
  for (EventIndex i = 0; i < result.history.size(); ++i) types += to_string(result.history.type(i))[0];
  EXPECT_EQ(types, "iiooiioo");
}

TEST(Run, ProcessRetiresAfterInfoOnly) {
  ScriptedWorld world([](const Event& event, Rng&) {
    const std::int64_t n = event.value.as_integer();
    return Reply{.type = n == 2 || n == 3 ? EventType::info
                         : n == 1         ? EventType::fail
                                          : EventType::ok,
                 .error = "late"};
  });
  const RunResult result = run({.main = limit(5, counting("w"))}, world, {.concurrency = 1});
  EXPECT_EQ(transcript(result.history),
            "0 0 invoke w 1\n10 0 fail w \"late\"\n"
            "10 0 invoke w 2\n20 0 info w \"late\"\n"
            "20 1 invoke w 3\n30 1 info w \"late\"\n"
            "30 2 invoke w 4\n40 2 ok w \"late\"\n"
            "40 2 invoke w 5\n50 2 ok w \"late\"\n");
  EXPECT_TRUE(result.history.warnings().empty());
}

TEST(Run, RetiredProcessesBelongToTheSameWorker) {
  ScriptedWorld world([](const Event&, Rng& rng) {
    return Reply{.latency = Duration(rng.between(1, 20) * 1'000'000),
                 .type = rng.chance(0.3) ? EventType::info : EventType::ok};
  });
  const RunResult result = run({.main = limit(500, each_worker(counting("w")))}, world, {.concurrency = 7, .seed = 3});
  EXPECT_FALSE(result.failure);
  std::map<Process, Value> last;  // each worker counts by itself, whatever its process is called
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) {
    const Operation operation = result.history.operation(o);
    Value& value = last[operation.process % 7];
    EXPECT_EQ(operation.input.as_integer(), value.is_null() ? 1 : value.as_integer() + 1);
    value = operation.input;
  }
}

TEST(Run, SameSeedSameHistoryOtherSeedOther) {
  const auto once = [](std::uint64_t seed) {
    ScriptedWorld world([](const Event&, Rng& rng) { return Reply{.latency = Duration(rng.between(1, 9'000'000))}; });
    Generator generator =
        stagger(Rng(seed).fork("pace"), 1ms, mix(Rng(seed).fork("mix"), {{1, counting("a")}, {1, counting("b")}}));
    return transcript(run({.main = limit(300, std::move(generator))}, world, {.concurrency = 5, .seed = seed}).history);
  };
  EXPECT_EQ(once(1), once(1));
  EXPECT_NE(once(1), once(2));
}

TEST(Run, EndsWithHealThenDrainThenFinalReads) {
  ScriptedWorld world([](const Event& event, Rng&) {
    const bool nemesis = event.process == nemesis_process;
    return Reply{.latency = event.f == "slow" ? 100ms
                            : nemesis         ? 20ms
                                              : 10ms,
                 .type = nemesis ? EventType::info : EventType::ok};
  });
  std::vector<std::string> phases;
  RunOptions options{.concurrency = 2};
  options.on_phase = [&](Phase phase) { phases.emplace_back(to_string(phase)); };
  std::size_t events_at_final = 0;
  const auto final = [&](const History& history) {
    events_at_final = history.size();
    return each_worker(op("read"));
  };
  const RunResult result =
      run({.main = by_role(operations({op("w"), op("slow")}), op("start-kill")), .heal = heal_all, .final = final},
          world, options);
  const std::string text = transcript(result.history);
  EXPECT_EQ(phases, (std::vector<std::string>{"run", "heal", "drain", "final reads", "done"}));
  EXPECT_EQ(events_at_final, 8U);
  EXPECT_NE(text.find("20 -1 invoke heal-all\n40 -1 info heal-all\n100 "), std::string::npos) << text;
  EXPECT_NE(text.find("100 0 invoke read\n"), std::string::npos) << text;
  EXPECT_NE(text.find("100 1 invoke read\n"), std::string::npos) << text;
  EXPECT_EQ(result.healed, Instant(40ms));
  EXPECT_FALSE(result.failure);
}

TEST(Run, TimeLimitEndsTheMainPhase) {
  const RunResult result = run_ok(delay(10ms, counting("w")), 3, 95ms);
  EXPECT_EQ(result.history.operation_count(), 10U);
  EXPECT_EQ(result.main_ended, Instant(95ms));
  EXPECT_EQ(result.outstanding, 0U);
}

TEST(Run, OperationsPastTheDrainLimitStayOpen) {
  ScriptedWorld world([](const Event& event, Rng&) -> std::optional<Reply> {
    if (event.value == Value(1)) return std::nullopt;
    return Reply{};
  });
  RunOptions options{.concurrency = 2};
  options.drain_limit = 3s;
  const auto final = [](const History&) { return Generator(op("read")); };
  const RunResult result = run({.main = limit(2, counting("w")), .final = final}, world, options);
  EXPECT_EQ(result.outstanding, 1U);
  EXPECT_EQ(result.history.outcome(0), Outcome::open);
  EXPECT_EQ(result.history.operation(2).f, "read");  // by the worker that is free
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(world.now(), Instant(6s));  // two drains and nothing else
}

TEST(Run, StopEndsGeneratingAndStillHealsButSkipsFinalReads) {
  ScriptedWorld world;
  RunOptions options{.concurrency = 1};
  options.stop = [&] { return world.now() >= Instant(50ms) ? Stop::finish : Stop::no; };
  const auto final = [](const History&) { return Generator(op("read")); };
  const RunResult result = run({.main = counting("w"), .heal = heal_all, .final = final}, world, options);
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.outstanding, 0U);
  const std::string text = transcript(result.history);
  EXPECT_TRUE(text.ends_with("50 0 ok w\n50 -1 invoke heal-all\n60 -1 info heal-all\n")) << text;
}

TEST(Run, SettleEndsGeneratingAndStillHealsAndReads) {
  ScriptedWorld world;
  RunOptions options{.concurrency = 1};
  options.stop = [&] { return world.now() >= Instant(50ms) ? Stop::settle : Stop::no; };
  const auto final = [](const History&) { return Generator(op("read")); };
  const RunResult result = run({.main = counting("w"), .heal = heal_all, .final = final}, world, options);
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.outstanding, 0U);
  const std::string text = transcript(result.history);
  EXPECT_TRUE(text.ends_with("60 -1 info heal-all\n60 0 invoke read\n70 0 ok read\n")) << text;
}

TEST(Run, AbandonReturnsAtOnceAlsoWhileDraining) {
  ScriptedWorld world([](const Event&, Rng&) -> std::optional<Reply> { return std::nullopt; });
  RunOptions options{.concurrency = 1};
  options.stop = [&] {
    return world.now() >= Instant(2s) ? Stop::abandon : world.now() >= Instant(1s) ? Stop::finish : Stop::no;
  };
  const RunResult result = run({.main = counting("w"), .heal = heal_all}, world, options);
  EXPECT_EQ(world.now(), Instant(2s));
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.outstanding, 2U);
  EXPECT_FALSE(result.failure);
}

TEST(Run, StopIsSeenWhileNothingHappens) {
  ScriptedWorld world([](const Event&, Rng&) -> std::optional<Reply> { return std::nullopt; });
  RunOptions options{.concurrency = 1};
  options.drain_limit = 0s;
  options.stop = [&] { return world.now() >= Instant(330ms) ? Stop::finish : Stop::no; };
  const RunResult result = run({.main = counting("w")}, world, options);
  EXPECT_LE(result.main_ended, Instant(430ms));
}

TEST(Run, JournalFailureStopsTheRunAndKeepsTheHistory) {
  ScriptedWorld world;
  RunOptions options{.concurrency = 1};
  int events = 0;
  options.on_event = [&](const Event&) -> Result<void> {
    if (++events < 4) return {};
    return Error::environment("history.jsonl: no space left on device");
  };
  const RunResult result = run({.main = counting("w"), .heal = heal_all}, world, options);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message, "history.jsonl: no space left on device");
  EXPECT_EQ(result.history.size(), 4U);
}

TEST(Run, JournalFailureAtAnInvocationIsNotDispatched) {
  ScriptedWorld world;
  RunOptions options{.concurrency = 1};
  options.on_event = [](const Event&) -> Result<void> { return Error::environment("disk"); };
  const RunResult result = run({.main = counting("w")}, world, options);
  EXPECT_TRUE(world.dispatched.empty());
  EXPECT_EQ(result.history.size(), 1U);
}

TEST(Run, FailedHealingIsAFailureAndSkipsFinalReads) {
  ScriptedWorld world([](const Event& event, Rng&) {
    const bool nemesis = event.process == nemesis_process;
    return Reply{.type = nemesis ? EventType::info : EventType::ok,
                 .error = nemesis ? Value("n2 did not come back") : Value()};
  });
  const auto final = [](const History&) { return Generator(op("read")); };
  const RunResult result =
      run({.main = limit(1, counting("w")), .heal = heal_all, .final = final}, world, {.concurrency = 1});
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message, "the faults could not be healed: n2 did not come back");
  EXPECT_EQ(result.failure->exit_code(), 3);
  EXPECT_EQ(result.healed, never);
  EXPECT_EQ(result.history.operation_count(), 1U);
}

TEST(Run, AnErrorOfAnEarlierFaultIsNoFailure) {
  ScriptedWorld world([](const Event& event, Rng&) {
    return Reply{.type = EventType::info, .error = event.f == "heal-all" ? Value() : Value("not supported")};
  });
  const RunResult result = run({.main = on_nemesis(op("start-kill")), .heal = heal_all}, world, {.concurrency = 1});
  EXPECT_FALSE(result.failure);
}

TEST(Run, HealingThatHangsEndsWithItsLimit) {
  for (const std::string stuck : {"start-pause", "heal-all"}) {
    ScriptedWorld world([&](const Event& event, Rng&) -> std::optional<Reply> {
      if (event.f == stuck) return std::nullopt;
      return Reply{.type = EventType::info};
    });
    RunOptions options{.concurrency = 1};
    options.heal_limit = 4s;
    const RunResult result = run({.main = on_nemesis(op("start-pause")), .heal = heal_all}, world, options);
    ASSERT_TRUE(result.failure) << stuck;
    EXPECT_EQ(result.failure->message, "the faults could not be healed within 4 s");
    EXPECT_LE(world.now(), Instant(4100ms));
  }
}

TEST(Run, EveryWrongCompletionIsAHarnessFailure) {
  struct Case {
    Event event;
    std::string message;
  };
  const Instant at(5ms);
  const std::vector<Case> cases{
      {{.type = EventType::ok, .process = 1, .f = "w", .time = at},
       "ok w of process 1 completes nothing: the process has no operation outstanding"},
      {{.type = EventType::ok, .process = 2, .f = "w", .time = at},
       "ok w of process 2 completes an operation of process 0"},
      {{.type = EventType::ok, .process = 0, .f = "r", .time = at}, "ok r of process 0 completes w"},
      {{.type = EventType::ok, .process = 0, .f = "w", .key = "k", .time = at},
       "ok w of process 0 on key \"k\" completes one on key nil"},
      {{.type = EventType::invoke, .process = 0, .f = "w", .time = at}, "invoke w of process 0 came as a completion"},
      {{.type = EventType::ok, .process = -1, .f = "start-kill", .time = at},
       "ok start-kill of process -1, but the nemesis knows only info"},
  };
  for (const Case& wrong : cases) {
    ScriptedWorld world;
    world.inject(wrong.event);
    Generator main = any({limit(1, on_workers(WorkerSet::of(0), counting("w"))), on_nemesis(op("start-kill"))});
    const RunResult result = run({.main = std::move(main)}, world, {.concurrency = 2});
    ASSERT_TRUE(result.failure) << wrong.message;
    EXPECT_EQ(result.failure->message, "the world broke its contract: " + wrong.message);
    EXPECT_EQ(result.history.size(), 2U);  // what went before is kept, the completion is not believed
  }
}

TEST(Run, ASecondCompletionIsAHarnessFailure) {
  ScriptedWorld world;
  world.inject({.type = EventType::ok, .process = 0, .f = "w", .time = Instant(12ms)});
  const RunResult result = run({.main = sequence({op("w"), sleep(1s)})}, world, {.concurrency = 1});
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.history.size(), 2U);
}

TEST(Run, RecordedTimesNeverRunBackwards) {
  // Stamped early (before an invocation that is recorded already), late, or not at all.
  ScriptedWorld world([](const Event& event, Rng& rng) {
    const std::array<std::optional<Instant>, 4> stamps{Instant(0ms), Instant(1h), no_time, std::nullopt};
    return Reply{.latency = Duration(rng.between(1, 20'000'000)), .stamp = stamps[event.value.as_integer() % 4]};
  });
  const RunResult result = run({.main = limit(400, delay(1ms, counting("w")))}, world, {.concurrency = 8});
  EXPECT_FALSE(result.failure);
  Instant last{};
  for (EventIndex i = 0; i < result.history.size(); ++i) {
    EXPECT_GE(result.history.time(i), last);
    last = result.history.time(i);
  }
  EXPECT_LE(last, world.now());
}

TEST(Run, AGeneratorThatCanNeverGoOnIsNamed) {
  struct Stuck final : Generator::Node {
    Step op(const Context&) const override { return Step::pending(never); }
  };
  const RunResult result = run_ok(make_generator<Stuck>());
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message,
            "the generator waits for an event, but nothing is outstanding that could cause one");
}

TEST(Run, ConcurrencyOutOfRangeIsRefused) {
  for (const Worker concurrency : {0, -1, max_workers + 1}) {
    const RunResult result = run_ok(counting("w"), concurrency);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->kind, ErrorKind::bad_input);
  }
}

TEST(Run, EveryWorkerTakesItsShare) {
  const RunResult result = run_ok(limit(10'000, counting("w")), 10);
  std::map<Process, int> share;
  for (OperationIndex o = 0; o < result.history.operation_count(); ++o) ++share[result.history.operation(o).process];
  ASSERT_EQ(share.size(), 10U);
  for (const auto& [process, count] : share) EXPECT_NEAR(count, 1000, 50) << process;
}

}  // namespace
}  // namespace faultline
