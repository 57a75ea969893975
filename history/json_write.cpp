#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "json.hpp"
#include "numbers.hpp"
#include "unicode.hpp"
#include "words.hpp"

namespace faultline {

namespace {

void append_text(std::string& out, std::string_view text) {
  if (is_utf8(text)) {
    append_json_string(out, text);
    return;
  }
  out += "{\"$bytes\":\"";
  out += to_hex(text);
  out += "\"}";
}

void append_real(std::string& out, double real) {
  if (std::isnan(real)) {
    out += R"({"$real":"NaN"})";
  } else if (std::isinf(real)) {
    out += real > 0 ? R"({"$real":"Inf"})" : R"({"$real":"-Inf"})";
  } else {
    out += finite_real_text(real);
  }
}

void append_list(std::string& out, std::span<const Value> items) {
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, items[i]);
  }
  out += ']';
}

void append_map(std::string& out, std::span<const Value::Entry> entries) {
  const bool as_object = std::all_of(entries.begin(), entries.end(), [](const Value::Entry& entry) {
    return entry.first.is_string() && is_utf8(entry.first.as_text());
  });
  out += as_object ? "{" : "{\"$map\":[";
  bool first = true;
  for (const auto& [key, value] : entries) {
    if (!first) out += ',';
    first = false;
    if (as_object) {
      append_json_string(
          out, is_escaped_or_word(key.as_text()) ? "$" + std::string(key.as_text()) : std::string(key.as_text()));
      out += ':';
      append_json(out, value);
    } else {
      out += '[';
      append_json(out, key);
      out += ',';
      append_json(out, value);
      out += ']';
    }
  }
  out += as_object ? "}" : "]}";
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
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

void append_json(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null: out += "null"; return;
    case Value::Kind::boolean: out += value.as_boolean() ? "true" : "false"; return;
    case Value::Kind::integer: out += fmt::format_int(value.as_integer()).c_str(); return;
    case Value::Kind::real: append_real(out, value.as_real()); return;
    case Value::Kind::string: append_text(out, value.as_text()); return;
    case Value::Kind::keyword:
      out += "{\"$keyword\":";
      append_text(out, value.as_text());
      out += '}';
      return;
    case Value::Kind::list: append_list(out, value.as_list()); return;
    case Value::Kind::map: append_map(out, value.as_map()); return;
    case Value::Kind::tagged: break;
  }
  if (is_big_integer(value)) {
    out += value.tagged_value().as_text();
    return;
  }
  out += "{\"$tag\":[";
  append_text(out, value.tag());
  out += ',';
  append_json(out, value.tagged_value());
  out += "]}";
}

std::string to_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string native_line(EventIndex index, const Event& event) {
  std::string out;
  append_native_line(out, index, event);
  return out;
}

void append_native_line(std::string& out, EventIndex index, const Event& event) {
  const Value& other_process = event.process == nemesis_process ? event.extra.get("process") : Value();
  auto sink = std::back_inserter(out);
  fmt::format_to(sink, "{{\"index\":{}", index);
  if (event.time >= Instant{}) fmt::format_to(sink, ",\"time\":{}", event.time.time_since_epoch().count());
  fmt::format_to(sink, ",\"type\":\"{}\",\"process\":", to_string(event.type));
  if (other_process.is_null()) {
    fmt::format_to(sink, "{}", event.process);
  } else {
    append_json(out, other_process);
  }
  out += ",\"f\":";
  append_json_string(out, printable(event.f));
  if (!event.key.is_null()) {
    out += ",\"key\":";
    append_json(out, event.key);
  }
  out += ",\"value\":";
  append_json(out, event.value);
  for (const auto& [name, field] : ordered_extras(event)) {
    out += ',';
    append_json_string(out, printable(name));
    out += ':';
    append_json(out, field);
  }
  out += "}\n";
}

}  // namespace faultline
