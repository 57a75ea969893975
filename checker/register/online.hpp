// OnlineRegister: the register's checker while the run goes on, fed event by event.
//
// An operation is fed once its fate is known: by its invocation with the result it is going to have, or as open when its process was
// retired; so the feeder trails the run by at most one client timeout. Events come in the history's order. Once
// `possible` is false it stays so: linearizability is prefix-closed. While true it proves nothing yet: the whole history is
// judged when it is complete. Memory follows what is in flight, the kinds of open operations and the configurations kept, not the length.
//
// Two engines watch: the exact frontier, as long as it has few configurations, and the relaxation (relaxed.hpp), which nearly always
// has. Past 500 configurations, or in the middle of a completion that takes too many steps, the exact one is given up; past as many of
// the relaxation, or 1,000 kinds of open operations (each distinct value is one), both are: then nothing more is proved. A copy goes on
// from the same point on its own. Not thread-safe; one owner.
#pragma once

#include <memory>

#include "register.hpp"

namespace faultline {

class OnlineRegister {
 public:
  using Handle = std::uint32_t;

  explicit OnlineRegister(const Value& initial);
  ~OnlineRegister();
  OnlineRegister(const OnlineRegister& other);
  OnlineRegister(OnlineRegister&&) noexcept;
  OnlineRegister& operator=(const OnlineRegister&) = delete;

  // A read, write or cas as Item::call describes it. `result_known` == false: open, never to be completed.
  Handle invoke(const Call& call);
  // REQUIRES: invoked, not open and not completed. False if the history up to here is not linearizable.
  bool complete(Handle handle);

  [[nodiscard]] bool possible() const;
  // False once the exact frontier had to be given up.
  [[nodiscard]] bool exact() const;
  // True once both were.
  [[nodiscard]] bool blind() const;
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  class Watcher;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace faultline
