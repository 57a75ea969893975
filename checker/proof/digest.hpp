// Digest: 128 bits over a sequence of numbers, texts and values; the same on every machine and library.
//
// Two independent 64-bit chains of the SplitMix64 finaliser. Not cryptographic. Every item is preceded by its kind and
// length, so that different sequences never feed the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <faultline/certificate.hpp>
#include <faultline/history.hpp>

namespace faultline {

class Digest {
 public:
  void add_number(std::uint64_t number);
  void add_text(std::string_view text);
  void add_value(const Value& value);
  [[nodiscard]] std::string hex() const;

 private:
  std::uint64_t low_ = 0x6a09e667f3bcc908ULL;
  std::uint64_t high_ = 0xbb67ae8584caa73bULL;
};

// Over what decides a verdict: the clients' events, without notes, times, lines and extras (except the one that makes a
// failed cas an observation).
std::string digest_of(const History& history);

// Over what a certificate claims about the history it names.
std::string claim_digest_of(const Certificate& certificate);

// True for a completion that says the operation failed because its precondition did not hold.
bool says_precondition_failed(const Value& extra);

}  // namespace faultline
