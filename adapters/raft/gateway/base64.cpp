#include "base64.hpp"

#include <array>
#include <cstdint>

namespace faultline::raft::gateway {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t invalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = invalid;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr auto values = make_values();

std::uint8_t value_of(char c) { return values[static_cast<unsigned char>(c)]; }

// One quantum (RFC 4648 §4) after the other, with all that Go tolerates. `text[at]` is where a quantum begins.
class Careful {
 public:
  Careful(std::string_view text, std::size_t at, std::string bytes)
      : text_(text), at_(at), out_{std::move(bytes), {}} {}

  Base64Decoded run() {
    while (!out_.corrupt_at && !over_) quantum();
    return std::move(out_);
  }

 private:
  void skip_line_ends() {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  void quantum() {
    std::array<std::uint8_t, 4> sextets{};
    for (std::size_t n = 0; n < 4; ++n) {
      skip_line_ends();
      if (at_ == text_.size()) {
        over_ = true;
        if (n > 0) out_.corrupt_at = at_ - n;
        return;
      }
      const char c = text_[at_++];
      if (value_of(c) != invalid) {
        sextets[n] = value_of(c);
        continue;
      }
      if (c != '=' || n < 2) {
        out_.corrupt_at = at_ - 1;
        return;
      }
      return padding(sextets, n);
    }
    put(sextets, 3);
  }

  // After the first '=' of a quantum that holds `n` sextets.
  void padding(const std::array<std::uint8_t, 4>& sextets, std::size_t n) {
    over_ = true;
    if (n == 2) {
      skip_line_ends();
      if (at_ == text_.size()) {
        out_.corrupt_at = text_.size();
        return;
      }
      if (text_[at_] != '=') {
        out_.corrupt_at = at_ - 1;
        return;
      }
      ++at_;
    }
    skip_line_ends();
    if (at_ < text_.size()) {
      out_.corrupt_at = at_;
      return;
    }
    put(sextets, n - 1);
  }

  void put(const std::array<std::uint8_t, 4>& sextets, std::size_t count) {
    const std::uint32_t bits = static_cast<std::uint32_t>(sextets[0]) << 18 |
                               static_cast<std::uint32_t>(sextets[1]) << 12 |
                               static_cast<std::uint32_t>(sextets[2]) << 6 | sextets[3];
    for (std::size_t i = 0; i < count; ++i) out_.bytes += static_cast<char>(bits >> (16 - 8 * i) & 0xff);
  }

  std::string_view text_;
  std::size_t at_;
  Base64Decoded out_;
  bool over_ = false;
};

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  const std::size_t begin = out.size();
  out.resize(begin + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + begin;
  const auto byte = [&bytes](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    *to++ = alphabet[bits >> 18];
    *to++ = alphabet[bits >> 12 & 63];
    *to++ = alphabet[bits >> 6 & 63];
    *to++ = alphabet[bits & 63];
  }
  const std::size_t left = bytes.size() - i;
  if (left == 0) return;
  const std::uint32_t bits = byte(i) << 16 | (left == 2 ? byte(i + 1) << 8 : 0);
  *to++ = alphabet[bits >> 18];
  *to++ = alphabet[bits >> 12 & 63];
  *to++ = left == 2 ? alphabet[bits >> 6 & 63] : '=';
  *to = '=';
}

Base64Decoded from_base64(std::string_view text) {
  std::string bytes;
  bytes.resize(text.size() / 4 * 3);
  char* to = bytes.data();
  std::size_t at = 0;
  for (; at + 4 <= text.size(); at += 4) {
    const std::uint32_t a = value_of(text[at]);
    const std::uint32_t b = value_of(text[at + 1]);
    const std::uint32_t c = value_of(text[at + 2]);
    const std::uint32_t d = value_of(text[at + 3]);
    if ((a | b | c | d) == invalid) break;  // Sextets stay below 64, so only an invalid one makes this 0xff.
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<char>(bits >> 16);
    *to++ = static_cast<char>(bits >> 8 & 0xff);
    *to++ = static_cast<char>(bits & 0xff);
  }
  bytes.resize(static_cast<std::size_t>(to - bytes.data()));
  if (at == text.size()) return {std::move(bytes), {}};
  return Careful(text, at, std::move(bytes)).run();
}

}  // namespace faultline::raft::gateway
