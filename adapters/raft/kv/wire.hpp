// Reading and writing little-endian bytes, shared by the codec and the snapshot. A Reader never goes beyond its text: once something
// does not fit it is `failed` and gives zeros and empty strings, so that callers look once, at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace faultline::raft::kv {

static_assert(std::endian::native == std::endian::little, "the encodings copy integers as they lie in memory");

template <class T>
void put_number(std::string& out, T number) {
  static_assert(std::is_integral_v<T>);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));
  out.append(bytes, sizeof(T));
}

inline void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, static_cast<std::uint32_t>(bytes.size()));
  out.append(bytes);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  template <class T>
  T number() {
    T result{};
    if (text_.size() - at_ < sizeof(T)) {
      failed_ = true;
      return result;
    }
    std::memcpy(&result, text_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return result;
  }
  // `length` bytes as they stand.
  std::string_view raw(std::size_t length) {
    if (failed_ || text_.size() - at_ < length) {
      failed_ = true;
      return {};
    }
    at_ += length;
    return text_.substr(at_ - length, length);
  }
  std::string bytes() { return std::string(raw(number<std::uint32_t>())); }
  bool flag() { return one_of<std::uint8_t>(1) != 0; }
  // A number of at most `highest`.
  template <class T>
  T one_of(T highest) {
    const T result = number<T>();
    if (result > highest) failed_ = true;
    return failed_ ? T{} : result;
  }
  // How many items follow, each of at least `smallest` bytes: a hostile count cannot reserve more than the text could hold.
  std::size_t count(std::size_t smallest) {
    const auto result = number<std::uint32_t>();
    if (result > left() / smallest) failed_ = true;
    return failed_ ? 0 : result;
  }
  void fail() { failed_ = true; }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::size_t left() const { return text_.size() - at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace faultline::raft::kv
