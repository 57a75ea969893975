// World: the only port the run loop knows. A simulated and a live world implement it; the loop cannot tell them apart.
//
// Recording rule: an invocation is recorded before the world sees it, a completion after the world has all of it. Extra
// overlap is safe; missing overlap would be a false alarm.
#pragma once

#include <optional>

#include <faultline/event.hpp>

namespace faultline {

struct World {
  virtual ~World() = default;

  // Never falls.
  [[nodiscard]] virtual Instant now() const = 0;

  // Hands an invocation to the client of its process, or to the nemesis (process -1). Returns at once; the completion
  // (ok, fail or info; of the nemesis always info) comes out of next_completion(), exactly one per invocation, with
  // time and extras filled in.
  virtual void dispatch(const Event& invocation) = 0;

  // The next completion that is ready, waiting for one until the given instant (until <= now(): only look, do not
  // wait). nullopt: nothing completed by then, now() >= until, or the world was interrupted; an interruption ends one
  // wait, not those after it.
  virtual std::optional<Event> next_completion(Instant until) = 0;
};

}  // namespace faultline
