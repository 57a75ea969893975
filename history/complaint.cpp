#include "complaint.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "unicode.hpp"

namespace faultline {

namespace {

constexpr std::size_t max_shown = 120;
constexpr std::size_t shown_before = 80;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// At most `limit` characters of `text`, from its front.
std::string_view front_characters(std::string_view text, std::size_t limit) {
  std::size_t end = 0;
  for (std::size_t n = 0; end < text.size(); ++end) {
    if (!continues_character(text[end]) && ++n > limit) break;
  }
  return text.substr(0, end);
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

Error located(const Place& place, const Complaint& complaint) {
  std::string message =
      fmt::format("{}:{}:{}: error: {}", escape_controls(place.file), place.line_number, place.column, complaint.text);
  if (!is_blank(place.line)) {
    const std::uint64_t at = place.column - 1 - std::min(place.column - 1, place.line_offset);
    const std::size_t mark = std::min(static_cast<std::size_t>(at), place.line.size());
    std::size_t start = mark <= shown_before ? 0 : mark - shown_before;
    while (start > 0 && continues_character(place.line[start])) --start;
    const std::string before = escape_controls(place.line.substr(start, mark - start));
    const std::size_t left = characters(before);
    std::string_view rest = place.line.substr(mark, max_shown * 4);
    const std::string after = escape_controls(rest);
    // Escaping may have lengthened what stands before the mark; the mark itself must stay in sight.
    const std::size_t cut = left > shown_before ? left - shown_before : 0;
    std::string_view head = before;
    head.remove_prefix(front_characters(head, cut).size());
    const std::string_view tail = front_characters(after, max_shown - 2 - characters(head));
    const bool more_before = start > 0 || cut > 0 || place.line_offset > 0;
    const bool more_after = tail.size() < after.size() || mark + rest.size() < place.line.size();
    const std::size_t indent = characters(head) + (more_before ? 1 : 0);
    message += fmt::format("\n  {}{}{}{}\n  {}^", more_before ? "…" : "", head, tail, more_after ? "…" : "",
                           std::string(indent, ' '));
  }
  return Error::bad_input(std::move(message), complaint.remedy);
}

std::string found(std::string_view rest, std::string_view end_name) {
  if (rest.empty()) return std::string(end_name);
  constexpr std::size_t most = 40;
  std::size_t end = rest.find('\n');
  if (end == 0) return std::string("end of line");
  if (end == std::string_view::npos) end = rest.size();
  const std::string_view piece = rest.substr(0, std::min(end, most));
  return fmt::format("'{}{}'", escape_controls(piece), end > most ? "…" : "");
}

std::optional<std::size_t> first_bad_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::nullopt;
  std::size_t good = 0;
  while (good < text.size()) {
    const bool ascii = static_cast<unsigned char>(text[good]) < 0x80;
    const std::size_t length = ascii ? 1 : utf8_length(text.substr(good, 4));
    if (length == 0) return good;
    good += length;
  }
  return text.size();
}

}  // namespace faultline
