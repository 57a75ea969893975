#include "edn.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "json.hpp"
#include "numbers.hpp"
#include "unicode.hpp"
#include "words.hpp"

namespace faultline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == '\f' || c == '\v'; }

// May stand in a symbol, keyword or number.
bool is_constituent(char c) {
  return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
         std::string_view("\",;()[]{}\\^@`~").find(c) == std::string_view::npos;
}

char closing_of(char bracket) { return bracket == '(' ? ')' : bracket == '[' ? ']' : '}'; }

bool all_digits(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// digits [. digits*] [e [+-] digits]
bool is_decimal(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > start;
  };
  if (!digits()) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits();
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

// Lowest terms, as Clojure reads and prints ratios; kept as text where 64 bits do not suffice.
std::optional<Value> ratio(bool negative, std::string_view above, std::string_view below) {
  const Value numerator = integer_from_digits(above);
  const Value denominator = integer_from_digits(below);
  if (denominator == Value(0)) return std::nullopt;
  const std::string sign = negative ? "-" : "";
  if (!numerator.is_integer() || !denominator.is_integer())
    return Value::tagged("ratio", sign + std::string(above) + "/" + std::string(below));
  const std::int64_t divisor = std::gcd(numerator.as_integer(), denominator.as_integer());
  const std::int64_t n = numerator.as_integer() / divisor * (negative ? -1 : 1);
  const std::int64_t d = denominator.as_integer() / divisor;
  return d == 1 ? Value(n) : Value::tagged("ratio", fmt::format("{}/{}", n, d));
}

Value in_namespace(const Value& key, std::string_view name_space) {
  const bool symbol = key.is_tagged() && key.tag() == "symbol" && key.tagged_value().is_string();
  if (name_space.empty() || (!key.is_keyword() && !symbol)) return key;
  const std::string_view name = symbol ? key.tagged_value().as_text() : key.as_text();
  std::string full = name.starts_with("_/") ? std::string(name.substr(2)) : std::string(name);
  if (name.find('/') == std::string_view::npos) full = std::string(name_space) + "/" + full;
  return symbol ? Value::tagged("symbol", full) : Value::keyword(full);
}

// Our own tags, for text that EDN cannot spell; other shapes stay what they are.
Value meaning_of_tag(std::string_view tag, const Value& inner) {
  if (tag == "faultline/bytes" && inner.is_string()) {
    if (const auto bytes = from_hex(inner.as_text())) return Value::string(*bytes);
  }
  if (tag == "faultline/keyword" && inner.is_string()) return Value::keyword(inner.as_text());
  if (tag == "faultline/tag" && inner.is_pair() && inner.as_list()[0].is_string()) {
    return Value::tagged(inner.as_list()[0].as_text(), inner.as_list()[1]);
  }
  return Value::tagged(tag, inner);
}

}  // namespace

char EdnParser::peek() {
  if (at_ < text_.size()) return text_[at_];
  reached_end_ = true;
  return '\0';
}

bool EdnParser::take(char c) {
  if (peek() != c || ended()) return false;
  ++at_;
  return true;
}

std::optional<EdnParser::Opened> EdnParser::opened() const { return opened_; }

std::nullopt_t EdnParser::complain(std::size_t at, std::string text, std::string remedy) {
  complaint_ = {at, std::move(text), std::move(remedy)};
  opened_.reset();
  return std::nullopt;
}

std::nullopt_t EdnParser::complain(std::string_view expected) {
  complain(at_, fmt::format("expected {}, found {}", expected, found(rest(), "end of file")));
  if (!open_.empty()) opened_ = open_.back();
  return std::nullopt;
}

std::string_view EdnParser::token() {
  const std::size_t start = at_;
  while (!ended() && is_constituent(text_[at_])) ++at_;
  return text_.substr(start, at_ - start);
}

