// Every small history there is, against a search that tries every order.
//
// FAULTLINE_EXHAUSTIVE=1 judges all of four operations (about two million) instead of a sample: two minutes in release.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engines.hpp"

namespace faultline {
namespace {

struct Layout {
  std::vector<EventIndex> invoked, completed;
};

// Every way to interleave the invocations and completions of `n` operations, three in flight at most.
void interleave(unsigned n, Layout& layout, std::vector<std::size_t>& in_flight, EventIndex at,
                std::vector<Layout>& out) {
  if (at == 2 * n) {
    out.push_back(layout);
    return;
  }
  if (layout.invoked.size() < n && in_flight.size() < 3) {
    in_flight.push_back(layout.invoked.size());
    layout.invoked.push_back(at);
    layout.completed.push_back(none);
    interleave(n, layout, in_flight, at + 1, out);
    layout.invoked.pop_back();
    layout.completed.pop_back();
    in_flight.pop_back();
  }
  for (std::size_t i = 0; i < in_flight.size(); ++i) {
    auto rest = in_flight;
    const std::size_t o = rest[i];
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    layout.completed[o] = at;
    interleave(n, layout, rest, at + 1, out);
    layout.completed[o] = none;
  }
}

// What an operation on two values may be: seen or refused, stored, compared and set, and the last two open.
constexpr RegisterOperation kinds[] = {
    {.from = 0, .kind = RegisterKind::read},
    {.from = 1, .kind = RegisterKind::read},
    {.from = 0, .kind = RegisterKind::differs},
    {.from = 1, .kind = RegisterKind::differs},
    {.to = 0, .kind = RegisterKind::write},
    {.to = 1, .kind = RegisterKind::write},
    {.from = 0, .to = 1, .kind = RegisterKind::cas},
    {.from = 1, .to = 0, .kind = RegisterKind::cas},
    {.completed = 0, .to = 0, .kind = RegisterKind::write},  // completed 0 marks the open ones here
    {.completed = 0, .to = 1, .kind = RegisterKind::write},
    {.completed = 0, .from = 0, .to = 1, .kind = RegisterKind::cas},
    {.completed = 0, .from = 1, .to = 0, .kind = RegisterKind::cas},
};

RegisterProblem problem_of(const Layout& layout, std::uint64_t code) {
  RegisterProblem problem;
  problem.values = 2;
  for (std::size_t i = 0; i < layout.invoked.size(); ++i, code /= std::size(kinds)) {
    RegisterOperation op = kinds[code % std::size(kinds)];
    op.completed = op.completed == 0 ? none : layout.completed[i];
    op.invoked = layout.invoked[i];
    problem.operations.push_back(op);
  }
  return problem;
}

// Judges every `stride`-th history of `n` operations, every 64th of those with each reduction off.
void judge_all(unsigned n, std::uint64_t stride) {
  std::vector<Layout> layouts;
  Layout layout;
  std::vector<std::size_t> in_flight;
  interleave(n, layout, in_flight, 0, layouts);
  std::uint64_t codes = 1;
  for (unsigned i = 0; i < n; ++i) codes *= std::size(kinds);
  std::uint64_t judged = 0;
  for (std::uint64_t i = 0; i < codes * layouts.size(); i += stride) {
    const RegisterProblem problem = problem_of(layouts[i % layouts.size()], i / layouts.size());
    const std::string bad = oracle::judge(problem, judged++ % 64 == 0);
    ASSERT_EQ(bad, "") << "layout " << i % layouts.size() << ", code " << i / layouts.size();
  }
  ASSERT_GT(judged, 0U);
}

TEST(EverySmallHistory, OfUpToTwoOperationsIsJudgedRight) {
  judge_all(1, 1);
  judge_all(2, 1);
}

TEST(EverySmallHistory, OfThreeOperationsIsJudgedRight) { judge_all(3, std::getenv("FAULTLINE_EXHAUSTIVE") ? 1 : 3); }

// 1,009 is prime: the sample runs through all layouts and all kinds.
TEST(EverySmallHistory, OfFourOperationsIsJudgedRight) { judge_all(4, std::getenv("FAULTLINE_EXHAUSTIVE") ? 1 : 1009); }

}  // namespace
}  // namespace faultline
