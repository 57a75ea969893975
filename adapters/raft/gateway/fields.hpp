// Reading typed fields out of a tape with the leniency and the error texts of etcd's gateway (jsonpb over encoding/json). Pure.
//
// The first error stays and everything after it reads as absent, so callers check once at the end. Absent and null leave the target as
// it is.
#pragma once

#include "json.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace faultline::raft::gateway {

class Reader {
 public:
  explicit Reader(const Tape& tape) : tape_(tape) {}

  [[nodiscard]] const Tape& tape() const { return tape_; }
  [[nodiscard]] bool failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }
  void fail(std::string error) {
    if (!failed()) error_ = std::move(error);
  }
  // "json: cannot unmarshal array into Go value of type int64"
  void mismatch(const Node& node, std::string_view type);

 private:
  const Tape& tape_;
  std::string error_;
};

// The names of an enum, by number from 0, and what Go calls its type.
struct EnumNames {
  std::string_view type;
  std::span<const std::string_view> names;
};

class Fields {
 public:
  // Anything but an object or null fails.
  Fields(Reader& reader, std::uint32_t node);

  // The value's node under `name` (snake_case) or that in lowerCamel; nothing if absent or null.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const;

  void bytes(std::string_view name, std::string& out);
  void integer(std::string_view name, std::int64_t& out);
  void unsigned_integer(std::string_view name, std::uint64_t& out);
  void boolean(std::string_view name, bool& out);
  void enumeration(std::string_view name, const EnumNames& names, std::int32_t& out);
  // Calls `each(number)` for every element.
  template <class Each>
  void enumerations(std::string_view name, const EnumNames& names, Each each) {
    const auto found = find(name);
    if (!found) return;
    if (reader_.tape()[*found].kind == Kind::string) return enum_in_place_of_list(*found, names);
    for_each_element(*found, [&](std::uint32_t element) {
      std::int32_t number = 0;
      read_enum(element, names, number);
      if (!reader_.failed()) each(number);
    });
  }
  // Calls `each(node)` for every element of a list.
  template <class Each>
  void elements(std::string_view name, Each each) {
    if (const auto found = find(name)) for_each_element(*found, each);
  }

 private:
  template <class Each>
  void for_each_element(std::uint32_t list, Each each) {
    const Node& node = reader_.tape()[list];
    if (node.kind != Kind::array) return reader_.mismatch(node, "[]json.RawMessage");
    for (std::uint32_t i = list + 1; i < node.next && !reader_.failed(); i = reader_.tape()[i].next) each(i);
  }
  void read_enum(std::uint32_t node, const EnumNames& names, std::int32_t& out);
  void enum_in_place_of_list(std::uint32_t node, const EnumNames& names);

  Reader& reader_;
  std::uint32_t begin_ = 0;  // of the object's children
  std::uint32_t end_ = 0;
};

}  // namespace faultline::raft::gateway
