#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/storage/snapshots.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "record.hpp"
#include "snapshot_file.hpp"

namespace faultline::raft::storage {
namespace {

constexpr const char* damaged_remedy =
    "remove this node from the cluster, delete its data directory and add it again, so that it takes its state from "
    "the others";

Error damaged(const std::string& path, std::string_view what) {
  return Error::environment(fmt::format("{}: {}", path, what), damaged_remedy);
}

}  // namespace

struct SnapshotWriter::Part {
  SnapshotPlace place;
  SnapshotInfo info;
  std::string path;  // of the whole
  std::string header;
  std::unique_ptr<File> file;
  std::uint64_t chunks = 0;  // written
  std::uint32_t checksum = 0;
  std::string pending;  // of the chunk that is not whole yet

  [[nodiscard]] std::string part_path() const { return path + ".part"; }
  [[nodiscard]] std::uint64_t written() const { return std::min(info.size, chunks * snapshot_chunk_bytes); }

  Result<void> take_up();
  Result<bool> reopen();
  Result<void> start_anew();
  Result<Space> write_chunk();
  Result<Space> give_up();
  Result<void> discard();
};

SnapshotWriter::SnapshotWriter(std::unique_ptr<Part> part) : part_(std::move(part)) {}
SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;
SnapshotWriter& SnapshotWriter::operator=(SnapshotWriter&&) noexcept = default;
SnapshotWriter::~SnapshotWriter() = default;

Result<SnapshotWriter> SnapshotWriter::open(SnapshotPlace place, const SnapshotInfo& info) {
  if (auto made = place.disk.make_folder(place.folder); !made) return made.error();
  auto part = std::make_unique<Part>(Part{.place = place,
                                          .info = info,
                                          .path = place.folder + "/" + snapshot_name(info.label),
                                          .header = snapshot_header(info, place.identity.cluster),
                                          .file = {},
                                          .pending = {}});
  auto taken_up = part->reopen();
  if (!taken_up) return taken_up.error();
  auto ready = taken_up.value() ? part->take_up() : part->start_anew();
  if (!ready) return ready.error();
  return SnapshotWriter(std::move(part));
}

// Whether a part with the same header is there.
Result<bool> SnapshotWriter::Part::reopen() {
  auto names = place.disk.list(place.folder);
  if (!names) return names.error();
  if (!std::binary_search(names.value().begin(), names.value().end(), snapshot_name(info.label) + ".part"))
    return false;
  auto opened = place.disk.open(part_path(), Disk::Open::existing);
  if (!opened) return opened.error();
  file = std::move(opened).value();
  auto start = file->read(0, header.size());
  if (!start) return start.error();
  return start.value() == header;
}

Result<void> SnapshotWriter::Part::take_up() {
  while (chunks < chunks_of(info.size)) {
    auto chunk = read_chunk(*file, header.size(), chunks, chunk_length(info.size, chunks));
    if (!chunk) return chunk.error();
    if (!chunk.value().fault.empty()) break;
    checksum = crc32c(chunk.value().bytes, checksum);
    ++chunks;
  }
  return file->truncate(header.size() + chunks * chunk_head_bytes + written());
}

Result<void> SnapshotWriter::Part::start_anew() {
  auto opened = place.disk.open(part_path(), Disk::Open::create);
  if (!opened) return opened.error();
  file = std::move(opened).value();
  chunks = 0;
  checksum = 0;
  return {};  // the header goes with the first chunk, where running out of space has an answer
}

Result<void> SnapshotWriter::Part::discard() {
  file.reset();
  return place.disk.remove(part_path());
}

Result<Space> SnapshotWriter::Part::give_up() {
  if (auto discarded = discard(); !discarded) return discarded.error();
  return Space::exhausted;
}

Result<Space> SnapshotWriter::Part::write_chunk() {
  std::uint64_t at = header.size() + chunk_offset(chunks);
  std::string bytes = chunk_bytes(chunks, pending);
  if (chunks == 0) {
    bytes.insert(0, header);
    at = 0;
  }
  auto allocated = file->preallocate(at + bytes.size() + chunk_head_bytes);  // finish() needs that much more
  if (!allocated) return allocated;
  if (allocated.value() == Space::exhausted) return give_up();
  if (auto done = file->write(at, bytes); !done) return done.error();
  checksum = crc32c(pending, checksum);
  ++chunks;
  pending.clear();
  return Space::granted;
}

std::uint64_t SnapshotWriter::wanted() const { return part_->written() + part_->pending.size(); }

Result<Space> SnapshotWriter::add(std::string_view bytes) {
  FL_ASSERT(part_->file != nullptr);
  FL_ASSERT(bytes.size() <= part_->info.size - wanted());
  while (!bytes.empty()) {
    const std::uint64_t length = chunk_length(part_->info.size, part_->chunks);
    const std::size_t take = std::min<std::uint64_t>(bytes.size(), length - part_->pending.size());
    part_->pending += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (part_->pending.size() < length) break;
    auto written = part_->write_chunk();
    if (!written || written.value() == Space::exhausted) return written;
  }
  return Space::granted;
}

Result<std::uint32_t> SnapshotWriter::finish(std::optional<std::uint32_t> expected) {
  FL_ASSERT(part_->file != nullptr);
  FL_ASSERT(wanted() == part_->info.size);
  Part& part = *part_;
  if (expected && *expected != part.checksum) {
    if (auto discarded = part.discard(); !discarded) return discarded.error();
    return Error::environment(fmt::format("{}: the snapshot that was received is not the one announced; crc {:08x} "
                                          "announced, {:08x} computed",
                                          part.path, *expected, part.checksum),
                              "start again; the leader sends the snapshot anew");
  }
  std::string end;
  if (part.chunks == 0) end = part.header;  // an empty state
  const std::uint64_t at = part.chunks == 0 ? 0 : part.header.size() + part.chunks * chunk_head_bytes + part.info.size;
  put_u32(end, 0);
  put_u32(end, part.checksum);
  if (auto written = part.file->write(at, end); !written) return written.error();
  if (part.place.sync) {
    if (auto synced = part.file->sync(); !synced) return synced.error();
  }
  part.file.reset();
  if (auto renamed = part.place.disk.rename(part.part_path(), part.path); !renamed) return renamed.error();
  if (part.place.sync) {
    if (auto synced = part.place.disk.sync_folder(part.place.folder); !synced) return synced.error();
  }
  return part.checksum;
}

struct SnapshotReader::Whole {
  std::string path;
  SnapshotInfo info;
  std::uint64_t header_bytes = 0;
  std::unique_ptr<File> file;
  std::uint64_t number = 0;  // of the chunk read last
  std::string chunk;         // its bytes
  std::uint64_t chunks_in_order = 0;
  std::uint32_t checksum = 0;  // of those

