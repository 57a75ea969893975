#include "containers.hpp"

#include <faultline/assert.hpp>
#include <faultline/certificate.hpp>
#include <faultline/checker.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "checker/monitors/monitor.hpp"
#include "checker/prepare.hpp"
#include "checker/proof/brute_force.hpp"
#include "checker/search/generic.hpp"

namespace faultline::containers {

const Kind stack{.model = "stack", .insert = "push", .remove = "pop", .monitor = monitor_stack};
const Kind priority_queue{
    .model = "priority-queue", .insert = "enqueue", .remove = "dequeue", .monitor = monitor_priority_queue};

std::uint64_t histories(std::uint64_t ordinarily) {
  const char* wanted = std::getenv("FL_TINY");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : ordinarily;
}

namespace {

Call insertion(const Kind& kind, std::int64_t value) {
  return {.f = kind.insert, .input = value, .output = {}, .result_known = true};
}
Call removal(const Kind& kind, Value result) {
  return {.f = kind.remove, .input = {}, .output = std::move(result), .result_known = true};
}

// Items that begin and end in the order of `events`: each names a call twice, or once if it is open.
Items arrange(const std::vector<Call>& calls, const std::vector<std::uint32_t>& events) {
  Items items;
  std::vector<std::uint32_t> item_of(calls.size(), none);
  for (std::uint32_t position = 0; position < events.size(); ++position) {
    const std::uint32_t c = events[position];
    if (item_of[c] != none) {
      items[item_of[c]].completed = position;
      continue;
    }
    item_of[c] = static_cast<std::uint32_t>(items.size());
    items.push_back({.operation = item_of[c], .invoked = position, .completed = none, .call = calls[c]});
  }
  for (Item& item : items) {
    item.call.result_known = item.completed != none;
    if (!item.call.result_known) item.call.output = {};
  }
  return items;
}

}  // namespace

Items random_items(const Kind& kind, Rng& rng, double open_insertions, double open_removals) {
  std::vector<Call> calls;
  const std::int64_t values = rng.between(1, 4);
  for (std::int64_t v = 0; v < values; ++v) {
    calls.push_back(insertion(kind, v));
    if (rng.chance(0.8)) calls.push_back(removal(kind, v));
    if (rng.chance(0.02)) calls.push_back(removal(kind, rng.between(0, values)));
  }
  while (rng.chance(0.3) && calls.size() < 9) calls.push_back(removal(kind, {}));
  std::vector<std::pair<std::uint64_t, std::uint32_t>> stamped;
  const std::uint64_t span = calls.size() * 6, longest = 1 + rng.below(span);
  for (std::uint32_t c = 0; c < calls.size(); ++c) {
    const std::uint64_t start = rng.below(span);
    const bool open = rng.chance(calls[c].f == kind.insert ? open_insertions : open_removals);
    stamped.emplace_back(start * 2, c);
    if (!open) stamped.emplace_back((start + rng.below(longest)) * 2 + 1, c);
  }
  std::sort(stamped.begin(), stamped.end());
  std::vector<std::uint32_t> events;
  for (const auto& [stamp, c] : stamped) events.push_back(c);
  return arrange(calls, events);
}

namespace {

// All sequences in which each of the calls occurs twice, or, if `open`, at least once.
void for_each_arrangement(const std::vector<Call>& calls, bool open, std::vector<std::uint32_t>& events,
                          std::vector<std::uint8_t>& times, const std::function<void(const Items&)>& visit) {
  const bool begun = std::all_of(times.begin(), times.end(), [](auto n) { return n > 0; });
  const bool done = std::all_of(times.begin(), times.end(), [](auto n) { return n == 2; });
  if (done || (open && begun)) visit(arrange(calls, events));
  for (std::uint32_t c = 0; c < calls.size(); ++c) {
    if (times[c] == 2) continue;
    ++times[c];
    events.push_back(c);
    for_each_arrangement(calls, open, events, times, visit);
    events.pop_back();
    --times[c];
  }
}

}  // namespace

void for_each_small(const Kind& kind, std::size_t most, bool open, const std::function<void(const Items&)>& visit) {
  const std::vector<Call> known{insertion(kind, 1), insertion(kind, 2), removal(kind, 1),
                                removal(kind, 2),   removal(kind, {}),  removal(kind, {})};
  for (std::size_t chosen = 1; chosen < std::size_t{1} << known.size(); ++chosen) {
    std::vector<Call> calls;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if ((chosen >> i & 1) != 0) calls.push_back(known[i]);
    }
    if (calls.size() > most) continue;
    std::vector<std::uint32_t> events;
    std::vector<std::uint8_t> times(calls.size(), 0);
    for_each_arrangement(calls, open, events, times, visit);
  }
}

