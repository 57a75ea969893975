#include "fields.hpp"

#include "base64.hpp"

#include <charconv>
#include <limits>

namespace faultline::raft::gateway {
namespace {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "bool";
    case Kind::number: return "number";
    case Kind::string: return "string";
    case Kind::array: return "array";
    case Kind::object: return "object";
  }
  return "";
}

std::string cannot_unmarshal(std::string_view what, std::string_view type) {
  std::string message = "json: cannot unmarshal ";
  message += what;
  message += " into Go value of type ";
  message += type;
  return message;
}

// Whether `text` is `snake_case` written in lowerCamel.
bool is_camel(std::string_view text, std::string_view snake_case) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < snake_case.size(); ++i, ++at) {
    char wanted = snake_case[i];
    if (wanted == '_') wanted = static_cast<char>(snake_case[++i] - 'a' + 'A');
    if (at == text.size() || text[at] != wanted) return false;
  }
  return at == text.size();
}

template <class Number>
bool parse_whole(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// A JSON number as text, into an integer of this width.
template <class Number>
void read_number(Reader& reader, std::string_view text, std::string_view type, Number& out) {
  Number number{};
  if (!parse_whole(text, number)) return reader.fail(cannot_unmarshal("number " + std::string(text), type));
  out = number;
}

template <class Number>
void read_integer(Reader& reader, const Node& node, std::string_view type, Number& out);

// An integer in quotes: what is between them must be a JSON document of its own.
template <class Number>
void read_quoted_integer(Reader& reader, std::string_view text, std::string_view type, Number& out) {
  Number number{};
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (parse_whole(text, number) && (digits.size() == 1 || !digits.starts_with('0'))) {
    out = number;
    return;
  }
  using End = Tape::Scanned::End;
  Tape inner;
  const Tape::Scanned scanned = inner.scan(text, 0);
  if (scanned.end == End::nothing || scanned.error == "unexpected EOF")
    return reader.fail("unexpected end of JSON input");
  if (scanned.end == End::error) return reader.fail(scanned.error);
  const std::size_t garbage = text.find_first_not_of(" \t\r\n", scanned.stop);
  if (garbage != std::string_view::npos) {
    return reader.fail("invalid character " + quoted_character(static_cast<unsigned char>(text[garbage])) +
                       " after top-level value");
  }
  Reader of_inner(inner);
  read_integer(of_inner, inner[0], type, out);
  if (of_inner.failed()) reader.fail(of_inner.error());
}

template <class Number>
void read_integer(Reader& reader, const Node& node, std::string_view type, Number& out) {
  const std::string_view text = reader.tape().text(node);
  switch (node.kind) {
    case Kind::null: return;
    case Kind::number: return read_number(reader, text, type, out);
    case Kind::string: return read_quoted_integer(reader, text.substr(1, text.size() - 2), type, out);
    default: return reader.mismatch(node, type);
  }
}

// [107, 49]
void read_byte_list(Reader& reader, std::uint32_t list, std::string& out) {
  const Tape& tape = reader.tape();
  out.clear();
  for (std::uint32_t i = list + 1; i < tape[list].next && !reader.failed(); i = tape[i].next) {
    std::uint8_t byte = 0;
    if (tape[i].kind == Kind::number) {
      read_number(reader, tape.text(tape[i]), "uint8", byte);
    } else if (tape[i].kind != Kind::null) {
      reader.mismatch(tape[i], "uint8");
    }
    out += static_cast<char>(byte);
  }
}

}  // namespace

void Reader::mismatch(const Node& node, std::string_view type) { fail(cannot_unmarshal(kind_name(node.kind), type)); }

Fields::Fields(Reader& reader, std::uint32_t node) : reader_(reader) {
  const Node& object = reader.tape()[node];
  if (object.kind == Kind::null) return;
  if (object.kind != Kind::object) {
    reader.mismatch(object, "map[string]json.RawMessage");
    return;
  }
  begin_ = node + 1;
  end_ = object.next;
}

std::optional<std::uint32_t> Fields::find(std::string_view name) const {
  if (reader_.failed()) return std::nullopt;
  const Tape& tape = reader_.tape();
  const bool has_camel = name.find('_') != std::string_view::npos;
  std::optional<std::uint32_t> snake;
  std::optional<std::uint32_t> camel;
  for (std::uint32_t key = begin_; key < end_;) {
    const std::uint32_t value = tape[key].next;
    if (tape.is(tape[key], name)) {
      snake = value;
    } else if (has_camel) {
      const std::string_view raw = tape.text(tape[key]).substr(1, tape[key].end - tape[key].begin - 2);
      if (tape[key].escaped ? is_camel(tape.unescaped(tape[key]), name) : is_camel(raw, name)) camel = value;
    }
    key = tape[value].next;
  }
  const auto found = camel ? camel : snake;
  return found && tape[*found].kind != Kind::null ? found : std::nullopt;
}

void Fields::bytes(std::string_view name, std::string& out) {
  const auto found = find(name);
  if (!found) return;
  const Tape& tape = reader_.tape();
  const Node& node = tape[*found];
  if (node.kind == Kind::array) return read_byte_list(reader_, *found, out);
  if (node.kind != Kind::string) return reader_.mismatch(node, "[]uint8");
  Base64Decoded decoded = node.escaped ? from_base64(tape.unescaped(node))
                                       : from_base64(tape.text(node).substr(1, node.end - node.begin - 2));
  if (decoded.corrupt_at) {
    return reader_.fail("illegal base64 data at input byte " + std::to_string(*decoded.corrupt_at));
  }
  out = std::move(decoded.bytes);
}

void Fields::integer(std::string_view name, std::int64_t& out) {
  if (const auto found = find(name)) read_integer(reader_, reader_.tape()[*found], "int64", out);
}

void Fields::unsigned_integer(std::string_view name, std::uint64_t& out) {
  if (const auto found = find(name)) read_integer(reader_, reader_.tape()[*found], "uint64", out);
}

void Fields::boolean(std::string_view name, bool& out) {
  const auto found = find(name);
  if (!found) return;
  const Node& node = reader_.tape()[*found];
  if (node.kind != Kind::boolean) return reader_.mismatch(node, "bool");
  out = node.end - node.begin == 4;
}

void Fields::enumeration(std::string_view name, const EnumNames& names, std::int32_t& out) {
  if (const auto found = find(name)) read_enum(*found, names, out);
}

void Fields::read_enum(std::uint32_t node, const EnumNames& names, std::int32_t& out) {
  const Node& value = reader_.tape()[node];
  const std::string_view text = reader_.tape().text(value);
  if (value.kind == Kind::number) return read_number(reader_, text, names.type, out);
  if (value.kind == Kind::null) return;
  if (value.kind != Kind::string) return reader_.mismatch(value, names.type);
  for (std::size_t i = 0; i < names.names.size(); ++i) {
    if (text.substr(1, text.size() - 2) != names.names[i]) continue;
    out = static_cast<std::int32_t>(i);
    return;
  }
  reader_.fail("unknown value " + std::string(text) + " for enum " + std::string(names.type));
}

void Fields::enum_in_place_of_list(std::uint32_t node, const EnumNames& names) {
  std::int32_t number = 0;
  read_enum(node, names, number);
  reader_.fail("invalid target \"slice\" for enum " + std::string(names.type));
}

}  // namespace faultline::raft::gateway
