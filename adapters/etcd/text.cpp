#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace faultline::etcd {
namespace {

using Json = nlohmann::json;
constexpr int max_depth = 64;
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The six bits of a base64 character of either alphabet, or -1.
constexpr std::array<std::int8_t, 256> sextets = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  table['-'] = 62;
  table['_'] = 63;
  return table;
}();

// Whether it stands in JSON as it is.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

// nullopt: not one of the texts that to_stored() makes without the library.
std::optional<Value> plain_value(std::string_view bytes) {
  if (bytes.size() >= 2 && bytes.front() == '"' && bytes.back() == '"') {
    const std::string_view text = bytes.substr(1, bytes.size() - 2);
    return is_plain(text) ? std::optional(Value::string(text)) : std::nullopt;
  }
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), n);
  if (error != std::errc() || end != bytes.data() + bytes.size()) return std::nullopt;
  const fmt::format_int canonical(n);
  return std::string_view(canonical.data(), canonical.size()) == bytes ? std::optional(Value(n)) : std::nullopt;
}

Error no_json(const Value& value, std::string_view why) {
  return Error::bad_input(fmt::format("{} cannot be stored in etcd: {}", value.to_string(), why),
                          "Use null, booleans, numbers, strings, lists and maps with string keys.");
}

Result<Json> to_json(const Value& value, int depth) {
  if (depth > max_depth) return no_json(Value("..."), fmt::format("it is nested deeper than {}", max_depth));
  switch (value.kind()) {
    case Value::Kind::null: return Json(nullptr);
    case Value::Kind::boolean: return Json(value.as_boolean());
    case Value::Kind::integer: return Json(value.as_integer());
    case Value::Kind::real:
      if (!std::isfinite(value.as_real())) return no_json(value, "JSON has only finite numbers");
      return Json(value.as_real());
    case Value::Kind::string: return Json(value.as_text());
    case Value::Kind::list: {
      Json list = Json::array();
      for (const Value& item : value.as_list()) {
        auto json = to_json(item, depth + 1);
        if (!json) return json.error();
        list.push_back(std::move(json).value());
      }
      return list;
    }
    case Value::Kind::map: {
      Json map = Json::object();
      for (const auto& [key, item] : value.as_map()) {
        if (!key.is_string()) return no_json(value, "a JSON object has only string keys");
        auto json = to_json(item, depth + 1);
        if (!json) return json.error();
        map[std::string(key.as_text())] = std::move(json).value();
      }
      return map;
    }
    default: return no_json(value, "JSON has no such type");
  }
}

// nullopt: too deep, or an integer beyond 64 bits.
std::optional<Value> to_value(const Json& json, int depth) {
  if (depth > max_depth) return std::nullopt;
  switch (json.type()) {
    case Json::value_t::null: return Value();
    case Json::value_t::boolean: return Value(json.get<bool>());
    case Json::value_t::number_integer: return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
      return Value(json.get<std::int64_t>());
    case Json::value_t::number_float: return Value(json.get<double>());
    case Json::value_t::string: return Value(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) {
        auto value = to_value(item, depth + 1);
        if (!value) return std::nullopt;
        items.push_back(std::move(*value));
      }
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<Value::Entry> entries;
      for (const auto& [key, item] : json.items()) {
        auto value = to_value(item, depth + 1);
        if (!value) return std::nullopt;
        entries.emplace_back(Value::string(key), std::move(*value));
      }
      return Value::map(std::move(entries));
    }
    default: return std::nullopt;
  }
}

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  char* out = text.data();
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j <= count; ++j) out[j] = alphabet[group >> (18 - 6 * j) & 63];
    out += 4;
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::size_t padding = 0;
  while (!text.empty() && text.back() == '=' && padding < 2) {
    text.remove_suffix(1);
    ++padding;
  }
  if (text.size() % 4 == 1 || (padding != 0 && (text.size() + padding) % 4 != 0)) return std::nullopt;
  std::string bytes(text.size() * 3 / 4, '\0');
  std::size_t at = 0;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int six = sextets[static_cast<unsigned char>(c)];
    if (six < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(six);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = static_cast<char>(bits >> held & 0xff);
    }
  }
  return bytes;
}

// Integers, nothing, and strings without anything to escape, which are most of what is stored, need no library.
Result<std::string> to_stored(const Value& value) {
  if (value.is_null()) return std::string("null");
  if (value.kind() == Value::Kind::integer) return std::to_string(value.as_integer());
  if (value.is_string() && is_plain(value.as_text())) return '"' + std::string(value.as_text()) + '"';
  auto json = to_json(value, 0);
  if (!json) return json.error();
  try {
    return json.value().dump();
  } catch (const Json::exception&) {
    return no_json(value, "it holds bytes that are no UTF-8");
  }
}

Value from_stored(std::string_view bytes) {
  if (auto value = plain_value(bytes)) return *std::move(value);
  const Json json = Json::parse(bytes, nullptr, false);
  if (!json.is_discarded()) {
    if (auto value = to_value(json, 0)) {
      // Other spellings of the same value ("1e0", " 1") are not what this harness wrote, and no VALUE compare would
      // match them.
      if (const auto canonical = to_stored(*value); canonical && canonical.value() == bytes) return *value;
    }
  }
  return Value::tagged("bytes", Value::string(to_base64(bytes)));
}

}  // namespace faultline::etcd
