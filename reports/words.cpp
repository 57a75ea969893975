#include "words.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace faultline::reports {

namespace {

// Length of the character that starts at the front of text which is known to be well-formed UTF-8.
std::size_t character_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return std::min(length, text.size());
}

std::uint32_t character_code(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return lead;
  std::uint32_t code = lead & (0x7fU >> character.size());
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

}  // namespace

std::string harmless(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t backslash = text.find('\\');
    out += escape_controls(text.substr(0, backslash));
    if (backslash == std::string_view::npos) return out;
    out += '\\';
    text.remove_prefix(backslash + 1);
  }
}

std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t end = 0;
  for (std::size_t characters = 0; characters < limit && end < text.size(); ++characters) {
    end += character_length(text.substr(end));
  }
  if (end == text.size()) return std::string(text);
  return fmt::format("{}… ({} bytes)", text.substr(0, end), text.size());
}

std::string outside(std::string_view text, std::size_t limit) {
  // Escaping first keeps the cut on well-formed text; a head of the bytes is enough, since escaping never shortens.
  const std::size_t head = std::min(text.size(), limit * 4 + 4);
  const std::string shown = cut(harmless(text.substr(0, head)), limit);
  if (head == text.size()) return shown;
  const std::string_view kept = std::string_view(shown).substr(0, shown.find("… ("));
  return fmt::format("{}… ({} bytes)", kept, text.size());
}

std::string spoken(std::string_view text) {
  constexpr std::size_t sentence_limit = 2000;
  return outside(text, sentence_limit);
}

std::string show(const Value& value, std::size_t limit) { return cut(value.to_string(), limit); }

std::string show_key(const Value& key, std::size_t limit) {
  return key.is_string() || key.is_keyword() ? outside(key.as_text(), limit) : show(key, limit);
}

bool only_observes(std::string_view f) {
  constexpr std::array<std::string_view, 6> observers{"read", "get", "dequeue", "pop", "peek", "poll"};
  return std::find(observers.begin(), observers.end(), f) != observers.end();
}

std::string operation_text(const History& history, OperationIndex operation, bool with_key, std::size_t limit) {
  const Operation o = history.operation(operation);
  std::string text = outside(o.f, 40);
  if (with_key && !o.key.is_null()) text += " " + show_key(o.key, limit);
  const bool observes = only_observes(o.f);
  const bool takes_input = !o.input.is_null() && o.f != "read";
  if (takes_input && o.f == "cas" && o.input.is_pair()) {
    const auto pair = o.input.as_list();
    text += " " + show(pair[0], limit) + "→" + show(pair[1], limit);
  } else if (takes_input) {
    text += " " + show(o.input, limit);
  }
  if (o.is_ok() && !(takes_input && (o.output.is_null() || o.output == o.input)) && (observes || !o.output.is_null())) {
    text += (takes_input ? " = " : " → ") + show(o.output, limit);
  } else if (observes && o.is_open()) {
    text += " → ?";
  }
  if (o.outcome == Outcome::fail) text += " failed";
  return text;
}

std::string process_text(Process process) { return fmt::format("p{}", process); }

std::string node_text(const History& history, OperationIndex operation) {
  const Value& node = history.operation_extra(operation, "node");
  if (node.is_null()) return {};
  return show_key(node);
}

std::string_view outcome_glyph(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return "✓";
    case Outcome::fail: return "–";
    case Outcome::info:
    case Outcome::open: return "?";
  }
  FL_ASSERT(false && "unknown outcome");
}

std::string counted(std::uint64_t n, std::string_view singular, std::string_view plural) {
  if (n == 1) return fmt::format("1 {}", singular);
  return plural.empty() ? fmt::format("{} {}s", n, singular) : fmt::format("{} {}", n, plural);
}

std::string grouped(std::uint64_t n) {
  std::string digits = fmt::format("{}", n);
  for (std::size_t place = digits.size(); place > 3;) {
    place -= 3;
    digits.insert(place, "\u202f");
  }
  return digits;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; unit + 1 < units.size() && amount >= 1023.5; ++unit) amount /= 1024;
  return amount < 9.95 && unit > 0 ? fmt::format("{:.1f} {}", amount, units[unit])
                                   : fmt::format("{:.0f} {}", amount, units[unit]);
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (part == 0 || whole == 0) return "0 %";
  if (part >= whole) return "100 %";
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (share < 0.1) return "< 0.1 %";
  if (share > 99.9) return "> 99.9 %";
  return share < 9.95 || share > 99 ? fmt::format("{:.1f} %", share) : fmt::format("{:.0f} %", share);
}

std::string to_ascii(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> spellings{{{"✗", "X"},
                                                                                     {"✓", "OK"},
                                                                                     {"→", "->"},
                                                                                     {"·", "-"},
                                                                                     {"–", "-"},
                                                                                     {"×", "x"},
                                                                                     {"…", "..."},
                                                                                     {"‹", "<"},
                                                                                     {"›", ">"},
                                                                                     {"“", "\""},
                                                                                     {"”", "\""},
                                                                                     {"\u202f", " "}}};
  std::string out;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_length(text));
    text.remove_prefix(character.size());
    const auto* const found = std::find_if(spellings.begin(), spellings.end(),
                                           [&](const auto& spelling) { return spelling.first == character; });
    if (character.size() == 1) {
      out += character;
    } else if (found != spellings.end()) {
      out += found->second;
    } else {
      out += fmt::format("<U+{:04X}>", character_code(character));
    }
  }
  return out;
}

std::size_t columns(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_length(text));
    text.remove_prefix(character.size());
    const std::uint32_t code = character_code(character);
    const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                      (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                      (code >= 0xff00 && code <= 0xff60) || code >= 0x1f300;
    width += wide ? 2 : 1;
  }
  return width;
}

Duration elapsed(std::int64_t from, std::int64_t to) {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(to, from, &difference)) return Duration(difference);
  return to > from ? Duration::max() : Duration::min();
}

std::string shell_quoted(std::string_view argument) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=,+@%").find(c) != std::string_view::npos;
  };
  if (!argument.empty() && std::all_of(argument.begin(), argument.end(), plain)) return std::string(argument);
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace faultline::reports
