#include <faultline/raft/storage/dump.hpp>

#include <faultline/raft/crc32c.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "record.hpp"
#include "snapshot_file.hpp"

namespace faultline::raft::storage {
namespace {

std::string first_bytes(std::string_view data) {
  std::string text = fmt::format("{} bytes", data.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(data.size(), 16); ++i) {
    text += fmt::format("{}{:02x}", i == 0 ? ": " : " ", static_cast<unsigned char>(data[i]));
  }
  return text + (data.size() > 16 ? " ..." : "");
}

class Dump {
 public:
  Dump(File& file, std::string path, const DumpOptions& options)
      : file_(file), path_(std::move(path)), options_(options) {}

  Result<std::uint64_t> segment(std::uint64_t sequence);
  Result<std::uint64_t> snapshot();

 private:
  void line(std::uint64_t offset, const std::string& text) { options_.line(fmt::format("{:08x} {}", offset, text)); }
  void error(std::uint64_t offset, const std::string& text) {
    ++errors_;
    line(offset, "ERROR " + text);
  }
  [[nodiscard]] std::string text_of(const Record& record) const;
  Result<void> chunks(const SnapshotHead& head);

  File& file_;
  std::string path_;
  const DumpOptions& options_;
  std::uint64_t errors_ = 0;
};

std::string Dump::text_of(const Record& record) const {
  switch (record.type) {
    case RecordType::segment: {
      const SegmentHead head = segment_of(record.payload);
      return fmt::format("segment {} of cluster {:016x}, node {}: {} bytes, from entry {}", head.sequence,
                         head.identity.cluster, head.identity.node.value, head.bytes, head.first.value);
    }
    case RecordType::entry: {
      const Entry entry = entry_of(record.payload);
      constexpr const char* kinds[] = {"no-op", "command", "config"};
      return fmt::format("entry {}/{} {}: {}", entry.index.value, entry.term.value,
                         kinds[static_cast<std::size_t>(entry.kind)],
                         options_.describe ? options_.describe(entry) : first_bytes(entry.data));
    }
    case RecordType::hard_state: {
      const HardState state = hard_state_of(record.payload);
      return fmt::format("hard state: term {}, vote {}, commit {}, stay {}", state.term.value, state.vote.value,
                         state.commit.value, state.stay.value);
    }
    case RecordType::mark: {
      const Mark mark = mark_of(record.payload);
      return fmt::format("snapshot mark {}/{}", mark.index.value, mark.term.value);
    }
  }
  return {};
}

Result<std::uint64_t> Dump::segment(std::uint64_t sequence) {
  auto size = file_.size();
  if (!size) return size.error();
  auto read = file_.read(0, size.value());
  if (!read) return read.error();
  const std::string& bytes = read.value();
  std::optional<std::uint32_t> previous;
  for (std::uint64_t at = 0;;) {
    const Record record = read_record(bytes, sequence, at);
    if (record.state == Record::State::end) {
      line(at, fmt::format("end of the log; {} bytes free", bytes.size() - at));
      return errors_;
    }
    if (record.state == Record::State::bad) {
      error(at, fmt::format("{}; crc {:08x} stored, {:08x} computed", record.reason, record.crc, record.computed));
      at = find_record(bytes, sequence, at + 8 - at % 8);
      if (at >= bytes.size()) return errors_;
      previous.reset();
      continue;
    }
    line(at, fmt::format("crc {:08x} durable {}+{:08x} {}", record.crc, sequence_of(record.durable),
                         offset_of(record.durable), text_of(record)));
    if (previous && *previous != record.previous) {
      error(at, fmt::format("it does not follow the record before; crc {:08x} stored, {:08x} computed", record.previous,
                            *previous));
    }
    previous = record.crc;
    at = record.next_offset;
  }
}

Result<std::uint64_t> Dump::snapshot() {
  auto head = read_snapshot_header(file_);
  if (!head) {
    error(0, head.error().message);
    return errors_;
  }
  const SnapshotInfo& info = head.value().info;
  line(0, fmt::format("snapshot {}/{} of cluster {:016x}: {} bytes, configuration of {} bytes", info.label.index.value,
                      info.label.term.value, head.value().cluster, info.size, info.config.size()));
  if (auto done = chunks(head.value()); !done) return done.error();
  return errors_;
}

Result<void> Dump::chunks(const SnapshotHead& head) {
  std::uint32_t checksum = 0;
  for (std::uint64_t i = 0; i < chunks_of(head.info.size); ++i) {
    const std::uint64_t at = head.bytes + chunk_offset(i);
    auto chunk = read_chunk(file_, head.bytes, i, chunk_length(head.info.size, i));
    if (!chunk) return chunk.error();
    checksum = crc32c(chunk.value().bytes, checksum);
    if (chunk.value().fault.empty()) {
      line(at, fmt::format("crc {:08x} chunk {}: {} bytes", chunk.value().stored, i, chunk.value().bytes.size()));
    } else {
      error(at, fmt::format("chunk {}: {}; crc {:08x} stored, {:08x} computed", i, chunk.value().fault,
                            chunk.value().stored, chunk.value().computed));
    }
  }
  const std::uint64_t at = head.bytes + chunks_of(head.info.size) * chunk_head_bytes + head.info.size;
  auto end = file_.read(at, chunk_head_bytes);
  if (!end) return end.error();
  if (end.value().size() < chunk_head_bytes) {
    error(at, "the file ends before its checksum");
  } else if (get_u32(end.value(), 0) != 0 || get_u32(end.value(), 4) != checksum) {
    error(at, fmt::format("the checksum of the whole is wrong; crc {:08x} stored, {:08x} computed",
                          get_u32(end.value(), 4), checksum));
  } else {
    line(at, fmt::format("crc {:08x} of the whole", checksum));
  }
  return {};
}

}  // namespace

Result<std::uint64_t> dump(Disk& disk, const std::string& path, const DumpOptions& options) {
  auto file = disk.open(path, Disk::Open::existing);
  if (!file) return file.error();
  const std::string name = path.substr(path.rfind('/') + 1);
  Dump out(*file.value(), path, options);
  if (const auto segment = parse_segment_name(name)) return out.segment(segment->sequence);
  auto start = file.value()->read(0, snapshot_magic.size());
  if (!start) return start.error();
  if (start.value() == snapshot_magic || parse_snapshot_name(name)) return out.snapshot();
  return Error::environment(fmt::format("{}: neither a log segment nor a snapshot", path),
                            "give a file of the node's wal or snap folder, under its own name");
}

}  // namespace faultline::raft::storage
