#include "detect.hpp"

#include <faultline/text.hpp>

#include <algorithm>
#include <cctype>

#include "complaint.hpp"
#include "edn.hpp"
#include "jepsen_lines.hpp"

namespace faultline {

namespace {

constexpr std::string_view blanks = " \t\r\n,";
constexpr std::string_view remedy =
    "known are jsonl, jepsen-edn, jepsen-log, jepsen-tsv and kv-log; name one with --format, or convert the file to "
    "jsonl";

std::string_view after_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text;
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

// Past the comments that may stand before an EDN history.
std::string_view after_comments(std::string_view text) {
  text = after_blanks(text);
  while (text.starts_with(';')) {
    text.remove_prefix(first_line(text).size());
    text = after_blanks(text);
  }
  return text;
}

Error unrecognised(std::string_view head, std::string_view rest, std::string_view file, std::string_view seen) {
  const std::string_view before = head.substr(0, head.size() - rest.size());
  const auto line_number = static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const std::string_view line = first_line(head.substr(line_start));
  return located({file, line_number, before.size() - line_start + 1, line, 0},
                 {0, "expected a history in a known format, found " + std::string(seen), std::string(remedy)});
}

// A kv-log is EDN maps whose first has a string key and one of the three functions.
bool is_kv_event(std::string_view text) {
  const auto event = first_edn_value(text);
  if (!event || !event->is_map()) return false;
  bool key = false;
  bool function = false;
  for (const auto& [name, value] : event->as_map()) {
    if (!name.is_keyword()) continue;
    if (name.as_text() == "key") key = value.is_string();
    if (name.as_text() == "f" && value.is_keyword()) {
      function = value.as_text() == "get" || value.as_text() == "put" || value.as_text() == "append";
    }
  }
  return key && function;
}

bool looks_like_log(std::string_view head) {
  const std::string_view line = first_line(head);
  for (const std::string_view level : {"INFO", "WARN", "ERROR", "DEBUG", "TRACE", "FATAL"}) {
    if (line.starts_with(level) && line.size() > level.size() &&
        (line[level.size()] == ' ' || line[level.size()] == '\t'))
      return true;
  }
  return false;
}

bool any_jepsen_line(std::string_view head) {
  while (!head.empty()) {
    const std::string_view line = first_line(head);
    if (jepsen_log_content(line)) return true;
    head.remove_prefix(std::min(line.size() + 1, head.size()));
  }
  return false;
}

}  // namespace

Result<Detected> detect_format(std::string_view head, std::string_view file) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  const std::string_view start = after_comments(head);
  if (start.empty()) return Detected{Format::jsonl, "there is nothing in it"};
  if (start.starts_with('{')) {
    const std::string_view inside = after_blanks(start.substr(1));
    if (inside.empty() || inside.front() == '"' || inside.front() == '}')
      return Detected{Format::jsonl, "the first line is a JSON object"};
    if (is_kv_event(start)) return Detected{Format::kv_log, "the first event gets, puts or appends a string key"};
    return Detected{Format::jepsen_edn, "it begins with an EDN map"};
  }
  if (start.starts_with('[') || start.starts_with('(')) {
    const std::string_view inside = after_comments(start.substr(1));
    if (start.front() == '[' && inside.starts_with('{') && after_blanks(inside.substr(1)).starts_with('"')) {
      return unrecognised(head, start, file,
                          "one JSON list; a jsonl history has one event per line and no brackets around");
    }
    if (inside.empty() || inside.starts_with('{') || inside.starts_with('#') || inside.starts_with(']') ||
        inside.starts_with(')')) {
      return Detected{Format::jepsen_edn, "it begins with an EDN list"};
    }
  }
  if (start.starts_with('#') && start.size() > 1 &&
      (start[1] == '_' || start[1] == ':' || std::isalpha(static_cast<unsigned char>(start[1])) != 0)) {
    return Detected{Format::jepsen_edn, "it begins with an EDN tag"};
  }
  if (is_tsv_line(first_line(start)))
    return Detected{Format::jepsen_tsv, "the first line is process, type, f and value between tabs"};
  if (any_jepsen_line(head)) return Detected{Format::jepsen_log, "there are lines of the logger jepsen.util"};
  if (looks_like_log(start)) return Detected{Format::jepsen_log, "the first line is a log line"};
  return unrecognised(head, start, file, found(start));
}

}  // namespace faultline
