#include <fmt/format.h>

#include "json.hpp"
#include "readers.hpp"

namespace faultline {

Result<void> read_jsonl(ChunkReader& input, Recorder& recorder) {
  LineReader lines(input);
  JsonReader json;
  for (;;) {
    auto next = lines.next();
    if (!next) return next.error();
    const Line line = next.value();
    if (line.number == 0) return {};
    if (line.text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto parsed = json.event(line.text, static_cast<std::uint32_t>(line.number));
    if (Complaint* complaint = std::get_if<Complaint>(&parsed)) {
      if (line.complete || !scan_json(line.text)) return lines.error(*complaint);
      recorder.remark(
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
