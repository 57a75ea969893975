#include <faultline/text.hpp>

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <cmath>
#include <limits>

#include "input.hpp"
#include "json.hpp"
#include "numbers.hpp"
#include "words.hpp"

namespace faultline {

static_assert(ChunkReader::padding >= simdjson::SIMDJSON_PADDING);

namespace ondemand = simdjson::ondemand;

std::optional<Value> json_number(std::string_view token) {
  const auto digits_from = [&](std::size_t at) {
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') ++at;
    return at;
  };
  const std::size_t start = token.starts_with('-') ? 1 : 0;
  std::size_t end = digits_from(start);
  if (end == start || (token[start] == '0' && end > start + 1)) return std::nullopt;
  if (end == token.size()) return integer_from_digits(token);
  if (token[end] == '.') {
    const std::size_t fraction = end + 1;
    end = digits_from(fraction);
    if (end == fraction) return std::nullopt;
  }
  if (end < token.size() && (token[end] == 'e' || token[end] == 'E')) {
    std::size_t exponent = end + 1;
    if (exponent < token.size() && (token[exponent] == '+' || token[exponent] == '-')) ++exponent;
    end = digits_from(exponent);
    if (end == exponent) return std::nullopt;
  }
  if (end != token.size()) return std::nullopt;
  const auto real = real_from_text(token);
  return real ? std::optional<Value>(*real) : std::nullopt;
}

namespace {

std::string_view trimmed(std::string_view token) {
  const std::size_t end = token.find_last_not_of(" \t\r\n");
  return token.substr(0, end + 1);
}

std::optional<Value> real_word(std::string_view name) {
  if (name == "NaN") return Value(std::numeric_limits<double>::quiet_NaN());
  if (name == "Inf") return Value(std::numeric_limits<double>::infinity());
  if (name == "-Inf") return Value(-std::numeric_limits<double>::infinity());
  return std::nullopt;
}

// What {"$word": inner} stands for; nullopt: not of the right shape, so an ordinary map.
std::optional<Value> meaning(JsonWord word, const Value& inner) {
  switch (word) {
    case JsonWord::keyword: return inner.is_string() ? std::optional(Value::keyword(inner.as_text())) : std::nullopt;
    case JsonWord::tag:
      if (!inner.is_pair() || !inner.as_list()[0].is_string()) return std::nullopt;
      return Value::tagged(inner.as_list()[0].as_text(), inner.as_list()[1]);
    case JsonWord::real: return inner.is_string() ? real_word(inner.as_text()) : std::nullopt;
    case JsonWord::bytes: {
      const auto bytes = inner.is_string() ? from_hex(inner.as_text()) : std::nullopt;
      return bytes ? std::optional(Value::string(*bytes)) : std::nullopt;
    }
    case JsonWord::map: {
      if (!inner.is_list()) return std::nullopt;
      std::vector<Value::Entry> entries;
      for (const Value& pair : inner.as_list()) {
        if (!pair.is_pair()) return std::nullopt;
        entries.emplace_back(pair.as_list()[0], pair.as_list()[1]);
      }
      const std::size_t written = entries.size();
      Value map = Value::map(std::move(entries));
      return map.as_map().size() == written ? std::optional(std::move(map)) : std::nullopt;
    }
    case JsonWord::no_word: break;
  }
  return std::nullopt;
}

// One parse of one line. Every function answers nullopt after setting complaint_ or error_.
class LineParser {
 public:
  LineParser(ondemand::parser& parser, std::string_view text) : parser_(parser), text_(text) {}

  std::variant<Value, Complaint> value() {
    auto parsed = document_value();
    if (parsed) return std::move(*parsed);
    return complaint();
  }

  std::variant<RawEvent, Complaint> event(std::uint32_t line_number) {
    RawEvent raw;
    raw.event.line = line_number;
    if (fields(raw)) return raw;
    return complaint();
  }

 private:
  using Field = std::pair<std::string_view, Value>;

  // simdjson's refusal says little about where; the scanner knows.
  Complaint complaint() {
    if (complaint_) return std::move(*complaint_);
    if (auto scanned = scan_json(text_)) return std::move(*scanned);
    return {0, fmt::format("expected JSON, found something else ({})", simdjson::error_message(error_)), ""};
  }

  std::nullopt_t refuse(simdjson::error_code error) {
    error_ = error;
    return std::nullopt;
  }
  std::nullopt_t refuse(std::size_t at, std::string text, std::string remedy = {}) {
    complaint_ = Complaint{at, std::move(text), std::move(remedy)};
    return std::nullopt;
  }
  std::size_t offset(std::string_view token) const { return static_cast<std::size_t>(token.data() - text_.data()); }

