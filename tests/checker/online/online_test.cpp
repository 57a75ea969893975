// The online checker against the dumb oracle, the check after the run, and its own bounds.
//
// FL_ONLINE_TINY=N runs N tiny histories per model.
#include <faultline/online.hpp>

#include <gtest/gtest.h>

#include <cstdlib>

#include "checker/prepare.hpp"
#include "tests/checker/by_construction.hpp"
#include "tests/checker/oracle.hpp"
#include "tests/checker/tiny.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline::test {
namespace {

constexpr std::string_view models[] = {"register", "cas-register", "kv",         "mutex",
                                       "set",      "counter",      "fifo-queue", "unordered-queue"};

std::uint64_t histories_per_model() {
  const char* wanted = std::getenv("FL_ONLINE_TINY");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 13'000;
}

History beginning_of(const History& history, std::size_t events) {
  History beginning;
  for (EventIndex i = 0; i < events; ++i) EXPECT_TRUE(beginning.append(history.event(i)).ok());
  return beginning;
}

// By trying all orders.
bool linearizable(const History& history, std::string_view name, const CheckOptions& options) {
  const auto found = with_model(name, {}, [&](const auto& model) {
    using M = std::decay_t<decltype(model)>;
    const ModelRules rules{
        .model = M::name, .catalogued = true, .functions = M::functions(), .observer = [&](const Call& call) {
          return model.observer(call);
        }};
    const auto prepared = prepare(history, rules, options);
    EXPECT_TRUE(prepared.ok());
    for (const KeyProblem& key : prepared.value().keys) {
      if (!Oracle(key.items, model).linearizable()) return false;
    }
    return true;
  });
  return found.value();
}

struct Found {
  std::size_t after = 0;  // events fed when it was reported; 0: it was not
  OnlineViolation violation;
};

// Feeds the history, one unit of time an event, and looks ahead with a chance after each.
Found watch(OnlineChecker& online, const History& history, double looks, Rng& rng) {
  for (EventIndex i = 0; i < history.size(); ++i) {
    Event event = history.event(i);
    event.time = Instant(Duration(i));
    if (auto violation = online.feed(event)) return {.after = i + 1, .violation = *violation};
    if (!rng.chance(looks)) continue;
    if (const auto found = online.look(event.time); !found.empty()) return {.after = i + 1, .violation = found.front()};
  }
  if (const auto found = online.finish(); !found.empty()) return {.after = history.size(), .violation = found.front()};
  return {};
}

CheckOptions random_options(Rng& rng) {
  return {.failed_cas = rng.chance(0.5) ? FailedCas::observe : FailedCas::drop,
          .nil_read = rng.chance(0.5) ? NilRead::unknown : NilRead::value};
}

OnlineChecker checker_for(std::string_view model, const CheckOptions& options, Duration lag) {
  auto made = OnlineChecker::make(model, {.failed_cas = options.failed_cas, .nil_read = options.nil_read, .lag = lag});
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

class OnlineModels : public testing::TestWithParam<std::string_view> {};

// With no lag at all, what is in flight is always taken as open: the proof is complete at the first event that leaves no order.
TEST_P(OnlineModels, LookingAheadAtOnceFindsTheFirstEventThatLeavesNoOrder) {
  std::uint64_t invalid = 0;
  for (std::uint64_t seed = 0; seed < histories_per_model() / 2; ++seed) {
    Rng rng = Rng(seed).fork(GetParam());
    const History history = tiny_history(GetParam(), rng);
    const CheckOptions options = random_options(rng);
    OnlineChecker online = checker_for(GetParam(), options, Duration(0));
    const Found found = watch(online, history, 1, rng);
    ASSERT_EQ(online.status().given_up, 0U);
    if (found.after == 0) {
      ASSERT_TRUE(linearizable(history, GetParam(), options)) << "seed " << seed << "\n" << to_text(history);
      continue;
    }
    ++invalid;
    ASSERT_FALSE(linearizable(beginning_of(history, found.after), GetParam(), options))
        << "seed " << seed << ", after " << found.after << "\n"
        << to_text(history);
    ASSERT_TRUE(linearizable(beginning_of(history, found.after - 1), GetParam(), options))
        << "seed " << seed << ", late, after " << found.after << "\n"
        << to_text(history);
    ASSERT_LT(found.violation.event, found.after);
  }
  EXPECT_GT(invalid, histories_per_model() / 40);
}

// Whatever the lag and however seldom it looks: what it reports is proved by what it has seen, and in the end it knows all.
TEST_P(OnlineModels, AnyLagIsSoundAndTheEndIsExact) {
  std::uint64_t early = 0;
  for (std::uint64_t seed = 0; seed < histories_per_model() / 2; ++seed) {
    Rng rng = Rng(seed).fork("lag").fork(GetParam());
    const History history = tiny_history(GetParam(), rng);
    const CheckOptions options = random_options(rng);
    OnlineChecker online = checker_for(GetParam(), options, Duration(rng.between(0, 8)));
    const Found found = watch(online, history, rng.unit(), rng);
    ASSERT_EQ(online.status().given_up, 0U);
    ASSERT_EQ(found.after == 0, linearizable(history, GetParam(), options)) << "seed " << seed << "\n"
                                                                            << to_text(history);
    if (found.after == 0) continue;
    early += found.after < history.size();
    ASSERT_FALSE(linearizable(beginning_of(history, found.after), GetParam(), options))
        << "seed " << seed << ", after " << found.after << "\n"
        << to_text(history);
  }
  EXPECT_GT(early, histories_per_model() / 100);
}

INSTANTIATE_TEST_SUITE_P(All, OnlineModels, testing::ValuesIn(models), [](const auto& instance) {
  std::string name(instance.param);
  std::erase(name, '-');
  return name;
});

// --- long histories, legal by construction ---

Found watch_all(OnlineChecker& online, const History& history) {
  Rng rng(1);
  return watch(online, history, 0.01, rng);
}

// Without knowing the results to come, the generic frontier must hold every order of concurrent enqueues, and every text that open
// appends might have made: it gives these up, and says so.
bool may_give_up(std::string_view model, double info) {
  return model.ends_with("queue") || (model == "kv" && info > 0);
}

TEST_P(OnlineModels, LongHistoriesGetTheVerdictOfTheCheckAfterTheRun) {
  for (const Lie lie : {Lie::none, Lie::stale, Lie::phantom}) {
    for (const double info : {0.0, 0.01}) {
      const Recipe recipe{
          .model = GetParam(), .operations = 4'000, .clients = 5, .info = info, .values = 0, .keys = 5, .lie = lie};
      const History history = by_construction(recipe);
      const bool invalid = check(history, GetParam(), {.explain = false}).value().kind == VerdictKind::invalid;
      OnlineChecker online = checker_for(GetParam(), {}, Duration(100));
      const Found found = watch_all(online, history);
      const OnlineStatus status = online.status();
      if (found.after != 0 || status.given_up == 0) {
        EXPECT_EQ(found.after != 0, invalid) << "info " << info;
      }
      if (!may_give_up(GetParam(), info)) {
        EXPECT_EQ(status.given_up, 0U) << status.reason;
      }
    }
  }
}

class OnlineRegisters
    : public testing::TestWithParam<std::tuple<synthetic::Mix, synthetic::Values, double, synthetic::Bad>> {};

TEST_P(OnlineRegisters, AgreeWithTheCheckAfterTheRun) {
  const auto [mix, values, info, bad] = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const History history = synthetic::history({.operations = 1'500,
                                                .clients = static_cast<unsigned>(4 * seed),
                                                .mix = mix,
                                                .keys = 2,
                                                .values = values,
                                                .info = info,
                                                .bad = bad,
                                                .seed = seed});
    const auto verdict = check(history, "cas-register", {.explain = false});
    ASSERT_TRUE(verdict.ok());
    OnlineChecker online = checker_for("cas-register", {}, Duration(50));
    const Found found = watch_all(online, history);
    EXPECT_EQ(online.status().given_up, 0U) << online.status().reason;
    EXPECT_EQ(found.after != 0, verdict.value().kind == VerdictKind::invalid) << "seed " << seed;
    if (found.after == 0) continue;
    const auto beginning = check(beginning_of(history, found.after), "cas-register", {.explain = false});
    EXPECT_EQ(beginning.value().kind, VerdictKind::invalid) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Mixes, OnlineRegisters,
                         testing::Combine(testing::Values(synthetic::Mix::rw, synthetic::Mix::cas),
                                          testing::Values(synthetic::Values::few, synthetic::Values::unique),
                                          testing::Values(0.0, 0.01),
                                          testing::Values(synthetic::Bad::none, synthetic::Bad::stale,
                                                          synthetic::Bad::phantom, synthetic::Bad::flip)));

// --- memory ---

struct Growth {
  std::uint64_t early = 0, late = 0;  // most bytes up to the first tenth of the events, and of the last tenth
  OnlineStatus status;
};

Growth growth(std::string_view model, const History& history) {
  OnlineChecker online = checker_for(model, {}, Duration(200));
  Rng rng(1);
  Growth growth;
  for (EventIndex i = 0; i < history.size(); ++i) {
    Event event = history.event(i);
    event.time = Instant(Duration(i));
    EXPECT_FALSE(online.feed(event).has_value());
    if (i % 20 == 0) {
      EXPECT_TRUE(online.look(event.time).empty());
    }
    if (i % 50 != 0) continue;
    const std::uint64_t bytes = online.status().bytes;
    if (i <= history.size() / 10) growth.early = std::max(growth.early, bytes);
    if (i >= history.size() / 10 * 9) growth.late = std::max(growth.late, bytes);
  }
  growth.status = online.status();
  return growth;
}

// Instrumented builds are slow; what is claimed does not depend on the length.
std::size_t long_events() {
  const char* wanted = std::getenv("FL_ONLINE_LONG");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 100'000;
}

TEST(OnlineMemory, OfRegistersFollowsTheWindowNotTheLength) {
  for (const auto values : {synthetic::Values::few, synthetic::Values::unique}) {
    const Growth of =
        growth("cas-register", synthetic::history({.operations = long_events() / 2, .clients = 5, .values = values}));
    EXPECT_LE(of.late, of.early + 64 * 1024);
    EXPECT_EQ(of.status.given_up + of.status.relaxed, 0U);
  }
}

// Open operations stay possible for ever: equal ones are counted, so with few values memory stays as it is. With unique values
// each is a kind of its own, and memory follows their number, up to the bound where the key is given up.
TEST(OnlineMemory, OfOpenOperationsFollowsTheirKinds) {
  const Growth few =
      growth("cas-register", synthetic::history({.operations = long_events() / 2, .clients = 5, .info = 0.01}));
  EXPECT_LE(few.late, few.early + 256 * 1024);
  EXPECT_EQ(few.status.given_up, 0U);
  const Growth unique = growth("register", synthetic::history({.operations = long_events() / 2,
                                                               .clients = 5,
                                                               .mix = synthetic::Mix::rw,
                                                               .values = synthetic::Values::unique,
                                                               .info = 0.01}));
  EXPECT_LE(unique.late, 4U << 20);
}

TEST(OnlineMemory, OfOtherModelsFollowsTheObject) {
  for (const std::string_view model : {"counter", "mutex"}) {
    const Growth of = growth(model, by_construction({.model = model, .operations = long_events() / 4, .clients = 5}));
    EXPECT_LE(of.late, of.early + 64 * 1024) << model;
    EXPECT_EQ(of.status.given_up, 0U) << model;
  }
}

// --- bounds ---

TEST(OnlineBounds, AWindowThatGrowsTooLongIsLeftToTheCheckAfterTheRun) {
  OnlineChecker online = OnlineChecker::make("register", {.lag = Duration(1'000'000), .most_waiting = 100}).value();
  Event event{.type = EventType::invoke, .process = 99, .f = "write", .value = 1};
  online.feed(event);
  for (Process p = 0; p < 200; ++p) {
    EXPECT_FALSE(online.feed({.type = EventType::invoke, .process = p % 3, .f = "read"}));
    EXPECT_FALSE(online.feed({.type = EventType::ok, .process = p % 3, .f = "read", .value = 7}));
  }
  EXPECT_EQ(online.status().given_up, 1U);
  EXPECT_NE(online.status().reason.find("more than 100 events"), std::string::npos);
  EXPECT_EQ(online.status().waiting, 0U);
}

TEST(OnlineBounds, TheLargestKeyGoesFirstWhenMemoryIsShort) {
  OnlineChecker online = OnlineChecker::make("set", {.memory_limit = 100'000}).value();
  for (std::int64_t e = 0; e < 3'000; ++e) {
    const Value key = e % 100 == 0 ? "small" : "large";
    online.feed({.type = EventType::invoke, .process = 0, .f = "add", .key = key, .value = e});
    online.feed({.type = EventType::ok, .process = 0, .f = "add", .key = key, .value = e});
    EXPECT_TRUE(online.look(Instant(Duration(e))).empty());
  }
  const OnlineStatus status = online.status();
  EXPECT_EQ(status.keys, 2U);
  EXPECT_EQ(status.given_up, 1U);
  EXPECT_EQ(status.reason, "memory limit");
  EXPECT_LE(status.bytes, 100'000U);
}

TEST(OnlineBounds, BadInputIsLeftToTheCheckAfterTheRunWhichSaysSo) {
  OnlineChecker online = OnlineChecker::make("register").value();
  online.feed({.type = EventType::invoke, .process = 0, .f = "enqueue", .value = 1});
  EXPECT_FALSE(online.feed({.type = EventType::ok, .process = 0, .f = "enqueue", .value = 1}));
  EXPECT_FALSE(online.feed({.type = EventType::ok, .process = 7, .f = "read", .key = "other", .value = 1}));
  EXPECT_EQ(online.status().given_up, 2U);
  EXPECT_FALSE(OnlineChecker::make("regsiter").ok());
}

// One client hangs; what the others prove is told long before it returns, and the events of other keys do not matter.
TEST(Online, AHungOperationDoesNotHideAStaleRead) {
  using std::chrono::milliseconds;
  OnlineChecker online = OnlineChecker::make("register").value();
  const auto at = [](int ms) { return Instant(milliseconds(ms)); };
  const auto event = [&](EventType type, Process process, std::string_view f, Value value, int ms) {
    return Event{.type = type, .process = process, .f = std::string(f), .key = "x", .value = value, .time = at(ms)};
  };
  online.feed(event(EventType::invoke, 0, "write", 1, 0));
  online.feed(event(EventType::ok, 0, "write", 1, 1));
  online.feed(event(EventType::invoke, 9, "write", 3, 2));  // hangs
  online.feed(event(EventType::invoke, 0, "write", 2, 3));
  online.feed(event(EventType::ok, 0, "write", 2, 4));
  online.feed(event(EventType::invoke, 1, "read", {}, 5));
  EXPECT_FALSE(online.feed(event(EventType::ok, 1, "read", 1, 6)));
  EXPECT_TRUE(online.look(at(200)).empty());
  const auto found = online.look(at(302));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key, Value("x"));
  EXPECT_EQ(found[0].event, 6U);
  EXPECT_EQ(found[0].time, at(6));
  EXPECT_TRUE(online.look(at(400)).empty()) << "each key is told once";
}

}  // namespace
}  // namespace faultline::test
