#include "prepare.hpp"

#include <faultline/assert.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace faultline {

namespace {

std::string place(const History& history, EventIndex event) {
  const std::uint32_t line = history.line(event);
  return line != 0 ? fmt::format("line {}", line) : fmt::format("event {}", event);
}

// What a function of a model of one's own means when the model does not say: the common names mean the common things.
FunctionSpec assumed_spec(std::string_view f) {
  const bool writes = f == "write" || f == "put" || f == "append" || f == "cas";
  return {.f = f,
          .argument = writes ? Argument::restated : Argument::invoked,
          .input = f == "cas" ? Shape::pair : Shape::anything,
          .returns = true,
          .reads = f == "read" || f == "get"};
}

bool says_precondition_failed(const Value& error) {
  return (error.is_string() || error.is_keyword()) && error.as_text() == "precondition-failed";
}

constexpr OperationIndex polls_every = 1024;

// The version a result names, under the name of the formats or etcd's own.
std::int64_t version_in(const Value& extra) {
  if (extra.is_null()) return unversioned;
  for (const std::string_view name : {"version", "mod_revision"}) {
    if (const Value& version = extra.get(name); version.is_integer()) return version.as_integer();
  }
  return unversioned;
}

const Value& null_value() {
  static const Value null;
  return null;
}

}  // namespace

Result<Preparation> Preparation::make(const History& history, const ModelRules& rules, const CheckOptions& options,
                                      const Budget& budget) {
  Preparation made(history, rules, options);
  if (history.operation_count() * sizeof(OperationIndex) > budget.memory_limit) {
    made.unfinished_ = stopped_by_memory;
    return made;
  }
  made.sort_by_key(budget);
  if (auto judged = made.judge_all(budget); !judged) return judged.error();
  if (!made.unfinished_.empty()) made.keys_.clear();
  const auto tell = [&](std::size_t count, std::string_view what) {
    if (count > 0) made.ignored_.push_back(fmt::format("{} {}", count, what));
  };
  tell(made.failed_, "failed operations (certainly no effect)");
  tell(made.dropped_open_, "operations that never returned and could only have observed");
  tell(made.dropped_nil_, "reads of nil, which match anything");
  return made;
}

void Preparation::sort_by_key(const Budget& budget) {
  const auto count = static_cast<OperationIndex>(history_->operation_count());
  by_key_.resize(count);
  if (history_->keys().size() == 1 && count > 0) {  // about one object
    keys_.push_back({0, 0, count});
    return std::iota(by_key_.begin(), by_key_.end(), 0);
  }
  std::vector<std::uint32_t> number(history_->keys().size(), none);  // by key id: of the key, by first appearance
  for (OperationIndex o = 0; o < count; ++o) {
    if (o % polls_every == 0 && budget.stopped()) {
      unfinished_ = budget.why_stopped();
      return;
    }
    const std::uint32_t id = history_->operation_key_id(o);
    if (number[id] == none) {
      number[id] = static_cast<std::uint32_t>(keys_.size());
      keys_.push_back({id, 0, 0});
    }
    ++keys_[number[id]].end;
  }
  std::size_t begin = 0;
  for (Key& key : keys_) {
    const std::size_t size = key.end;
    key.begin = key.end = begin;
    begin += size;
  }
  for (OperationIndex o = 0; o < count; ++o) {
    if (o % polls_every == 0 && budget.stopped()) {
      unfinished_ = budget.why_stopped();
      return;
    }
    by_key_[keys_[number[history_->operation_key_id(o)]].end++] = o;
  }
}

Result<void> Preparation::judge_all(const Budget& budget) {
  specs_.resize(history_->functions().size());
  for (OperationIndex o = 0; o < history_->operation_count() && unfinished_.empty(); ++o) {
    if (o % polls_every == 0 && budget.stopped()) unfinished_ = budget.why_stopped();
    const FunctionId id = history_->operation_function(o);
    if (!specs_[id]) {
      if (auto known = learn(id, history_->invoked(o)); !known) return known.error();
    }
    if (auto judged = judge(o, *specs_[id]); !judged) return judged;
  }
  return {};
}

// The function's rules; an error if the model does not know it.
Result<void> Preparation::learn(FunctionId id, EventIndex invoked) {
  const std::string& f = history_->functions()[id];
  if (const FunctionSpec* found = find_function(rules_->functions, f)) {
    specs_[id] = *found;
  } else if (rules_->catalogued) {
    return unknown_function(rules_->model, f, place(*history_, invoked));
  } else if (rules_->accepts && !rules_->accepts(f)) {
    return Error::bad_input(
        fmt::format("{}: model {} does not know {}", place(*history_, invoked), rules_->model, escape_controls(f)));
  } else {
    specs_[id] = assumed_spec(f);
  }
  return {};
}

Result<void> Preparation::judge(OperationIndex o, const FunctionSpec& spec) {
  // Most operations of most models: nothing about their values could be wrong.
  const bool any_shape = (spec.argument == Argument::nothing || spec.input == Shape::anything) &&
                         (!spec.returns || spec.output == Shape::anything) && options_->nil_read == NilRead::value;
  if (any_shape && history_->outcome(o) == Outcome::ok) return {};
  const Meaning meaning = meaning_of(o, spec);
  if (meaning.open) ++open_;
  if (meaning.dropped) {
    ++failed_;
    return {};
  }
  if (auto shaped = check_shape(o, meaning, spec); !shaped) return shaped;
  if (meaning.open) {
    dropped_open_ += observes(o, meaning, spec) ? 1 : 0;
  } else {
    dropped_nil_ += matches_anything(meaning, spec) ? 1 : 0;
  }
  return {};
}

