// Hash: a rolling 64-bit hash of everything a run did, the same in every build and on every platform. Not cryptographic.
#pragma once

#include <faultline/rng.hpp>

#include <bit>
#include <cstring>
#include <string_view>

namespace faultline::sim {

class Hash {
 public:
  void mix(std::uint64_t word) { state_ = (std::rotl(state_, 29) ^ word) * 0x9e3779b97f4a7c15ULL; }
  void mix(std::string_view bytes) {
    mix(bytes.size());
    while (bytes.size() >= 8) {
      mix(word_of(bytes.data(), 8));
      bytes.remove_prefix(8);
    }
    if (!bytes.empty()) mix(word_of(bytes.data(), bytes.size()));
  }
  [[nodiscard]] std::uint64_t value() const { return mix64(state_); }

 private:
  static std::uint64_t word_of(const char* bytes, std::size_t length) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, length);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
  }

  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace faultline::sim
