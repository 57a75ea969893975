#include <faultline/assert.hpp>
#include <faultline/checker.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <optional>
#include <tuple>

#include "engines.hpp"
#include "parallel.hpp"
#include "prepare.hpp"
#include "proof/explain.hpp"
#include "register/register.hpp"

namespace faultline {

namespace {

constexpr std::size_t most_explained = 5;  // anomalies; a sixth would not be read
constexpr std::string_view interrupted = "interrupted";
constexpr std::string_view not_judged = "another key is invalid already";

// A model of one's own as the brute force of explanations sees it.
struct SpaceModel {
  using State = StateId;
  std::shared_ptr<Space> space;

  [[nodiscard]] State init() const { return space->initial(); }
  [[nodiscard]] std::optional<State> step(State state, const Call& call) const {
    const StateId next = space->step(state, call);
    return next == refused ? std::nullopt : std::optional(next);
  }
  [[nodiscard]] bool equal(State a, State b) const { return a == b; }
  [[nodiscard]] std::string describe(State state) const { return space->describe(state); }
  [[nodiscard]] std::string explain(State state, const Call& call) const { return space->explain(state, call); }
  [[nodiscard]] bool observer(const Call& call) const { return space->observer(call); }
};

// All of them are in a complete order.
template <class Operations>
std::size_t completed_of(const Operations& operations) {
  return static_cast<std::size_t>(
      std::count_if(operations.begin(), operations.end(), [](const auto& o) { return o.completed != none; }));
}

// How one key is judged straight from the columns of the history, where that is possible: no Items are made for it.
using ColumnEngine = std::function<SearchResult(std::span<const OperationIndex>, const Budget&)>;

// What is kept of a search.
struct Judged {
  VerdictKind kind = VerdictKind::unknown;
  std::string engine = "none";
  std::string reason;
  SearchCost cost;
  EventIndex died_at = none;
  std::size_t prefix = 0;             // completed operations in the deepest legal prefix
  std::vector<OperationIndex> order;  // valid and CheckOptions::certify
  std::vector<OperationIndex> core;   // SearchResult::core
};

class Check {
 public:
  Check(const History& history, const ModelRules& rules, ModelView view, Engine engine, ColumnEngine columns,
        const CheckOptions& options)
      : history_(history),
        rules_(rules),
        view_(std::move(view)),
        engine_(std::move(engine)),
        columns_(std::move(columns)),
        options_(options) {
    verdict_.model = rules.model;
  }

  Result<Verdict> run() {
    const Duration begun = now();
    auto prepared = Preparation::make(history_, rules_, options_, budget_of_all());
    if (!prepared) return prepared.error();
    keys_.emplace(std::move(prepared).value());
    verdict_.operations = history_.operation_count();
    verdict_.keys = keys_->keys();
    verdict_.failed_operations = keys_->failed();
    verdict_.open_operations = keys_->open();
    verdict_.ignored = keys_->ignored();
    results_.resize(keys_->keys());
    search_all();
    search_again();
    leave_the_rest();
    if (options_.explain) explain_anomalies();
    collect();
    conclude();
    verdict_.cost.time = now() - begun;
    return std::move(verdict_);
  }

 private:
  Duration now() const { return options_.elapsed ? options_.elapsed() : Duration{}; }
  bool cancelled() const { return options_.cancelled && options_.cancelled(); }
  bool spent() const { return cancelled() || (options_.elapsed && options_.elapsed() >= options_.time_limit); }
  [[nodiscard]] std::string_view why_stopped() const { return cancelled() ? interrupted : stopped_by_time; }

  [[nodiscard]] Budget budget_of_all() {
    return {.stop = [this] { return poll(true); },
            .memory_limit = options_.memory_limit,
            .why = [this] { return why_stopped(); }};
  }

  // What is held for all keys is taken from the limit; the rest is shared by the searches that run at once.
  [[nodiscard]] std::uint64_t memory_for_each(std::size_t searches) const {
    if (options_.memory_limit == UINT64_MAX) return UINT64_MAX;
    const std::uint64_t orders = options_.certify ? history_.operation_count() * sizeof(OperationIndex) : 0;
    const std::uint64_t held = keys_->bytes() + orders;
    return held >= options_.memory_limit ? 0 : (options_.memory_limit - held) / std::max<std::size_t>(searches, 1);
  }

  // The largest keys first, so that no thread begins a long one when the others are done; but in order where only the
  // keys up to the first invalid one count.
  [[nodiscard]] std::vector<std::size_t> sequence() const {
    std::vector<std::size_t> keys(keys_->keys());
    std::iota(keys.begin(), keys.end(), 0);
    if (options_.stop_at_first) return keys;
    std::stable_sort(keys.begin(), keys.end(), [this](std::size_t a, std::size_t b) {
      return keys_->operations(a).size() > keys_->operations(b).size();
    });
    return keys;
  }

