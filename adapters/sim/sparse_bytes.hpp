// SparseBytes: a file's bytes, of which only those up to the last one written are held; what lies behind them is zero. Files that are
// extended in advance, as logs are, then cost what is written to them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace faultline::sim {

class SparseBytes {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::uint64_t held() const { return held_.size(); }  // zero from here on
  [[nodiscard]] char at(std::uint64_t offset) const { return offset < held_.size() ? held_[offset] : '\0'; }
  // What there is of [offset, offset + length).
  [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t length) const {
    std::string bytes;
    if (offset >= size_) return bytes;
    length = std::min(length, size_ - offset);
    if (offset < held_.size()) bytes.assign(held_, offset, length);
    bytes.resize(length, '\0');
    return bytes;
  }

  // New bytes are zero.
  void resize(std::uint64_t size) {
    size_ = size;
    if (held_.size() > size) held_.resize(size);
  }
  // Makes it longer if need be.
  void write(std::uint64_t offset, std::string_view bytes) {
    const std::uint64_t end = offset + bytes.size();
    if (held_.size() < offset) held_.resize(offset, '\0');
    if (held_.size() <= end) {
      held_.resize(offset);
      held_ += bytes;
    } else {
      held_.replace(offset, bytes.size(), bytes);
    }
    size_ = std::max(size_, end);
  }
  // REQUIRES: from <= to <= size().
  void zero(std::uint64_t from, std::uint64_t to) {
    if (to >= held_.size()) return held_.resize(std::min<std::uint64_t>(from, held_.size()));
    std::fill(held_.begin() + static_cast<std::ptrdiff_t>(from), held_.begin() + static_cast<std::ptrdiff_t>(to), '\0');
  }
  // [from, to) becomes as it is in `other`. REQUIRES: from <= to <= size(), and other.size() >= to.
  void copy(const SparseBytes& other, std::uint64_t from, std::uint64_t to) {
    const std::uint64_t end = std::min<std::uint64_t>(to, other.held_.size());
    if (from < end) write(from, std::string_view(other.held_).substr(from, end - from));
    if (std::max(from, end) < to) zero(std::max(from, end), to);
  }
  // REQUIRES: offset < size().
  void flip(std::uint64_t offset, unsigned bit) {
    const char flipped = static_cast<char>(static_cast<unsigned char>(at(offset)) ^ (1U << bit));
    write(offset, {&flipped, 1});
  }

 private:
  std::string held_;
  std::uint64_t size_ = 0;
};

}  // namespace faultline::sim
