#include <fmt/format.h>

#include <algorithm>

#include "json.hpp"
#include "jsonl_fast.hpp"
#include "readers.hpp"

namespace faultline {

namespace {

// Makes room for the whole file once its first window has shown how long its lines are. Only an estimate: a wrong one
// costs a move.
void reserve(const ChunkReader& input, const FastJsonl::Taken& taken, History& history) {
  constexpr std::uint64_t most = 16'000'000;
  if (taken.lines < 100) return;
  const std::uint64_t lines = input.size_hint() / (taken.bytes / taken.lines);
  history.reserve(static_cast<std::size_t>(std::min(lines + lines / 32, most)));
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

Result<void> read_jsonl(ChunkReader& input, Recorder& recorder) {
  LineReader lines(input);
  JsonReader json;
  FastJsonl fast(recorder, input.at_end() ? input.window().size() + 1 : 0);
  bool reserved = false;
  for (;;) {
    const FastJsonl::Taken taken = fast.take(lines.window(), lines.next_number());
    lines.skip(taken.bytes, taken.lines);
    if (!std::exchange(reserved, true)) reserve(input, taken, recorder.history());
    auto next = lines.next();
    if (!next) return next.error();
    const SourceLine line = next.value();
    if (line.number == 0) return {};
    if (is_blank(line.text)) continue;
    auto parsed = json.event(line.text, static_cast<std::uint32_t>(line.number));
    if (Complaint* complaint = std::get_if<Complaint>(&parsed)) {
      if (line.complete || !scan_json(line.text)) return lines.error(*complaint);
      recorder.remark_total(
          "torn-line",
          fmt::format("the last line is cut short: its {} bytes are ignored, what they would have completed stays open",
                      line.text.size()),
          line.text.size());
      continue;
    }
    if (const auto complaint = recorder.add(std::move(std::get<RawEvent>(parsed)))) return lines.error(*complaint);
  }
}

}  // namespace faultline
