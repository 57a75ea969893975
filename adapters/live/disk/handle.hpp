// Handle: owns one file descriptor of this room.
#pragma once

#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

namespace faultline::live::disk {

class Handle {
 public:
  Handle() = default;
  explicit Handle(int number) : number_(number) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void reset() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

inline std::string words_of(int error) { return std::generic_category().message(error); }

}  // namespace faultline::live::disk
