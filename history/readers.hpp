// One function per format: from the window of a file into the recorder. Private to history/.
#pragma once

#include "input.hpp"
#include "recorder.hpp"

namespace faultline {

Result<void> read_jsonl(ChunkReader& input, Recorder& recorder);
Result<void> read_jepsen_edn(ChunkReader& input, Recorder& recorder);
Result<void> read_jepsen_log(ChunkReader& input, Recorder& recorder);
Result<void> read_jepsen_tsv(ChunkReader& input, Recorder& recorder);
Result<void> read_kv_log(ChunkReader& input, Recorder& recorder);

// Lines, one at a time. A line longer than max_event_bytes is an error.
struct SourceLine {
  std::string_view text;     // without its newline; valid until the next call
  std::uint64_t number = 0;  // from 1; 0: no more lines
  bool complete = true;      // ended by a newline
};
class LineReader {
 public:
  explicit LineReader(ChunkReader& input) : input_(input) {}
  Result<SourceLine> next();
  // For a reader that takes lines on its own: what follows the line that next() gave last, and by how much to go on.
  std::string_view window();
  void skip(std::size_t bytes, std::uint64_t lines);
  [[nodiscard]] std::uint64_t next_number() const { return next_number_; }
  // Complaints about the line that next() gave last.
  [[nodiscard]] Error error(const Complaint& complaint) const;

 private:
  ChunkReader& input_;
  SourceLine line_;
  std::uint64_t next_number_ = 1;
  std::size_t to_consume_ = 0;
};

}  // namespace faultline