namespace {

template <class Callable>
auto with(const Kind& kind, Callable&& callable) {
  auto done = with_model(kind.model, {}, std::forward<Callable>(callable));
  FL_ASSERT(done.ok());
  return std::move(done).value();
}

VerdictKind truth(const Kind& kind, const Items& items) {
  return with(kind, [&](const auto& model) { return brute_force(model, items, UINT64_MAX).kind; });
}

Item opened(Item item) {
  item.completed = none;
  item.call.output = {};
  item.call.result_known = false;
  return item;
}

// The history ends after the event: later operations are gone, those under way are open.
Items cut_after(const Items& items, EventIndex last) {
  Items cut;
  for (const Item& item : items) {
    if (item.invoked <= last) cut.push_back(item.completed <= last ? item : opened(item));
  }
  return cut;
}

Items all_else_open(const Items& items, const std::vector<std::uint32_t>& core) {
  Items relaxed;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const bool kept = std::find(core.begin(), core.end(), i) != core.end();
    relaxed.push_back(kept ? items[i] : opened(items[i]));
  }
  return relaxed;
}

// An element of the core that nobody removed might be taken by any relaxed removal: then the core alone is no proof.
bool lasting(const Kind& kind, const Items& items, const std::vector<std::uint32_t>& core) {
  return std::any_of(core.begin(), core.end(), [&](std::uint32_t i) {
    return items[i].call.f == kind.insert && std::none_of(core.begin(), core.end(), [&](std::uint32_t j) {
             return items[j].call.f == kind.remove && items[j].call.output == items[i].call.input;
           });
  });
}

// Each completed item once, open ones at most once, in real time, and the model agrees.
testing::AssertionResult proves(const Kind& kind, const Items& items, const std::vector<std::uint32_t>& order) {
  return with(kind, [&](const auto& model) -> testing::AssertionResult {
    std::vector<bool> placed(items.size(), false);
    EventIndex latest = 0;
    auto state = model.init();
    for (const std::uint32_t i : order) {
      if (placed[i]) return testing::AssertionFailure() << "item " << i << " twice";
      placed[i] = true;
      latest = std::max(latest, items[i].invoked);
      if (items[i].completed < latest) return testing::AssertionFailure() << "item " << i << " too late";
      auto next = model.step(state, items[i].call);
      if (!next) return testing::AssertionFailure() << "item " << i << " " << model.explain(state, items[i].call);
      state = std::move(*next);
    }
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      if (items[i].completed != none && !placed[i]) return testing::AssertionFailure() << "item " << i << " missing";
    }
    return testing::AssertionSuccess();
  });
}

std::string to_text(const Items& items) {
  std::string text;
  for (const Item& item : items) {
    text += std::to_string(item.invoked) + "-" + (item.completed == none ? "" : std::to_string(item.completed)) + " " +
            std::string(item.call.f) + " " + item.call.input.to_string() + " " + item.call.output.to_string() + "\n";
  }
  return text;
}

}  // namespace

void expect_truth(const Kind& kind, const Items& items, Tally& tally) {
  const auto found = kind.monitor(items, {});
  const bool open_removals = std::any_of(items.begin(), items.end(), [&](const Item& item) {
    return item.call.f == kind.remove && !item.call.result_known;
  });
  if (!found) {
    ASSERT_TRUE(open_removals) << to_text(items);
    ++tally.declined;
    return;
  }
  ASSERT_EQ(found->kind, truth(kind, items)) << to_text(items);
  ++(found->kind == VerdictKind::valid ? tally.valid : tally.invalid);
  if (found->kind == VerdictKind::valid) {
    ASSERT_TRUE(proves(kind, items, found->order)) << to_text(items);
    return;
  }
  ASSERT_FALSE(found->core.empty());
  ASSERT_EQ(truth(kind, cut_after(items, found->died_at)), VerdictKind::invalid) << "up to " << found->died_at << "\n"
                                                                                 << to_text(items);
  if (!lasting(kind, items, found->core)) {
    ASSERT_EQ(truth(kind, all_else_open(items, found->core)), VerdictKind::invalid) << to_text(items);
  }
}

namespace {

struct Running {
  enum class Stage { idle, asked, done } stage = Stage::idle;
  OperationIndex operation = none;
  bool inserts = false;
  bool vanishes = false;
  Value value;
};

class Simulation {
 public:
  Simulation(const Kind& kind, const Recipe& recipe)
      : kind_(kind), recipe_(recipe), rng_(Rng(recipe.seed).fork(kind.model)), clients_(recipe.clients) {
    for (std::size_t c = 0; c < recipe.clients; ++c) processes_.push_back(static_cast<Process>(c));
  }

