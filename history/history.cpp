#include <faultline/assert.hpp>
#include <faultline/history.hpp>

#include <fmt/format.h>

#include <limits>

namespace faultline {

namespace {
constexpr Process small_process_limit = 1 << 20;
constexpr std::size_t max_warnings = 100;
}  // namespace

std::string_view to_string(EventType type) {
  switch (type) {
    case EventType::invoke: return "invoke";
    case EventType::ok: return "ok";
    case EventType::fail: return "fail";
    case EventType::info: return "info";
  }
  FL_ASSERT(false && "unknown event type");
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return "ok";
    case Outcome::fail: return "fail";
    case Outcome::info: return "info";
    case Outcome::open: return "open";
  }
  FL_ASSERT(false && "unknown outcome");
}

Event Event::with(std::string_view name, Value field) const {
  Event copy = *this;
  std::vector<Value::Entry> entries;
  if (extra.is_map()) entries.assign(extra.as_map().begin(), extra.as_map().end());
  entries.emplace_back(Value::string(name), std::move(field));
  copy.extra = Value::map(std::move(entries));
  return copy;
}

void History::warn(std::string text) {
  if (warnings_.size() < max_warnings) warnings_.push_back(std::move(text));
}

void History::reserve(std::size_t events) {
  types_.reserve(events);
  processes_.reserve(events);
  functions_of_.reserve(events);
  key_ids_.reserve(events);
  values_.reserve(events);
  times_.reserve(events);
  lines_.reserve(events);
  extra_ids_.reserve(events);
  operations_of_.reserve(events);
  invoked_.reserve(events / 2);
  completed_.reserve(events / 2);
}

FunctionId History::intern_function(std::string_view f) {
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (functions_[i] == f) return static_cast<FunctionId>(i);
  }
  FL_ASSERT(functions_.size() < std::numeric_limits<FunctionId>::max());
  functions_.emplace_back(f);
  return static_cast<FunctionId>(functions_.size() - 1);
}

std::uint32_t History::intern_key(const Value& key) {
  if (key.is_null()) return 0;
  const auto [found, inserted] = key_index_.try_emplace(key, static_cast<std::uint32_t>(keys_.size()));
  if (inserted) keys_.push_back(key);
  return found->second;
}

OperationIndex History::open_operation(Process process) const {
  if (process >= 0 && process < small_process_limit) {
    return static_cast<std::size_t>(process) < open_by_process_.size()
               ? open_by_process_[static_cast<std::size_t>(process)]
               : none;
  }
  const auto found = open_by_large_process_.find(process);
  return found == open_by_large_process_.end() ? none : found->second;
}

void History::set_open(Process process, OperationIndex operation) {
  if (process >= 0 && process < small_process_limit) {
    const auto slot = static_cast<std::size_t>(process);
    if (slot >= open_by_process_.size()) open_by_process_.resize(slot + 1, none);
    open_by_process_[slot] = operation;
  } else {
    open_by_large_process_[process] = operation;
  }
}

std::string History::place(EventIndex i) const {
  return lines_[i] != 0 ? fmt::format("line {}", lines_[i]) : fmt::format("event {}", i);
}

EventIndex History::push(const Event& event, FunctionId function, std::uint32_t key_id, OperationIndex operation) {
  FL_ASSERT(types_.size() < none);
  types_.push_back(event.type);
  processes_.push_back(event.process);
  functions_of_.push_back(function);
  key_ids_.push_back(key_id);
  values_.push_back(event.value);
  times_.push_back(event.time);
  lines_.push_back(event.line);
  operations_of_.push_back(operation);
  if (event.extra.is_null()) {
    extra_ids_.push_back(0);
  } else if (extras_.back() == event.extra) {  // the same error or node many times in a row costs nothing
    extra_ids_.push_back(static_cast<std::uint32_t>(extras_.size() - 1));
  } else {
    extra_ids_.push_back(static_cast<std::uint32_t>(extras_.size()));
    extras_.push_back(event.extra);
  }
  has_times_ = has_times_ || event.time != no_time;
  return static_cast<EventIndex>(types_.size() - 1);
}

