#include <faultline/assert.hpp>
#include <faultline/history.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace faultline {

namespace {
constexpr Process small_process_limit = 1 << 20;
constexpr std::size_t max_warnings = 100;
constexpr std::size_t max_events = none;  // indices are 32 bits, the last one means none
constexpr std::size_t functions_by_scan =
    16;  // histories have a handful of functions; comparing them all beats hashing
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
  ++warning_count_;
  if (warnings_.size() < max_warnings) warnings_.push_back(std::move(text));
}

void History::reserve(std::size_t events) {
  types_.reserve(events);
  processes_.reserve(events);
  functions_of_.reserve(events);
  key_ids_.reserve(events);
  values_.reserve(events);
  times_.reserve(events);
  extra_ids_.reserve(events);
  operations_of_.reserve(events);
  invoked_.reserve(events / 2);
  completed_.reserve(events / 2);
}

std::optional<FunctionId> History::intern_function(std::string_view f) {
  for (std::size_t i = 0; i < std::min(functions_.size(), functions_by_scan); ++i) {
    if (functions_[i] == f) return static_cast<FunctionId>(i);
  }
  if (functions_.size() < functions_by_scan) {
    functions_.emplace_back(f);
    return static_cast<FunctionId>(functions_.size() - 1);
  }
  if (const auto found = function_index_.find(std::string(f)); found != function_index_.end()) return found->second;
  if (functions_.size() >= std::numeric_limits<FunctionId>::max()) return std::nullopt;
  const auto id = static_cast<FunctionId>(functions_.size());
  function_index_.emplace(f, id);
  functions_.emplace_back(f);
  return id;
}

std::uint32_t History::intern_key(const Value& key) {
  if (key.is_null()) return 0;
  const auto [found, inserted] = key_index_.try_emplace(key, static_cast<std::uint32_t>(keys_.size()));
  if (inserted) keys_.push_back(key);
  return found->second;
}

std::uint32_t History::intern_extra(const Value& extra) {
  if (extra.is_null()) return 0;
  if (extras_.back() != extra) extras_.push_back(extra);  // the same error or node many times in a row costs nothing
  return static_cast<std::uint32_t>(extras_.size() - 1);
}

OperationIndex History::open_operation(Process process) const {
  if (process >= 0 && process < small_process_limit) {
    return static_cast<std::size_t>(process) < clients_.size() ? clients_[static_cast<std::size_t>(process)].open
                                                               : none;
  }
  const auto found = large_clients_.find(process);
  return found == large_clients_.end() ? none : found->second.open;
}

History::Client& History::client(Process process) {
  if (process >= small_process_limit) return large_clients_[process];
  const auto slot = static_cast<std::size_t>(process);
  if (slot >= clients_.size()) clients_.resize(std::max(slot + 1, clients_.size() * 2));
  return clients_[slot];
}

std::string History::place(EventIndex i) const {
  return lines_[i] != 0 ? fmt::format("line {}", lines_[i]) : fmt::format("event {}", i);
}

EventIndex History::push(Row& row, OperationIndex operation) {
  types_.push_back(row.type);
  const bool wide = row.process >= Process{wide_process} - 1;
  if (wide) wide_processes_.emplace(static_cast<EventIndex>(size() - 1), row.process);
  processes_.push_back(wide ? wide_process : static_cast<std::uint32_t>(row.process + 1));
  functions_of_.push_back(row.function);
  key_ids_.push_back(row.key_id);
  values_.push_back(std::move(row.value));
  times_.push_back(row.time);
  lines_.push_back(row.line);
  extra_ids_.push_back(row.extra_id);
  operations_of_.push_back(operation);
  has_times_ = has_times_ || row.time != no_time;
  return static_cast<EventIndex>(types_.size() - 1);
}

void History::begin(Client& client, EventIndex invocation) {
  client = {.open = static_cast<OperationIndex>(invoked_.size()), .retired = none};
  invoked_.push_back(invocation);
  completed_.push_back(none);
}

void History::end(Client& client, EventIndex completion) {
  completed_[client.open] = completion;
  client = {.open = none, .retired = types_[completion] == EventType::info ? completion : none};
}

