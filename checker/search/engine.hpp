// Engine: one search that can be run in slices, so that two can compete for one answer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <faultline/space.hpp>

#include "calls.hpp"
#include "pace.hpp"

namespace faultline::search {

enum class Progress : std::uint8_t { running, valid, invalid, spent };

class Engine {
 public:
  virtual ~Engine() = default;
  // Works for about `steps` more steps. `spent`: a budget ran out; there is nothing more to come.
  virtual Progress advance(std::uint64_t steps) = 0;
  // valid: a complete order; otherwise the deepest legal prefix that was met and is still known.
  [[nodiscard]] virtual std::vector<std::uint32_t> order() const = 0;
  // The completion no configuration survives. REQUIRES: invalid.
  [[nodiscard]] virtual EventIndex died_at() const = 0;
  [[nodiscard]] virtual std::uint64_t configurations() const = 0;
  [[nodiscard]] virtual const Pace& pace() const = 0;
};

// See frontier.hpp and depth_first.hpp. All arguments must outlive the engine. REQUIRES: widest_window(items) <= slots
// of `width`.
std::unique_ptr<Engine> make_frontier(const Items& items, const CallTable& calls, Space& space, const Budget& budget,
                                      std::size_t width);
std::unique_ptr<Engine> make_depth_first(const Items& items, const CallTable& calls, Space& space, const Budget& budget,
                                         std::size_t width);

}  // namespace faultline::search