  std::optional<ondemand::document> document() {
    ondemand::document document;
    const auto error = parser_.iterate(text_.data(), text_.size(), text_.size() + ChunkReader::padding).get(document);
    if (error) return refuse(error);
    return document;
  }

  static bool at_end(ondemand::document& document) {
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  }

  std::optional<Value> document_value() {
    const std::size_t start = text_.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) return refuse(simdjson::EMPTY);
    auto root = document();
    if (!root) return std::nullopt;
    if (text_[start] != '{' && text_[start] != '[') {
      if (scan_json(text_)) return refuse(simdjson::TAPE_ERROR);
      if (text_[start] != '"') return literal(trimmed(text_.substr(start)));
      std::string_view text;
      if (const auto error = root->get_string().get(text)) return refuse(error);
      return Value::string(text);
    }
    ondemand::value top;
    if (const auto error = root->get_value().get(top)) return refuse(error);
    auto built = build(top, 0);
    if (built && !at_end(*root)) return refuse(simdjson::TAPE_ERROR);
    return built;
  }

  std::optional<Value> literal(std::string_view token) {
    if (token == "null") return Value();
    if (token == "true") return Value(true);
    if (token == "false") return Value(false);
    if (auto number = json_number(token)) return number;
    if (!scan_json(token)) {  // well-formed, so it can only be too large
      return refuse(offset(token),
                    fmt::format("expected a number within the range of a double, found {}", found(token)));
    }
    return refuse(simdjson::NUMBER_ERROR);
  }

  std::optional<Value> build(ondemand::value value, std::size_t depth) {
    ondemand::json_type type;
    if (const auto error = value.type().get(type)) return refuse(error);
    if (type == ondemand::json_type::string) {
      std::string_view text;
      if (const auto error = value.get_string().get(text)) return refuse(error);
      return Value::string(text);
    }
    const std::string_view token = value.raw_json_token();
    if (type != ondemand::json_type::array && type != ondemand::json_type::object) return literal(trimmed(token));
    if (depth == max_depth) return refuse(simdjson::DEPTH_ERROR);
    return type == ondemand::json_type::array ? list(value, depth + 1) : map(value, depth + 1);
  }

  std::optional<Value> list(ondemand::value value, std::size_t depth) {
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return refuse(error);
    std::vector<Value> items;
    for (auto element : array) {
      ondemand::value item;
      if (const auto error = element.get(item)) return refuse(error);
      auto built = build(item, depth);
      if (!built) return std::nullopt;
      items.push_back(std::move(*built));
    }
    return Value::list(std::move(items));
  }

  std::optional<Value> map(ondemand::value value, std::size_t depth) {
    const std::size_t at = offset(value.raw_json_token());
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return refuse(error);
    std::vector<Value::Entry> entries;
    for (auto member : object) {
      ondemand::field field;
      if (const auto error = std::move(member).get(field)) return refuse(error);
      std::string_view key;
      if (const auto error = field.unescaped_key().get(key)) return refuse(error);
      // Only an object's single member can be a word, so keep the name as it stands until the number of members is
      // known.
      Value name = Value::string(key);
      auto built = build(field.value(), depth);
      if (!built) return std::nullopt;
      entries.emplace_back(std::move(name), std::move(*built));
    }
    if (entries.size() == 1) {
      if (const JsonWord word = json_word(entries[0].first.as_text()); word != JsonWord::no_word) {
        if (auto meant = meaning(word, entries[0].second)) return meant;
      }
    }
    for (auto& [key, item] : entries) {
      if (is_escaped(key.as_text())) key = Value::string(key.as_text().substr(1));
    }
    return unique_map(std::move(entries), at);
  }

  std::optional<Value> unique_map(std::vector<Value::Entry> entries, std::size_t at) {
    const std::size_t written = entries.size();
    Value map = Value::map(std::move(entries));
    if (map.as_map().size() == written) return map;
    return refuse(at, "expected an object that has each name once, found a repeated name", "remove one of the two");
  }

  bool fields(RawEvent& raw) {
    auto root = document();
    if (!root) return false;
    const std::size_t start = text_.find_first_not_of(" \t\r\n");
    raw.at = start == std::string_view::npos ? 0 : start;
    ondemand::object object;
    if (start == std::string_view::npos || text_[start] != '{') {
      if (!scan_json(text_))
        refuse(raw.at, fmt::format("expected a JSON object, found {}", found(text_.substr(raw.at))),
               "write one event per line");
      return false;
    }
    if (const auto error = root->get_object().get(object)) return refuse(error), false;
    std::vector<Value::Entry> extras;
    for (auto member : object) {
      ondemand::field field;
      if (const auto error = std::move(member).get(field)) return refuse(error), false;
      std::string_view name;
      if (const auto error = field.unescaped_key().get(name)) return refuse(error), false;
      const Value owned_name = Value::string(name);
      const std::size_t at = offset(field.value().raw_json_token());
      auto built = build(field.value(), 1);
      if (!built) return false;
      if (!take_field(raw, owned_name, std::move(*built), at, extras)) return false;
    }
    if (!at_end(*root)) return refuse(simdjson::TAPE_ERROR), false;
    return finish(raw, std::move(extras));
  }

