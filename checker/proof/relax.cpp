// Which relaxed changes a core can tell from nothing: "demand" below, by model. The verifier holds its own version of
// these rules (bystanders.hpp) and refuses a core that leaves out too much.
#include "relax.hpp"

#include <algorithm>
#include <map>
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

// How many relaxed calls can be of use at most, given what is kept.
class Demand {
 public:
  Demand(const ModelView& model, const Items& kept, const Items& loose) : model_(model), kept_(kept) {
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
      if (looked_at_.contains(call.f == "cas" ? cas_to(call) : call.input)) return kept_.size();
      // Else only a failed cas can see it: any value will do that is not the one it expected.
      return call.f == "cas" && failed_cas_ > 0 ? kept_.size() : failed_cas_;
    }
    if (model_.name == "mutex") return kept_.size();
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
    if (model_.name == "set") {
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
  std::set<Value> looked_at_;
  std::size_t failed_cas_ = 0;
  std::size_t enqueued_ = 0;
};

}  // namespace

bool is_blind(const ModelView& model, const Call& call) {
  return (is_register(model) && call.f == "write") || (model.name == "kv" && call.f == "put");
}

bool settles(const ModelView& model, const Call& call) {
  if (is_blind(model, call)) return true;
  const bool known = (model.name == "mutex" && call.f == "acquire") ||
                     (is_container(model) && removes(call) && call.result_known && call.output.is_null());
  return known && !model.refusal({}, {}, call);
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
