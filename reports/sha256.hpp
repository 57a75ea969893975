// SHA-256 (FIPS 180-4) and Base64 (RFC 4648), for the hashes of a content security policy and of a run's files. Not meant for secrets.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace faultline::reports {

// Of bytes that come in pieces.
class Sha256 {
 public:
  void add(std::string_view bytes);
  std::array<std::uint8_t, 32> finish();

 private:
  std::array<std::uint32_t, 8> hash_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string rest_;  // of the last block
  std::uint64_t bits_ = 0;
};

std::array<std::uint8_t, 32> sha256(std::string_view bytes);
std::string hexadecimal(std::span<const std::uint8_t> bytes);
std::string base64(std::span<const std::uint8_t> bytes);

}  // namespace faultline::reports
