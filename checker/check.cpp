#include <faultline/assert.hpp>
#include <faultline/checker.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <tuple>

#include "engines.hpp"
#include "parallel.hpp"
#include "prepare.hpp"
#include "proof/explain.hpp"

namespace faultline {

namespace {

constexpr std::size_t most_explained = 5;  // anomalies; a sixth would not be read
constexpr std::string_view out_of_memory = "memory limit";
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

class Check {
 public:
  Check(const History& history, const ModelRules& rules, ModelView view, Engine engine, const CheckOptions& options)
      : history_(history), rules_(rules), view_(std::move(view)), engine_(std::move(engine)), options_(options) {
    verdict_.model = rules.model;
  }

  Result<Verdict> run() {
    const Duration begun = now();
    auto prepared = prepare(history_, rules_, options_);
    if (!prepared) return prepared.error();
    keys_ = std::move(prepared.value().keys);
    verdict_.operations = history_.operation_count();
    verdict_.keys = keys_.size();
    verdict_.failed_operations = prepared.value().failed;
    verdict_.open_operations = prepared.value().open;
    verdict_.ignored = std::move(prepared.value().ignored);
    results_.resize(keys_.size());
    search_all();
    search_again();
    leave_the_rest();
    collect();
    if (options_.explain) explain_anomalies();
    conclude();
    verdict_.cost.time = now() - begun;
    return std::move(verdict_);
  }

 private:
  Duration now() const { return options_.elapsed ? options_.elapsed() : Duration{}; }
  bool cancelled() const { return options_.cancelled && options_.cancelled(); }
  bool spent() const { return cancelled() || (options_.elapsed && options_.elapsed() >= options_.time_limit); }

  // What the items of all keys hold is taken from the limit; the rest is shared by the searches that run at once.
  [[nodiscard]] std::uint64_t memory_for_each(std::size_t searches) const {
    if (options_.memory_limit == UINT64_MAX) return UINT64_MAX;
    std::uint64_t held = 0;
    for (const KeyProblem& key : keys_) held += key.items.capacity() * sizeof(Item);
    return held >= options_.memory_limit ? 0 : (options_.memory_limit - held) / std::max<std::size_t>(searches, 1);
  }

  void search_all() {
    const std::size_t at_once = std::min<std::size_t>(std::max(options_.threads, 1U), keys_.size());
    const std::uint64_t memory = memory_for_each(at_once);
    for_each_in_parallel(
        keys_.size(), options_.threads, [&](std::size_t key) { search(key, memory, at_once <= 1); },
        [this] { tell_progress(); });
  }

  // A key that ran out of its share of memory gets all of it: so the verdict does not depend on the number of threads.
  void search_again() {
    if (options_.threads <= 1) return;
    for (std::size_t key = 0; key < keys_.size(); ++key) {
      const bool short_of_memory = results_[key].kind == VerdictKind::unknown && results_[key].reason == out_of_memory;
      if (short_of_memory && !spent()) search(key, memory_for_each(1), true);
    }
  }

  void search(std::size_t key, std::uint64_t memory, bool alone) {
    SearchResult result{.engine = "none"};
    if (skips(key) || spent()) {
      result.reason = skips(key) ? std::string(not_judged) : why_stopped();
    } else if (keys_[key].items.empty()) {
      result.kind = VerdictKind::valid;
    } else {
      const Duration begun = now();
      const Budget budget{.stop = [this, alone, key] { return poll(alone) || skips(key); }, .memory_limit = memory};
      result = engine_(keys_[key].items, budget);
      result.cost.time = now() - begun;
      if (result.kind == VerdictKind::unknown && spent()) result.reason = why_stopped();
    }
    if (result.kind == VerdictKind::invalid) lower(first_invalid_, key);
    ++done_[static_cast<std::size_t>(result.kind)];
    configurations_ += result.cost.configurations;
    results_[key] = std::move(result);
  }

