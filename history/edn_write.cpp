#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "edn.hpp"
#include "numbers.hpp"
#include "unicode.hpp"
#include "words.hpp"

namespace faultline {

namespace {

// Read back as exactly this value? The reader is the judge, so that writer and reader cannot disagree.
bool reads_as(std::string_view text, const Value& value) {
  if (!is_utf8(text)) return false;
  EdnParser parser(text);
  const auto read = parser.value();
  return read && *read == value && parser.rest().empty();
}

bool is_plain_token(std::string_view text) {
  return !text.empty() && is_utf8(text) && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
           std::string_view("\",;()[]{}\\^@`~").find(c) == std::string_view::npos;
  });
}

void append_edn_string(std::string& out, std::string_view text) {
  if (!is_utf8(text)) {
    out += "#faultline/bytes \"" + to_hex(text) + "\"";
    return;
  }
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_items(std::string& out, std::span<const Value> items, std::string_view open, char close) {
  out += open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ' ';
    append_edn(out, items[i]);
  }
  out += close;
}

std::string character_text(std::string_view c) {
  if (c == "\n") return "\\newline";
  if (c == "\r") return "\\return";
  if (c == " ") return "\\space";
  if (c == "\t") return "\\tab";
  if (c.size() == 1 && (static_cast<unsigned char>(c[0]) < 0x20 || c[0] == 0x7f)) {
    return fmt::format("\\u{:04x}", static_cast<unsigned>(c[0]));
  }
  return "\\" + std::string(c);
}

// The spelling EDN has for a tagged value whose inside is text; empty if it has none.
std::string literal_text(const Value& value) {
  if (!value.tagged_value().is_string()) return {};
  const std::string_view text = value.tagged_value().as_text();
  if (value.tag() == "bigint") return std::string(text) + "N";
  if (value.tag() == "decimal") return std::string(text) + "M";
  if (value.tag() == "ratio" || value.tag() == "symbol") return std::string(text);
  if (value.tag() == "char" && is_utf8(text)) return character_text(text);
  return {};
}

void append_tagged(std::string& out, const Value& value) {
  const Value& inner = value.tagged_value();
  if (const std::string literal = literal_text(value);
      !literal.empty() && literal.size() < 10000 && reads_as(literal, value)) {
    out += literal;
    return;
  }
  if (is_big_integer(value)) {  // too long to read back twice for a check
    out += literal_text(value);
    return;
  }
  if (value.tag() == "set" && inner.is_list()) {
    const auto items = inner.as_list();
    const bool each_once = std::adjacent_find(items.begin(), items.end(),
                                              [](const Value& a, const Value& b) { return a >= b; }) == items.end();
    if (each_once) {
      append_items(out, items, "#{", '}');
      return;
    }
  }
  // A probe tells whether the reader takes the tag as it stands; our own tags would change their inside.
  const std::string tag(value.tag());
  const bool plain = is_plain_token(tag) && !tag.starts_with("faultline/") &&
                     reads_as("#" + tag + " nil", Value::tagged(tag, Value()));
  if (plain) {
    out += "#" + tag + " ";
    append_edn(out, inner);
  } else {
    out += "#faultline/tag [";
    append_edn_string(out, tag);
    out += ' ';
    append_edn(out, inner);
    out += ']';
  }
}

void append_map(std::string& out, std::span<const Value::Entry> entries) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : entries) {
    if (!first) out += ", ";
    first = false;
    append_edn(out, key);
    out += ' ';
    append_edn(out, value);
  }
  out += '}';
}

}  // namespace

bool is_edn_name(std::string_view name) { return is_plain_token(name); }

void append_edn(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null: out += "nil"; return;
    case Value::Kind::boolean: out += value.as_boolean() ? "true" : "false"; return;
    case Value::Kind::integer: out += fmt::format_int(value.as_integer()).c_str(); return;
    case Value::Kind::real:
      if (std::isfinite(value.as_real())) {
        out += finite_real_text(value.as_real());
      } else {
        out += std::isnan(value.as_real()) ? "##NaN" : value.as_real() > 0 ? "##Inf" : "##-Inf";
      }
      return;
    case Value::Kind::string: append_edn_string(out, value.as_text()); return;
    case Value::Kind::keyword:
      if (is_edn_name(value.as_text())) {
        out += ':';
        out += value.as_text();
      } else {
        out += "#faultline/keyword ";
        append_edn_string(out, value.as_text());
      }
      return;
    case Value::Kind::list: append_items(out, value.as_list(), "[", ']'); return;
    case Value::Kind::map: append_map(out, value.as_map()); return;
    case Value::Kind::tagged: append_tagged(out, value); return;
  }
}

std::string to_edn(const Value& value) {
  std::string out;
  append_edn(out, value);
  return out;
}

Result<Value> parse_edn(std::string_view text) {
  if (const auto bad = first_bad_utf8(text))
    return Error::bad_input(fmt::format("expected UTF-8, found {}", found(text.substr(*bad, 1))));
  EdnParser parser(text);
  auto value = parser.value();
  if (value && parser.skip_blanks()) {
    if (parser.ended()) return *value;
    parser.complain("one value");
  }
  const Complaint complaint = line_complaint(parser);
  return Error::bad_input(complaint.text, complaint.remedy);
}

}  // namespace faultline
