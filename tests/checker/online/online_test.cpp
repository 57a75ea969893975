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
    const ModelRules rules{.model = M::name,
                           .catalogued = true,
                           .functions = M::functions(),
                           .observer = [&](const Call& call) { return model.observer(call); }};
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
  auto made = OnlineChecker::make(model,
                                  {.failed_cas = options.failed_cas, .nil_read = options.nil_read, .lag = lag});
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
        << "seed " << seed << ", after " << found.after << "\n" << to_text(history);
    ASSERT_TRUE(linearizable(beginning_of(history, found.after - 1), GetParam(), options))
        << "seed " << seed << ", late, after " << found.after << "\n" << to_text(history);
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
        << "seed " << seed << ", after " << found.after << "\n" << to_text(history);
  }
  EXPECT_GT(early, histories_per_model() / 100);
}

INSTANTIATE_TEST_SUITE_P(All, OnlineModels, testing::ValuesIn(models), [](const auto& instance) {
  std::string name(instance.param);
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace faultline::test
