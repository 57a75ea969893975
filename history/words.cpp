#include "words.hpp"

#include <faultline/text.hpp>

#include <algorithm>

#include "unicode.hpp"

namespace faultline {

bool is_field_name(std::string_view name) {
  return std::find(field_names.begin(), field_names.end(), name) != field_names.end();
}

std::optional<EventType> parse_event_type(std::string_view name) {
  for (const EventType type : {EventType::invoke, EventType::ok, EventType::fail, EventType::info}) {
    if (to_string(type) == name) return type;
  }
  return std::nullopt;
}

JsonWord json_word(std::string_view key) {
  if (key == "$keyword") return JsonWord::keyword;
  if (key == "$tag") return JsonWord::tag;
  if (key == "$map") return JsonWord::map;
  if (key == "$real") return JsonWord::real;
  if (key == "$bytes") return JsonWord::bytes;
  return JsonWord::no_word;
}

bool is_escaped_or_word(std::string_view key) {
  const std::size_t dollars = std::min(key.find_first_not_of('$'), key.size());
  return dollars > 0 && json_word(key.substr(dollars - 1)) != JsonWord::no_word;
}

bool is_escaped(std::string_view key) { return key.starts_with("$$") && is_escaped_or_word(key); }

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 0xf];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string out;
  out.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = digit(digits[i]);
    const int low = digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string printable(std::string_view text) { return is_utf8(text) ? std::string(text) : escape_controls(text); }

std::vector<std::pair<std::string_view, Value>> ordered_extras(const Event& event) {
  std::vector<std::pair<std::string_view, Value>> extras;
  if (!event.extra.is_map()) return extras;
  for (const auto& [name, field] : event.extra.as_map()) {
    if (name.is_string() && !is_field_name(name.as_text())) extras.emplace_back(name.as_text(), field);
  }
  const auto rank = [](std::string_view name) { return name == "error" ? 0 : name == "node" ? 1 : 2; };
  std::stable_sort(extras.begin(), extras.end(),
                   [&](const auto& a, const auto& b) { return rank(a.first) < rank(b.first); });
  return extras;
}

Event with_process_name(Event event, const Value& name) {
  event.process = nemesis_process;
  const bool usual = (name.is_string() || name.is_keyword()) && name.as_text() == "nemesis";
  return usual ? event : event.with("process", name);
}

}  // namespace faultline
