#include "digest.hpp"

#include <bit>
#include <cstring>

#include <faultline/rng.hpp>

namespace faultline {

void Digest::add_number(std::uint64_t number) {
  low_ = mix64(low_ * 0x9e3779b97f4a7c15ULL + number);
  high_ = mix64((high_ ^ number) + 0xd1b54a32d192ed03ULL * 3);
}

void Digest::add_text(std::string_view text) {
  add_number(static_cast<std::uint64_t>(text.size()));
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = at; i < std::min(text.size(), at + 8); ++i) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * (i - at));
    }
    add_number(word);
  }
}

void Digest::add_value(const Value& value) {
  add_number(static_cast<std::uint64_t>(value.kind()));
  switch (value.kind()) {
    case Value::Kind::null: return;
    case Value::Kind::boolean: return add_number(static_cast<std::uint64_t>(value.as_boolean()));
    case Value::Kind::integer: return add_number(static_cast<std::uint64_t>(value.as_integer()));
    case Value::Kind::real: return add_number(std::bit_cast<std::uint64_t>(value.as_real()));
    case Value::Kind::string:
    case Value::Kind::keyword: return add_text(value.as_text());
    case Value::Kind::list:
      add_number(static_cast<std::uint64_t>(value.as_list().size()));
      for (const Value& item : value.as_list()) add_value(item);
      return;
    case Value::Kind::map:
      add_number(static_cast<std::uint64_t>(value.as_map().size()));
      for (const Value::Entry& entry : value.as_map()) {
        add_value(entry.first);
        add_value(entry.second);
      }
      return;
    case Value::Kind::tagged: add_text(value.tag()); return add_value(value.tagged_value());
  }
}

std::string Digest::hex() const {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t half : {high_, low_}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(half >> shift) & 15];
  }
  return text;
}

bool says_precondition_failed(const Value& extra) {
  const Value& error = extra.get("error");
  return (error.is_string() || error.is_keyword()) && error.as_text() == "precondition-failed";
}

std::string digest_of(const History& history) {
  Digest digest;
  for (EventIndex i = 0; i < history.size(); ++i) {
    if (history.operation_of(i) == none) continue;
    const EventType type = history.type(i);
    digest.add_number(static_cast<std::uint64_t>(type));
    digest.add_number(static_cast<std::uint64_t>(history.process(i)));
    if (type == EventType::invoke) {  // a completion repeats both
      digest.add_text(history.functions()[history.function(i)]);
      digest.add_value(history.key(i));
    }
    if (type == EventType::invoke || type == EventType::ok) digest.add_value(history.value(i));
    if (type == EventType::fail)
      digest.add_number(static_cast<std::uint64_t>(says_precondition_failed(history.extra(i))));
  }
  return digest.hex();
}

}  // namespace faultline