  Result<void> read_end();
  Result<void> load(std::uint64_t wanted);
};

SnapshotReader::SnapshotReader(std::unique_ptr<Whole> whole) : whole_(std::move(whole)) {}
SnapshotReader::SnapshotReader(SnapshotReader&&) noexcept = default;
SnapshotReader& SnapshotReader::operator=(SnapshotReader&&) noexcept = default;
SnapshotReader::~SnapshotReader() = default;

const SnapshotInfo& SnapshotReader::info() const { return whole_->info; }

Result<SnapshotReader> SnapshotReader::open(SnapshotPlace place, Mark label) {
  auto whole = std::make_unique<Whole>();
  whole->path = place.folder + "/" + snapshot_name(label);
  auto file = place.disk.open(whole->path, Disk::Open::existing);
  if (!file) return file.error();
  whole->file = std::move(file).value();
  auto head = read_snapshot_header(*whole->file);
  if (!head) return damaged(whole->path, head.error().message);
  if (head.value().cluster != place.identity.cluster) {
    return damaged(whole->path, fmt::format("the snapshot is of cluster {:016x}, this is cluster {:016x}",
                                            head.value().cluster, place.identity.cluster));
  }
  if (head.value().info.label != label) return damaged(whole->path, "the file was renamed: it bears another label");
  whole->info = std::move(head.value().info);
  whole->header_bytes = head.value().bytes;
  if (auto end = whole->read_end(); !end) return end.error();
  return SnapshotReader(std::move(whole));
}

Result<void> SnapshotReader::Whole::read_end() {
  auto size = file->size();
  if (!size) return size.error();
  const std::uint64_t at = header_bytes + chunks_of(info.size) * chunk_head_bytes + info.size;
  if (size.value() != at + chunk_head_bytes) {
    return damaged(path, fmt::format("the file has {} bytes where {} belong", size.value(), at + chunk_head_bytes));
  }
  auto end = file->read(at, chunk_head_bytes);
  if (!end) return end.error();
  if (end.value().size() != chunk_head_bytes || get_u32(end.value(), 0) != 0)
    return damaged(path, "its end is missing");
  info.checksum = get_u32(end.value(), 4);
  return {};
}

Result<void> SnapshotReader::Whole::load(std::uint64_t wanted) {
  if (!chunk.empty() && number == wanted) return {};
  auto read = read_chunk(*file, header_bytes, wanted, chunk_length(info.size, wanted));
  if (!read) return read.error();
  if (!read.value().fault.empty()) {
    return damaged(path, fmt::format("chunk {}: {}; crc {:08x} stored, {:08x} computed", wanted, read.value().fault,
                                     read.value().stored, read.value().computed));
  }
  chunk = std::move(read.value().bytes);
  number = wanted;
  if (wanted != chunks_in_order) return {};
  checksum = crc32c(chunk, checksum);
  if (++chunks_in_order < chunks_of(info.size) || checksum == info.checksum) return {};
  return damaged(path, fmt::format("the checksum of the whole is wrong; crc {:08x} stored, {:08x} computed",
                                   info.checksum, checksum));
}

Result<std::string> SnapshotReader::read(std::uint64_t offset, std::uint64_t length) {
  FL_ASSERT(offset <= whole_->info.size);
  std::string bytes;
  length = std::min(length, whole_->info.size - offset);
  while (bytes.size() < length) {
    const std::uint64_t at = offset + bytes.size();
    if (auto loaded = whole_->load(at / snapshot_chunk_bytes); !loaded) return loaded.error();
    bytes += std::string_view(whole_->chunk).substr(at % snapshot_chunk_bytes, length - bytes.size());
  }
  return bytes;
}

Result<void> retain(SnapshotPlace place, Mark mark, bool also_above) {
  auto names = place.disk.list(place.folder);
  if (!names) return names.error();
  for (const std::string& name : names.value()) {
    const auto parsed = parse_snapshot_name(name);
    if (!parsed) continue;
    const bool below = parsed->label.index < mark.index || (parsed->part && parsed->label.index == mark.index);
    const bool unmarked = also_above && !parsed->part && parsed->label != mark;
    if (!below && !unmarked) continue;
    if (auto removed = place.disk.remove(place.folder + "/" + name); !removed) return removed;
  }
  return {};
}

}  // namespace faultline::raft::storage
