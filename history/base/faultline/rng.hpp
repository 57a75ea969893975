// Rng: a small deterministic random stream, the same on every platform and standard library.
//
// xoshiro256** seeded through SplitMix64 (Blackman, Vigna, "Scrambled linear pseudorandom number generators", 2021). A value type:
// copying it copies the stream. `fork(name)` derives an independent stream per component, so that one component drawing more
// does not change what another draws. The std distributions and std::shuffle differ between libraries; use the members here.
#pragma once

#include <faultline/assert.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace faultline {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  // An independent stream that depends on the seed of this one and the name, not on what was drawn from it so far.
  [[nodiscard]] Rng fork(std::string_view name) const;
  [[nodiscard]] Rng fork(std::uint64_t number) const;

  std::uint64_t next();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high]. REQUIRES: low <= high.
  std::int64_t between(std::int64_t low, std::int64_t high);
  // Uniform in [0, 1), 53 bits.
  double unit();
  bool chance(double probability) { return unit() < probability; }

  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  // REQUIRES: !items.empty().
  template <class Container>
  auto& pick(Container& items) {
    FL_ASSERT(!std::empty(items));
    return items[below(std::size(items))];
  }

  [[nodiscard]] std::uint64_t draws() const { return draws_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

 private:
  std::uint64_t seed_;
  std::uint64_t draws_ = 0;
  std::array<std::uint64_t, 4> state_{};
};

// Mixes 64 bits well (the SplitMix64 finaliser); for hashes and for deriving seeds.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace faultline
