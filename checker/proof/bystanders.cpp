#include "bystanders.hpp"

#include <algorithm>
#include <cstdint>

namespace faultline {

namespace {

std::span<const Value> elements(const Value& value) {
  return value.is_tagged() ? value.tagged_value().as_list() : value.as_list();
}

bool is_container(std::string_view model) {
  return model == "fifo-queue" || model == "unordered-queue" || model == "stack" || model == "priority-queue";
}

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

Bystanders::Bystanders(std::string_view model, const Value& initial, std::span<const Call> core,
                       std::span<const Call> relaxed)
    : model_(model), core_size_(core.size()) {
  if (is_container(model) && !initial.is_null()) enqueued_ = elements(initial).size();
  for (const Call& call : core) note_core(call);
  if (model == "cas-register") follow(relaxed);
  if (model == "counter") {
    if (!initial.is_null()) start_ = initial.as_integer();
    measure_room(core, relaxed);
  }
}

// Leaves it unknown where something may be taken away, or where 64 bits might wrap around.
void Bystanders::measure_room(std::span<const Call> core, std::span<const Call> relaxed) {
  constexpr std::int64_t large = std::int64_t{1} << 31;
  const auto harmless = [](const Call& call) {
    if (call.f == "read" || call.input.is_null()) return call.f != "dec";
    const std::int64_t n = call.input.as_integer();
    return n > -large && n < large && (call.f == "dec" ? n <= 0 : n >= 0);
  };
  const bool grows = std::all_of(core.begin(), core.end(), harmless) &&
                     std::all_of(relaxed.begin(), relaxed.end(), harmless) && start_ > -large && start_ < large;
  if (!grows) return;
  std::int64_t highest = start_;
  for (const Call& call : core) {
    if (call.f == "read" && call.result_known) highest = std::max(highest, call.output.as_integer());
  }
  if (highest < INT64_MAX / 2) room_ = highest - start_;
}

void Bystanders::note_core(const Call& call) {
  if (call.f == "enqueue" || call.f == "push") ++enqueued_;
  if (call.f == "cas") {
    failed_cas_ += call.failed ? 1 : 0;
    wanted_.insert(call.input.as_list()[0]);
  }
  if (call.f == "contains" && call.result_known && call.output == Value(true)) wanted_.insert(call.input);
  if (!call.result_known) return;
  if (call.f == "dequeue" || call.f == "pop") ++dequeued_[call.output];
  if (call.f == "get") results_.emplace_back(call.output.is_null() ? std::string_view() : call.output.as_text());
  if (call.f != "read") return;
  if (model_ == "append-list") {
    std::map<Value, std::size_t> shown;
    if (!call.output.is_null()) {
      for (const Value& value : call.output.as_list()) ++shown[value];
    }
    for (const auto& [value, times] : shown) listed_[value] = std::max(listed_[value], times);
  } else if (model_ == "set") {
    for (const Value& element : elements(call.output)) wanted_.insert(element);
  } else {
    wanted_.insert(call.output);
  }
}

// A value that a relaxed cas expects is wanted if the value it leaves behind is, and every value is seen by a failed cas.
void Bystanders::follow(std::span<const Call> relaxed) {
  std::map<Value, std::set<Value>> sources;
  for (const Call& call : relaxed) {
    if (call.f == "cas" && failed_cas_ > 0) wanted_.insert(call.input.as_list()[0]);
    if (call.f == "cas") sources[call.input.as_list()[1]].insert(call.input.as_list()[0]);
  }
  std::vector<Value> fresh(wanted_.begin(), wanted_.end());
  while (!fresh.empty()) {
    const Value value = fresh.back();
    fresh.pop_back();
    for (const Value& source : sources[value]) {
      if (wanted_.insert(source).second) fresh.push_back(source);
    }
  }
}

std::pair<std::string_view, Value> Bystanders::kind(const Call& call) const {
  const bool plain = (model_ == "register" || model_ == "cas-register") && call.f == "write";
  if (plain && nobody_looks_for(call.input)) return {"write of anything else", {}};
  return {call.f, call.input};
}

std::size_t Bystanders::uses(const Call& call) const {
  if (model_ == "mutex" || model_ == "fencing") return core_size_;
  if (model_ == "fenced-mutex") return call.f == "acquire" ? core_size_ : 2 * core_size_;
  if (model_ == "append-list") {
    const auto it = listed_.find(call.input);
    return it == listed_.end() ? 0 : it->second;
  }
  if (model_ == "counter" && room_ >= 0) {
    const std::int64_t n = call.input.is_null() ? 1 : call.input.as_integer();
    return static_cast<std::size_t>(room_ / (n < 0 ? -n : n));
  }
  if (model_ == "set") return wanted_.count(call.input);
  if (model_ == "kv") return kv_uses(call);
  if (model_ == "register" || model_ == "cas-register") {
    const Value& left_behind = call.f == "cas" ? call.input.as_list()[1] : call.input;
    if (!nobody_looks_for(left_behind)) return core_size_;
    return call.f == "write" || failed_cas_ == 0 ? failed_cas_ : core_size_;
  }
  if (is_container(model_)) {
    if (call.f == "dequeue" || call.f == "pop") return enqueued_;
    const auto it = dequeued_.find(call.input);
    return it == dequeued_.end() ? 0 : it->second;
  }
  return SIZE_MAX;
}

std::size_t Bystanders::kv_uses(const Call& call) const {
  const std::string_view text = call.input.as_text();
  std::size_t count = 0;
  for (const std::string& result : results_) {
    count += call.f == "append" ? occurrences(result, text) : result.starts_with(text) ? 1 : 0;
  }
  return count;
}

}  // namespace faultline
