// Spots: the tails and loops of one configuration while they are being changed; a Configuration holds them interned.
//
// Only those that may still be of use are kept, in one canonical form, so that configurations alike are equal.
#pragma once

#include <algorithm>
#include <functional>

#include "setting.hpp"

namespace faultline::registers {

template <class M>
class Spots {
 public:
  using Config = Configuration<M>;

  explicit Spots(Setting<M>& setting) : s_(setting) {}

  void load(const Config& c) {
    list_.clear();
    const auto raw = s_.places.get(c.places);
    for (std::size_t i = 0; i < raw.size(); i += 3) list_.push_back({raw[i], raw[i + 1], raw[i + 2] != 0});
  }

  // Keeps the spots that may still be of use to `c`, in canonical form.
  void store(Config& c) {
    // Limits matter relative to what a chain can place: cas, and who still waits to see something.
    const M placed = settled(c);
    std::size_t kept = 0;
    for (Spot spot : list_) {
      spot.limit = s_.window.latest_before(spot.limit, placed);
      if (spot.limit == 0 || (s_.prunings.forgetting && chains_from(c, spot) == 0)) continue;
      list_[kept++] = spot;
    }
    list_.resize(kept);
    std::sort(list_.begin(), list_.end(), std::greater<>());
    scratch_.clear();
    for (std::size_t i = 0; i < kept; ++i) {
      const Spot& spot = list_[i];
      if (!surplus(c, i)) scratch_.insert(scratch_.end(), {spot.value, spot.limit, spot.tail ? 1U : 0U});
    }
    c.places = s_.places.intern(scratch_);
  }
  void add(const Spot& spot) { list_.push_back(spot); }
  // REQUIRES: it is there.
  void remove(const Spot& spot) { list_.erase(std::find(list_.begin(), list_.end(), spot)); }
  // The canonical limit of a spot of `c`.
  [[nodiscard]] Time limit(const Config& c, const Spot& spot) const {
    return s_.window.latest_before(spot.limit, settled(c));
  }

 private:
  // What no chain needs to place any more.
  [[nodiscard]] M settled(const Config& c) const { return c.placed | (s_.window.writes() - c.bare); }
  // A loop is not needed if any spot of its value is as late: a tail serves as a loop too, its chain need not go on.
  // And no more tails of a value are needed than chains can leave it. Sorted by value and limit, the latest first.
  [[nodiscard]] bool surplus(const Config& c, std::size_t i) {
    std::size_t first_tail = i;
    std::size_t later_tails = 0;
    for (std::size_t k = i; k > 0 && list_[k - 1].value == list_[i].value; --k) {
      if (!list_[i].tail) return true;
      if (!list_[k - 1].tail) continue;
      first_tail = k - 1;
      ++later_tails;
    }
    return s_.prunings.forgetting && later_tails > 0 && later_tails >= chains_from(c, list_[first_tail]);
  }
  // How many chains may still be put there at most: each needs something unplaced to leave by (and, for a loop, to come
  // back).
  [[nodiscard]] unsigned chains_from(const Config& c, const Spot& spot) {
    const auto& watch = s_.window.watch(spot.value);
    const M unplaced = s_.window.before(spot.limit) - c.placed;
    const bool open = !s_.classes.empty();
    const unsigned served = open ? (unplaced - (s_.window.supplies() - c.bare)).count() : 0;
    const unsigned leaving = open && class_leaves(spot.value) ? served : (watch.leaves & unplaced).count();
    if (leaving == 0 || spot.tail) return leaving;
    return (watch.enters & unplaced).any() || (open && class_enters(spot.value)) ? 1 : 0;
  }
  [[nodiscard]] bool class_leaves(ValueId value) const {
    return std::any_of(s_.classes.begin(), s_.classes.end(),
                       [&](const OpenClass& k) { return k.kind == RegisterKind::cas && k.from == value; });
  }
  [[nodiscard]] bool class_enters(ValueId value) const {
    return value < s_.cas_classes_into.size() && !s_.cas_classes_into[value].empty();
  }

  Setting<M>& s_;
  std::vector<Spot> list_;
  std::vector<std::uint32_t> scratch_;
};

}  // namespace faultline::registers
