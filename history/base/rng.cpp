#include <faultline/rng.hpp>

#include <bit>

namespace faultline {

namespace {
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
}

Rng::Rng(std::uint64_t seed) : seed_(seed) {
  std::uint64_t x = seed;
  for (auto& word : state_) {
    x += golden;
    word = mix64(x);
  }
}

Rng Rng::fork(std::string_view name) const {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a over the name
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return Rng(mix64(seed_ + golden) ^ mix64(hash));
}

Rng Rng::fork(std::uint64_t number) const { return Rng(mix64(seed_ + golden) ^ mix64(number * golden + 1)); }

std::uint64_t Rng::next() {
  ++draws_;
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  FL_ASSERT(bound > 0);
  const std::uint64_t reject_below = (0 - bound) % bound;  // so that every remainder is equally likely
  for (;;) {
    const std::uint64_t x = next();
    if (x >= reject_below) return x % bound;
  }
}

std::int64_t Rng::between(std::int64_t low, std::int64_t high) {
  FL_ASSERT(low <= high);
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + (span == 0 ? next() : below(span)));
}

double Rng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace faultline
