// Integers as little-endian bytes, in one store or load: what the wire and the log are written with.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

namespace faultline::raft {

static_assert(std::endian::native == std::endian::little, "integers are copied as they lie in memory");

// REQUIRES: there is room for sizeof(T) bytes.
template <class T>
void store_little(char* bytes, T number) {
  static_assert(std::is_unsigned_v<T>);
  std::memcpy(bytes, &number, sizeof(T));
}

template <class T>
void append_little(std::string& bytes, T number) {
  char own[sizeof(T)];
  store_little(own, number);
  bytes.append(own, sizeof(T));
}

// REQUIRES: sizeof(T) bytes are there.
template <class T>
[[nodiscard]] T load_little(const char* bytes) {
  static_assert(std::is_unsigned_v<T>);
  T number{};
  std::memcpy(&number, bytes, sizeof(T));
  return number;
}

}  // namespace faultline::raft
