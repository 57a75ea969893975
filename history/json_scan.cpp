// The scanner follows RFC 8259 with its own stack. It is slower than simdjson and runs only when simdjson has refused a
// line.
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <vector>

#include "json.hpp"

namespace faultline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<Complaint> run() {
    if (const auto bad = first_bad_utf8(text_)) {
      return Complaint{*bad, fmt::format("expected UTF-8, found {}", found(text_.substr(*bad, 1))),
                       "save the file as UTF-8"};
    }
    enum class State { value, key, after };
    State state = State::value;
    for (;;) {
      skip_blanks();
      if (state == State::after) {
        if (open_.empty()) return at_ == text_.size() ? std::nullopt : std::optional(complain("end of line"));
        if (take(closing())) {
          open_.pop_back();
        } else if (take(',')) {
          state = open_.back().bracket == '{' ? State::key : State::value;
        } else {
          return complain(fmt::format("',' or '{}'", closing()));
        }
        continue;
      }
      if (state == State::key) {
        if (auto complaint = string("a field name in quotes")) return complaint;
        skip_blanks();
        if (!take(':')) return complain("':'");
        state = State::value;
        continue;
      }
      const char c = peek();
      if (c != '{' && c != '[') {
        if (auto complaint = scalar()) return complaint;
        state = State::after;
        continue;
      }
      if (open_.size() == max_depth) {
        return Complaint{
            at_,
            fmt::format("expected at most {} levels of nesting, found one more; the outermost '{}' is at column {}",
                        max_depth, open_[0].bracket, open_[0].at + 1),
            ""};
      }
      open_.push_back({c, at_++});
      skip_blanks();
      if (take(closing())) {
        open_.pop_back();
        state = State::after;
      } else {
        state = c == '{' ? State::key : State::value;
      }
    }
  }

 private:
  struct Open {
    char bracket;
    std::size_t at;
  };

  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  [[nodiscard]] bool ended() const { return at_ >= text_.size(); }
  [[nodiscard]] char closing() const { return open_.back().bracket == '{' ? '}' : ']'; }
  bool take(char c) {
    if (ended() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (!ended() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }

  Complaint complain(std::string_view expected) {
    std::string text = fmt::format("expected {}, found {}", expected, found(text_.substr(at_)));
    if (!open_.empty())
      text += fmt::format("; the '{}' at column {} is open", open_.back().bracket, open_.back().at + 1);
    return {at_, std::move(text), "every line of a jsonl history is one JSON object"};
  }

  std::optional<Complaint> scalar() {
    if (peek() == '"') return string("a value");
    if (peek() == '-' || is_digit(peek())) return number();
    for (const std::string_view word : {"null", "true", "false"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return std::nullopt;
      }
    }
    return complain("a value");
  }

  std::optional<Complaint> number() {
    take('-');
    if (take('0')) {
      if (is_digit(peek())) return complain("a number without leading zeros");
    } else if (!digits()) {
      return complain("a digit");
    }
    if (take('.') && !digits()) return complain("a digit after the point");
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) return complain("a digit in the exponent");
    }
    return std::nullopt;
  }

  bool digits() {
    const std::size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }

  std::optional<Complaint> string(std::string_view what) {
    const std::size_t start = at_;
    if (!take('"')) return complain(what);
    for (;;) {
      if (ended()) {
        at_ = text_.size();
        return complain(fmt::format("'\"' to close the string that begins at column {}", start + 1));
      }
      const auto c = static_cast<unsigned char>(peek());
      if (c < 0x20) return complain("an escaped control character");
      if (take('"')) return std::nullopt;
      if (c != '\\') {
        ++at_;
      } else if (auto complaint = escape()) {
        return complaint;
      }
    }
  }

  std::optional<Complaint> escape() {
    constexpr std::string_view expected = R"(an escape: \" \\ \/ \b \f \n \r \t or \uXXXX)";
    const char kind = peek(1);
    if (kind != '\0' && std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos) {
      at_ += 2;
      return std::nullopt;
    }
    const auto unit = code_unit(0);
    if (!unit) return complain(expected);
    if (*unit < 0xd800 || *unit > 0xdfff) {
      at_ += 6;
      return std::nullopt;
    }
    const auto low = *unit < 0xdc00 ? code_unit(6) : std::nullopt;
    if (!low || *low < 0xdc00 || *low > 0xdfff) return complain("a pair of surrogates");
    at_ += 12;
    return std::nullopt;
  }

  // The number of \uXXXX, if that stands `ahead` of here.
  [[nodiscard]] std::optional<unsigned> code_unit(std::size_t ahead) const {
    if (peek(ahead) != '\\' || peek(ahead + 1) != 'u') return std::nullopt;
    unsigned unit = 0;
    for (std::size_t i = 2; i < 6; ++i) {
      const char c = peek(ahead + i);
      const char lower = static_cast<char>(c | 0x20);
      if (!is_digit(c) && (lower < 'a' || lower > 'f')) return std::nullopt;
      unit = unit * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return unit;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
};

}  // namespace

std::optional<Complaint> scan_json(std::string_view text) { return Scanner(text).run(); }

}  // namespace faultline
