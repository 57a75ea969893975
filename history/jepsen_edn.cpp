#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "edn.hpp"
#include "json.hpp"
#include "numbers.hpp"
#include "readers.hpp"
#include "words.hpp"

namespace faultline {

namespace {

std::string shown(const Value& value) { return clip(value.to_string(), 80); }

std::optional<std::string_view> name_of(const Value& value) {
  if (value.is_keyword() || value.is_string()) return value.as_text();
  if (value.is_tagged() && value.tag() == "symbol" && value.tagged_value().is_string())
    return value.tagged_value().as_text();
  return std::nullopt;
}

// One event map, from its '{' (tags are past) to its '}'. False after the parser has a complaint.
class EventMap {
 public:
  EventMap(EdnParser& parser, std::uint32_t line) : parser_(parser) {
    raw_.event.line = line;
    raw_.unnamed = true;
    raw_.has_f = false;
  }

  [[nodiscard]] RawEvent& raw() { return raw_; }
  [[nodiscard]] bool negative_time() const { return negative_time_; }

  bool read() {
    raw_.at = parser_.at();
    if (!parser_.take('{')) return parser_.complain("an event, a map {…}"), false;
    parser_.open('{');
    for (;;) {
      if (!parser_.skip_blanks(1)) return false;
      if (parser_.take('}')) break;
      const std::size_t at_name = parser_.at();
      if (parser_.ended()) return parser_.complain("a field or '}'"), false;
      const auto key = parser_.value(1);
      if (!key) return false;
      const auto name = name_of(*key);
      if (!name) return refuse(at_name, fmt::format("expected a keyword as name of a field, found {}", shown(*key)));
      if (!parser_.skip_blanks(1)) return false;
      const std::size_t at = parser_.at();
      if (parser_.ended() || parser_.peek() == '}')
        return parser_.complain(fmt::format("a value for {}", shown(*key))), false;
      auto value = parser_.value(1);
      if (!value) return false;
      if (!take(*name, at_name, std::move(*value), at)) return false;
    }
    parser_.close();
    return finish();
  }

 private:
  bool refuse(std::size_t at, std::string text, std::string remedy = {}) {
    parser_.complain(at, std::move(text), std::move(remedy));
    return false;
  }

  bool take(std::string_view name, std::size_t at_name, Value value, std::size_t at) {
    const std::size_t known =
        static_cast<std::size_t>(std::find(field_names.begin(), field_names.end(), name) - field_names.begin());
    const bool repeated =
        known < field_names.size()
            ? std::exchange(seen_[known], true)
            : std::any_of(extras_.begin(), extras_.end(), [&](const auto& e) { return e.first.as_text() == name; });
    if (repeated)
      return refuse(at_name, fmt::format("expected the field :{} once, found it again", escape_controls(name)),
                    "remove one of the two");
    Event& event = raw_.event;
    switch (known) {
      case 0: raw_.at_index = at; return take_index(value);
      case 1: return take_time(value, at);
      case 2: return take_type(value, at);
      case 3: raw_.at_process = at; return take_process(value);
      case 4: raw_.at_f = at; return take_function(value);
      case 5:
        raw_.at_key = at;
        event.key = std::move(value);
        return true;
      case 6:
        raw_.at_value = at;
        event.value = std::move(value);
        return true;
      default: extras_.emplace_back(Value::string(name), std::move(value)); return true;
    }
  }

  // Jepsen writes -1 for an index or a time that was never assigned.
  bool take_index(const Value& value) {
    if (value.is_null() || value == Value(-1)) return true;
    if (!value.is_integer() || value.as_integer() < 0) {
      return refuse(raw_.at_index, fmt::format("expected an integer >= 0 as :index, found {}", shown(value)));
    }
    raw_.index = value.as_integer();
    return true;
  }

  bool take_time(const Value& value, std::size_t at) {
    if (value.is_null() || value == Value(-1)) return true;
    if (!value.is_integer())
      return refuse(at, fmt::format("expected an integer as :time, found {}", shown(value)),
                    "times are nanoseconds since the run began");
    negative_time_ = value.as_integer() < 0;
    if (!negative_time_) raw_.event.time = Instant(Duration(value.as_integer()));
    return true;
  }

