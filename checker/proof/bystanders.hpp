// Bystanders: which relaxed operations can make a difference to a core, according to the verifier.
//
// A relaxed operation may be used anywhere after its invocation, or never; so whether a core has a legal order depends
// only on how often each kind of relaxed operation is used in an order that uses as few as possible. The bounds below
// hold for such an order: one more use could be taken out of it and leave it legal.
//
//   register   The next operation of the order must look at what a write or cas left behind, or that could go: so its
//              value is read, expected by a cas of the core, or expected by a relaxed cas whose own value is wanted.
//              Between two operations of the core the same write (or cas) is used once: after a second use the value is
//              the same as after the first, and all in between could go. A failed cas of the core looks at every value;
//              but values that nobody looks for in particular are all the same to it, so writes of them are one kind,
//              used once per failed cas.
//   kv         As register; a put is looked at by a get of the core whose result begins with its text, an append by one
//              whose result contains its text, once per occurrence.
//   mutex      As register, with the two states of the lock for values.
//   set        Only an element that a read or `contains` of the core has seen; once.
//   queues     An element that nobody of the core dequeues could stay away, with whoever takes it; so enqueue v as often
//              as the core dequeues v, dequeue as often as the core enqueues (or the queue holds elements at first). Of
//              stacks and priority queues the same holds: without an element the others stay in order.
//   counter    Where nothing is ever taken away, the last read of the core shows all that was added before it, and what
//              is added after it is idle: so n as often as it goes into what the highest read shows. Else every
//              addition can matter.
//   append-list  What is appended before the last read of the core is shown by it: as often as one of them shows it.
//   fenced-mutex  Between two operations of the core an acquisition makes the last token unknown, and greater: a second
//              one adds nothing. A release before it makes that possible, another one frees the lock again.
// Observers never matter: they change nothing and their results are forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <faultline/model.hpp>

namespace faultline {

class Bystanders {
 public:
  // `core`: the calls kept, with results; `relaxed`: those that may happen. `initial` is the model's initial value.
  Bystanders(std::string_view model, const Value& initial, std::span<const Call> core, std::span<const Call> relaxed);

  // What kind of relaxed call it is: of one kind, those invoked first are as good as any.
  [[nodiscard]] std::pair<std::string_view, Value> kind(const Call& call) const;
  // How often calls of its kind can be of use; 0: they can be left out. REQUIRES: it is no observer.
  [[nodiscard]] std::size_t uses(const Call& call) const;

 private:
  void note_core(const Call& call);
  void follow(std::span<const Call> relaxed);
  [[nodiscard]] bool nobody_looks_for(const Value& value) const { return !wanted_.contains(value); }
  void measure_room(std::span<const Call> core, std::span<const Call> relaxed);
  [[nodiscard]] std::size_t kv_uses(const Call& call) const;

  std::string_view model_;
  std::size_t core_size_;
  std::size_t failed_cas_ = 0;             // of the core
  std::set<Value> wanted_;                 // register: values looked at; set: elements seen
  std::map<Value, std::size_t> dequeued_;  // by the core
  std::size_t enqueued_ = 0;               // by the core or the beginning
  std::vector<std::string> results_;       // of the core's gets
  std::map<Value, std::size_t> listed_;    // by the core's read of a list that shows it most often
  std::int64_t start_ = 0;                 // of a counter
  std::int64_t room_ = -1;                 // of a counter that only grows, up to the core's highest read
};

}  // namespace faultline