EventIndex History::append_row(Row& row) {
  if (size() >= max_events) return none;
  Client& who = client(row.process);
  if (row.type == EventType::invoke) {
    if (who.open != none || who.retired != none) return none;
    const EventIndex i = push(row, static_cast<OperationIndex>(invoked_.size()));
    begin(who, i);
    return i;
  }
  if (who.open == none) return none;
  const EventIndex invocation = invoked_[who.open];
  if (functions_of_[invocation] != row.function || key_ids_[invocation] != row.key_id) return none;
  const EventIndex i = push(row, who.open);
  end(who, i);
  return i;
}

Result<EventIndex> History::refuse_completion(const Event& event) const {
  const OperationIndex open = open_operation(event.process);
  if (open == none) {
    std::string last = "it never invoked anything";
    for (std::size_t i = types_.size(); i-- > 0;) {
      if (this->process(static_cast<EventIndex>(i)) != event.process) continue;
      last = fmt::format("its last event is {} {} at {}", to_string(types_[i]),
                         escape_controls(functions_[functions_of_[i]]), place(static_cast<EventIndex>(i)));
      break;
    }
    return Error::bad_input(fmt::format("expected an invocation of process {} first, found its completion {} {}; {}",
                                        event.process, to_string(event.type), escape_controls(event.f), last),
                            "each ok, fail or info needs an invoke of the same process before it");
  }
  const EventIndex invocation = invoked_[open];
  const std::string f = escape_controls(functions_[functions_of_[invocation]]);
  if (event.f != functions_[functions_of_[invocation]]) {
    return Error::bad_input(fmt::format("expected process {} to complete its {} from {}, found {} {}", event.process, f,
                                        place(invocation), to_string(event.type), escape_controls(event.f)),
                            "a completion repeats the f of its invocation");
  }
  return Error::bad_input(
      fmt::format("expected process {} to complete its {} on key {} from {}, found key {}", event.process, f,
                  clip(key(invocation).to_string(), 80), place(invocation), clip(event.key.to_string(), 80)),
      "a completion repeats the key of its invocation");
}

Result<EventIndex> History::append(Event event) {
  if (size() >= max_events) {
    return Error::bad_input(fmt::format("expected at most {} events, found more", max_events),
                            "split the history by key");
  }
  if (event.process < nemesis_process) {
    return Error::bad_input(fmt::format("expected a process >= -1, found {}", event.process),
                            "-1 is the nemesis, clients count from 0");
  }
  const bool client_event = event.process >= 0;
  const OperationIndex open = client_event ? open_operation(event.process) : none;
  const bool completes = client_event && event.type != EventType::invoke;
  if (client_event && !completes && open != none) {
    return Error::bad_input(
        fmt::format("expected process {} to complete its {} from {} first, found its invocation of {}", event.process,
                    escape_controls(functions_[functions_of_[invoked_[open]]]), place(invoked_[open]),
                    escape_controls(event.f)),
        "a process is single-threaded: give each concurrent client its own process id");
  }
  if (completes &&
      (open == none || event.f != functions_[functions_of_[invoked_[open]]] || event.key != key(invoked_[open]))) {
    return refuse_completion(event);
  }
  const auto function = intern_function(event.f);
  if (!function) {
    return Error::bad_input(
        fmt::format("expected at most {} different f, found one more: {}", functions_.size(), escape_controls(event.f)),
        "f names a kind of operation; arguments belong into value");
  }
  Row row{.type = event.type,
          .function = *function,
          .process = event.process,
          .key_id = intern_key(event.key),
          .extra_id = intern_extra(event.extra),
          .line = event.line,
          .value = std::move(event.value),
          .time = event.time};
  if (!client_event) {
    notes_.push_back(push(row, none));
    return notes_.back();
  }
  Client& who = client(event.process);
  if (completes) {
    const EventIndex i = push(row, open);
    end(who, i);
    return i;
  }
  if (who.retired != none) {
    warn(fmt::format("process {} invokes again after its info at {}: the old operation stays open", event.process,
                     place(who.retired)));
  }
  const EventIndex i = push(row, static_cast<OperationIndex>(invoked_.size()));
  begin(who, i);
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
          .process = process(i),
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
                      .process = process(invocation),
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