bool EdnParser::skip_blanks(std::size_t depth) {
  for (;;) {
    while (!ended() && is_blank(text_[at_])) ++at_;
    if (peek() == ';') {
      while (!ended() && text_[at_] != '\n') ++at_;
    } else if (peek() == '#' && at_ + 1 < text_.size() && text_[at_ + 1] == '_') {
      at_ += 2;
      if (!value(depth + 1)) return false;
      ++dropped_;
    } else {
      if (peek() == '#' && at_ + 1 == text_.size()) reached_end_ = true;
      return true;
    }
  }
}

std::optional<Value> EdnParser::value(std::size_t depth) {
  if (depth > max_depth) return too_deep(at_);
  if (!skip_blanks(depth)) return std::nullopt;
  switch (peek()) {
    case '[':
    case '(': {
      const char bracket = text_[at_++];
      open(bracket);
      auto list = items(closing_of(bracket), depth + 1);
      if (!list) return std::nullopt;
      return Value::list(std::move(*list));
    }
    case '{':
      ++at_;
      open('{');
      return map({}, depth + 1);
    case '"': return string();
    case '\\': return character();
    case ':': return keyword();
    case '#': return sharp(depth);
    case '^':
      ++at_;
      if (!value(depth + 1)) return std::nullopt;
      ++metadata_;
      return value(depth + 1);
    default: return atom();
  }
}

std::nullopt_t EdnParser::too_deep(std::size_t at) {
  complain(at, fmt::format("expected at most {} levels of nesting, found one more", max_depth));
  if (!open_.empty()) opened_ = open_.front();
  return std::nullopt;
}

std::optional<std::vector<Value>> EdnParser::items(char closing, std::size_t depth) {
  if (depth > max_depth) return too_deep(open_.back().at);
  std::vector<Value> list;
  for (;;) {
    if (!skip_blanks(depth)) return std::nullopt;
    if (take(closing)) {
      close();
      return list;
    }
    if (ended() || peek() == ')' || peek() == ']' || peek() == '}')
      return complain(fmt::format("a value or '{}'", closing));
    auto item = value(depth);
    if (!item) return std::nullopt;
    list.push_back(std::move(*item));
  }
}

std::optional<Value> EdnParser::map(std::string_view name_space, std::size_t depth) {
  const std::size_t start = open_.back().at;
  auto list = items('}', depth);
  if (!list) return std::nullopt;
  if (list->size() % 2 != 0)
    return complain(start, "expected a value for every key of the map, found a last key without one");
  std::vector<Value::Entry> entries;
  entries.reserve(list->size() / 2);
  for (std::size_t i = 0; i < list->size(); i += 2) {
    entries.emplace_back(in_namespace((*list)[i], name_space), std::move((*list)[i + 1]));
  }
  Value map = Value::map(std::move(entries));
  if (map.as_map().size() * 2 != list->size())
    return complain(start, "expected a map that has each key once, found a repeated key");
  return map;
}

std::optional<Value> EdnParser::set(std::size_t depth) {
  const std::size_t start = open_.back().at;
  auto list = items('}', depth);
  if (!list) return std::nullopt;
  std::sort(list->begin(), list->end());
  if (std::adjacent_find(list->begin(), list->end()) != list->end()) {
    return complain(start, "expected a set that has each element once, found a repeated element");
  }
  return Value::tagged("set", Value::list(std::move(*list)));
}

std::optional<Value> EdnParser::sharp(std::size_t depth) {
  const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (next == '{') {
    at_ += 2;
    open('{');
    return set(depth + 1);
  }
  if (next == '#') return symbolic_number();
  if (next == ':') return namespaced_map(depth);
  return tagged(depth);
}

std::optional<Value> EdnParser::symbolic_number() {
  const std::size_t start = at_;
  at_ += 2;
  const std::string_view name = token();
  if (name == "Inf") return Value(std::numeric_limits<double>::infinity());
  if (name == "-Inf") return Value(-std::numeric_limits<double>::infinity());
  if (name == "NaN") return Value(std::numeric_limits<double>::quiet_NaN());
  at_ = start;
  return complain("##Inf, ##-Inf or ##NaN");
}

