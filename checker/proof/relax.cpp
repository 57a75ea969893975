// Which relaxed changes a core can tell from nothing: "demand" below, by model. The verifier holds its own version of
// these rules (bystanders.hpp) and refuses a core that leaves out too much.
#include "relax.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace faultline {

namespace {

const Value& cas_from(const Call& call) { return call.input.as_list()[0]; }
const Value& cas_to(const Call& call) { return call.input.as_list()[1]; }

std::span<const Value> elements_of(const Value& value) {
  return value.is_tagged() ? value.tagged_value().as_list() : value.as_list();
}

Call without_result(const Call& call) {
  return {.f = call.f, .input = call.input, .output = {}, .result_known = false};
}

bool is_register(const ModelView& model) { return model.name == "register" || model.name == "cas-register"; }
bool is_container(const ModelView& model) {
  return model.name == "fifo-queue" || model.name == "unordered-queue" || model.name == "stack" ||
         model.name == "priority-queue";
}
bool inserts(const Call& call) { return call.f == "enqueue" || call.f == "push"; }
bool removes(const Call& call) { return call.f == "dequeue" || call.f == "pop"; }

// What a counter's call adds; none if it takes something away, or so much that sums might wrap around.
std::optional<std::int64_t> added(const Call& call) {
  if (call.f == "read") return 0;
  const std::int64_t n = call.input.is_null() ? 1 : call.input.as_integer();
  if (n < -INT32_MAX || n > INT32_MAX) return std::nullopt;
  const std::int64_t amount = call.f == "dec" ? -n : n;
  return amount < 0 ? std::nullopt : std::optional(amount);
}

// How much relaxed additions can make up at most, where nothing is ever taken away: the last kept read shows all that
// was added before it, and what is added after it is idle. None if something may be taken away.
std::optional<std::int64_t> counter_room(const Value& initial, const Items& kept, const Items& loose) {
  const std::int64_t start = initial.is_null() ? 0 : initial.as_integer();
  if (start < -INT32_MAX || start > INT32_MAX) return std::nullopt;
  std::int64_t room = 0;
  for (const Items* items : {&kept, &loose}) {
    for (const Item& item : *items) {
      if (!added(item.call)) return std::nullopt;
      const bool shows = item.call.f == "read" && item.call.result_known && item.call.output.as_integer() > start;
      if (shows && item.call.output.as_integer() > INT64_MAX / 2) return std::nullopt;
      if (shows) room = std::max(room, item.call.output.as_integer() - start);
    }
  }
  return room;
}

// How many relaxed calls can be of use at most, given what is kept.
class Demand {
 public:
  Demand(const ModelView& model, const Items& kept, const Items& loose)
      : model_(model), kept_(kept), size_(kept.size()) {
    for (const Item& item : kept) look(item.call);
    for (const Item& item : loose) {  // a failed cas looks at what any cas leaves behind
      if (failed_cas_ > 0 && item.call.f == "cas") looked_at_.insert(cas_from(item.call));
    }
    bool grew = is_register(model);
    while (grew) {  // a chain of relaxed cas that ends at a value somebody looks at
      grew = false;
      for (const Item& item : loose) {
        if (item.call.f == "cas" && looked_at_.contains(cas_to(item.call))) {
          grew = looked_at_.insert(cas_from(item.call)).second || grew;
        }
      }
    }
    if (is_container(model) && !model.initial.is_null()) enqueued_ = elements_of(model.initial).size();
    for (const Item& item : kept) enqueued_ += inserts(item.call);
    if (model.name == "counter") room_ = counter_room(model.initial, kept, loose);
  }

  // Calls of one group can stand for each other; the value is part of it unless nobody looks for that value in particular.
  [[nodiscard]] std::pair<std::string_view, Value> group(const Call& call) const {
    const bool any = is_register(model_) && call.f == "write" && !looked_at_.contains(call.input);
    return any ? std::pair<std::string_view, Value>("any write", {}) : std::pair(call.f, call.input);
  }

