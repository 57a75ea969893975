#include "explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <faultline/text.hpp>

#include "classify.hpp"
#include "widest.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t max_prefix_steps = 200'000;
constexpr std::size_t max_candidates = 8;
// A core that could not be made small in time is no evidence of a class, and looking for one takes quadratic time.
constexpr std::size_t max_classified = 1'000;

// The search for the longest prefix, and the words around it.
class Explainer {
 public:
  Explainer(const History& history, const ModelView& model, const Items& items, Core core)
      : history_(history), model_(model), all_(items), core_(std::move(core)) {}

  Anomaly run() {
    anomaly_.key = history_.key(all_.front().invoked);
    anomaly_.since = core_.since;
    anomaly_.one_minimal = core_.one_minimal;
    anomaly_.doubt = core_.doubt;
    for (const Item& item : core_.items)
      (item.completed == none ? anomaly_.context : anomaly_.core).push_back(item.operation);
    find_prefix();
    find_candidates();
    find_class();
    return std::move(anomaly_);
  }

 private:
  void find_prefix() {
    const BruteForceResult found = model_.search(core_.items, max_prefix_steps);
    if (found.kind != VerdictKind::invalid) return;  // out of steps: what was found need not be the longest
    prefix_known_ = true;
    prefix_ = found.order;
    states_ = model_.states(core_.items, prefix_);
    for (std::size_t i = 0; i < prefix_.size(); ++i) {
      anomaly_.prefix.push_back({.operation = core_.items[prefix_[i]].operation, .state = states_[i + 1]});
    }
  }

  // What may come next: not placed, and invoked before the first of those that must still come has returned.
  Order next() const {
    std::vector<bool> placed(core_.items.size(), false);
    for (const std::uint32_t i : prefix_) placed[i] = true;
    EventIndex deadline = none;
    for (std::uint32_t i = 0; i < core_.items.size(); ++i) {
      if (!placed[i]) deadline = std::min(deadline, core_.items[i].completed);
    }
    Order order;
    for (std::uint32_t i = 0; i < core_.items.size(); ++i) {
      if (!placed[i] && core_.items[i].invoked < deadline) order.push_back(i);
    }
    return order;
  }

  // The one of them that must return first: it is what stays stuck.
  std::uint32_t stuck() const {
    std::uint32_t first = none;
    for (const std::uint32_t i : next()) {
      if (first == none || core_.items[i].completed < core_.items[first].completed) first = i;
    }
    return first;
  }

  // " (line 17)" of the operation that left the present state behind.
  std::string origin() const {
    for (std::size_t i = prefix_.size(); i > 0; --i) {
      if (states_[i] != states_[i - 1]) return fmt::format(" ({})", place_of(core_.items[prefix_[i - 1]]));
    }
    return "";
  }

  std::string place_of(const Item& item) const {
    const EventIndex completed = item.completed;
    return place(history_, completed != none ? completed : item.invoked);
  }

  std::string name_of(const Item& item) const {
    return fmt::format("{} by process {} ({})", phrase(item.call), history_.process(item.invoked), place_of(item));
  }

  [[nodiscard]] std::string needs(const Call& call) const {
    if (model_.name == "fencing") return "";  // its sentences say what a token needs
    if (call.f == "cas") return (call.failed ? "not " : "") + shown(call.input.as_list()[0]);
    if (call.f == "acquire") return "free";
    if (call.f == "release") return "held";
    constexpr std::array<std::string_view, 5> observing{"read", "get", "dequeue", "pop", "contains"};
    const bool observes = std::find(observing.begin(), observing.end(), call.f) != observing.end();
    return call.result_known && observes ? shown(call.output) : "";
  }

  void find_candidates() {
    if (!prefix_known_) return;
    const std::uint32_t blocked = stuck();
    for (const std::uint32_t i : next()) {
      if (anomaly_.candidates.size() == max_candidates) break;
      const Item& item = core_.items[i];
      const auto refusal = model_.refusal(core_.items, prefix_, item.call);
      Candidate candidate{
          .operation = item.operation, .legal = !refusal, .needs = needs(item.call), .has = states_.back(), .why = {}};
      if (refusal) {
        candidate.why =
            fmt::format("{} {}{}", name_of(item), refusal->empty() ? "is not possible" : *refusal, origin());
      } else {
        Order longer = prefix_;
        longer.push_back(i);
        const std::string after = model_.states(core_.items, longer).back();
        candidate.needs.clear();
        candidate.why = fmt::format("{} may have happened and leads to {}, but {} stays impossible", name_of(item),
                                    after, name_of(core_.items[blocked]));
      }
      anomaly_.candidates.push_back(std::move(candidate));
    }
  }