  bool take_type(const Value& value, std::size_t at) {
    const auto name = name_of(value);
    const auto type = name ? parse_event_type(*name) : std::nullopt;
    if (!type) return refuse(at, fmt::format("expected a type :invoke, :ok, :fail or :info, found {}", shown(value)));
    raw_.event.type = *type;
    return true;
  }

  bool take_process(const Value& value) {
    if (value.is_null()) return true;
    raw_.unnamed = false;
    if (value.is_integer() && value.as_integer() >= nemesis_process) {
      raw_.event.process = value.as_integer();
      return true;
    }
    if (value.is_integer() || value.is_real() || is_big_integer(value)) {
      return refuse(raw_.at_process,
                    fmt::format("expected an integer >= -1 or a name as :process, found {}", shown(value)),
                    "-1 is the nemesis, clients count from 0");
    }
    process_name_ = value;
    return true;
  }

  bool take_function(const Value& value) {
    if (value.is_null()) return true;
    const auto name = name_of(value);
    if (!name) return refuse(raw_.at_f, fmt::format("expected a keyword as :f, found {}", shown(value)));
    raw_.event.f = *name;
    raw_.has_f = true;
    return true;
  }

  bool finish() {
    if (!seen_[2])
      return refuse(raw_.at, "expected an event with :type, found none",
                    "an event needs :type, :process, :f and :value");
    if (!extras_.empty()) raw_.event.extra = Value::map(std::move(extras_));
    if (!process_name_.is_null()) raw_.event = with_process_name(std::move(raw_.event), process_name_);
    if (raw_.event.process < 0 && !raw_.has_f) return refuse(raw_.at, "expected an event with :f, found none");
    return true;
  }

  EdnParser& parser_;
  RawEvent raw_;
  std::array<bool, field_names.size()> seen_{};
  std::vector<Value::Entry> extras_;
  Value process_name_;
  bool negative_time_ = false;
};

// The forms of a file, whatever lines they span. Knows the line and column of the window's start.
class EventFile {
 public:
  EventFile(ChunkReader& input, Recorder& recorder, bool kv) : input_(input), recorder_(recorder), kv_(kv) {}

  Result<void> read() {
    for (;;) {
      EdnParser parser(input_.window());
      const Step step = next(parser);
      if (parser.reached_end() && !input_.at_end()) {  // more text may change the answer
        auto more = input_.more();
        if (!more) return more.error();
        if (!more.value() && !input_.at_end()) return too_long();
        continue;
      }
      if (step == Step::refused) return error(parser);
      const std::string_view taken = input_.window().substr(0, parser.at());
      if (const auto bad = first_bad_utf8(taken)) {
        return error(
            {*bad, fmt::format("expected UTF-8, found {}", found(taken.substr(*bad, 1))), "save the file as UTF-8"});
      }
      if (parser.dropped_forms() > 0)
        recorder_.remark("dropped-forms", "forms after #_ are dropped", parser.dropped_forms());
      if (parser.dropped_metadata() > 0)
        recorder_.remark("metadata", "metadata after ^ is dropped", parser.dropped_metadata());
      if (step == Step::event) {
        if (const auto complaint = recorder_.add(std::move(raw_))) return error(*complaint);
      }
      if (step == Step::end) return {};
      consume(taken);
    }
  }

 private:
  enum class Step { event, bracket, end, refused };

  Step next(EdnParser& parser) {
    if (!parser.skip_blanks()) return Step::refused;
    if (parser.ended()) {
      if (bracket_ == '\0' || closed_) return Step::end;
      parser.complain(fmt::format("an event or '{}' to close the '{}' at line {} column {}", closing(), bracket_,
                                  bracket_line_, bracket_column_));
      return Step::refused;
    }
    if (closed_) return parser.complain(fmt::format("end of file after the '{}'", closing())), Step::refused;
    if (bracket_ == '\0' && !any_event_ && (parser.peek() == '[' || parser.peek() == '(')) {
      return open_bracket(parser);
    }
    if (bracket_ != '\0' && parser.take(closing())) {
      closed_ = true;
      return Step::bracket;
    }
    std::size_t tags = 0;
    while (parser.tag()) {
      if (++tags > max_depth) {
        parser.complain(parser.at(),
                        fmt::format("expected at most {} tags before an event, found one more", max_depth));
        return Step::refused;
      }
      if (!parser.skip_blanks()) return Step::refused;
    }
    const std::string_view before = input_.window().substr(0, parser.at());
    EventMap event(parser, static_cast<std::uint32_t>(line_ + newlines(before)));
    if (!event.read() || (kv_ && !is_kv(parser, event.raw()))) return Step::refused;
    if (event.negative_time()) recorder_.remark("negative-time", "times below zero are left out");
    raw_ = std::move(event.raw());
    any_event_ = true;
    return Step::event;
  }

