#include <faultline/raft/codec.hpp>
#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/keeper.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace faultline::raft {
namespace {

using storage::Mark;
using storage::Space;

constexpr const char* wal_folder = "wal";
constexpr const char* snapshot_folder = "snap";
constexpr std::uint64_t piece_bytes = storage::snapshot_chunk_bytes;

Mark mark_of(const Snapshot& snapshot) { return {snapshot.index, snapshot.term}; }

storage::SnapshotPlace place_of(storage::Disk& disk, const KeeperOptions& options) {
  return {disk, snapshot_folder, options.identity, options.wal.sync};
}

storage::SnapshotInfo info_of(const Snapshot& snapshot) {
  return {mark_of(snapshot), encode(snapshot.config), snapshot.size, snapshot.checksum};
}

struct Loaded {
  Snapshot snapshot;
  kv::Store store;
};

Result<Loaded> load(const storage::SnapshotPlace& place, Mark mark) {
  auto reader = storage::SnapshotReader::open(place, mark);
  if (!reader) return reader.error();
  const storage::SnapshotInfo info = reader.value().info();
  auto config = decode_config(info.config);
  if (!config) return config.error();
  kv::Importer importer;
  for (std::uint64_t at = 0; at < info.size;) {
    auto bytes = reader.value().read(at, piece_bytes);
    if (!bytes) return bytes.error();
    if (auto fed = importer.feed(bytes.value()); !fed) return fed.error();
    at += bytes.value().size();
  }
  auto store = importer.finish();
  if (!store) return store.error();
  Snapshot snapshot{.index = mark.index,
                    .term = mark.term,
                    .config = std::move(config).value(),
                    .size = info.size,
                    .checksum = info.checksum};
  return Loaded{std::move(snapshot), std::move(store).value()};
}

Error no_space_for_the_log() {
  return Error::environment("no space is left for the log", "make room on the disk of --data and start again");
}

}  // namespace

SnapshotFiles::SnapshotFiles(storage::Disk& disk, const KeeperOptions& options) : place_(place_of(disk, options)) {}

Result<std::optional<Snapshot>> SnapshotFiles::write(Export job) {
  Snapshot snapshot = std::move(job.label);
  snapshot.size = job.view.size();
  auto writer = storage::SnapshotWriter::open(place_, info_of(snapshot));
  if (!writer) return writer.error();
  kv::Exporter exporter(std::move(job.view));
  std::uint64_t at = 0;
  for (std::string piece = exporter.next(piece_bytes); !piece.empty(); piece = exporter.next(piece_bytes)) {
    const std::uint64_t wanted = writer.value().wanted();
    const std::uint64_t end = at + piece.size();
    if (wanted < end) {  // else an earlier attempt wrote it: equal states have equal bytes
      auto added = writer.value().add(std::string_view(piece).substr(wanted - at));
      if (!added) return added.error();
      if (added.value() == Space::exhausted) return std::optional<Snapshot>();
    }
    at = end;
  }
  auto finished = writer.value().finish();
  if (!finished) return finished.error();
  snapshot.checksum = finished.value();
  return std::optional<Snapshot>(std::move(snapshot));
}

Result<bool> SnapshotFiles::fill(SnapshotChunk& chunk) {
  const Mark mark = mark_of(chunk.snapshot);
  if (!reader_ || reading_ != mark) {
    reader_.reset();
    auto opened = storage::SnapshotReader::open(place_, mark);
    if (!opened) return false;  // retired since
    reader_ = std::move(opened).value();
    reading_ = mark;
  }
  auto bytes = reader_->read(chunk.offset, chunk.length);
  if (!bytes) return bytes.error();
  chunk.bytes = std::move(bytes).value();
  chunk.crc = crc32c(chunk.bytes);
  return true;
}

Keeper::Keeper(storage::Disk& disk, KeeperOptions options) : disk_(disk), options_(std::move(options)) {}

storage::SnapshotPlace Keeper::place() const { return place_of(disk_, options_); }

