// ConfigSet: configurations without those that another one can imitate.
//
// A configuration is a state, the operations in flight that have been placed, and the open operations spent. A imitates
// B if both have the same state and the same placed mutators, A has placed every observer B has, and A has spent no
// more of any open class: whatever B can still do, A can do too, with fewer duties and no fewer resources. So B is
// dropped.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <faultline/rng.hpp>
#include <faultline/space.hpp>

#include "pace.hpp"
#include "trail.hpp"
#include "uses.hpp"

namespace faultline::search {

template <class Mask>
struct Config {
  Mask placed;
  StateId state = refused;  // refused: dropped
  UseId uses = 0;
  TrailNode trail = 0;
  std::uint32_t next = none;  // in the same bucket

  [[nodiscard]] bool dropped() const { return state == refused; }
};

// The trail of each configuration in the set is held by the set.
template <class Mask>
class ConfigSet {
 public:
  ConfigSet() : heads_(16, none) {}

  // Adds the configuration unless one that is there imitates it, and drops those it imitates. The trail node must be
  // made, by `commit`, only if it was added: true.
  bool insert(const Mask& placed, StateId state, UseId uses, const Mask& observers, const Uses& all_uses,
              Trail& trail) {
    const Mask mutators = placed.without(observers);
    const std::uint64_t hash = mix64(mutators.hash() + state * 0x9e3779b97f4a7c15ULL);
    for (std::uint32_t i = heads_[hash & (heads_.size() - 1)]; i != none; i = configs_[i].next) {
      Config<Mask>& other = configs_[i];
      ++compared_;
      if (other.state != state || !(other.placed.without(observers) == mutators)) continue;
      if (other.placed.contains(placed) && all_uses.no_more(other.uses, uses)) return false;
      if (placed.contains(other.placed) && all_uses.no_more(uses, other.uses)) drop(other, trail);
    }
    if (configs_.size() >= heads_.size()) rehash(heads_.size() * 2, observers);
    std::uint32_t& head = heads_[hash & (heads_.size() - 1)];
    configs_.push_back({.placed = placed, .state = state, .uses = uses, .trail = 0, .next = head});
    head = static_cast<std::uint32_t>(configs_.size() - 1);
    ++alive_;
    return true;
  }
  // How many configurations the insertions since the last call were compared with.
  std::uint64_t take_compared() { return std::exchange(compared_, 0); }
  void commit(TrailNode node) { configs_.back().trail = node; }

  [[nodiscard]] std::size_t size() const { return configs_.size(); }  // with the dropped ones
  [[nodiscard]] std::size_t alive() const { return alive_; }
  [[nodiscard]] Config<Mask>& operator[](std::size_t i) { return configs_[i]; }
  [[nodiscard]] const Config<Mask>& operator[](std::size_t i) const { return configs_[i]; }

  void clear(Trail& trail) {
    for (Config<Mask>& config : configs_) {
      if (!config.dropped()) trail.release(config.trail);
    }
    configs_.clear();
    alive_ = 0;
    // A table that grew for one hard moment would make every later clearing slow.
    heads_.assign(heads_.size() > 4096 ? 16 : heads_.size(), none);
    if (configs_.capacity() > 4096) configs_.shrink_to_fit();
  }
  void swap(ConfigSet& other) {
    configs_.swap(other.configs_);
    heads_.swap(other.heads_);
    std::swap(alive_, other.alive_);
  }

  [[nodiscard]] std::uint64_t bytes() const {
    const std::uint64_t heap = configs_.empty() ? 0 : configs_.size() * configs_.front().placed.heap_bytes();
    return configs_.capacity() * sizeof(Config<Mask>) + heads_.capacity() * sizeof(std::uint32_t) + heap;
  }
  // What the next insertion may cost at once.
  [[nodiscard]] std::uint64_t growth() const {
    std::uint64_t bytes = 0;
    if (configs_.size() == configs_.capacity()) bytes += configs_.capacity() * 2 * sizeof(Config<Mask>);
    if (configs_.size() >= heads_.size()) bytes += heads_.size() * 2 * sizeof(std::uint32_t);
    return bytes;
  }

 private:
  void drop(Config<Mask>& config, Trail& trail) {
    trail.release(config.trail);
    config.state = refused;
    --alive_;
  }
  void rehash(std::size_t size, const Mask& observers) {
    heads_.assign(size, none);
    for (std::uint32_t i = 0; i < configs_.size(); ++i) {
      if (configs_[i].dropped()) continue;
      const std::uint64_t hash =
          mix64(configs_[i].placed.without(observers).hash() + configs_[i].state * 0x9e3779b97f4a7c15ULL);
      std::uint32_t& head = heads_[hash & (size - 1)];
      configs_[i].next = head;
      head = i;
    }
  }

  std::vector<Config<Mask>> configs_;
  std::vector<std::uint32_t> heads_;  // a power of two
  std::size_t alive_ = 0;
  std::uint64_t compared_ = 0;
};

}  // namespace faultline::search
