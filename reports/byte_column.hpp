// ByteColumn: numbers of one field, each as a varint (LEB128: seven bits a byte, lowest first), for the page's data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace faultline::reports {

class ByteColumn {
 public:
  void number(std::uint64_t n) {
    while (n >= 0x80) {
      bytes_ += static_cast<char>((n & 0x7f) | 0x80);
      n >>= 7;
    }
    bytes_ += static_cast<char>(n);
  }
  // Small amounts of either sign stay short.
  void difference(std::int64_t n) { number(zigzag(n)); }
  void text(std::string_view text) {
    number(text.size());
    bytes_ += text;
  }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

  static std::uint64_t zigzag(std::int64_t n) {
    return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
  }

 private:
  std::string bytes_;
};

}  // namespace faultline::reports
