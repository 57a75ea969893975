// Antichain: drops every configuration another one can imitate.
//
// A imitates B if it holds the same value, has placed the same cas that must take effect, and has: satisfied at least
// B's observers, used at most B's writes and open operations, no bare write that B has not, a gap as late, and B's
// places or later ones. Proof: take a linearization that contains B's walk. Put what it adds to B's walk at the same
// places of A's (B's gap, tails and loops all exist in A, with limits at least as late), leaving out observers A has
// satisfied already; a write B used and A did not is hidden in A, for if it were bare, B could not have used it. The
// result contains A's walk.
//
// Only configurations in one bucket (value, cas placed) are compared.
#pragma once

#include <utility>

#include "meter.hpp"
#include "moves.hpp"

namespace faultline::registers {

template <class M>
class Antichain {
 public:
  using Config = Configuration<M>;

  explicit Antichain(Setting<M>& setting) : s_(setting) {}

  // Keeps the configurations nobody else imitates, in an order that follows from the input's. False if the meter is
  // spent.
  bool reduce(std::vector<Config>& configs, Meter& meter) {
    keys_.clear();
    kept_.clear();
    if (!meter.may_grow(keys_, configs.size(), sizeof(Key) + sizeof(std::uint32_t))) return false;
    keys_.reserve(configs.size());
    for (std::uint32_t i = 0; i < configs.size(); ++i) keys_.push_back({bucket_of(configs[i]), configs[i].cost, i});
    if (!sort_metered(keys_, meter)) return false;
    std::size_t bucket = 0;  // where the current bucket begins in kept_
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      if (k > 0 && keys_[k].bucket != keys_[k - 1].bucket) bucket = kept_.size();
      if (!admit(configs, keys_[k].index, bucket)) s_.trace.release(configs[keys_[k].index].node);
      if (meter.tick(std::exchange(comparisons_, 0))) return false;
    }
    result_.clear();
    if (!meter.may_grow(result_, kept_.size(), sizeof(Config))) return false;
    for (const std::uint32_t i : kept_) result_.push_back(std::move(configs[i]));
    configs.swap(result_);
    return true;
  }

  // Whether one of `others` imitates `c`.
  [[nodiscard]] bool imitated(const Config& c, const std::vector<Config>& others) const {
    return std::any_of(others.begin(), others.end(), [&](const Config& other) { return imitates(other, c); });
  }

  [[nodiscard]] std::uint64_t bytes() const {
    return keys_.capacity() * sizeof(Key) + kept_.capacity() * sizeof(std::uint32_t) +
           result_.capacity() * sizeof(Config);
  }

 private:
  struct Key {
    std::uint64_t bucket;
    std::uint32_t cost;
    std::uint32_t index;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  [[nodiscard]] std::uint64_t bucket_of(const Config& c) const {
    return mix64((c.placed & s_.window.duties()).hash() * 0x9e3779b97f4a7c15ULL + c.value);
  }

  bool admit(const std::vector<Config>& configs, std::uint32_t candidate, std::size_t bucket) {
    const Config& c = configs[candidate];
    for (std::size_t k = bucket; k < kept_.size(); ++k) {
      ++comparisons_;
      if (imitates(configs[kept_[k]], c)) return false;
    }
    std::size_t out = bucket;
    for (std::size_t k = bucket; k < kept_.size(); ++k) {
      if (imitates(c, configs[kept_[k]])) {
        s_.trace.release(configs[kept_[k]].node);
      } else {
        kept_[out++] = kept_[k];
      }
    }
    kept_.resize(out);
    kept_.push_back(candidate);
    return true;
  }

  [[nodiscard]] bool imitates(const Config& a, const Config& b) const {
    if (a.value != b.value) return false;
    if (!s_.prunings.dominance) {
      return a.placed == b.placed && a.bare == b.bare && a.blind == b.blind && a.places == b.places && a.uses == b.uses;
    }
    if (a.blind < b.blind || !b.bare.contains(a.bare)) return false;
    const M& supplies = s_.window.supplies();
    if (!(a.placed ^ supplies).contains((b.placed ^ supplies))) return false;
    if (((a.placed ^ b.placed) & s_.window.duties()).any()) return false;
    return uses_fewer(a, b) && covers(a.places, b.places);
  }

  [[nodiscard]] bool uses_fewer(const Config& a, const Config& b) const {
    if (a.uses == b.uses || a.uses == 0) return true;
    const auto ours = s_.uses.get(a.uses);
    const auto theirs = s_.uses.get(b.uses);
    std::size_t j = 0;
    for (std::size_t i = 0; i < ours.size(); i += 2) {
      while (j < theirs.size() && theirs[j] < ours[i]) j += 2;
      if (j == theirs.size() || theirs[j] != ours[i] || theirs[j + 1] < ours[i + 1]) return false;
    }
    return true;
  }

  // Every place of `b` has one of its own in `a`, of the same value and kind and as late.
  [[nodiscard]] bool covers(Interner::Id a, Interner::Id b) const {
    if (a == b || b == 0) return true;
    const auto ours = s_.places.get(a);
    const auto theirs = s_.places.get(b);
    if (ours.size() < theirs.size()) return false;
    // Both sorted by value and limit: from the latest down, each takes the latest left of its value and kind.
    std::uint64_t taken = 0;
    if (ours.size() > 3 * 64) return false;
    for (std::size_t j = theirs.size(); j > 0; j -= 3) {
      bool found = false;
      for (std::size_t i = ours.size(); i > 0 && !found; i -= 3) {
        const bool fits = ours[i - 3] == theirs[j - 3] && ours[i - 1] == theirs[j - 1] && ours[i - 2] >= theirs[j - 2];
        if (!fits || (taken >> (i / 3 - 1) & 1) != 0) continue;
        taken |= 1ULL << (i / 3 - 1);
        found = true;
      }
      if (!found) return false;
    }
    return true;
  }

  Setting<M>& s_;
  std::vector<Key> keys_;
  std::vector<std::uint32_t> kept_;
  std::vector<Config> result_;
  std::uint64_t comparisons_ = 0;
};

}  // namespace faultline::registers