  Step open_bracket(EdnParser& parser) {
    const std::string_view before = input_.window().substr(0, parser.at());
    bracket_ = parser.peek();
    bracket_line_ = line_ + newlines(before);
    bracket_column_ = column_of(before);
    parser.take(bracket_);
    return Step::bracket;
  }

  bool is_kv(EdnParser& parser, const RawEvent& raw) {
    const Event& event = raw.event;
    if (event.process < 0) return true;
    const auto refuse = [&](std::size_t at, std::string text) {
      return parser.complain(at, std::move(text),
                             "a kv-log holds gets, puts and appends of text under text keys; try --format jepsen-edn"),
             false;
    };
    if (!event.key.is_string()) {
      return refuse(
          event.key.is_null() ? raw.at : raw.at_key,
          fmt::format("expected a string as :key, found {}", event.key.is_null() ? "none" : shown(event.key)));
    }
    if (raw.has_f && event.f != "get" && event.f != "put" && event.f != "append") {
      return refuse(raw.at_f, fmt::format("expected :get, :put or :append as :f, found :{}", escape_controls(event.f)));
    }
    if (!event.value.is_null() && !event.value.is_string()) {
      return refuse(raw.at_value, fmt::format("expected a string or nil as :value, found {}", shown(event.value)));
    }
    return true;
  }

  static std::uint64_t newlines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }
  [[nodiscard]] char closing() const { return bracket_ == '(' ? ')' : ']'; }
  [[nodiscard]] std::uint64_t column_of(std::string_view before) const {
    const std::size_t newline = before.rfind('\n');
    return newline == std::string_view::npos ? skipped_of_line_ + before.size() + 1 : before.size() - newline;
  }

  void consume(std::string_view taken) {
    line_ += newlines(taken);
    const std::size_t newline = taken.rfind('\n');
    skipped_of_line_ = newline == std::string_view::npos ? skipped_of_line_ + taken.size() : taken.size() - newline - 1;
    input_.consume(taken.size());
  }

  Error error(const Complaint& complaint) const {
    const std::string_view window = input_.window();
    const std::string_view before = window.substr(0, complaint.offset);
    const std::size_t newline = before.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    return located({.file = input_.name(),
                    .line_number = line_ + newlines(before),
                    .column = column_of(before),
                    .line = window.substr(start, window.find('\n', start) - start),
                    .line_offset = newline == std::string_view::npos ? skipped_of_line_ : 0},
                   complaint);
  }

  Error error(const EdnParser& parser) const {
    Complaint complaint = parser.complaint();
    if (const auto opened = parser.opened()) {
      const std::string_view before = input_.window().substr(0, opened->at);
      complaint.text += fmt::format("; the '{}' at line {} column {} is open", opened->bracket,
                                    line_ + newlines(before), column_of(before));
    }
    return error(complaint);
  }

  Error too_long() const {
    return error({0, fmt::format("expected an event of at most {} MiB, found a longer one", max_event_bytes >> 20),
                  "is a bracket or a quote never closed?"});
  }

  ChunkReader& input_;
  Recorder& recorder_;
  bool kv_;
  RawEvent raw_;
  bool any_event_ = false;
  char bracket_ = '\0';  // around all events
  bool closed_ = false;
  std::uint64_t bracket_line_ = 0;
  std::uint64_t bracket_column_ = 0;
  std::uint64_t line_ = 1;
  std::uint64_t skipped_of_line_ = 0;  // bytes of the current line before the window
};

}  // namespace

Result<void> read_jepsen_edn(ChunkReader& input, Recorder& recorder) {
  return EventFile(input, recorder, false).read();
}

Result<void> read_kv_log(ChunkReader& input, Recorder& recorder) { return EventFile(input, recorder, true).read(); }

}  // namespace faultline
