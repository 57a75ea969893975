#include "json_writer.hpp"

#include <faultline/assert.hpp>
#include <faultline/formats.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <cmath>

namespace faultline::reports {

namespace {

// Valid UTF-8 of 2 to 4 bytes at the front is found by asking escape_controls whether it leaves it, spells it out or
// breaks it up.
std::size_t sequence_length(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes.front());
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const bool broken = bytes.size() < length || escape_controls(bytes.substr(0, length)).starts_with("\\x");
  // C1 controls are the one well-formed thing that is spelled \xNN.
  const bool c1 = lead == 0xc2 && bytes.size() >= 2 && static_cast<unsigned char>(bytes[1]) >= 0x80 &&
                  static_cast<unsigned char>(bytes[1]) < 0xa0;
  return broken && !c1 ? 0 : length;
}

std::uint32_t decoded(std::string_view sequence) {
  std::uint32_t code = static_cast<unsigned char>(sequence.front()) & (0x7fU >> sequence.size());
  for (const char c : sequence.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

bool must_escape(std::uint32_t code) {
  return (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string ascii_escape(char c) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    case '\r': return "\\r";
    default: break;
  }
  const auto code = static_cast<unsigned char>(c);
  return code < 0x20 || code == 0x7f ? fmt::format("\\u{:04x}", code) : std::string(1, c);
}

// Of text that is JSON already only what may harm a terminal is escaped.
std::string escaped(std::string_view bytes, bool is_json) {
  std::string out;
  while (!bytes.empty()) {
    const char c = bytes.front();
    if (static_cast<unsigned char>(c) < 0x80) {
      out += is_json ? std::string(1, c) : ascii_escape(c);
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t length = sequence_length(bytes);
    if (length == 0) {
      out += fmt::format("\\\\x{:02x}", static_cast<unsigned char>(c));
      bytes.remove_prefix(1);
      continue;
    }
    const std::string_view sequence = bytes.substr(0, length);
    const std::uint32_t code = decoded(sequence);
    out += must_escape(code) ? fmt::format("\\u{:04x}", code) : std::string(sequence);
    bytes.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string json_quoted(std::string_view bytes) { return "\"" + escaped(bytes, false) + "\""; }

std::string json_text(const Value& value) { return escaped(to_json(value), true); }

JsonWriter& JsonWriter::open(char bracket, bool in_line) {
  begin_item();
  out_ += bracket;
  const bool inherited = !levels_.empty() && levels_.back().in_line;
  levels_.push_back({bracket == '{' ? '}' : ']', in_line || inherited});
  return *this;
}

JsonWriter& JsonWriter::close() {
  FL_ASSERT(!levels_.empty());
  FL_ASSERT(!after_key_);
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.in_line && !level.empty) new_line();
  out_ += level.closing;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  FL_ASSERT(!levels_.empty() && levels_.back().closing == '}');
  begin_item();
  out_ += json_quoted(name);
  out_ += ": ";
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::seconds(double seconds) {
  std::string text = fmt::format("{:.6f}", std::isfinite(seconds) ? seconds : 0.0);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text += '0';
  return item(text);
}

JsonWriter& JsonWriter::item(std::string_view text) {
  begin_item();
  out_ += text;
  return *this;
}

void JsonWriter::begin_item() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  Level& level = levels_.back();
  if (!level.empty) out_ += level.in_line ? ", " : ",";
  level.empty = false;
  if (!level.in_line) new_line();
}

void JsonWriter::new_line() {
  out_ += '\n';
  out_.append(levels_.size() * 2, ' ');
}

std::string JsonWriter::take() {
  FL_ASSERT(levels_.empty());
  return std::move(out_) + "\n";
}

}  // namespace faultline::reports