  void search_all() {
    const std::size_t at_once = std::min<std::size_t>(std::max(options_.threads, 1U), keys_->keys());
    const std::uint64_t memory = memory_for_each(at_once);
    const std::vector<std::size_t> keys = sequence();
    for_each_in_parallel(
        keys.size(), options_.threads, [&](std::size_t i) { search(keys[i], memory, at_once <= 1); },
        [this] { tell_progress(); });
  }

  // A key that ran out of its share of memory gets all of it: so the verdict does not depend on the number of threads.
  void search_again() {
    if (options_.threads <= 1) return;
    for (std::size_t key = 0; key < keys_->keys(); ++key) {
      const bool short_of_memory =
          results_[key].kind == VerdictKind::unknown && results_[key].reason == stopped_by_memory;
      if (short_of_memory && !spent()) search(key, memory_for_each(1), true);
    }
  }

  void search(std::size_t key, std::uint64_t memory, bool alone) {
    Judged judged;
    const auto why = [this, key] { return skips(key) ? not_judged : why_stopped(); };
    if (skips(key) || spent()) {
      judged.reason = why();
    } else {
      const Duration begun = now();
      const Budget budget{
          .stop = [this, alone, key] { return poll(alone) || skips(key); }, .memory_limit = memory, .why = why};
      // Versions are worth making the Items.
      const bool versions = options_.engine == "auto" && keys_->names_versions(key);
      const bool straight = columns_ && !versions;
      judged = straight ? judge_columns(key, budget) : judge_items(key, budget);
      judged.cost.time = now() - begun;
    }
    if (judged.kind == VerdictKind::invalid) lower(first_invalid_, key);
    ++done_[static_cast<std::size_t>(judged.kind)];
    configurations_ += judged.cost.configurations;
    results_[key] = std::move(judged);
  }

  Judged judge_columns(std::size_t key, const Budget& budget) const {
    const auto operations = keys_->operations(key);
    SearchResult found = columns_(operations, budget);
    return kept(std::move(found), 0, [](OperationIndex o) { return o; });
  }

  Judged judge_items(std::size_t key, Budget budget) const {
    const auto made = keys_->items(key, budget);
    if (!made.unfinished.empty()) return {.reason = made.unfinished};
    if (made.items.empty()) return {.kind = VerdictKind::valid};
    const std::uint64_t held = made.items.capacity() * sizeof(Item);
    if (budget.memory_limit != UINT64_MAX) budget.memory_limit -= held;
    SearchResult found = engine_(made.items, budget);
    if (found.kind == VerdictKind::valid) found.prefix = completed_of(made.items);
    return kept(std::move(found), held, [&](std::uint32_t i) { return made.items[i].operation; });
  }

  // `operation_of` maps what the engine numbered to operations; `held` is what it was given.
  template <class OperationOf>
  Judged kept(SearchResult found, std::uint64_t held, OperationOf operation_of) const {
    Judged judged{.kind = found.kind,
                  .engine = std::move(found.engine),
                  .reason = std::move(found.reason),
                  .cost = found.cost,
                  .died_at = found.died_at};
    judged.cost.peak_bytes += held;
    judged.prefix = found.prefix;
    if (found.kind != VerdictKind::valid) {
      const auto completed = std::count_if(found.order.begin(), found.order.end(), [&](std::uint32_t i) {
        const Outcome outcome = history_.outcome(operation_of(i));
        return outcome == Outcome::ok || outcome == Outcome::fail;
      });
      judged.prefix = std::max(judged.prefix, static_cast<std::size_t>(completed));
    }
    for (const std::uint32_t i : found.core) judged.core.push_back(operation_of(i));
    if (!options_.certify || found.kind != VerdictKind::valid) return judged;
    for (std::uint32_t& i : found.order) i = operation_of(i);
    judged.order = std::move(found.order);
    return judged;
  }

  // With stop_at_first the keys behind the first invalid one are left, whether or not some thread has come to them already: so what is
  // reported does not depend on the number of threads.
  [[nodiscard]] bool skips(std::size_t key) const { return options_.stop_at_first && key > first_invalid_; }
  static void lower(std::atomic<std::size_t>& least, std::size_t value) {
    for (std::size_t seen = least; value < seen && !least.compare_exchange_weak(seen, value);) continue;
  }
  void leave_the_rest() {
    for (std::size_t key = 0; key < keys_->keys(); ++key) {
      if (skips(key)) results_[key] = {.reason = std::string(not_judged)};
    }
  }

