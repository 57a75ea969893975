// Helpers for writing nodes: rebuild a wrapper around the successor of what it wraps, only if that changed.
#pragma once

#include <faultline/generator.hpp>

#include <algorithm>

namespace faultline {

// A node that skips (an empty part, a refused operation) does so at most this often in one question; then it lets time
// pass, so that an endless supply of nothing cannot hang the run.
inline constexpr int skips_max = 1000;
inline constexpr Duration skip_pause = std::chrono::milliseconds(1);

// No overflow: the end of an endless wait is never.
inline Instant later(Instant start, Duration wait) {
  if (wait <= Duration::zero()) return start;
  return wait >= never - std::max(start, Instant{}) ? never : start + wait;
}

// The step of a wrapper whose part answered `step`; rewrap(part) builds the wrapper's successor.
template <class Rewrap>
Step wrapped(const Generator& part, Step step, Rewrap&& rewrap) {
  if (step.is_exhausted()) return Step::exhausted();
  if (step.is_pending() && step.next->same_as(part)) {
    step.next.reset();
  } else {
    step.next = rewrap(std::move(*step.next));
  }
  return step;
}

template <class Rewrap>
std::optional<Generator> updated(const Generator& part, const Context& context, const Event& event, Rewrap&& rewrap) {
  Generator next = part.update(context, event);
  if (next.same_as(part)) return std::nullopt;
  return rewrap(std::move(next));
}

// Every part told of the event; nullopt if none changed.
inline std::optional<std::vector<Generator>> updated_all(const std::vector<Generator>& parts, const Context& context,
                                                         const Event& event) {
  std::optional<std::vector<Generator>> changed;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Generator next = parts[i].update(context, event);
    if (next.same_as(parts[i])) continue;
    if (!changed) changed = parts;
    (*changed)[i] = std::move(next);
  }
  return changed;
}

}  // namespace faultline
