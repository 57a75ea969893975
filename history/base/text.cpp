#include <faultline/text.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace faultline {

namespace {

struct Decoded {
  std::size_t length = 0;  // 0: not a well-formed UTF-8 character
  std::uint32_t code = 0;
};

Decoded decode_utf8(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return {};
  std::uint32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (at(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {length, code};
}

bool is_bidi_control(std::uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

template <class... Arguments>
std::string printed(const char* format, Arguments... arguments) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, arguments...);
  return buffer.data();
}

}  // namespace

std::string escape_controls(std::string_view bytes, char quote) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Decoded c = decode_utf8(bytes);
    const std::string_view raw = bytes.substr(0, std::max<std::size_t>(c.length, 1));
    bytes.remove_prefix(raw.size());
    if (c.length == 0) {
      out += printed("\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(raw.front())));
    } else if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0)) {
      out += printed("\\x%02x", static_cast<unsigned>(c.code));
    } else if (is_bidi_control(c.code) || c.code == 0x2028 || c.code == 0x2029) {
      out += printed("‹U+%04X›", static_cast<unsigned>(c.code));
    } else if (c.code == '\\' || (quote != 0 && c.code == static_cast<unsigned char>(quote))) {
      out += '\\';
      out += raw;
    } else {
      out += raw;
    }
  }
  return out;
}

std::string clip(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "… (" + std::to_string(text.size()) + " bytes)";
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  constexpr std::size_t short_word = 3;  // of which a second edit would leave nothing
  std::size_t best_distance = word.size() <= short_word ? 2 : std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace faultline