  History run() {
    while (history_.operation_count() < recipe_.operations || busy()) {
      const bool planting = recipe_.flaw != Flaw::none && !planted_;
      draining_ = planting && history_.operation_count() >= recipe_.operations * 9 / 10;
      if (draining_ && !busy()) {
        plant();
        planted_ = true;
        continue;
      }
      advance(rng_.below(clients_.size()));
    }
    return std::move(history_);
  }

 private:
  [[nodiscard]] bool busy() const {
    return std::any_of(clients_.begin(), clients_.end(),
                       [](const Running& client) { return client.stage != Running::Stage::idle; });
  }

  // Values differ and come in no particular order.
  Value fresh() { return static_cast<std::int64_t>(++count_ * 2'654'435'769ULL % 4'294'967'296ULL); }

  void advance(std::size_t c) {
    Running& client = clients_[c];
    switch (client.stage) {
      case Running::Stage::idle:
        if (draining_ || history_.operation_count() >= recipe_.operations) return;
        client.stage = Running::Stage::asked;
        client.inserts = rng_.chance(inside_.size() < recipe_.depth ? 0.6 : 0.4);
        client.vanishes = rng_.chance(client.inserts ? recipe_.info : recipe_.open_removals);
        client.value = client.inserts ? fresh() : Value();
        client.operation = history_.invoke(processes_[c], client.inserts ? kind_.insert : kind_.remove, client.value);
        return;
      case Running::Stage::asked:
        client.stage = Running::Stage::done;
        if (client.vanishes && rng_.chance(0.5)) return;
        if (client.inserts) put(client.value);
        if (!client.inserts) client.value = taken();
        return;
      case Running::Stage::done:
        client.stage = Running::Stage::idle;
        if (!client.vanishes) return history_.ok(client.operation, client.inserts ? Value() : client.value);
        history_.info(client.operation, "timeout");
        processes_[c] += static_cast<Process>(recipe_.clients);
        return;
    }
  }

  void put(const Value& value) {
    inside_.emplace(kind_.model == "stack" ? static_cast<std::int64_t>(++puts_) : value.as_integer(), value);
  }
  Value taken() {
    if (inside_.empty()) return {};
    const auto next = std::prev(inside_.end());
    Value value = next->second;
    inside_.erase(next);
    return value;
  }

  void alone_insert(const Value& value) { history_.ok(history_.invoke(processes_[0], kind_.insert, value)); }
  void alone_remove(const Value& value) { history_.ok(history_.invoke(processes_[0], kind_.remove), value); }
  void empty() {
    while (!inside_.empty()) alone_remove(taken());
  }

  // REQUIRES: nothing is under way.
  void plant() {
    const Value first = fresh();
    if (recipe_.flaw == Flaw::order) {
      const Value least = static_cast<std::int64_t>(-2), less = static_cast<std::int64_t>(-1);
      alone_insert(least);
      alone_insert(less);
      if (kind_.model == "stack") {
        alone_remove(least);
        return alone_remove(less);
      }
      empty();
      alone_remove(least);
      return alone_remove(less);
    }
    if (recipe_.flaw == Flaw::phantom) return alone_remove(first);
    if (recipe_.flaw == Flaw::early) {
      alone_remove(first);
      return alone_insert(first);
    }
    if (recipe_.flaw != Flaw::full) empty();
    if (recipe_.flaw == Flaw::lost) alone_remove({});
    alone_insert(first);
    if (recipe_.flaw == Flaw::lost || recipe_.flaw == Flaw::full) alone_remove({});
    if (recipe_.flaw == Flaw::lost) return;
    alone_remove(first);
    if (recipe_.flaw == Flaw::twice) alone_remove(first);
  }

  const Kind& kind_;
  const Recipe& recipe_;
  Rng rng_;
  History history_;
  std::vector<Running> clients_;
  std::vector<Process> processes_;
  std::map<std::int64_t, Value> inside_;  // what is greatest leaves next
  std::uint64_t puts_ = 0;
  std::uint64_t count_ = 0;
  bool draining_ = false, planted_ = false;
};

}  // namespace

History by_construction(const Kind& kind, const Recipe& recipe) { return Simulation(kind, recipe).run(); }

Items items_of(const Kind& kind, const History& history) {
  return with(kind, [&](const auto& model) {
    using M = std::decay_t<decltype(model)>;
    const ModelRules rules{.model = M::name,
                           .catalogued = true,
                           .functions = M::functions(),
                           .accepts = {},
                           .observer = [&](const Call& call) { return model.observer(call); }};
    auto prepared = prepare(history, rules, {});
    FL_ASSERT(prepared.ok() && prepared.value().keys.size() == 1);
    return std::move(prepared.value().keys[0].items);
  });
}