  void find_class() {
    const bool proven = prefix_known_ && anomaly_.one_minimal;
    const Facts facts(history_, all_, {.operations = anomaly_.core, .since = anomaly_.since, .proven = proven});
    const bool small = anomaly_.core.size() <= max_classified;
    if (const auto naming = small ? classify(facts, model_.name, model_.initial) : std::nullopt) {
      anomaly_.name = naming->name;
      anomaly_.sentence = naming->sentence;
      anomaly_.culprit = naming->culprit;
      anomaly_.contradicted = naming->contradicted;
      anomaly_.gap = naming->gap;
      return;
    }
    anomaly_.name = "no-legal-order";
    if (!prefix_known_) {
      anomaly_.culprit = last_returned();
      anomaly_.sentence =
          fmt::format("The {} operations of the core{} admit no legal order.", anomaly_.core.size(), on_key());
      return;
    }
    anomaly_.culprit = core_.items[stuck()].operation;
    anomaly_.sentence = fallback(facts);
  }

  std::string fallback(const Facts& facts) const {
    const Order candidates = next();
    const auto legal = std::count_if(candidates.begin(), candidates.end(), [&](std::uint32_t i) {
      return !model_.refusal(core_.items, prefix_, core_.items[i].call);
    });
    const std::string prefix = fmt::format("({} operation{}, {} = {})", prefix_.size(), prefix_.size() == 1 ? "" : "s",
                                           facts.key_name("state"), states_.back());
    if (candidates.size() == 1 && legal == 0) {
      return fmt::format("After the longest legal prefix {} the only operation that may come next is not legal.",
                         prefix);
    }
    return fmt::format("After the longest legal prefix {} none of the {} operations that may come next {}.", prefix,
                       candidates.size(), legal == 0 ? "is legal" : "lets the rest go on");
  }

  std::string on_key() const { return anomaly_.key.is_null() ? "" : " on key " + bare(anomaly_.key); }

  OperationIndex last_returned() const {
    const Item* last = nullptr;
    for (const Item& item : core_.items) {
      if (item.completed != none && (last == nullptr || item.completed > last->completed)) last = &item;
    }
    return last->operation;
  }

  const History& history_;
  const ModelView& model_;
  const Items& all_;
  const Core core_;
  bool prefix_known_ = false;
  Order prefix_;
  std::vector<std::string> states_{""};  // before the prefix and after each of its steps
  Anomaly anomaly_;
};

}  // namespace

Anomaly explain(const History& history, const ModelView& model, const Items& items, const SearchResult& found,
                const Engine& engine, const Budget& budget) {
  FL_ASSERT(found.kind == VerdictKind::invalid && !items.empty());
  SearchResult suspected = found;
  if (model.name == "register" || model.name == "cas-register") {
    if (auto widest = widest_stale_read(history, items); !widest.empty()) suspected.core = std::move(widest);
  }
  return Explainer(history, model, items, shrink(model, items, suspected, engine, budget)).run();
}

namespace {

// What an ok operation was about: the completion may restate it, or be the only one to say it.
Value argument_of(const History& history, OperationIndex operation) {
  const Operation known = history.operation(operation);
  const bool restates = known.f == "write" || known.f == "cas" || known.f == "put" || known.f == "append";
  if (!known.is_ok() || known.output.is_null()) return known.input;
  return restates || known.input.is_null() ? known.output : known.input;
}

}  // namespace

History minimal_history(const History& history, const Anomaly& anomaly) {
  enum class Part : std::uint8_t { absent, as_it_was, relaxed };
  std::vector<Part> parts(history.operation_count(), Part::absent);
  for (const OperationIndex operation : anomaly.core) parts[operation] = Part::as_it_was;
  for (const OperationIndex operation : anomaly.context) parts[operation] = Part::relaxed;
  const OperationIndex other = anomaly.contradicted;
  if (other != none && parts[other] == Part::absent && history.outcome(other) == Outcome::fail)
    parts[other] = Part::as_it_was;
  History minimal;
  for (EventIndex i = 0; i < history.size(); ++i) {
    const OperationIndex operation = history.operation_of(i);
    if (operation == none || parts[operation] == Part::absent) continue;
    Event event = history.event(i);
    if (parts[operation] == Part::relaxed && event.type != EventType::invoke) {
      event.type = EventType::info;
      event.value = {};
    }
    if (event.type == EventType::invoke && parts[operation] == Part::relaxed)
      event.value = argument_of(history, operation);
    FL_ASSERT(minimal.append(std::move(event)).ok());
  }
  return minimal;
}

}  // namespace faultline
