// The five readers of histories.
#include <algorithm>

#include <faultline/rng.hpp>

#include "fuzz.hpp"

namespace faultline::fuzz {

namespace {

constexpr std::string_view torn = "torn-line";

// A blank after a line's first brace makes the fast path step aside and changes nothing else.
std::string for_the_general_parser(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  bool at_start = true;
  for (const char c : bytes) {
    out += c;
    if (at_start && c == '{') out += ' ';
    at_start = c == '\n';
  }
  return out;
}

// The complaint alone: the blank moves columns and shows in the line.
std::string without_place(const Error& error) {
  const std::string first = error.message.substr(0, error.message.find('\n'));
  const std::size_t complaint = first.find(": error: ");
  const std::size_t column = first.find(" column ", complaint);
  return first.substr(0, first.find(':', 2)) + first.substr(complaint, column - complaint);
}

std::vector<Remark> without_sizes(std::vector<Remark> remarks) {
  for (Remark& remark : remarks) {
    if (remark.kind == torn) remark = {.kind = std::string(torn), .count = 0, .text = {}};
  }
  return remarks;
}

void require_both_paths_agree(std::string_view bytes, const Result<ReadResult>& fast) {
  constexpr std::string_view promise = "the fast path reads what the general parser reads";
  const auto general = read_history(for_the_general_parser(bytes), options_for(bytes, Format::jsonl), "h");
  if (fast.ok() != general.ok()) broken(promise, (fast.ok() ? general : fast).error().to_string());
  if (!fast.ok()) {
    require(without_place(fast.error()) == without_place(general.error()), promise,
            fast.error().to_string() + "\n" + general.error().to_string());
    return;
  }
  const History& x = fast.value().history;
  const History& y = general.value().history;
  const std::string differs = difference(x, y);
  require(differs.empty(), promise, differs);
  for (EventIndex i = 0; i < x.size(); ++i) require(x.line(i) == y.line(i), promise, "lines differ");
  require(std::equal(x.keys().begin(), x.keys().end(), y.keys().begin(), y.keys().end()), promise, "keys differ");
  require(without_sizes(fast.value().remarks) == without_sizes(general.value().remarks), promise, "remarks differ");
}

// What a killed run leaves of its journal is readable: all whole lines, and the torn one is named.
void require_recovery(const History& history) {
  const std::string whole = write_history(history, Format::jsonl).value().text;
  std::uint64_t mixed = whole.size();
  for (const char c : whole) mixed = mix64(mixed + static_cast<unsigned char>(c));
  const std::string_view left = std::string_view(whole).substr(0, mixed % (whole.size() + 1));
  const auto lines = static_cast<std::size_t>(std::count(left.begin(), left.end(), '\n'));
  const auto read = read_history(left, {.format = Format::jsonl}, "h");
  if (!read) broken("a journal cut anywhere reads", read.error().to_string());
  const History& recovered = read.value().history;
  const bool newline_alone_missing = left.size() < whole.size() && whole[left.size()] == '\n';
  require(recovered.size() == lines + (newline_alone_missing ? 1 : 0), "a journal cut anywhere keeps its whole lines",
          left);
  const bool half_a_line = !left.empty() && left.back() != '\n' && !newline_alone_missing;
  const auto& remarks = read.value().remarks;
  const bool named = std::any_of(remarks.begin(), remarks.end(), [](const Remark& r) { return r.kind == torn; });
  require(named == half_a_line, "a torn line is named", left);
}

bool too_deep_to_write(const History& history) {
  const auto written = write_history(history, Format::jsonl);
  return std::any_of(written.value().warnings.begin(), written.value().warnings.end(),
                     [](const std::string& w) { return w.starts_with("values nested more than"); });
}

}  // namespace

void jsonl(std::string_view bytes) {
  const auto read = exercise(bytes, Format::jsonl);
  require_both_paths_agree(bytes, read);
  if (read && !too_deep_to_write(read.value().history)) require_recovery(read.value().history);
}

void jepsen_edn(std::string_view bytes) { static_cast<void>(exercise(bytes, Format::jepsen_edn)); }
void jepsen_log(std::string_view bytes) { static_cast<void>(exercise(bytes, Format::jepsen_log)); }
void jepsen_tsv(std::string_view bytes) { static_cast<void>(exercise(bytes, Format::jepsen_tsv)); }
void kv_log(std::string_view bytes) { static_cast<void>(exercise(bytes, Format::kv_log)); }

// A value reads or is refused, and what reads survives both notations.
void values(std::string_view bytes) {
  for (const bool json : {true, false}) {
    const auto value = json ? parse_json(bytes) : parse_edn(bytes);
    if (!value) {
      require(!value.error().message.empty(), "an error says what is wrong", bytes);
      continue;
    }
    const std::string text = json ? to_json(value.value()) : to_edn(value.value());
    const auto again = json ? parse_json(text) : parse_edn(text);
    if (!again) {  // a value may grow by being written: {"$map":[[k,v]]} stands for one level of the original
      require(again.error().message.find("levels of nesting") != std::string::npos, "a value written reads",
              text + "\n" + again.error().message);
      continue;
    }
    require(again.value() == value.value(), "a value written comes back equal", text);
    require(again.value().hash() == value.value().hash(), "equal values have equal hashes", text);
  }
}

}  // namespace faultline::fuzz