Preparation::Meaning Preparation::meaning_of(OperationIndex o, const FunctionSpec& spec) const {
  const EventIndex invoked = history_->invoked(o);
  const EventIndex completed = history_->completed(o);
  const Outcome outcome = history_->outcome(o);
  Meaning meaning{.open = outcome == Outcome::info || outcome == Outcome::open, .failed = outcome == Outcome::fail};
  if (meaning.failed && !observes_failure(invoked, completed)) {
    meaning.dropped = true;
    return meaning;
  }
  const Value& asked = history_->value(invoked);
  const Value& answer = outcome == Outcome::ok ? history_->value(completed) : asked;
  if (spec.argument == Argument::invoked) meaning.input = asked.is_null() ? &answer : &asked;
  if (spec.argument == Argument::restated) meaning.input = answer.is_null() ? &asked : &answer;
  if (spec.returns && outcome == Outcome::ok) meaning.output = &answer;
  return meaning;
}

// A failed cas proves "value != expected" only if the object said so, or if the user vouches for it.
bool Preparation::observes_failure(EventIndex invoked, EventIndex completed) const {
  if (history_->functions()[history_->function(invoked)] != "cas") return false;
  return options_->failed_cas == FailedCas::observe ||
         says_precondition_failed(history_->extra(completed).get("error"));
}

bool Preparation::matches_anything(const Meaning& meaning, const FunctionSpec& spec) const {
  const bool nil = meaning.output == nullptr || meaning.output->is_null();
  return spec.reads && !meaning.open && nil && options_->nil_read == NilRead::unknown;
}

// Whether an open operation could only have observed; nobody saw what.
bool Preparation::observes(OperationIndex o, const Meaning& meaning, const FunctionSpec& spec) const {
  return rules_->observer ? rules_->observer(call_of(o, meaning)) : spec.reads;
}

Result<void> Preparation::check_shape(OperationIndex o, const Meaning& meaning, const FunctionSpec& spec) const {
  const Value& input = meaning.input == nullptr ? null_value() : *meaning.input;
  const Value& output = meaning.output == nullptr ? null_value() : *meaning.output;
  const std::string& f = history_->functions()[history_->operation_function(o)];
  if (spec.argument != Argument::nothing && !fits(spec.input, input)) {
    return Error::bad_input(fmt::format("{}: {} wants {}, found {}", place(*history_, history_->invoked(o)),
                                        escape_controls(f), to_string(spec.input), clip(input.to_string(), 120)));
  }
  if (!spec.returns || meaning.open || meaning.failed || fits(spec.output, output)) return {};
  if (matches_anything(meaning, spec)) return {};
  return Error::bad_input(
      fmt::format("{}: {} returns {}, found {}", place(*history_, history_->completed(o)), escape_controls(f),
                  to_string(spec.output), clip(output.to_string(), 120)),
      spec.reads && output.is_null() ? "if nil stands for a value that is not known, pass --nil-read unknown" : "");
}

Call Preparation::call_of(OperationIndex o, const Meaning& meaning) const {
  return {.f = history_->functions()[history_->operation_function(o)],
          .input = meaning.input == nullptr ? Value() : *meaning.input,
          .output = meaning.output == nullptr ? Value() : *meaning.output,
          .result_known = !meaning.open,
          .failed = meaning.failed};
}

Preparation::Made Preparation::items(std::size_t key, const Budget& budget) const {
  const auto operations = this->operations(key);
  Made made;
  if (operations.size() * sizeof(Item) > budget.memory_limit) {
    made.unfinished = stopped_by_memory;
    return made;
  }
  made.items.reserve(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (i % polls_every == 0 && budget.stopped()) return {.items = {}, .unfinished = budget.why_stopped()};
    const OperationIndex o = operations[i];
    const FunctionSpec& spec = *specs_[history_->operation_function(o)];
    const Meaning meaning = meaning_of(o, spec);
    if (meaning.dropped || (meaning.open && observes(o, meaning, spec)) || matches_anything(meaning, spec)) continue;
    made.items.push_back({.operation = o,
                          .invoked = history_->invoked(o),
                          .completed = meaning.open ? none : history_->completed(o),
                          .call = call_of(o, meaning),
                          .version = meaning.open ? unversioned : version_in(history_->extra(history_->completed(o)))});
  }
  return made;
}

bool Preparation::names_versions(std::size_t key) const {
  for (const OperationIndex o : operations(key)) {
    if (history_->outcome(o) == Outcome::ok) return version_in(history_->extra(history_->completed(o))) != unversioned;
  }
  return false;
}

Result<Prepared> prepare(const History& history, const ModelRules& rules, const CheckOptions& options) {
  const auto preparation = Preparation::make(history, rules, options);
  if (!preparation) return preparation.error();
  const Preparation& made = preparation.value();
  Prepared prepared{.keys = {}, .failed = made.failed(), .open = made.open(), .ignored = made.ignored()};
  for (std::size_t key = 0; key < made.keys(); ++key) {
    prepared.keys.push_back(
        {.key = made.key(key), .items = made.items(key), .operations = made.operations(key).size()});
  }
  return prepared;
}

}  // namespace faultline