  bool poll(bool alone) {
    if (alone) tell_progress();
    return spent();
  }

  void tell_progress() {
    constexpr Duration between = std::chrono::milliseconds(100);
    if (!options_.progress || now() - last_progress_ < between) return;
    last_progress_ = now();
    const auto done = [this](VerdictKind kind) { return done_[static_cast<std::size_t>(kind)].load(); };
    const CheckProgress progress{.keys_total = results_.size(),
                                 .keys_valid = done(VerdictKind::valid),
                                 .keys_invalid = done(VerdictKind::invalid),
                                 .keys_unknown = done(VerdictKind::unknown),
                                 .configurations = configurations_};
    options_.progress(progress);
  }

  void collect() {
    for (std::size_t key = 0; key < keys_->keys(); ++key) {
      Judged& found = results_[key];
      verdict_.cost.configurations += found.cost.configurations;
      verdict_.cost.peak_bytes = std::max(verdict_.cost.peak_bytes, found.cost.peak_bytes);
      verdict_.by_key.push_back({.key = keys_->key(key),
                                 .kind = found.kind,
                                 .engine = std::move(found.engine),
                                 .operations = keys_->operations(key).size(),
                                 .longest_prefix = found.prefix,
                                 .cost = found.cost,
                                 .order = std::move(found.order),
                                 .reason = found.kind == VerdictKind::unknown ? std::move(found.reason) : ""});
    }
    std::stable_sort(verdict_.by_key.begin(), verdict_.by_key.end(),
                     [](const KeyVerdict& a, const KeyVerdict& b) { return a.kind > b.kind; });
  }

  void explain_anomalies() {
    const Duration begun = now();
    const Budget budget{.stop = [this, begun] { return poll(true) || now() - begun > options_.explain_limit; },
                        .memory_limit = memory_for_each(1),
                        .why = [this] { return why_stopped(); }};
    for (std::size_t key = 0; key < keys_->keys() && verdict_.anomalies.size() < most_explained; ++key) {
      if (results_[key].kind == VerdictKind::invalid) explain_anomaly(key, budget);
    }
    verdict_.explaining = now() - begun;
    // A class before none, few operations before many, a wide gap before a narrow one.
    const auto telling = [](const Anomaly& a) {
      return std::tuple(a.name == "no-legal-order", a.core.size() + a.context.size(), -a.gap.value_or(Duration{}));
    };
    std::stable_sort(verdict_.anomalies.begin(), verdict_.anomalies.end(),
                     [&](const Anomaly& a, const Anomaly& b) { return telling(a) < telling(b); });
  }

  // Whatever time is left: an invalid verdict without a core could not be checked by anybody.
  void explain_anomaly(std::size_t key, Budget budget) {
    // Explaining takes some three times what the items do.
    const auto made = keys_->items(key, {.stop = {}, .memory_limit = budget.memory_limit / 4});
    if (!made.unfinished.empty()) return;
    if (budget.memory_limit != UINT64_MAX) budget.memory_limit -= made.items.capacity() * sizeof(Item);
    SearchResult found{.kind = VerdictKind::invalid, .died_at = results_[key].died_at, .engine = {}, .reason = {}};
    for (const OperationIndex o : results_[key].core) {
      const auto at = std::lower_bound(made.items.begin(), made.items.end(), o,
                                       [](const Item& item, OperationIndex other) { return item.operation < other; });
      found.core.push_back(static_cast<std::uint32_t>(at - made.items.begin()));
    }
    verdict_.anomalies.push_back(explain(history_, view_, made.items, found, engine_, budget));
    verdict_.anomalies.back().key = keys_->key(key);
  }

  void conclude() {
    if (!keys_->unfinished().empty()) {
      verdict_.unfinished = keys_->unfinished();
      verdict_.reason = fmt::format("The search stopped: {}, before it had begun.", keys_->unfinished());
      return;
    }
    if (history_.empty()) {
      verdict_.kind = VerdictKind::unknown;
      verdict_.reason = "Nothing to judge: the history is empty.";
      return;
    }
    verdict_.kind = VerdictKind::valid;
    for (const KeyVerdict& key : verdict_.by_key) {
      if (key.kind > verdict_.kind) verdict_.kind = key.kind;
      if (verdict_.engine.empty() || verdict_.engine == "none") verdict_.engine = key.engine;
      const bool same = key.engine == verdict_.engine || key.engine == "none";
      if (verdict_.kind == VerdictKind::valid && !same) verdict_.engine = "mixed";
    }
    if (verdict_.kind == VerdictKind::invalid) verdict_.reason = reason_invalid();
    if (verdict_.kind == VerdictKind::unknown) verdict_.reason = reason_unknown();
  }