Result<EventIndex> History::append(Event event) {
  if (event.process < 0) {
    const EventIndex i = push(event, intern_function(event.f), intern_key(event.key), none);
    notes_.push_back(i);
    return i;
  }
  const OperationIndex open = open_operation(event.process);
  if (event.type == EventType::invoke) {
    if (open != none) {
      return Error::bad_input(fmt::format("process {} invokes {} while its {} from {} is still open", event.process,
                                          event.f, functions_[functions_of_[invoked_[open]]], place(invoked_[open])),
                              "a process is single-threaded: give each concurrent client its own process id");
    }
    if (const auto retired = retired_.find(event.process); retired != retired_.end()) {
      warn(fmt::format("process {} invokes again after its info at {}: the old operation stays open", event.process,
                       place(retired->second)));
      retired_.erase(retired);
    }
    const auto operation = static_cast<OperationIndex>(invoked_.size());
    const EventIndex i = push(event, intern_function(event.f), intern_key(event.key), operation);
    invoked_.push_back(i);
    completed_.push_back(none);
    set_open(event.process, operation);
    return i;
  }
  if (open == none) {
    std::string last = "it never invoked anything";
    for (std::size_t i = types_.size(); i-- > 0;) {
      if (processes_[i] != event.process) continue;
      last = fmt::format("its last event is {} {} at {}", to_string(types_[i]), functions_[functions_of_[i]],
                         place(static_cast<EventIndex>(i)));
      break;
    }
    return Error::bad_input(fmt::format("process {} completes {} ({}) without an invocation; {}", event.process,
                                        event.f, to_string(event.type), last),
                            "each ok, fail or info needs an invoke of the same process before it");
  }
  const EventIndex invocation = invoked_[open];
  const std::string& f = functions_[functions_of_[invocation]];
  if (event.f != f) {
    return Error::bad_input(fmt::format("process {} completes {}, but its invocation at {} is {}", event.process,
                                        event.f, place(invocation), f),
                            "a completion repeats the f of its invocation");
  }
  if (event.key != keys_[key_ids_[invocation]]) {
    return Error::bad_input(
        fmt::format("process {} completes {} on key {}, but its invocation at {} has key {}", event.process, event.f,
                    event.key.to_string(), place(invocation), keys_[key_ids_[invocation]].to_string()),
        "a completion repeats the key of its invocation");
  }
  const EventIndex i = push(event, functions_of_[invocation], key_ids_[invocation], open);
  completed_[open] = i;
  set_open(event.process, none);
  if (event.type == EventType::info) retired_[event.process] = i;
  return i;
}

OperationIndex History::invoke(Process process, std::string_view f, Value value, Value key, Instant time) {
  const auto appended = append({.type = EventType::invoke,
                                .process = process,
                                .f = std::string(f),
                                .key = std::move(key),
                                .value = std::move(value),
                                .time = time,
                                .extra = {}});
  FL_ASSERT(appended.ok());
  return static_cast<OperationIndex>(invoked_.size() - 1);
}

namespace {
Event completion_of(const History& history, OperationIndex operation, EventType type, Value value, Instant time) {
  const EventIndex invocation = history.invoked(operation);
  return {.type = type,
          .process = history.process(invocation),
          .f = history.functions()[history.function(invocation)],
          .key = history.key(invocation),
          .value = std::move(value),
          .time = time,
          .extra = {}};
}
}  // namespace

void History::ok(OperationIndex operation, Value value, Instant time) {
  FL_ASSERT(operation < invoked_.size() && completed_[operation] == none);
  FL_ASSERT(append(completion_of(*this, operation, EventType::ok, std::move(value), time)).ok());
}

void History::fail(OperationIndex operation, Value error, Instant time) {
  FL_ASSERT(operation < invoked_.size() && completed_[operation] == none);
  Event event = completion_of(*this, operation, EventType::fail, {}, time);
  FL_ASSERT(append(error.is_null() ? event : event.with("error", std::move(error))).ok());
}

void History::info(OperationIndex operation, Value error, Instant time) {
  FL_ASSERT(operation < invoked_.size() && completed_[operation] == none);
  Event event = completion_of(*this, operation, EventType::info, {}, time);
  FL_ASSERT(append(error.is_null() ? event : event.with("error", std::move(error))).ok());
}

const Value& History::extra(EventIndex i) const { return extras_[extra_ids_[i]]; }

Event History::event(EventIndex i) const {
  FL_ASSERT(i < size());
  return {.type = types_[i],
          .process = processes_[i],
          .f = functions_[functions_of_[i]],
          .key = key(i),
          .value = values_[i],
          .time = times_[i],
          .line = lines_[i],
          .extra = extra(i)};
}

Outcome History::outcome(OperationIndex o) const {
  const EventIndex completion = completed_[o];
  if (completion == none) return Outcome::open;
  switch (types_[completion]) {
    case EventType::ok: return Outcome::ok;
    case EventType::fail: return Outcome::fail;
    default: return Outcome::info;
  }
}

Operation History::operation(OperationIndex o) const {
  FL_ASSERT(o < operation_count());
  const EventIndex invocation = invoked_[o];
  const EventIndex completion = completed_[o];
  Operation operation{.index = o,
                      .invoked = invocation,
                      .completed = completion,
                      .outcome = outcome(o),
                      .process = processes_[invocation],
                      .f = functions_[functions_of_[invocation]],
                      .key = key(invocation),
                      .input = values_[invocation],
                      .output = {}};
  if (operation.outcome == Outcome::ok || operation.outcome == Outcome::fail) operation.output = values_[completion];
  return operation;
}

const Value& History::operation_extra(OperationIndex o, std::string_view name) const {
  if (const EventIndex completion = completed_[o]; completion != none) {
    if (const Value& field = extra(completion).get(name); !field.is_null()) return field;
  }
  return extra(invoked_[o]).get(name);
}

}  // namespace faultline