std::optional<Value> EdnParser::namespaced_map(std::size_t depth) {
  const std::size_t start = at_;
  at_ += 2;
  const std::string_view name = token();
  if (name.empty() || name.starts_with(':')) {
    at_ = start;
    return complain("a namespace, as in #:ns{…}");
  }
  if (!skip_blanks(depth)) return std::nullopt;
  if (!take('{')) return complain("'{' after a namespace");
  open('{');
  return map(name, depth + 1);
}

std::optional<std::string_view> EdnParser::tag() {
  if (peek() != '#') return std::nullopt;
  const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  const bool letter =
      (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || static_cast<unsigned char>(next) >= 0x80;
  if (!letter) {
    reached_end_ = reached_end_ || next == '\0';
    return std::nullopt;
  }
  ++at_;
  return token();
}

std::optional<Value> EdnParser::tagged(std::size_t depth) {
  const auto name = tag();
  if (!name) return complain("a tag, '#{', '#_', '##' or '#:' at '#'");
  auto inner = value(depth + 1);
  if (!inner) return std::nullopt;
  return meaning_of_tag(*name, *inner);
}

std::optional<std::uint32_t> EdnParser::code_unit() {
  if (at_ + 4 > text_.size()) {
    reached_end_ = true;
    return std::nullopt;
  }
  const std::string_view digits = text_.substr(at_, 4);
  if (!is_hex(digits)) return std::nullopt;
  at_ += 4;
  return static_cast<std::uint32_t>(std::stoul(std::string(digits), nullptr, 16));
}

bool EdnParser::escape(std::string& out) {
  constexpr std::string_view expected = R"(an escape: \t \b \n \r \f \" \\ \uXXXX or \oNNN)";
  const std::size_t start = at_ - 1;
  const auto refuse = [&](std::string_view what) {
    at_ = start;
    complain(what);
    return false;
  };
  const char kind = peek();
  constexpr std::string_view letters = "tbnrf\"\\";
  constexpr std::string_view meanings = "\t\b\n\r\f\"\\";
  if (const std::size_t i = letters.find(kind); i != std::string_view::npos && !ended()) {
    ++at_;
    out += meanings[i];
    return true;
  }
  if (kind != 'u') return refuse(expected);
  ++at_;
  auto unit = code_unit();
  if (!unit) return refuse(expected);
  if (*unit >= 0xd800 && *unit < 0xdc00) {
    const std::uint32_t high = *unit;
    unit = take('\\') && take('u') ? code_unit() : std::nullopt;
    if (!unit || *unit < 0xdc00 || *unit > 0xdfff) return refuse("a pair of surrogates");
    unit = 0x10000 + ((high - 0xd800) << 10) + (*unit - 0xdc00);
  } else if (*unit >= 0xdc00 && *unit <= 0xdfff) {
    return refuse("a pair of surrogates");
  }
  append_utf8(out, *unit);
  return true;
}

std::optional<Value> EdnParser::string() {
  ++at_;
  open('"');
  std::string text;
  for (;;) {
    const std::size_t stop = std::min(text_.find_first_of("\"\\", at_), text_.size());
    text += text_.substr(at_, stop - at_);
    at_ = stop;
    if (take('"')) {
      close();
      return Value::string(text);
    }
    if (!take('\\')) return complain("'\"' to close the string");
    if (!escape(text)) return std::nullopt;
  }
}

std::optional<Value> EdnParser::character() {
  constexpr std::pair<std::string_view, char> names[] = {{"newline", '\n'}, {"return", '\r'},   {"space", ' '},
                                                         {"tab", '\t'},     {"formfeed", '\f'}, {"backspace", '\b'}};
  const std::size_t start = at_++;
  const auto refuse = [&] {
    at_ = start;
    return complain(R"(a character, as \a, \newline or \u0041)");
  };
  if (ended()) return refuse();
  std::size_t length = utf8_length(text_.substr(at_));
  if (length == 0) return refuse();
  const std::string_view first = text_.substr(at_, length);
  at_ += length;
  while (!ended() && is_constituent(text_[at_])) ++at_;
  const std::string_view name = text_.substr(start + 1, at_ - start - 1);
  if (name == first) return Value::tagged("char", first);
  for (const auto& [word, c] : names) {
    if (word == name) return Value::tagged("char", std::string(1, c));
  }
  std::uint32_t code = 0;
  if (name.size() == 5 && name[0] == 'u' && is_hex(name.substr(1))) {
    code = static_cast<std::uint32_t>(std::stoul(std::string(name.substr(1)), nullptr, 16));
  } else if (name.size() >= 2 && name.size() <= 4 && name[0] == 'o' &&
             name.find_first_not_of("01234567", 1) == std::string_view::npos) {
    code = static_cast<std::uint32_t>(std::stoul(std::string(name.substr(1)), nullptr, 8));
  } else {
    return refuse();
  }
  if (code >= 0xd800 && code <= 0xdfff) return refuse();
  std::string text;
  append_utf8(text, code);
  return Value::tagged("char", text);
}

std::optional<Value> EdnParser::keyword() {
  const std::size_t start = at_++;
  const std::string_view name = token();
  if (!name.empty()) return Value::keyword(name);
  at_ = start;
  return complain("a keyword after ':'");
}

std::optional<Value> EdnParser::atom() {
  const std::size_t start = at_;
  const std::string_view word = token();
  if (word.empty()) return complain("a value");
  if (word == "nil") return Value();
  if (word == "true") return Value(true);
  if (word == "false") return Value(false);
  const bool sign = word[0] == '-' || word[0] == '+';
  if (is_digit(word[0]) || (sign && word.size() > 1 && is_digit(word[1]))) return number(word, start);
  return Value::tagged("symbol", word);
}

std::optional<Value> EdnParser::number(std::string_view word, std::size_t start) {
  const auto refuse = [&](std::string_view expected) {
    return complain(start, fmt::format("expected {}, found {}", expected, found(word)));
  };
  const bool negative = word[0] == '-';
  std::string_view digits = negative || word[0] == '+' ? word.substr(1) : word;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.remove_prefix(2);
    if (digits.ends_with('N')) digits.remove_suffix(1);
    if (!is_hex(digits)) return refuse("a hexadecimal number");
    if (auto value = integer_from_hex(negative, digits)) return value;
    return refuse("a hexadecimal number of at most 4096 digits");
  }
  const bool big = digits.ends_with('N');
  const std::string_view whole = big ? digits.substr(0, digits.size() - 1) : digits;
  if (all_digits(whole)) {
    if (whole.size() > 1 && whole[0] == '0') return refuse("a number without leading zeros");
    return integer_from_digits(big ? word.substr(0, word.size() - 1) : word);
  }
  if (const std::size_t slash = digits.find('/'); slash != std::string_view::npos) {
    const std::string_view above = digits.substr(0, slash);
    const std::string_view below = digits.substr(slash + 1);
    if (!all_digits(above) || !all_digits(below)) return refuse("a number");
    if (auto value = ratio(negative, above, below)) return value;
    return refuse("a ratio with a denominator that is not zero");
  }
  if (digits.ends_with('M') && is_decimal(digits.substr(0, digits.size() - 1))) {
    return Value::tagged("decimal", (negative ? "-" : "") + std::string(digits.substr(0, digits.size() - 1)));
  }
  if (!is_decimal(digits)) return refuse("a number");
  if (const auto real = real_from_text(word)) return Value(*real);
  return refuse("a number within the range of a double");
}

std::optional<Value> first_edn_value(std::string_view text) { return EdnParser(text).value(); }

Complaint line_complaint(const EdnParser& parser) {
  Complaint complaint = parser.complaint();
  if (const auto opened = parser.opened()) {
    complaint.text += fmt::format("; the '{}' at column {} is open", opened->bracket, opened->at + 1);
  }
  return complaint;
}

}  // namespace faultline