  // With stop_at_first the keys behind the first invalid one are left, whether or not some thread has come to them already: so what is
  // reported does not depend on the number of threads.
  [[nodiscard]] bool skips(std::size_t key) const { return options_.stop_at_first && key > first_invalid_; }
  static void lower(std::atomic<std::size_t>& least, std::size_t value) {
    for (std::size_t seen = least; value < seen && !least.compare_exchange_weak(seen, value);) continue;
  }
  void leave_the_rest() {
    for (std::size_t key = 0; key < keys_.size(); ++key) {
      if (skips(key)) results_[key] = {.engine = "none", .reason = std::string(not_judged)};
    }
  }

  bool poll(bool alone) {
    if (alone) tell_progress();
    return spent();
  }

  [[nodiscard]] std::string why_stopped() const { return cancelled() ? "interrupted" : "time limit"; }

  void tell_progress() {
    constexpr Duration between = std::chrono::milliseconds(100);
    if (!options_.progress || now() - last_progress_ < between) return;
    last_progress_ = now();
    const auto done = [this](VerdictKind kind) { return done_[static_cast<std::size_t>(kind)].load(); };
    const CheckProgress progress{.keys_total = keys_.size(),
                                 .keys_valid = done(VerdictKind::valid),
                                 .keys_invalid = done(VerdictKind::invalid),
                                 .keys_unknown = done(VerdictKind::unknown),
                                 .configurations = configurations_};
    options_.progress(progress);
  }

  void collect() {
    for (std::size_t key = 0; key < keys_.size(); ++key) {
      SearchResult& found = results_[key];
      KeyVerdict judged{.key = keys_[key].key,
                        .kind = found.kind,
                        .engine = found.engine,
                        .operations = keys_[key].operations,
                        .cost = found.cost,
                        .reason = found.kind == VerdictKind::unknown ? found.reason : ""};
      for (const std::uint32_t i : found.order) judged.longest_prefix += keys_[key].items[i].completed != none;
      if (options_.certify && found.kind == VerdictKind::valid) {
        judged.order.reserve(found.order.size());
        for (const std::uint32_t i : found.order) judged.order.push_back(keys_[key].items[i].operation);
      }
      verdict_.cost.configurations += found.cost.configurations;
      verdict_.cost.peak_bytes = std::max(verdict_.cost.peak_bytes, found.cost.peak_bytes);
      verdict_.by_key.push_back(std::move(judged));
    }
    std::stable_sort(verdict_.by_key.begin(), verdict_.by_key.end(),
                     [](const KeyVerdict& a, const KeyVerdict& b) { return a.kind > b.kind; });
  }

  void explain_anomalies() {
    const Duration begun = now();
    const Budget budget{.stop = [this, begun] { return poll(true) || now() - begun > options_.explain_limit; },
                        .memory_limit = memory_for_each(1)};
    for (std::size_t key = 0; key < keys_.size() && verdict_.anomalies.size() < most_explained; ++key) {
      if (results_[key].kind != VerdictKind::invalid) continue;
      verdict_.anomalies.push_back(explain(history_, view_, keys_[key].items, results_[key], engine_, budget));
      verdict_.anomalies.back().key = keys_[key].key;
    }
    verdict_.explaining = now() - begun;
    // A class before none, few operations before many, a wide gap before a narrow one.
    const auto telling = [](const Anomaly& a) {
      return std::tuple(a.name == "no-legal-order", a.core.size() + a.context.size(), -a.gap.value_or(Duration{}));
    };
    std::stable_sort(verdict_.anomalies.begin(), verdict_.anomalies.end(),
                     [&](const Anomaly& a, const Anomaly& b) { return telling(a) < telling(b); });
  }

  void conclude() {
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
  const CheckOptions& options_;
  std::vector<KeyProblem> keys_;
  std::vector<SearchResult> results_;
  std::atomic<std::size_t> first_invalid_{SIZE_MAX};
  // Read while the searches go on, by whoever tells the progress.
  std::array<std::atomic<std::size_t>, 3> done_{};  // keys by VerdictKind
  std::atomic<std::uint64_t> configurations_{0};
  Duration last_progress_{};
  Verdict verdict_;
};

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
        return Check(history, rules, std::move(view), std::move(engine).value(), options).run();
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
  return Check(history, rules, std::move(view), std::move(engine).value(), options).run();
}

}  // namespace faultline
