// History: what was invoked and what came back, in order; the input of every checker and report.
//
// Events have dense indices from 0 and never change once appended. Order is the order of appending: it alone decides
// what happened before what; times are for people. Pairing is by process: an invocation, then its ok, fail or info.
// Events of process -1 are notes (faults): they belong to no operation and may come in any order. A History owns
// everything it holds; it may be moved, and read by many threads at once, but appended to by one.
//
// Storage is columnar, about 40 bytes an event, so that ten million operations fit easily.
//
// Checking a history recorded in your own program takes ten lines:
//   faultline::History h;
//   auto w = h.invoke(0, "write", 1); h.ok(w);
//   auto r = h.invoke(1, "read");     h.ok(r, 0);
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <faultline/columns.hpp>
#include <faultline/event.hpp>
#include <faultline/result.hpp>

namespace faultline {

// An index into History::functions(): the distinct `f` of a history, in order of first appearance.
using FunctionId = std::uint16_t;

class History {
 public:
  // --- recording by hand
  // ------------------------------------------------------------------------------------------------- REQUIRES: the
  // process has no open operation. The handle is the operation's index.
  OperationIndex invoke(Process process, std::string_view f, Value value = {}, Value key = {}, Instant time = no_time);
  // Complete an operation. REQUIRES: it is open. A null value means "the invocation's" where that makes sense (write,
  // cas).
  void ok(OperationIndex operation, Value value = {}, Instant time = no_time);
  void fail(OperationIndex operation, Value error = {}, Instant time = no_time);
  void info(OperationIndex operation, Value error = {}, Instant time = no_time);

  // --- recording events that may be wrong
  // -------------------------------------------------------------------------------- Appends, or says which rule of the
  // format the event breaks (completion without invocation, second invocation, other f or key) and leaves the history
  // unchanged. The error names lines where events have them, else indices.
  Result<EventIndex> append(Event event);

  // The fast way in, for readers of large files: names interned once, then rows of ids.
  struct Row {
    EventType type = EventType::invoke;
    FunctionId function = 0;
    Process process = 0;
    std::uint32_t key_id = 0;
    std::uint32_t extra_id = 0;
    std::uint32_t line = 0;
    Value value;
    Instant time = no_time;
  };
  // Ids for rows. A name keeps its id; functions are limited to 65,535, beyond that nullopt.
  std::optional<FunctionId> intern_function(std::string_view f);
  std::uint32_t intern_key(const Value& key);
  std::uint32_t intern_extra(const Value& extra);
  // Appends a client's event and takes the row's value, unless a rule is broken or a warning is due: then the answer is
  // `none`, nothing has changed, and append() says why. REQUIRES: process >= 0 and ids of this history.
  EventIndex append_row(Row& row);

  // Remarks that are not errors, in order, at most 100, e.g. "process 3 invokes again after its info at line 12"; and
  // how many there were.
  [[nodiscard]] std::span<const std::string> warnings() const { return warnings_; }
  [[nodiscard]] std::uint64_t warning_count() const { return warning_count_; }
  void warn(std::string text);

  // --- events
  // ------------------------------------------------------------------------------------------------------------
  [[nodiscard]] std::size_t size() const { return types_.size(); }
  [[nodiscard]] bool empty() const { return types_.empty(); }
  [[nodiscard]] Event event(EventIndex i) const;
  [[nodiscard]] EventType type(EventIndex i) const { return types_[i]; }
  [[nodiscard]] Process process(EventIndex i) const {
    const std::uint32_t above = processes_[i];
    return above != wide_process ? Process{above} - 1 : wide_processes_.at(i);
  }
  [[nodiscard]] FunctionId function(EventIndex i) const { return static_cast<FunctionId>(functions_of_[i]); }
  [[nodiscard]] const Value& key(EventIndex i) const { return keys_[key_ids_[i]]; }
  // An index into keys(); 0 is the null key.
  [[nodiscard]] std::uint32_t key_id(EventIndex i) const { return key_ids_[i]; }
  [[nodiscard]] const Value& value(EventIndex i) const { return values_[i]; }
  [[nodiscard]] Instant time(EventIndex i) const { return times_[i]; }
  [[nodiscard]] std::uint32_t line(EventIndex i) const { return lines_[i]; }
  [[nodiscard]] const Value& extra(EventIndex i) const;
  // The operation an event belongs to; none for notes.
  [[nodiscard]] OperationIndex operation_of(EventIndex i) const { return operations_of_[i]; }

  [[nodiscard]] std::span<const std::string> functions() const { return functions_; }
  [[nodiscard]] std::span<const Value> keys() const { return keys_; }
  [[nodiscard]] bool has_times() const { return has_times_; }

  // --- operations
  // -------------------------------------------------------------------------------------------------------- Clients'
  // operations in order of invocation.
  [[nodiscard]] std::size_t operation_count() const { return invoked_.size(); }
  [[nodiscard]] EventIndex invoked(OperationIndex o) const { return invoked_[o]; }
  [[nodiscard]] EventIndex completed(OperationIndex o) const { return completed_[o]; }  // none if open
  [[nodiscard]] Outcome outcome(OperationIndex o) const;
  [[nodiscard]] Operation operation(OperationIndex o) const;
  // The parts of an Operation without building one: what a checker reads when it sorts operations by key.
  [[nodiscard]] std::uint32_t operation_key_id(OperationIndex o) const { return key_ids_[invoked_[o]]; }
  [[nodiscard]] FunctionId operation_function(OperationIndex o) const { return function(invoked_[o]); }
  // The open operation of a process; none if there is none.
  [[nodiscard]] OperationIndex open_operation(Process process) const;
  // The extras of the completion, else of the invocation: where the answering node is named.
  [[nodiscard]] const Value& operation_extra(OperationIndex o, std::string_view name) const;
  // Indices of the events of process -1, in order.
  [[nodiscard]] std::span<const EventIndex> notes() const { return notes_; }

  void reserve(std::size_t events);

 private:
  static constexpr std::uint32_t wide_process = none;
  // Per process: its open operation, and the info that retired it.
  struct Client {
    OperationIndex open = none;
    EventIndex retired = none;
  };
  std::string place(EventIndex i) const;
  Client& client(Process process);
  Result<EventIndex> refuse_completion(const Event& event) const;
  EventIndex push(Row& row, OperationIndex operation);
  void begin(Client& client, EventIndex invocation);
  void end(Client& client, EventIndex completion);

  std::vector<EventType> types_;
  detail::NarrowColumn processes_;  // plus one; wide_process: see wide_processes_
  std::unordered_map<EventIndex, Process> wide_processes_;
  detail::NarrowColumn functions_of_;
  detail::NarrowColumn key_ids_;
  std::vector<Value> values_;
  std::vector<Instant> times_;
  detail::LineColumn lines_;
  detail::NarrowColumn extra_ids_;
  std::vector<OperationIndex> operations_of_;

  std::vector<EventIndex> invoked_;
  std::vector<EventIndex> completed_;
  std::vector<EventIndex> notes_;

  std::vector<std::string> functions_;
  std::unordered_map<std::string, FunctionId> function_index_;  // used once there are many
  std::vector<Value> keys_{Value()};
  std::unordered_map<Value, std::uint32_t> key_index_;
  std::vector<Value> extras_{Value()};
  std::vector<Client> clients_;  // of small process ids
  std::unordered_map<Process, Client> large_clients_;
  std::vector<std::string> warnings_;
  std::uint64_t warning_count_ = 0;
  bool has_times_ = false;
};

}  // namespace faultline