  [[nodiscard]] std::string reason_invalid() const {
    if (!verdict_.anomalies.empty()) return verdict_.anomalies.front().sentence;
    const KeyVerdict& worst = verdict_.by_key.front();
    return fmt::format("No legal order of the {} operations{} exists.", worst.operations, on_key(worst.key));
  }

  [[nodiscard]] std::string reason_unknown() const {
    const auto undecided = std::count_if(verdict_.by_key.begin(), verdict_.by_key.end(),
                                         [](const KeyVerdict& key) { return key.kind == VerdictKind::unknown; });
    const KeyVerdict& first = verdict_.by_key.front();
    return fmt::format(
        "The search stopped: {}; {} of {} keys undecided, the first after a legal prefix of {} operations{}.",
        first.reason, undecided, verdict_.keys, first.longest_prefix, on_key(first.key));
  }

  static std::string on_key(const Value& key) {
    constexpr std::size_t longest_key = 200;
    return key.is_null() ? "" : " on key " + clip(key.to_string(), longest_key);
  }

  const History& history_;
  const ModelRules& rules_;
  const ModelView view_;
  const Engine engine_;
  const ColumnEngine columns_;  // may be empty
  const CheckOptions& options_;
  std::optional<Preparation> keys_;
  std::vector<Judged> results_;
  std::atomic<std::size_t> first_invalid_{SIZE_MAX};
  // Read while the searches go on, by whoever tells the progress.
  std::array<std::atomic<std::size_t>, 3> done_{};  // keys by VerdictKind
  std::atomic<std::uint64_t> configurations_{0};
  Duration last_progress_{};
  Verdict verdict_;
};

// The register engines take columns; empty for all others. Only an order that is asked for is put into the history's
// terms.
template <class M>
ColumnEngine column_engine(const M& model, const History& history, const CheckOptions& options) {
  if constexpr (std::is_same_v<M, Register> || std::is_same_v<M, CasRegister>) {
    if (const auto which = register_engine(options.engine)) {
      const RegisterRules rules{
          .initial = model.initial, .failed_cas = options.failed_cas, .nil_read = options.nil_read};
      return [&history, rules, which, certify = options.certify](std::span<const OperationIndex> operations,
                                                                 const Budget& budget) {
        const RegisterProblem problem = compile(history, operations, rules, budget);
        if (problem.operations.empty() && problem.unfinished.empty())
          return SearchResult{.kind = VerdictKind::valid, .engine = "none", .reason = {}};
        SearchResult found = search_register(problem, budget, *which, certify ? Witness::always : Witness::if_needed);
        if (found.kind == VerdictKind::valid) {
          found.prefix = completed_of(problem.operations);
          if (!certify) found.order.clear();
        }
        for (auto* positions : {&found.order, &found.core}) {
          for (std::uint32_t& position : *positions) position = problem.operations[position].operation;
        }
        return found;
      };
    }
  }
  return {};
}

}  // namespace

Result<Verdict> check(const History& history, std::string_view model, const CheckOptions& options) {
  const auto made = make_model(model, {.initial = options.initial});
  if (!made) return made.error();
  return check(history, made.value(), options);
}

Result<Verdict> check(const History& history, const AnyModel& model, const CheckOptions& options) {
  auto engine = make_engine(model, options.engine);
  if (!engine) return engine.error();
  return std::visit(
      [&](const auto& concrete) {
        const ModelRules rules{.model = concrete.name,
                               .catalogued = true,
                               .functions = concrete.functions(),
                               .observer = [&](const Call& call) { return concrete.observer(call); }};
        ModelView view = view_of(concrete, std::string(concrete.name), options.initial);
        ColumnEngine columns = column_engine(concrete, history, options);
        return Check(history, rules, std::move(view), std::move(engine).value(), std::move(columns), options).run();
      },
      model);
}

Result<Verdict> check(const History& history, const CustomModel& model, const CheckOptions& options) {
  auto engine = make_engine(model.make_space, options.engine);
  if (!engine) return engine.error();
  const std::shared_ptr<Space> space = model.make_space();
  const ModelRules rules{.model = model.name, .accepts = model.accepts, .observer = [space](const Call& call) {
                           return space->observer(call);
                         }};
  ModelView view = view_of(SpaceModel{space}, model.name, options.initial);
  return Check(history, rules, std::move(view), std::move(engine).value(), {}, options).run();
}

}  // namespace faultline
