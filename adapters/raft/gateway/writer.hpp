// Writes JSON objects field by field, leaving out what is zero. Pure. Grows one string; nothing else allocates.
#pragma once

#include "base64.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace faultline::raft::gateway {

// A JSON string: quotes and control characters escaped, bytes that are no UTF-8 replaced.
void append_json_string(std::string& out, std::string_view text);

template <class Number>
void append_number(std::string& out, Number number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

// One object: its '{' when made, its '}' when gone. Fields are written in the order of the calls.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // The name, after which the caller writes the value.
  std::string& name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  template <class Number>
  void quoted(std::string_view field, Number number) {  // a 64-bit integer
    if (number == 0) return;
    name(field) += '"';
    append_number(out_, number);
    out_ += '"';
  }
  void yes(std::string_view field, bool value) {
    if (value) name(field) += "true";
  }
  void bytes(std::string_view field, std::string_view value) {
    if (value.empty()) return;
    name(field) += '"';
    append_base64(out_, value);
    out_ += '"';
  }
  void text(std::string_view field, std::string_view value) {
    if (!value.empty()) append_json_string(name(field), value);
  }
  // Calls `each(element)` to write every element.
  template <class List, class Each>
  void list(std::string_view field, const List& list, Each each) {
    if (list.empty()) return;
    name(field) += '[';
    bool first = true;
    for (const auto& element : list) {
      if (!first) out_ += ',';
      first = false;
      each(element);
    }
    out_ += ']';
  }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace faultline::raft::gateway
