#include "jepsen_lines.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <charconv>

#include "edn.hpp"
#include "readers.hpp"
#include "words.hpp"

namespace faultline {

namespace {

constexpr std::string_view blanks = " \t";

std::string_view without_return(std::string_view line) {
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

// What follows blanks, of which there must be some; nullopt if there are none.
std::optional<std::string_view> after_blanks(std::string_view text) {
  const std::size_t start = std::min(text.find_first_not_of(blanks), text.size());
  if (start == 0) return std::nullopt;
  return text.substr(start);
}

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(blanks)); }

bool is_process_word(std::string_view word) {
  if (word.starts_with(':')) return word.size() > 1;
  if (word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool starts_like_an_event(std::string_view content) {
  const std::string_view process = first_word(content);
  if (!is_process_word(process)) return false;
  const auto next = after_blanks(content.substr(process.size()));
  return !next || next->empty() || next->starts_with(':');
}

// Reads the fields of one line from left to right. Every function answers false after setting the complaint.
class EventLine {
 public:
  EventLine(std::string_view line, std::size_t start, std::string_view separators)
      : line_(line), at_(start), separators_(separators) {}

  [[nodiscard]] const Complaint& complaint() const { return complaint_; }
  [[nodiscard]] RawEvent& raw() { return raw_; }
  [[nodiscard]] std::string_view rest() const { return line_.substr(at_); }

  // process, type, f, then the blanks before the value.
  bool head(std::uint32_t line_number) {
    raw_.at = raw_.at_process = at_;
    raw_.event.line = line_number;
    return process() && separator("a tab and the type") && type() && separator("a tab and :f") && function() &&
           separator("a tab and the value");
  }

  std::optional<Value> value() {
    raw_.at_value = at_;
    EdnParser parser(line_.substr(at_));
    auto value = parser.value();
    if (value) {
      at_ += parser.at();
      return value;
    }
    Complaint complaint = line_complaint(parser);
    complaint.offset += at_;
    if (rest().empty()) complaint.text = "expected a value, found end of line";
    complaint_ = std::move(complaint);
    return std::nullopt;
  }

  bool separator(std::string_view what) {
    const std::size_t start = at_;
    while (at_ < line_.size() && separators_.find(line_[at_]) != std::string_view::npos &&
           (separators_.size() > 1 || at_ == start))
      ++at_;
    return at_ > start || refuse(start, fmt::format("expected {}, found {}", what, found(line_.substr(start))));
  }

  bool refuse(std::size_t at, std::string text,
              std::string remedy = "an event is: process, :type, :f, value, each after a tab") {
    complaint_ = {at, std::move(text), std::move(remedy)};
    return false;
  }

 private:
  std::string_view word() {
    const std::size_t start = at_;
    at_ = std::min(line_.find_first_of(separators_, at_), line_.size());
    return line_.substr(start, at_ - start);
  }

  bool process() {
    const std::size_t start = at_;
    const std::string_view text = word();
    Process number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size() && number >= nemesis_process) {
      raw_.event.process = number;
      return true;
    }
    if (text.size() < 2 || text[0] != ':' || !is_edn_name(text.substr(1))) {
      return refuse(
          start, fmt::format("expected a process, an integer >= -1 or :nemesis, found {}", found(line_.substr(start))));
    }
    name_ = Value::keyword(text.substr(1));
    return true;
  }

  bool type() {
    const std::size_t start = at_;
    const std::string_view text = word();
    const auto type = text.starts_with(':') ? parse_event_type(text.substr(1)) : std::nullopt;
    if (!type)
      return refuse(start,
                    fmt::format("expected a type :invoke, :ok, :fail or :info, found {}", found(line_.substr(start))));
    raw_.event.type = *type;
    return true;
  }

  bool function() {
    raw_.at_f = at_;
    const std::string_view text = word();
    if (text.size() < 2 || text[0] != ':' || !is_edn_name(text.substr(1))) {
      return refuse(raw_.at_f, fmt::format("expected :f, found {}", found(line_.substr(raw_.at_f))));
    }
    raw_.event.f = text.substr(1);
    if (!name_.is_null()) raw_.event = with_process_name(std::move(raw_.event), name_);
    return true;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string_view separators_;
  RawEvent raw_;
  Value name_;
  Complaint complaint_;
};

// jepsen.util prints errors with str, not pr-str: what does not read as one EDN form, or reads as a bare symbol, is
// plain text.
Value log_error(std::string_view text) {
  EdnParser parser(text);
  const auto value = parser.value();
  const bool one = value && parser.skip_blanks() && parser.ended();
  const bool bare_word = one && value->is_tagged() && value->tag() == "symbol" && !text.starts_with('#');
  return one && !bare_word ? *value : Value::string(text);
}

bool read_log_event(EventLine& event, std::uint32_t line_number) {
  if (!event.head(line_number)) return false;
  Event& out = event.raw().event;
  auto value = event.value();
  if (!value) return false;
  std::string_view error = event.rest();
  if (!error.empty() && blanks.find(error.front()) == std::string_view::npos)
    return event.separator("a tab or the end of the line");
  error.remove_prefix(std::min(error.find_first_not_of(blanks), error.size()));
  const bool ended = out.type == EventType::fail || out.type == EventType::info;
  if (ended && error.empty() && value->is_keyword() && out.process >= 0) {
    out = out.with("error", *value);
    return true;
  }
  out.value = *value;
  if (error.empty()) return true;
  if (const Value parsed = log_error(error); !parsed.is_null()) out = out.with("error", parsed);
  return true;
}

bool read_tsv_event(EventLine& event, std::uint32_t line_number) {
  if (!event.head(line_number)) return false;
  auto value = event.value();
  if (!value) return false;
  event.raw().event.value = *value;
  if (event.rest().empty()) return true;
  if (!event.separator("a tab or the end of the line")) return false;
  if (!event.rest().empty()) event.raw().event = event.raw().event.with("error", Value::string(event.rest()));
  return true;
}

std::optional<Complaint> bad_utf8(std::string_view line) {
  const auto bad = first_bad_utf8(line);
  if (!bad) return std::nullopt;
  return Complaint{*bad, fmt::format("expected UTF-8, found {}", found(line.substr(*bad, 1))),
                   "save the file as UTF-8"};
}

using EventReader = bool (*)(EventLine&, std::uint32_t);

std::optional<Complaint> take_line(const InputLine& line, std::size_t start, std::string_view separators,
                                   EventReader reader, Recorder& recorder) {
  const std::string_view text = without_return(line.text);
  if (auto complaint = bad_utf8(text)) return complaint;
  EventLine event(text, start, separators);
  if (!reader(event, static_cast<std::uint32_t>(line.number))) return event.complaint();
  if (!line.complete) {
    recorder.remark("no-final-newline",
                    "the last line does not end with a newline; if the file was cut short, so may be its value");
  }
  return recorder.add(std::move(event.raw()));
}

}  // namespace

std::optional<std::string_view> jepsen_log_content(std::string_view line) {
  constexpr std::string_view level = "INFO";
  constexpr std::string_view old_logger = "jepsen.util - ";
  constexpr std::string_view new_logger = "] jepsen.util: ";
  if (line.starts_with(level)) {
    const auto after = after_blanks(line.substr(level.size()));
    if (after && after->starts_with(old_logger)) return after->substr(old_logger.size());
    return std::nullopt;
  }
  if (line.empty() || line[0] < '0' || line[0] > '9') return std::nullopt;
  const std::size_t info = line.find(level);
  if (info == std::string_view::npos || blanks.find(line[info - 1]) == std::string_view::npos) return std::nullopt;
  const auto thread = after_blanks(line.substr(info + level.size()));
  if (!thread || !thread->starts_with('[')) return std::nullopt;
  const std::size_t logger = thread->find(new_logger);
  if (logger == std::string_view::npos) return std::nullopt;
  return thread->substr(logger + new_logger.size());
}

bool is_tsv_line(std::string_view line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos || !is_process_word(line.substr(0, tab))) return false;
  const std::string_view type = line.substr(tab + 1, line.find('\t', tab + 1) - tab - 1);
  return type.starts_with(':') && parse_event_type(type.substr(1)).has_value();
}

Result<void> read_jepsen_log(ChunkReader& input, Recorder& recorder) {
  LineReader lines(input);
  std::uint64_t others = 0;
  std::uint64_t remarks = 0;
  for (;;) {
    auto next = lines.next();
    if (!next) return next.error();
    const InputLine line = next.value();
    if (line.number == 0) break;
    const auto content = jepsen_log_content(without_return(line.text));
    if (!content) {
      ++others;
    } else if (!starts_like_an_event(*content)) {
      ++remarks;
    } else {
      const auto start = static_cast<std::size_t>(content->data() - line.text.data());
      if (const auto complaint = take_line(line, start, blanks, read_log_event, recorder))
        return lines.error(*complaint);
    }
  }
  if (others > 0)
    recorder.remark_total("other-loggers", fmt::format("{} lines of other loggers are ignored", others), others);
  if (remarks > 0)
    recorder.remark_total("other-messages",
                          fmt::format("{} lines of jepsen.util that are no events are ignored", remarks), remarks);
  return {};
}

Result<void> read_jepsen_tsv(ChunkReader& input, Recorder& recorder) {
  LineReader lines(input);
  for (;;) {
    auto next = lines.next();
    if (!next) return next.error();
    const InputLine line = next.value();
    if (line.number == 0) return {};
    if (without_return(line.text).empty()) continue;
    if (const auto complaint = take_line(line, 0, "\t", read_tsv_event, recorder)) return lines.error(*complaint);
  }
}

}  // namespace faultline
