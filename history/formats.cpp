#include <faultline/formats.hpp>

#include <algorithm>
#include <array>

#include "detect.hpp"
#include "json.hpp"
#include "readers.hpp"

namespace faultline {

namespace {

constexpr std::array<std::string_view, 6> names{"auto", "jsonl", "jepsen-edn", "jepsen-log", "jepsen-tsv", "kv-log"};

Result<void> read_as(Format format, ChunkReader& input, Recorder& recorder) {
  switch (format) {
    case Format::jsonl: return read_jsonl(input, recorder);
    case Format::jepsen_edn: return read_jepsen_edn(input, recorder);
    case Format::jepsen_log: return read_jepsen_log(input, recorder);
    case Format::jepsen_tsv: return read_jepsen_tsv(input, recorder);
    case Format::kv_log: return read_kv_log(input, recorder);
    case Format::auto_: break;
  }
  FL_ASSERT(false && "a format was chosen");
}

Result<ReadResult> read(ByteSource source, const ReadOptions& options) {
  ChunkReader input(std::move(source), options.stop);
  while (input.window().size() < ChunkReader::chunk / 2) {  // enough to recognise the format by
    auto more = input.more();
    if (!more) return more.error();
    if (!more.value()) break;
  }
  Detected detected{options.format, "as asked"};
  if (options.format == Format::auto_) {
    auto recognised = detect_format(input.window(), input.name());
    if (!recognised) return recognised.error();
    detected = recognised.value();
  }
  Recorder recorder(options);
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (input.window().starts_with(byte_order_mark)) {
    input.consume(byte_order_mark.size());
    recorder.remark("byte-order-mark", "a byte order mark at the start is ignored");
  }
  if (auto done = read_as(detected.format, input, recorder); !done) return done.error();
  ReadResult result = recorder.finish();
  result.format = detected.format;
  result.chosen = "read as " + std::string(to_string(detected.format)) + ": " + detected.reason;
  return result;
}

}  // namespace

std::string_view to_string(Format format) { return names[static_cast<std::size_t>(format)]; }

std::span<const std::string_view> format_names() { return names; }

std::optional<Format> parse_format(std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Format>(found - names.begin());
}

Result<ReadResult> read_history_file(const std::string& path, const ReadOptions& options) {
  auto source = ByteSource::open(path);
  if (!source) return source.error();
  return read(std::move(source).value(), options);
}

Result<ReadResult> read_history(std::string_view bytes, const ReadOptions& options, std::string_view name) {
  return read(ByteSource::memory(bytes, name), options);
}

Result<Value> parse_json(std::string_view text) {
  std::string padded(text);
  padded.append(ChunkReader::padding, '\0');
  auto parsed = JsonReader().value(std::string_view(padded).substr(0, text.size()));
  if (Complaint* complaint = std::get_if<Complaint>(&parsed))
    return Error::bad_input(complaint->text, complaint->remedy);
  return std::get<Value>(std::move(parsed));
}

Result<Event> unwrap_versioned(Event event) {
  if ((event.f != "read" && event.f != "write" && event.f != "cas") || event.value.is_null()) return event;
  if (!event.value.is_pair()) {
    return Error::bad_input("expected [version value], found " + event.value.to_string(),
                            "read this file without the version option");
  }
  const Value pair = event.value;
  if (!pair.as_list()[0].is_null()) event = event.with("version", pair.as_list()[0]);
  event.value = pair.as_list()[1];
  return event;
}

}  // namespace faultline
