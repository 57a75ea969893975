// Timeline: a problem's events in order, with everything about them that does not depend on which configuration is
// possible: the slot an operation occupies while it is in flight, when an open operation joins its class, how long a
// value stays of interest.
//
// Times are event positions plus one; 0 stands before everything. An open operation holds a slot like any other until
// every operation invoked before it has completed; from then on it can take effect at every place that still matters,
// and is told from others of its kind (write of x, cas from x to y) no more: it *joins* its class, which only counts
// members.
#pragma once

#include <limits>

#include "meter.hpp"
#include "register.hpp"

namespace faultline::registers {

using Time = std::uint32_t;
inline constexpr Time never = std::numeric_limits<Time>::max();
using Slot = std::uint32_t;
using ClassId = std::uint32_t;

// Open operations that are alike and were invoked long enough ago.
struct OpenClass {
  RegisterKind kind = RegisterKind::write;
  ValueId from = 0;
  ValueId to = 0;
};

// How many operations that have not completed could notice that the register held a value. A walk never needs to enter
// it more often than that: whatever is placed leads to an operation that was due, and every step of it is noticed by
// the next.
class Demand {
 public:
  explicit Demand(std::uint32_t values = 0) : by_value_(values) {}
  void add(const RegisterOperation& op) { change(op, 1); }
  void complete(const RegisterOperation& op) { change(op, -1); }
  void undo(const RegisterOperation& op) { change(op, 1); }
  [[nodiscard]] std::uint64_t of(ValueId value) const { return by_value_[value] + anywhere_; }

 private:
  void change(const RegisterOperation& op, int by) {
    switch (op.kind) {
      case RegisterKind::read:
      case RegisterKind::cas: by_value_[op.from] += static_cast<std::uint32_t>(by); break;
      case RegisterKind::write: by_value_[op.to] += static_cast<std::uint32_t>(by); break;
      case RegisterKind::differs: anywhere_ += static_cast<std::uint64_t>(by); break;
      case RegisterKind::nothing: break;
    }
  }

  std::vector<std::uint32_t> by_value_;
  std::uint64_t anywhere_ = 0;  // failed cas: satisfied by any value but one
};

class Timeline {
 public:
  enum class Step : std::uint8_t { invoke, complete, join };
  struct Event {
    std::uint32_t operation;
    Step step;
  };

  explicit Timeline(const RegisterProblem& problem, const Budget& budget = {});

  // Not empty: the budget that ended the making; then it must not be used.
  [[nodiscard]] const std::string& unfinished() const { return unfinished_; }

  [[nodiscard]] std::size_t size() const { return events_.size(); }
  [[nodiscard]] Event operator[](std::size_t i) const { return {events_[i] >> 2, static_cast<Step>(events_[i] & 3)}; }
  [[nodiscard]] const RegisterOperation& operation(std::uint32_t o) const { return problem_->operations[o]; }
  [[nodiscard]] const RegisterProblem& problem() const { return *problem_; }
  [[nodiscard]] Time invoked(std::uint32_t o) const { return operation(o).invoked + 1; }
  [[nodiscard]] Time completed(std::uint32_t o) const {
    return operation(o).open() ? never : operation(o).completed + 1;
  }

  // Most operations in flight at once.
  [[nodiscard]] std::uint32_t slots() const { return slots_; }
  [[nodiscard]] Slot slot(std::uint32_t o) const { return slot_of_[o]; }
  [[nodiscard]] std::span<const OpenClass> classes() const { return classes_; }
  [[nodiscard]] ClassId class_of(std::uint32_t o) const;

  // Whether anyone who completes after `now` could tell that the register ever held `value`: sees it, leaves it, or (a
  // failed cas) sees that it was not another one.
  [[nodiscard]] bool noticed_after(ValueId value, Time now) const {
    return last_reader_[value] > now || last_differs_ > now;
  }
  // Whether any operation that completes after `now` mentions it at all.
  [[nodiscard]] bool mentioned_after(ValueId value, Time now) const { return last_mention_[value] > now; }

  // Of all operations.
  [[nodiscard]] const Demand& demand() const { return demand_; }

  [[nodiscard]] std::uint64_t bytes() const;

 private:
  class Layout;
  void measure_values(Meter& meter);
  void lay_out(Meter& meter);

  const RegisterProblem* problem_;
  std::vector<std::uint32_t> events_;  // operation << 2 | step
  std::vector<Slot> slot_of_;          // by operation
  std::vector<Time> last_reader_;      // by value
  std::vector<Time> last_mention_;     // by value
  Time last_differs_ = 0;
  Demand demand_;
  std::vector<OpenClass> classes_;
  std::vector<std::pair<std::uint32_t, ClassId>>
      class_of_;  // open operations in order of joining; by operation after lay_out
  std::uint32_t slots_ = 0;
  std::string unfinished_;
};

}  // namespace faultline::registers
