#include "engines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/register/timeline.hpp"

namespace faultline::oracle {

std::vector<Way> ways(bool switches) {
  std::vector<Way> all{{"automatic", RegisterEngine::automatic, {}},
                       {"zones", RegisterEngine::zones, {}},
                       {"frontier", RegisterEngine::frontier, {}},
                       {"depth-first", RegisterEngine::depth_first, {}}};
  if (!switches) return all;
  for (const RegisterEngine engine : {RegisterEngine::frontier, RegisterEngine::depth_first}) {
    const std::string name = engine == RegisterEngine::frontier ? "frontier" : "depth-first";
    all.push_back({name + " without twins", engine, {.twins = false}});
    all.push_back({name + " without progress", engine, {.progress = false}});
    all.push_back({name + " without absorption", engine, {.absorption = false}});
    all.push_back({name + " without dominance", engine, {.dominance = false}});
    all.push_back({name + " without forgetting", engine, {.forgetting = false}});
  }
  return all;
}

SearchResult run(const RegisterProblem& problem, const Way& way) {
  if (way.engine == RegisterEngine::automatic || way.engine == RegisterEngine::zones) {
    return search_register(problem, {}, way.engine);
  }
  const registers::Timeline timeline(problem);
  return registers::search(timeline, {}, {.prunings = way.prunings, .engine = way.engine});
}

namespace {

// The history up to and with an event: what completes later is open.
RegisterProblem cut_after(const RegisterProblem& problem, EventIndex event) {
  RegisterProblem cut = problem;
  std::erase_if(cut.operations, [&](const RegisterOperation& op) { return op.invoked > event; });
  for (RegisterOperation& op : cut.operations) {
    if (op.open() || op.completed <= event) continue;
    op.completed = none;
    if (op.kind == RegisterKind::read || op.kind == RegisterKind::differs) op.kind = RegisterKind::nothing;
  }
  return cut;
}

}  // namespace

std::string complaint(const RegisterProblem& problem, const SearchResult& result, bool expect_valid, const Way& way) {
  if (result.kind == VerdictKind::unknown)
    return way.engine == RegisterEngine::zones ? "" : "unknown: " + result.reason;
  if ((result.kind == VerdictKind::valid) != expect_valid) return "wrong verdict";
  if (expect_valid) return check_order(problem, result.order, true);
  if (const std::string bad = check_order(problem, result.order, false); !bad.empty()) return bad;
  return linearizable(cut_after(problem, result.died_at)) ? "the history up to died_at is linearizable" : "";
}

std::string judge(const RegisterProblem& problem, bool switches) {
  const bool expected = linearizable(problem);
  for (const Way& way : ways(switches)) {
    if (way.engine == RegisterEngine::zones && !zones_apply(problem)) continue;
    set_assert_context(way.name + " of\n" + to_string(problem));
    const SearchResult result = run(problem, way);
    set_assert_context("");
    if (const std::string bad = complaint(problem, result, expected, way); !bad.empty()) {
      return fmt::format("{}: {} (expected {})\n{}", way.name, bad, expected ? "valid" : "invalid", to_string(problem));
    }
  }
  return {};
}

}  // namespace faultline::oracle
