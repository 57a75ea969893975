// JsonWriter: builds one indented JSON text, well-formed by construction.
//
// Strings may hold any bytes: controls, bidirectional controls and line separators become \u escapes, so that the text
// is harmless on a terminal and reads back unchanged; bytes that are no UTF-8 cannot be told in JSON and are spelled
// \xNN. Doubles that are no number become null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/value.hpp>

namespace faultline::reports {

// A JSON string with its quotes.
std::string json_quoted(std::string_view bytes);
// A Value on one line, as the native history format writes it.
std::string json_text(const Value& value);

class JsonWriter {
 public:
  // An inline object or list stays on one line.
  JsonWriter& open_object(bool in_line = false) { return open('{', in_line); }
  JsonWriter& open_list(bool in_line = false) { return open('[', in_line); }
  JsonWriter& close();
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view text) { return item(json_quoted(text)); }
  JsonWriter& value(const Value& value) { return item(json_text(value)); }
  JsonWriter& number(std::uint64_t n) { return item(std::to_string(n)); }
  JsonWriter& integer(std::int64_t n) { return item(std::to_string(n)); }
  JsonWriter& boolean(bool b) { return item(b ? "true" : "false"); }
  JsonWriter& null() { return item("null"); }
  JsonWriter& seconds(double seconds);
  // Null when empty.
  JsonWriter& text_or_null(std::string_view text) { return text.empty() ? null() : string(text); }

  // REQUIRES: everything opened is closed. Ends with a newline.
  std::string take();

 private:
  struct Level {
    char closing;
    bool in_line;
    bool empty = true;
  };
  JsonWriter& open(char bracket, bool in_line);
  JsonWriter& item(std::string_view text);
  void begin_item();
  void new_line();

  std::string out_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace faultline::reports
