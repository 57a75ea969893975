#include "search.hpp"

#include "frontier.hpp"
#include "order.hpp"

namespace faultline {

namespace {

template <class M>
class FrontierSearch {
 public:
  FrontierSearch(const Timeline& timeline, const Budget& budget, typename Frontier<M>::Options options)
      : timeline_(timeline),
        frontier_(timeline.problem().initial, timeline.problem().values, std::move(options)),
        meter_(budget, [this] { return frontier_.bytes() + timeline_.bytes(); }) {}

  SearchResult run() {
    SearchResult result{.engine = "frontier"};
    std::size_t i = 0;
    for (; i < timeline_.size(); ++i) {
      if (!step(i)) break;
    }
    meter_.poll();
    if (i == timeline_.size()) {
      result.kind = VerdictKind::valid;
      moves_ = frontier_.moves_of(frontier_.configurations()[0]);
    } else {
      result.kind = meter_.spent() ? VerdictKind::unknown : VerdictKind::invalid;
      if (meter_.spent()) result.reason = meter_.reason();
      if (!meter_.spent()) result.died_at = timeline_.operation(timeline_[i].operation).completed;
      moves_ = frontier_.last_moves();
    }
    result.order = replay(timeline_, moves_, i);
    result.cost = {.configurations = meter_.steps(), .peak_bytes = meter_.peak_bytes()};
    return result;
  }

 private:
  bool step(std::size_t i) {
    const auto [o, step] = timeline_[i];
    const RegisterOperation& op = timeline_.operation(o);
    switch (step) {
      case Timeline::Step::invoke: frontier_.invoke(timeline_.slot(o), o, op); break;
      case Timeline::Step::complete: {
        const Time now = timeline_.completed(o);
        return frontier_.complete(timeline_.slot(o), now,
                                  {.noticed = timeline_.noticed_after(op.to, now), .timeline = &timeline_}, meter_);
      }
      case Timeline::Step::join: {
        const ClassId id = timeline_.class_of(o);
        frontier_.join(timeline_.slot(o), id, timeline_.classes()[id]);
        break;
      }
    }
    return true;
  }

  const Timeline& timeline_;
  Frontier<M> frontier_;
  Meter meter_;
  std::vector<Move> moves_;
};

}  // namespace

SearchResult search_frontier(const Timeline& timeline, const Budget& budget, const FrontierOptions& options) {
  const auto run = [&]<class M>(M) {
    return FrontierSearch<M>(timeline, budget,
                             {.prunings = options.prunings, .counted = {}, .recording = options.certificate})
        .run();
  };
  if (timeline.slots() <= 64) return run(Mask<1>());
  if (timeline.slots() <= 128) return run(Mask<2>());
  if (timeline.slots() <= 256) return run(Mask<4>());
  return run(WideMask());
}

SearchResult search_register(const RegisterProblem& problem, const Budget& budget, RegisterEngine) {
  const Timeline timeline(problem);
  return search_frontier(timeline, budget);
}

SearchResult search_register(const Items& items, const Value& initial, const Budget& budget, RegisterEngine which) {
  return search_register(compile(items, initial), budget, which);
}

}  // namespace faultline
