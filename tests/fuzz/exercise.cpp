#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "fuzz.hpp"

namespace faultline::fuzz {

namespace {

constexpr std::string_view file_name = "h";

bool begins_with_any(const std::vector<std::string>& warnings, std::string_view start) {
  return std::any_of(warnings.begin(), warnings.end(), [&](const std::string& w) { return w.starts_with(start); });
}

std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::string_view line_of(std::string_view bytes, std::uint64_t number) {
  for (; number > 1; --number) bytes.remove_prefix(std::min(bytes.find('\n') + 1, bytes.size()));
  return bytes.substr(0, bytes.find('\n'));
}

// FILE:LINE:COLUMN: error: …, LINE and COLUMN within the file or just behind its end.
void require_place(std::string_view bytes, const Error& error) {
  require(error.kind == ErrorKind::bad_input, "what is wrong with a file is bad input", error.message);
  std::string_view text = error.message;
  require(text.starts_with("h:"), "an error names the file", error.message);
  text.remove_prefix(2);
  const std::uint64_t line = take_number(text);
  const auto lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  require(line >= 1 && line <= lines, "an error names a line of the file", error.message);
  require(text.starts_with(":"), "an error names a column", error.message);
  text.remove_prefix(1);
  const std::uint64_t column = take_number(text);
  require(column >= 1 && column <= line_of(bytes, line).size() + 1, "an error names a column of its line",
          error.message);
  require(text.starts_with(": error: expected "), "an error says what was expected", error.message);
  require(text.find(", found ") != std::string_view::npos, "an error says what was found", error.message);
}

void require_lines(std::string_view bytes, const History& history) {
  const auto lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  std::uint32_t last = 1;
  for (EventIndex i = 0; i < history.size(); ++i) {
    require(history.line(i) >= last && history.line(i) <= lines, "events come in the order of their lines", bytes);
    last = history.line(i);
  }
}

// Written in `format` and read again.
void require_round_trip(const History& history, Format format) {
  const auto written = write_history(history, format);
  if (!written) {
    require(format != Format::jsonl && format != Format::jepsen_edn, "every history can be written natively and as EDN",
            written.error().message);
    return;
  }
  const auto& [text, warnings] = written.value();
  if (begins_with_any(warnings, "values nested more than")) return;
  const bool independent = begins_with_any(warnings, "keys are written into the values");
  const auto read = read_history(text, {.format = format, .independent = independent}, file_name);
  if (!read) broken("what was written reads", read.error().to_string() + "\n" + text);
  if (!warnings.empty()) return;
  const std::string differs = difference(history, read.value().history);
  require(differs.empty(), "what was written comes back equal", differs + "\n" + text);
}

}  // namespace

void broken(std::string_view promise, std::string_view details) {
  std::fprintf(stderr, "broken promise: %.*s\n%.*s\n", static_cast<int>(promise.size()), promise.data(),
               static_cast<int>(details.size()), details.data());
  std::abort();
}

std::string difference(const History& a, const History& b) {
  if (a.size() != b.size()) return "sizes " + std::to_string(a.size()) + " and " + std::to_string(b.size());
  for (EventIndex i = 0; i < a.size(); ++i) {
    const bool same = a.type(i) == b.type(i) && a.process(i) == b.process(i) &&
                      a.functions()[a.function(i)] == b.functions()[b.function(i)] && a.key(i) == b.key(i) &&
                      a.value(i) == b.value(i) && a.time(i) == b.time(i) && a.extra(i) == b.extra(i) &&
                      a.operation_of(i) == b.operation_of(i);
    if (same) continue;
    const auto told = [i](const History& history) {
      const Event e = history.event(i);
      return std::string(to_string(e.type)) + " process " + std::to_string(e.process) + " f " + Value(e.f).to_string() +
             " key " + e.key.to_string() + " value " + e.value.to_string() + " time " +
             std::to_string(e.time.time_since_epoch().count()) + " extra " + e.extra.to_string();
    };
    return "event " + std::to_string(i) + ": " + told(a) + "\nand " + told(b);
  }
  return "";
}

void require_same(const Result<ReadResult>& a, const Result<ReadResult>& b, std::string_view promise) {
  const auto told = [](const Result<ReadResult>& r) { return r.ok() ? r.value().chosen : r.error().to_string(); };
  require(a.ok() == b.ok(), promise, told(a) + "\n" + told(b));
  if (!a.ok()) {
    require(a.error().to_string() == b.error().to_string(), promise, told(a) + "\n" + told(b));
    return;
  }
  const std::string differs = difference(a.value().history, b.value().history);
  require(differs.empty(), promise, differs);
  for (EventIndex i = 0; i < a.value().history.size(); ++i) {
    require(a.value().history.line(i) == b.value().history.line(i), promise, "lines differ");
  }
  require(a.value().remarks == b.value().remarks, promise, "remarks differ");
}

ReadOptions options_for(std::string_view bytes, Format format) {
  return {.format = format, .independent = bytes.size() % 4 == 1, .versioned = bytes.size() % 8 == 2};
}

Result<ReadResult> exercise(std::string_view bytes, Format format) {
  ReadOptions options = options_for(bytes, format);
  auto first = read_history(bytes, options, file_name);
  if (first) {
    require_lines(bytes, first.value().history);
  } else {
    require_place(bytes, first.error());
  }
  // Again, at times by a reader that has to find out the format.
  const bool automatic = bytes.size() % 3 == 0;
  if (automatic) options.format = Format::auto_;
  const auto again = read_history(bytes, options, file_name);
  if (!again) require_place(bytes, again.error());
  const bool same_reader = !automatic || (again.ok() && again.value().format == format);
  if (same_reader) require_same(first, again, "reading twice gives the same");
  if (first) {
    require_round_trip(first.value().history, Format::jsonl);
    if (format != Format::jsonl) require_round_trip(first.value().history, format);
  }
  return first;
}

}  // namespace faultline::fuzz