Result<Keeper::Opened> Keeper::open(storage::Disk& disk, KeeperOptions options) {
  std::unique_ptr<Keeper> keeper(new Keeper(disk, std::move(options)));
  auto opened = storage::Wal::open(disk, wal_folder, keeper->options_.identity, keeper->options_.wal);
  if (!opened) return opened.error();
  if (auto made = disk.make_folder(snapshot_folder); !made) return made.error();
  keeper->wal_ = std::move(opened.value().wal);
  storage::Recovered& recovered = opened.value().recovered;
  Restored restored;
  restored.torn = std::move(recovered.torn);
  restored.stored.hard_state = recovered.hard_state;
  restored.stored.entries = std::move(recovered.entries);
  if (auto kept = storage::retain(keeper->place(), recovered.mark, true); !kept) return kept.error();
  keeper->marked_ = recovered.mark.index;
  if (recovered.mark.index) {
    auto loaded = load(keeper->place(), recovered.mark);
    if (!loaded) return loaded.error();
    restored.stored.snapshot = std::move(loaded.value().snapshot);
    restored.store = std::move(loaded.value().store);
  }
  return Opened{std::move(keeper), std::move(restored)};
}

Result<Keeper::DoneJobs> Keeper::run(std::span<const DiskJob> jobs) {
  FL_ASSERT(!jobs.empty());
  DoneJobs done{.number = jobs.back().number, .installed = {}, .has_space = true};
  bool must_sync = std::any_of(jobs.begin(), jobs.end(), [](const DiskJob& job) { return job.must_sync; });
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const DiskJob& job = jobs[i];
    for (const SnapshotChunk& chunk : job.chunks) {
      if (auto received = receive(chunk); !received) return received.error();
    }
    if (job.snapshot) {
      auto store = install(*job.snapshot);
      if (!store) return store.error();
      done.installed = std::move(store).value();
    }
    // The sync of the last covers what was written before it.
    const bool last = i + 1 == jobs.size();
    storage::Batch batch{
        .entries = job.entries, .hard_state = job.hard_state, .mark = {}, .must_sync = last && must_sync};
    if (batch.entries.empty() && !batch.hard_state && !batch.must_sync) continue;
    auto appended = wal_->append(batch);
    if (!appended) return appended.error();
    if (appended.value() == Space::exhausted) return no_space_for_the_log();
  }
  auto reserved = wal_->reserve();
  if (!reserved) return reserved.error();
  done.has_space = reserved.value() == Space::granted;
  return done;
}

Result<void> Keeper::receive(const SnapshotChunk& chunk) {
  if (!part_ || part_label_ != chunk.snapshot) {
    part_.reset();
    auto opened = storage::SnapshotWriter::open(place(), info_of(chunk.snapshot));
    if (!opened) return opened.error();
    part_ = std::move(opened).value();
    part_label_ = chunk.snapshot;
  }
  const std::uint64_t end = chunk.offset + chunk.bytes.size();
  if (part_->wanted() >= end) return {};  // a part file of an earlier start had it
  FL_ASSERT(part_->wanted() >= chunk.offset);
  auto added = part_->add(std::string_view(chunk.bytes).substr(part_->wanted() - chunk.offset));
  if (!added) return added.error();
  if (added.value() == Space::exhausted) {
    return Error::environment("no space is left for a snapshot", "make room on the disk of --data and start again");
  }
  return {};
}

Result<kv::Store> Keeper::install(const Snapshot& snapshot) {
  if (!part_ || part_label_ != snapshot) {
    auto opened = storage::SnapshotWriter::open(place(), info_of(snapshot));
    if (!opened) return opened.error();
    part_ = std::move(opened).value();
  }
  auto finished = part_->finish(snapshot.checksum);
  part_.reset();
  if (!finished) return finished.error();
  auto marked = wal_->append({.entries = {}, .hard_state = {}, .mark = mark_of(snapshot), .must_sync = true});
  if (!marked) return marked.error();
  if (marked.value() == Space::exhausted) return no_space_for_the_log();
  marked_ = snapshot.index;
  auto loaded = load(place(), mark_of(snapshot));
  if (!loaded) return loaded.error();
  return std::move(loaded.value().store);
}

Result<void> Keeper::mark(const Snapshot& snapshot) {
  if (snapshot.index <= marked_) return {};  // one from the leader came first
  marked_ = snapshot.index;
  auto marked = wal_->append({.entries = {}, .hard_state = {}, .mark = mark_of(snapshot), .must_sync = true});
  if (!marked) return marked.error();
  if (marked.value() == Space::exhausted) return no_space_for_the_log();
  return {};
}

Result<void> Keeper::retire(const Snapshot& oldest) {
  if (auto kept = storage::retain(place(), mark_of(oldest)); !kept) return kept;
  return wal_->compact(oldest.index);
}

}  // namespace faultline::raft
