// Values and event lines as JSON: the writer, the reader over simdjson, and the scanner that says where a line is
// wrong. Private to history/. The mapping is described in formats.hpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "complaint.hpp"
#include "recorder.hpp"

namespace faultline {

inline constexpr std::size_t max_depth = 512;

void append_json(std::string& out, const Value& value);
// native_line(), appended.
void append_native_line(std::string& out, EventIndex index, const Event& event);
void append_json_string(std::string& out, std::string_view text);  // with quotes. REQUIRES: valid UTF-8

// Exact integers of any length, else doubles. nullopt: not a JSON number, or beyond the range of a double.
std::optional<Value> json_number(std::string_view token);

// Where and why `text` is no JSON, with bounded memory and no recursion; nullopt if it is.
std::optional<Complaint> scan_json(std::string_view text);

// Reads one line, or one value. Keeps simdjson's buffers between calls. REQUIRES for all: at least ChunkReader::padding
// readable bytes after the text.
class JsonReader {
 public:
  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  std::variant<RawEvent, Complaint> event(std::string_view line, std::uint32_t line_number);
  std::variant<Value, Complaint> value(std::string_view text);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace faultline
