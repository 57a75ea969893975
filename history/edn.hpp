// EDN: a reader of single forms with position and depth limit, and the writer. Private to history/.
//
// Follows the EDN specification (edn-format/edn) and, where Jepsen's files need it, the Clojure reader: hexadecimal
// integers, ratios,
// ##Inf, metadata (dropped and counted), #:ns{…}. Lists and vectors are both lists. Symbols, characters, ratios,
// decimals, sets and unknown tags become tagged values, see value.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/value.hpp>

#include "complaint.hpp"

namespace faultline {

class EdnParser {
 public:
  explicit EdnParser(std::string_view text) : text_(text) {}

  // Each answers nullopt or false after setting complaint(). `depth` counts the brackets, tags and drops around the
  // form.
  std::optional<Value> value(std::size_t depth = 0);
  bool skip_blanks(std::size_t depth = 0);  // blanks, commas, comments, dropped forms
  // "#tag", if one is next: its name. Not for #{ #_ ## #:
  std::optional<std::string_view> tag();
  bool take(char c);
  // For brackets that the caller reads: where they opened, for complaints.
  void open(char bracket) { open_.push_back({bracket, at_ - 1}); }
  void close() { open_.pop_back(); }

  [[nodiscard]] char peek();  // '\0' at the end
  [[nodiscard]] bool ended() { return peek() == '\0' && at_ >= text_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  // Has it looked past the text's end? Then more text might change what it answered.
  [[nodiscard]] bool reached_end() const { return reached_end_; }

  struct Opened {
    char bracket;
    std::size_t at;
  };
  [[nodiscard]] const Complaint& complaint() const { return complaint_; }
  // The bracket that a complaint about syntax should name with its position.
  [[nodiscard]] std::optional<Opened> opened() const;
  std::nullopt_t complain(std::string_view expected);  // about syntax, here
  std::nullopt_t complain(std::size_t at, std::string text, std::string remedy = {});

  [[nodiscard]] std::uint64_t dropped_forms() const { return dropped_; }
  [[nodiscard]] std::uint64_t dropped_metadata() const { return metadata_; }

 private:
  std::nullopt_t too_deep(std::size_t at);
  std::optional<Value> sharp(std::size_t depth);
  std::optional<Value> symbolic_number();
  std::optional<Value> namespaced_map(std::size_t depth);
  std::optional<Value> tagged(std::size_t depth);
  std::optional<std::vector<Value>> items(char closing, std::size_t depth);
  std::optional<Value> map(std::string_view name_space, std::size_t depth);
  std::optional<Value> set(std::size_t depth);
  std::optional<Value> string();
  bool escape(std::string& out);
  std::optional<std::uint32_t> code_unit();
  std::optional<Value> character();
  std::optional<Value> keyword();
  std::optional<Value> atom();
  std::optional<Value> number(std::string_view token, std::size_t at);
  std::string_view token();

  std::string_view text_;
  std::size_t at_ = 0;
  bool reached_end_ = false;
  std::vector<Opened> open_;
  std::optional<Opened> opened_;
  Complaint complaint_;
  std::uint64_t dropped_ = 0;
  std::uint64_t metadata_ = 0;
};

// The value `text` begins with, whatever follows; nullopt if it is none or incomplete.
std::optional<Value> first_edn_value(std::string_view text);

// complaint(), naming the open bracket by its column.
Complaint line_complaint(const EdnParser& parser);

void append_edn(std::string& out, const Value& value);
// Can `:name` be written so that it is read as the same keyword?
bool is_edn_name(std::string_view name);

}  // namespace faultline