  bool take_field(RawEvent& raw, const Value& name, Value value, std::size_t at, std::vector<Value::Entry>& extras) {
    const std::string_view text = name.as_text();
    std::size_t known = 0;
    while (known < field_names.size() && field_names[known] != text) ++known;
    if (known == field_names.size()) {
      extras.emplace_back(name, std::move(value));
      return true;
    }
    if (seen_[known]) {
      return refuse(at, fmt::format("expected the field \"{}\" once, found it again", text), "remove one of the two"),
             false;
    }
    seen_[known] = true;
    Event& event = raw.event;
    switch (known) {
      case 0: raw.at_index = at; return take_index(raw, value);
      case 1: return take_time(event, value, at);
      case 2: return take_type(event, value, at);
      case 3: raw.at_process = at; return take_process(event, value, at);
      case 4:
        raw.at_f = at;
        if (!value.is_string()) return refuse(at, fmt::format("expected f as a string, found {}", shown(value))), false;
        event.f = value.as_text();
        return true;
      case 5:
        raw.at_key = at;
        event.key = std::move(value);
        return true;
      default:
        raw.at_value = at;
        event.value = std::move(value);
        return true;
    }
  }

  static std::string shown(const Value& value) { return clip(value.to_string(), 80); }

  bool take_index(RawEvent& raw, const Value& value) {
    if (value.is_null()) return true;
    if (!value.is_integer() || value.as_integer() < 0) {
      return refuse(raw.at_index, fmt::format("expected an integer >= 0 as index, found {}", shown(value))), false;
    }
    raw.index = value.as_integer();
    return true;
  }

  bool take_time(Event& event, const Value& value, std::size_t at) {
    if (value.is_null()) return true;
    if (!value.is_integer() || value.as_integer() < 0) {
      return refuse(at, fmt::format("expected an integer >= 0 as time, found {}", shown(value)),
                    "times are nanoseconds since the run began"),
             false;
    }
    event.time = Instant(Duration(value.as_integer()));
    return true;
  }

  bool take_type(Event& event, const Value& value, std::size_t at) {
    const auto type = value.is_string() ? parse_event_type(value.as_text()) : std::nullopt;
    if (!type)
      return refuse(at, fmt::format(R"(expected a type "invoke", "ok", "fail" or "info", found {})", shown(value))),
             false;
    event.type = *type;
    return true;
  }

  bool take_process(Event& event, const Value& value, std::size_t at) {
    if (value.is_integer() && value.as_integer() >= nemesis_process) {
      event.process = value.as_integer();
      return true;
    }
    if (value.is_null() || value.is_integer() || value.is_real() || is_big_integer(value)) {
      return refuse(at, fmt::format("expected an integer >= -1 as process, found {}", shown(value)),
                    "-1 is the nemesis, clients count from 0"),
             false;
    }
    process_name_ = value;
    return true;
  }

  bool finish(RawEvent& raw, std::vector<Value::Entry> extras) {
    for (const std::size_t needed : {std::size_t{2}, std::size_t{3}, std::size_t{4}}) {
      if (seen_[needed]) continue;
      return refuse(raw.at, fmt::format("expected an event with the field \"{}\", found none", field_names[needed]),
                    "an event needs type, process, f and value"),
             false;
    }
    if (!extras.empty()) {
      auto map = unique_map(std::move(extras), raw.at);
      if (!map) return false;
      raw.event.extra = std::move(*map);
    }
    if (!process_name_.is_null()) raw.event = with_process_name(std::move(raw.event), process_name_);
    return true;
  }

  ondemand::parser& parser_;
  std::string_view text_;
  std::optional<Complaint> complaint_;
  simdjson::error_code error_ = simdjson::SUCCESS;
  std::array<bool, field_names.size()> seen_{};
  Value process_name_;
};

}  // namespace

struct JsonReader::Parser {
  ondemand::parser simd;
};

JsonReader::JsonReader() : parser_(std::make_unique<Parser>()) {}
JsonReader::~JsonReader() = default;

std::variant<RawEvent, Complaint> JsonReader::event(std::string_view line, std::uint32_t line_number) {
  return LineParser(parser_->simd, line).event(line_number);
}

std::variant<Value, Complaint> JsonReader::value(std::string_view text) {
  return LineParser(parser_->simd, text).value();
}

}  // namespace faultline
