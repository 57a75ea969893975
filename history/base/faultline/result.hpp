// Result<T>: a value, or an Error that says what went wrong with the environment or the input and what to do about it.
//
// Nothing throws across a folder. `kind` decides the exit code: bad_input is the user's file or command (64),
// environment is disk, network, permissions or a missing program (3).
#pragma once

#include <faultline/assert.hpp>

#include <string>
#include <utility>
#include <variant>

namespace faultline {

enum class ErrorKind { bad_input, environment };

struct Error {
  ErrorKind kind = ErrorKind::environment;
  std::string message;  // "history.jsonl:3:17: error: expected a value, found end of line"; may hold several lines
  std::string remedy;   // what to do, one sentence; empty if nothing useful can be said

  static Error bad_input(std::string message, std::string remedy = {}) {
    return {ErrorKind::bad_input, std::move(message), std::move(remedy)};
  }
  static Error environment(std::string message, std::string remedy = {}) {
    return {ErrorKind::environment, std::move(message), std::move(remedy)};
  }
  [[nodiscard]] int exit_code() const { return kind == ErrorKind::bad_input ? 64 : 3; }
  [[nodiscard]] std::string to_string() const { return remedy.empty() ? message : message + "\n  " + remedy; }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  [[nodiscard]] T& value() & {
    FL_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    FL_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    FL_ASSERT(ok());
    return std::get<0>(std::move(state_));
  }
  // REQUIRES: !ok().
  [[nodiscard]] const Error& error() const {
    FL_ASSERT(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    FL_ASSERT(failed_);
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace faultline
