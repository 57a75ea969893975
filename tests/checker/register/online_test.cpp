// The online checker: fed event by event, it tells a violation at the completion that proves it.
#include "checker/register/online.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "oracle.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline {
namespace {

Call call_of(const RegisterOperation& op) {
  const auto value = [](ValueId v) { return Value(static_cast<std::int64_t>(v)); };
  Call call{.f = "cas", .input = {}, .output = {}, .result_known = !op.open()};
  if (op.kind == RegisterKind::read || op.kind == RegisterKind::nothing) {
    call.f = "read";
    call.output = value(op.from);
  } else if (op.kind == RegisterKind::write) {
    call.f = "write";
    call.input = value(op.to);
  } else {
    call.failed = op.kind == RegisterKind::differs;
    call.input = Value::list({value(op.from), value(op.to)});
  }
  return call;
}

// The completion at which the online checker gives up, or none. `watch` sees it after every event.
template <class Watch>
EventIndex feed(OnlineRegister& online, const RegisterProblem& problem, Watch watch) {
  struct Event {
    EventIndex at;
    std::uint32_t operation;
    bool completion;
  };
  std::vector<Event> events;
  for (std::uint32_t o = 0; o < problem.operations.size(); ++o) {
    events.push_back({problem.operations[o].invoked, o, false});
    if (!problem.operations[o].open()) events.push_back({problem.operations[o].completed, o, true});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  std::vector<OnlineRegister::Handle> handles(problem.operations.size());
  for (const Event& event : events) {
    if (!event.completion) {
      handles[event.operation] = online.invoke(call_of(problem.operations[event.operation]));
    } else if (!online.complete(handles[event.operation])) {
      return event.at;
    }
    watch(event.at);
  }
  return none;
}

RegisterProblem synthetic_problem(const synthetic::Options& options) {
  return compile(synthetic::history(options), {.initial = {}, .failed_cas = FailedCas::observe});
}

TEST(OnlineRegister, GivesUpAtTheFirstCompletionNoOrderExplains) {
  Rng rng = Rng(11).fork("online");
  for (int i = 0; i < 1'500; ++i) {
    const RegisterProblem problem = oracle::random_problem(
        rng, {.operations = 7, .processes = 3, .values = 3, .open = i % 2 == 0 ? 0 : 0.2, .unique = i % 5 == 0});
    OnlineRegister online(Value(static_cast<std::int64_t>(problem.initial)));
    const EventIndex died = feed(online, problem, [](EventIndex) {});
    ASSERT_TRUE(online.exact());
    ASSERT_EQ(died == none, oracle::linearizable(problem)) << oracle::to_string(problem);
    if (died == none) continue;
    EXPECT_FALSE(online.possible());
    ASSERT_FALSE(oracle::linearizable(oracle::cut_after(problem, died))) << oracle::to_string(problem);
    if (died > 0) {
      ASSERT_TRUE(oracle::linearizable(oracle::cut_after(problem, died - 1))) << oracle::to_string(problem);
    }
  }
}

TEST(OnlineRegister, FindsAPlantedReadAtAnyConcurrency) {
  for (const unsigned clients : {5U, 20U, 60U}) {
    for (const auto bad : {synthetic::Bad::none, synthetic::Bad::stale, synthetic::Bad::phantom}) {
      const RegisterProblem problem =
          synthetic_problem({.operations = 1'500, .clients = clients, .info = 0.01, .bad = bad});
      OnlineRegister online{Value(static_cast<std::int64_t>(problem.initial))};
      const EventIndex died = feed(online, problem, [](EventIndex) {});
      EXPECT_EQ(died != none, bad != synthetic::Bad::none) << clients << " clients";
    }
  }
}

TEST(OnlineRegister, MemoryDoesNotFollowTheLength) {
  std::uint64_t early = 0;
  std::uint64_t late = 0;
  const RegisterProblem problem =
      synthetic_problem({.operations = 20'000, .clients = 5, .values = synthetic::Values::unique});
  OnlineRegister online{Value(static_cast<std::int64_t>(problem.initial))};
  feed(online, problem,
       [&](EventIndex at) { (at < 10'000 ? early : late) = std::max(at < 10'000 ? early : late, online.bytes()); });
  EXPECT_TRUE(online.possible());
  EXPECT_LE(late, 2 * early);
}

}  // namespace
}  // namespace faultline
