#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "meter.hpp"
#include "register.hpp"

namespace faultline {

namespace {

// Values to dense ids, in order of first appearance. Integers within a range comparable to the number of operations, by
// far the most common case, go through a table without hashing; other values through a hash map that is only ever
// looked up.
class ValueIds {
 public:
  // The integers to expect and how many operations there are.
  void expect(std::int64_t low, std::int64_t high, std::size_t operations, registers::Meter& meter) {
    if (low > high) return;
    const auto range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    if (range >= 8 * static_cast<std::uint64_t>(operations) + 1024) return;
    if (!meter.may_hold((range + 1) * sizeof(ValueId))) return;
    low_ = low;
    table_.assign(range + 1, none);
  }

  ValueId id(const Value& value) {
    if (value.is_integer()) {
      const auto offset = static_cast<std::uint64_t>(value.as_integer()) - static_cast<std::uint64_t>(low_);
      if (offset < table_.size()) {
        ValueId& entry = table_[offset];
        if (entry == none) entry = next_++;
        return entry;
      }
    }
    const auto [entry, fresh] = others_.try_emplace(value, next_);
    if (fresh) ++next_;
    return entry->second;
  }

  [[nodiscard]] std::uint32_t size() const { return next_; }
  [[nodiscard]] std::uint64_t bytes() const {
    constexpr std::uint64_t node = 64;  // of the map, about
    return table_.capacity() * sizeof(ValueId) + others_.size() * node;
  }

 private:
  std::int64_t low_ = 0;
  std::vector<ValueId> table_;
  std::unordered_map<Value, ValueId> others_;
  ValueId next_ = 0;
};

struct IntegerRange {
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = std::numeric_limits<std::int64_t>::min();

  void add(const Value& value) {
    if (value.is_integer()) {
      low = std::min(low, value.as_integer());
      high = std::max(high, value.as_integer());
    } else if (value.is_list()) {
      for (const Value& item : value.as_list()) add(item);
    }
  }
};

// A cas once its two values are known: one that succeeded without a change is a read, one that may have is nothing.
void finish_cas(RegisterOperation& operation, bool failed) {
  if (failed) {
    operation.kind = RegisterKind::differs;
    operation.to = 0;
  } else if (operation.from != operation.to) {
    operation.kind = RegisterKind::cas;
  } else {
    operation.kind = operation.open() ? RegisterKind::nothing : RegisterKind::read;
  }
}

bool says_precondition_failed(const Value& error) {
  return (error.is_string() || error.is_keyword()) && error.as_text() == "precondition-failed";
}

// What has been compiled when the budget ended is of no use.
RegisterProblem finished(RegisterProblem problem, const registers::Meter& meter) {
  if (!meter.spent()) return problem;
  RegisterProblem none_of_it;
  none_of_it.unfinished = meter.reason();
  return none_of_it;
}

// Reads the columns of a History; what an operation means is said in prepare.cpp and followed here.
class HistoryCompiler {
 public:
  HistoryCompiler(const History& history, const RegisterRules& rules)
      : history_(history), rules_(rules), kinds_(history.functions().size(), RegisterKind::nothing) {
    for (std::size_t f = 0; f < kinds_.size(); ++f) {
      const std::string& name = history.functions()[f];
      if (name == "read") kinds_[f] = RegisterKind::read;
      if (name == "write") kinds_[f] = RegisterKind::write;
      if (name == "cas") kinds_[f] = RegisterKind::cas;
    }
  }

  RegisterProblem run(std::span<const OperationIndex> operations, registers::Meter& meter) {
    IntegerRange range;
    range.add(rules_.initial);
    for (const OperationIndex o : operations) {
      if (meter.tick()) break;
      range.add(history_.value(history_.invoked(o)));
      if (history_.completed(o) != none) range.add(history_.value(history_.completed(o)));
    }
    ids_.expect(range.low, range.high, operations.size(), meter);
    RegisterProblem problem;
    problem.initial = ids_.id(rules_.initial);
    if (meter.may_hold(operations.size() * sizeof(RegisterOperation))) problem.operations.reserve(operations.size());
    for (const OperationIndex o : operations) {
      if (meter.tick()) break;
      add(o, problem.operations);
    }
    problem.values = ids_.size();
    return finished(std::move(problem), meter);
  }
  [[nodiscard]] std::uint64_t bytes() const { return ids_.bytes(); }