namespace {

struct Proved {
  Verdict verdict;
  Verification verification;
};

Proved prove(const Kind& kind, const History& history) {
  const CheckOptions options{.certify = true};
  auto verdict = check(history, kind.model, options);
  FL_ASSERT(verdict.ok());
  auto verification = verify(history, make_certificate(history, verdict.value(), options));
  FL_ASSERT(verification.ok());
  return {std::move(verdict).value(), std::move(verification).value()};
}

}  // namespace

void expect_long_ones_valid(const Kind& kind) {
  const Recipe recipes[] = {{.seed = 1},
                            {.clients = 3, .seed = 2},
                            {.clients = 50, .depth = 3, .seed = 3},
                            {.clients = 100, .depth = 1'000, .info = 0.1, .seed = 4},
                            {.operations = 100'000, .seed = 5}};
  for (const Recipe& recipe : recipes) {
    const Proved proved = prove(kind, by_construction(kind, recipe));
    EXPECT_EQ(proved.verdict.kind, VerdictKind::valid) << "seed " << recipe.seed << " " << proved.verdict.reason;
    EXPECT_EQ(proved.verdict.engine, kind.model) << "seed " << recipe.seed;
    EXPECT_EQ(proved.verification.outcome, Verification::Outcome::confirmed) << proved.verification.reason;
  }
}

void expect_open_removals_guessed(const Kind& kind) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Recipe recipe{.operations = 2'000, .open_removals = 0.01, .seed = seed};
    const Proved proved = prove(kind, by_construction(kind, recipe));
    EXPECT_EQ(proved.verdict.kind, VerdictKind::valid) << "seed " << seed << " " << proved.verdict.reason;
    EXPECT_EQ(proved.verdict.engine, kind.model) << "seed " << seed;
    EXPECT_EQ(proved.verification.outcome, Verification::Outcome::confirmed) << proved.verification.reason;
  }
}

namespace {

// Swaps the results of two removals that follow each other closely.
void swap_results(const Kind& kind, Items& items, Rng& rng) {
  std::vector<std::uint32_t> removals;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].call.f == kind.remove && items[i].call.result_known) removals.push_back(i);
  }
  const std::size_t first = rng.below(removals.size() - 3);
  std::swap(items[removals[first]].call.output, items[removals[first + 1 + rng.below(3)]].call.output);
}

}  // namespace

void expect_what_the_search_finds(const Kind& kind) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const double open_removals = seed % 3 == 0 ? 0.03 : 0;
    const History history = by_construction(
        kind,
        {.operations = 100, .clients = 4, .depth = 4, .info = 0.05, .open_removals = open_removals, .seed = seed});
    Items items = items_of(kind, history);
    Rng rng(seed);
    if (seed % 2 == 0) swap_results(kind, items, rng);
    const auto found = kind.monitor(items, {});
    if (!found) {
      ++tally.declined;
      continue;
    }
    const VerdictKind searched = with(kind, [&](const auto& model) { return search_generic(items, model, {}).kind; });
    ASSERT_EQ(found->kind, searched) << "seed " << seed;
    ++(searched == VerdictKind::valid ? tally.valid : tally.invalid);
    if (searched == VerdictKind::valid) {
      ASSERT_TRUE(proves(kind, items, found->order)) << "seed " << seed;
    }
  }
  EXPECT_GT(tally.valid, tally.invalid / 4);
  EXPECT_GT(tally.invalid, tally.valid / 4);
  EXPECT_LT(tally.declined, tally.valid / 4);
}

void expect_planted_flaws_proved(const Kind& kind) {
  constexpr std::size_t few = 10;
  for (const Flaw flaw : {Flaw::order, Flaw::lost, Flaw::twice, Flaw::phantom, Flaw::early, Flaw::full}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      const Proved proved = prove(kind, by_construction(kind, {.operations = 10'000, .seed = seed, .flaw = flaw}));
      const std::string text = "flaw " + std::to_string(static_cast<int>(flaw)) + ", seed " + std::to_string(seed);
      ASSERT_EQ(proved.verdict.kind, VerdictKind::invalid) << text;
      EXPECT_EQ(proved.verdict.engine, kind.model) << text;
      ASSERT_EQ(proved.verdict.anomalies.size(), 1U) << text;
      const Anomaly& anomaly = proved.verdict.anomalies[0];
      EXPECT_LE(anomaly.core.size() + anomaly.context.size(), few) << text << ": " << anomaly.sentence;
      EXPECT_EQ(proved.verification.outcome, Verification::Outcome::confirmed)
          << text << ": " << proved.verification.reason;
    }
  }
}

}  // namespace faultline::containers