  // At most this many of a group. REQUIRES: no observer.
  [[nodiscard]] std::size_t of(const Call& call) const {
    if (is_register(model_)) {
      // Between two kept operations, using the same write twice is idle: what lies between could go.
      if (looked_at_.contains(call.f == "cas" ? cas_to(call) : call.input)) return size_;
      // Else only a failed cas can see it: any value will do that is not the one it expected.
      return call.f == "cas" && failed_cas_ > 0 ? size_ : failed_cas_;
    }
    // Of fencing: an acquisition that makes the token greater.
    if (model_.name == "mutex" || model_.name == "fencing") return size_;
    // Between two kept operations: a release, an acquisition that makes the token greater, a release.
    if (model_.name == "fenced-mutex") return 2 * size_;
    if (model_.name == "append-list") {
      // What is appended before the last kept read is shown by it; what comes after it is idle.
      const auto shown = most_shown_.find(call.input);
      return shown == most_shown_.end() ? 0 : shown->second;
    }
    if (model_.name == "counter") return room_ ? static_cast<std::size_t>(*room_ / *added(call)) : SIZE_MAX;
    if (model_.name == "set") return looked_at_.contains(call.input) ? 1 : 0;
    if (model_.name == "kv") return of_kv(call);
    if (is_container(model_)) {
      if (removes(call)) return enqueued_;  // one for each element that could be in the way
      return static_cast<std::size_t>(std::count_if(kept_.begin(), kept_.end(), [&](const Item& item) {
        return removes(item.call) && item.call.output == call.input;
      }));
    }
    return SIZE_MAX;
  }

 private:
  void look(const Call& call) {
    if (call.f == "cas" && call.failed) ++failed_cas_;
    if (call.f == "cas") looked_at_.insert(cas_from(call));
    if (call.f == "contains") looked_at_.insert(call.input);
    if (call.f != "read") return;
    if (model_.name == "append-list") {
      std::map<Value, std::size_t> shown;
      if (!call.output.is_null()) {
        for (const Value& value : call.output.as_list()) ++shown[value];
      }
      for (const auto& [value, times] : shown) most_shown_[value] = std::max(most_shown_[value], times);
    } else if (model_.name == "set") {
      for (const Value& element : elements_of(call.output)) looked_at_.insert(element);
    } else {
      looked_at_.insert(call.output);
    }
  }

  [[nodiscard]] std::size_t of_kv(const Call& call) const {
    const std::string_view piece = call.input.as_text();
    std::size_t uses = 0;
    for (const Item& item : kept_) {
      if (item.call.f != "get" || item.call.output.is_null()) {
        uses += item.call.f == "get" && piece.empty();  // putting "" makes a get of nil right
        continue;
      }
      const std::string_view text = item.call.output.as_text();
      if (call.f == "put") uses += text.substr(0, piece.size()) == piece;
      for (std::size_t at = 0; call.f == "append" && at + piece.size() <= text.size(); ++at) {
        uses += text.substr(at, piece.size()) == piece;
      }
    }
    return uses;
  }

  const ModelView& model_;
  const Items& kept_;
  const std::size_t size_;  // of what is kept
  std::set<Value> looked_at_;
  std::map<Value, std::size_t> most_shown_;  // by a kept read of a list
  std::size_t failed_cas_ = 0;
  std::size_t enqueued_ = 0;
  std::optional<std::int64_t> room_;
};

}  // namespace

bool is_blind(const ModelView& model, const Call& call) {
  return (is_register(model) && call.f == "write") || (model.name == "kv" && call.f == "put");
}

bool settles(const ModelView& model, const Call& call) {
  if (is_blind(model, call)) return true;
  const bool locks = (model.name == "mutex" || model.name == "fenced-mutex") && call.f == "acquire";
  const bool found_nothing = is_container(model) && removes(call) && call.result_known && call.output.is_null();
  return (locks || found_nothing) && !model.refusal({}, {}, call);
}

Items relaxed(const ModelView& model, const Items& items, const Choice& choice) {
  const EventIndex begin = choice.since == none ? 0 : items[choice.since].invoked;
  Items kept, loose;
  EventIndex last_return = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (item.completed == none || !choice.kept[i]) continue;
    kept.push_back(item);
    last_return = std::max(last_return, item.completed);
  }
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (item.completed != none && (choice.kept[i] || item.completed < begin || item.call.failed)) continue;
    if (item.invoked > last_return) continue;
    Call call = without_result(item.call);
    if (model.observer(call)) continue;
    loose.push_back({.operation = item.operation, .invoked = item.invoked, .completed = none, .call = std::move(call)});
  }
  const Demand demand(model, kept, loose);
  std::map<std::pair<std::string_view, Value>, std::size_t> used;
  for (Item& item : loose) {
    if (used[demand.group(item.call)]++ < demand.of(item.call)) kept.push_back(std::move(item));
  }
  std::sort(kept.begin(), kept.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
  return kept;
}

}  // namespace faultline