 private:
  void add(OperationIndex o, std::vector<RegisterOperation>& out) {
    const EventIndex invoked = history_.invoked(o);
    const EventIndex completed = history_.completed(o);
    const EventType type = completed == none ? EventType::info : history_.type(completed);
    const bool answered = type == EventType::ok;
    const RegisterKind kind = kinds_[history_.function(invoked)];
    FL_ASSERT(kind != RegisterKind::nothing);
    RegisterOperation operation{.invoked = invoked, .completed = none, .operation = o, .kind = kind};
    if (type != EventType::info) operation.completed = completed;
    if (type == EventType::fail && !(kind == RegisterKind::cas && observed(completed))) return;
    if (kind == RegisterKind::read) {
      if (!answered) return;
      const Value& seen = history_.value(completed);
      if (seen.is_null() && rules_.nil_read == NilRead::unknown) return;
      operation.from = ids_.id(seen);
    } else {
      const Value& restated = history_.value(answered ? completed : invoked);
      const Value& argument = restated.is_null() ? history_.value(invoked) : restated;
      if (kind == RegisterKind::write) {
        operation.to = ids_.id(argument);
      } else {
        FL_ASSERT(argument.is_pair());
        operation.from = ids_.id(argument.as_list()[0]);
        operation.to = ids_.id(argument.as_list()[1]);
        finish_cas(operation, type == EventType::fail);
        if (operation.kind == RegisterKind::nothing) return;
      }
    }
    out.push_back(operation);
  }

  [[nodiscard]] bool observed(EventIndex completed) const {
    return rules_.failed_cas == FailedCas::observe || says_precondition_failed(history_.extra(completed).get("error"));
  }

  const History& history_;
  const RegisterRules& rules_;
  std::vector<RegisterKind> kinds_;  // by FunctionId
  ValueIds ids_;
};

// One item; `nothing` keeps its position.
RegisterOperation operation_of(const Item& item, ValueIds& ids) {
  const Call& call = item.call;
  RegisterOperation operation{.invoked = item.invoked, .completed = item.completed, .operation = item.operation};
  if (call.f == "read") {
    if (!operation.open()) {
      operation.kind = RegisterKind::read;
      operation.from = ids.id(call.output);
    }
  } else if (call.f == "write") {
    operation.kind = RegisterKind::write;
    operation.to = ids.id(call.input);
  } else {
    FL_ASSERT(call.f == "cas" && call.input.is_pair());
    operation.from = ids.id(call.input.as_list()[0]);
    operation.to = ids.id(call.input.as_list()[1]);
    finish_cas(operation, call.failed);
  }
  return operation;
}

}  // namespace

RegisterProblem compile(const Items& items, const Value& initial, const Budget& budget) {
  ValueIds ids;
  registers::Meter meter(budget, [&] { return ids.bytes(); });
  IntegerRange range;
  range.add(initial);
  for (const Item& item : items) {
    if (meter.tick()) break;
    range.add(item.call.input);
    range.add(item.call.output);
  }
  ids.expect(range.low, range.high, items.size(), meter);
  RegisterProblem problem;
  problem.initial = ids.id(initial);
  if (meter.may_hold(items.size() * sizeof(RegisterOperation))) problem.operations.reserve(items.size());
  for (const Item& item : items) {
    if (meter.tick()) break;
    problem.operations.push_back(operation_of(item, ids));
  }
  problem.values = ids.size();
  return finished(std::move(problem), meter);
}

RegisterProblem compile(const History& history, std::span<const OperationIndex> operations, const RegisterRules& rules,
                        const Budget& budget) {
  HistoryCompiler compiler(history, rules);
  registers::Meter meter(budget, [&] { return compiler.bytes(); });
  return compiler.run(operations, meter);
}

RegisterProblem compile(const History& history, const RegisterRules& rules) {
  std::vector<OperationIndex> operations(history.operation_count());
  std::iota(operations.begin(), operations.end(), 0);
  return compile(history, operations, rules);
}

}  // namespace faultline
