#include "json.hpp"

#include <bit>
#include <cstring>

namespace faultline::raft::gateway {
namespace {

constexpr std::size_t depth_max = 10'000;

bool is_space(unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_hex(unsigned char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Bytes of eight that are '"', '\\' or below 0x20, each as its top bit; a byte above such a one may be marked wrongly.
std::uint64_t special_bytes(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t tops = 0x8080808080808080;
  const auto zero_bytes = [](std::uint64_t w) { return (w - ones) & ~w & tops; };
  return zero_bytes(word ^ (ones * '"')) | zero_bytes(word ^ (ones * '\\')) | ((word - ones * 0x20) & ~word & tops);
}

void append_utf8(std::string& out, std::uint32_t rune) {
  const auto byte = [&out](std::uint32_t b) { out += static_cast<char>(b); };
  if (rune < 0x80) return byte(rune);
  if (rune < 0x800) {
    byte(0xc0 | rune >> 6);
  } else if (rune < 0x10000) {
    byte(0xe0 | rune >> 12);
    byte(0x80 | (rune >> 6 & 0x3f));
  } else {
    byte(0xf0 | rune >> 18);
    byte(0x80 | (rune >> 12 & 0x3f));
    byte(0x80 | (rune >> 6 & 0x3f));
  }
  byte(0x80 | (rune & 0x3f));
}

// The four hex digits of \uXXXX at `text[at]`. REQUIRES: they are there.
std::uint32_t hex4(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    value = value << 4 | static_cast<std::uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

constexpr std::uint32_t replacement = 0xfffd;
bool is_surrogate(std::uint32_t rune) { return rune >= 0xd800 && rune < 0xe000; }

// The rune of an escape \uXXXX whose digits begin at `at`, which moves behind it; a pair of surrogates is one rune.
std::uint32_t escaped_rune(std::string_view text, std::size_t& at) {
  const std::uint32_t rune = hex4(text, at);
  at += 4;
  if (!is_surrogate(rune)) return rune;
  if (rune < 0xdc00 && text.substr(at, 2) == "\\u") {
    const std::uint32_t low = hex4(text, at + 2);
    if (low >= 0xdc00 && low < 0xe000) {
      at += 6;
      return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  return replacement;
}

char single_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

}  // namespace

std::string quoted_character(unsigned char c) {
  constexpr std::string_view hex = "0123456789abcdef";
  const std::string digits{hex[c >> 4], hex[c & 15]};
  switch (c) {
    case '\'': return R"('\'')";
    case '\\': return R"('\\')";
    case '\a': return R"('\a')";
    case '\b': return R"('\b')";
    case '\f': return R"('\f')";
    case '\n': return R"('\n')";
    case '\r': return R"('\r')";
    case '\t': return R"('\t')";
    case '\v': return R"('\v')";
    default: break;
  }
  if (c < 0x20 || c == 0x7f) return "'\\x" + digits + "'";
  // Go takes the byte for a rune of Latin-1, and quotes those that print nothing.
  if ((c >= 0x80 && c <= 0xa0) || c == 0xad) return "'\\u00" + digits + "'";
  std::string quoted = "'";
  append_utf8(quoted, c);
  return quoted + "'";
}

// Walks the text once. Each step is at `at_`; an error ends the walk.
class Scanner {
 public:
  Scanner(Tape& tape, std::size_t from) : tape_(tape), text_(tape.text_), at_(from) {}

  Tape::Scanned run() {
    using End = Tape::Scanned::End;
    skip_space();
    if (at_ == text_.size()) return {End::nothing, at_, {}};
    do {
      if (!step()) return {End::error, at_, std::move(error_)};
    } while (expect_ != Expect::after || !tape_.open_.empty());
    return {End::value, at_, {}};
  }

 private:
  enum class Expect : std::uint8_t { value, key, after };  // after: a comma or the end of the innermost container

  bool step() {
    skip_space();
    if (ended()) return cut_short();
    switch (expect_) {
      case Expect::value: return begin_value();
      case Expect::key: return key();
      case Expect::after: return go_on();
    }
    return false;
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(here())) ++at_;
  }
  [[nodiscard]] unsigned char here() const { return static_cast<unsigned char>(text_[at_]); }
  [[nodiscard]] bool ended() const { return at_ == text_.size(); }

  bool cut_short() {
    error_ = "unexpected EOF";
    return false;
  }
  bool unwanted(std::string_view where) {
    if (ended()) return cut_short();
    error_ = "invalid character " + quoted_character(here()) + " ";
    error_ += where;
    return false;
  }

  std::uint32_t add(Kind kind, std::size_t begin) {
    tape_.nodes_.push_back({static_cast<std::uint32_t>(begin), 0, 0, kind, false});
    return static_cast<std::uint32_t>(tape_.nodes_.size() - 1);
  }
  void close(std::uint32_t index) {
    tape_.nodes_[index].end = static_cast<std::uint32_t>(at_);
    tape_.nodes_[index].next = static_cast<std::uint32_t>(tape_.nodes_.size());
    expect_ = Expect::after;
  }

  // At the first byte of a value. A container is only opened.
  bool begin_value() {
    switch (here()) {
      case '{': return open(Kind::object);
      case '[': return open(Kind::array);
      case '"': return string();
      case 't': return literal("true", Kind::boolean);
      case 'f': return literal("false", Kind::boolean);
      case 'n': return literal("null", Kind::null);
      default: break;
    }
    if (here() == '-' || is_digit(here())) return number();
    return unwanted("looking for beginning of value");
  }

  bool open(Kind kind) {
    if (tape_.open_.size() == depth_max) return unwanted("exceeded max depth");
    tape_.open_.push_back(add(kind, at_++));
    skip_space();
    if (ended()) return cut_short();
    if (here() == (kind == Kind::object ? '}' : ']')) return shut();
    expect_ = kind == Kind::object ? Expect::key : Expect::value;
    return true;
  }
  bool shut() {
    ++at_;
    close(tape_.open_.back());
    tape_.open_.pop_back();
    return true;
  }

  // After a value within the innermost container.
  bool go_on() {
    const bool in_object = tape_.nodes_[tape_.open_.back()].kind == Kind::object;
    if (here() == ',') {
      ++at_;
      expect_ = in_object ? Expect::key : Expect::value;
      return true;
    }
    if (here() == (in_object ? '}' : ']')) return shut();
    return unwanted(in_object ? "after object key:value pair" : "after array element");
  }

  bool key() {
    if (here() != '"') return unwanted("looking for beginning of object key string");
    if (!string()) return false;
    skip_space();
    if (ended() || here() != ':') return unwanted("after object key");
    ++at_;
    expect_ = Expect::value;
    return true;
  }

  bool string() {
    const std::uint32_t index = add(Kind::string, at_++);
    while (true) {
      skip_plain();
      if (ended()) return cut_short();
      if (here() == '"') break;
      if (here() != '\\') return unwanted("in string literal");
      tape_.nodes_[index].escaped = true;
      if (!escape()) return false;
    }
    ++at_;
    close(index);
    return true;
  }
  void skip_plain() {
    while (text_.size() - at_ >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text_.data() + at_, 8);
      if (const std::uint64_t special = special_bytes(word)) {
        at_ += static_cast<std::size_t>(std::countr_zero(special)) / 8;
        return;
      }
      at_ += 8;
    }
    while (!ended() && here() >= 0x20 && here() != '"' && here() != '\\') ++at_;
  }
  bool escape() {
    ++at_;
    if (ended()) return cut_short();
    if (here() != 'u') {
      if (std::string_view("bfnrt\\/\"").find(text_[at_]) == std::string_view::npos)
        return unwanted("in string escape code");
      ++at_;
      return true;
    }
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (ended() || !is_hex(here())) return unwanted("in \\u hexadecimal character escape");
    }
    return true;
  }

  bool literal(std::string_view word, Kind kind) {
    const std::uint32_t index = add(kind, at_++);
    for (std::size_t i = 1; i < word.size(); ++i, ++at_) {
      if (ended() || text_[at_] != word[i]) {
        return unwanted("in literal " + std::string(word) + " (expecting " +
                        quoted_character(static_cast<unsigned char>(word[i])) + ")");
      }
    }
    close(index);
    return true;
  }

  void digits() {
    while (!ended() && is_digit(here())) ++at_;
  }
  bool number() {
    const std::uint32_t index = add(Kind::number, at_);
    if (here() == '-') ++at_;
    if (ended() || !is_digit(here())) return unwanted("in numeric literal");
    if (here() == '0') {
      ++at_;
    } else {
      digits();
    }
    if (!ended() && here() == '.') {
      ++at_;
      if (ended() || !is_digit(here())) return unwanted("after decimal point in numeric literal");
      digits();
    }
    if (!ended() && (here() | 0x20) == 'e') {
      ++at_;
      if (!ended() && (here() == '+' || here() == '-')) ++at_;
      if (ended() || !is_digit(here())) return unwanted("in exponent of numeric literal");
      digits();
    }
    close(index);
    return true;
  }

  Tape& tape_;
  std::string_view text_;
  std::size_t at_;
  Expect expect_ = Expect::value;
  std::string error_;
};

Tape::Scanned Tape::scan(std::string_view text, std::size_t from) {
  text_ = text;
  nodes_.clear();
  open_.clear();
  return Scanner(*this, from).run();
}

std::string Tape::unescaped(const Node& string) const {
  const std::string_view raw = text(string).substr(1, string.end - string.begin - 2);
  if (!string.escaped) return std::string(raw);
  std::string out;
  out.reserve(raw.size());
  std::size_t at = 0;
  while (at < raw.size()) {
    if (raw[at] != '\\') {
      out += raw[at++];
    } else if (raw[at + 1] != 'u') {
      out += single_escape(raw[at + 1]);
      at += 2;
    } else {
      at += 2;
      append_utf8(out, escaped_rune(raw, at));
    }
  }
  return out;
}

bool Tape::is(const Node& string, std::string_view plain) const {
  if (string.escaped) return unescaped(string) == plain;
  return string.end - string.begin - 2 == plain.size() && text_.compare(string.begin + 1, plain.size(), plain) == 0;
}

}  // namespace faultline::raft::gateway
