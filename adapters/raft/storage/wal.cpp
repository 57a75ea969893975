#include <faultline/raft/storage/wal.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "record.hpp"
#include "recovery.hpp"

namespace faultline::raft::storage {
namespace {

// What reserve() writes at a time: a new segment must not hold up the appends.
constexpr std::uint64_t spare_step = 2 << 20;
constexpr std::uint64_t segment_bytes_max = 2ULL << 30;
constexpr std::uint64_t segment_start_bytes =
    record_bytes(segment_payload_bytes) + record_bytes(hard_state_payload_bytes) + record_bytes(mark_payload_bytes);

}  // namespace

Wal::Wal(Disk& disk, std::string folder, Identity identity, WalOptions options)
    : disk_(disk), folder_(std::move(folder)), identity_(identity), options_(options) {
  FL_ASSERT(options_.segment_bytes >= segment_start_bytes);
  FL_ASSERT(options_.segment_bytes <= segment_bytes_max);
}

Wal::~Wal() = default;

Result<Wal::Opened> Wal::open(Disk& disk, const std::string& folder, Identity identity, WalOptions options) {
  std::unique_ptr<Wal> wal(new Wal(disk, folder, identity, options));
  auto recovered = Recovery(*wal).run();
  if (!recovered) return recovered.error();
  return Opened{std::move(wal), std::move(recovered).value()};
}

LogIndex Wal::first_index() const { return first_; }

LogIndex Wal::last_index() const { return {first_.value + places_.size() - 1}; }

std::uint64_t Wal::segments() const { return segments_.size(); }

std::uint64_t Wal::syncs() const { return syncs_; }

std::uint64_t Wal::bytes_written() const { return bytes_written_; }

Result<void> Wal::remember(Result<void> result) {
  if (!result) dead_ = result.error();
  return result;
}

Result<void> Wal::write(File& file, std::uint64_t offset, std::string_view bytes) {
  bytes_written_ += bytes.size();
  return remember(file.write(offset, bytes));
}

Result<void> Wal::sync(File& file) {
  if (!options_.sync) return {};
  ++syncs_;
  return remember(file.sync());
}

Result<void> Wal::sync_folder() { return options_.sync ? remember(disk_.sync_folder(folder_)) : Result<void>(); }

std::uint64_t Wal::bytes_of(const Batch& batch) const {
  std::uint64_t bytes = 0;
  for (const Entry& entry : batch.entries) bytes += record_bytes(entry_payload_head_bytes + entry.data.size());
  if (batch.hard_state) bytes += record_bytes(hard_state_payload_bytes);
  if (batch.mark) bytes += record_bytes(mark_payload_bytes);
  return bytes;
}

void Wal::check(const Batch& batch) const {
  if (batch.hard_state) {
    FL_ASSERT(batch.hard_state->term >= hard_state_.term);
    FL_ASSERT(batch.hard_state->commit >= hard_state_.commit);
  }
  const Mark mark = batch.mark.value_or(mark_);
  FL_ASSERT(mark.index >= mark_.index);
  LogIndex next{std::max(last_index().value, mark.index.value) + 1};
  for (const Entry& entry : batch.entries) {
    FL_ASSERT(entry.index > mark.index);
    FL_ASSERT(entry.index <= next);
    next = entry.index + 1;
  }
}

Result<Space> Wal::append(const Batch& batch) {
  if (dead_) return *dead_;
  check(batch);
  const std::uint64_t bytes = bytes_of(batch);
  if (offset_ + bytes > segments_.back().bytes) {
    const std::uint64_t needed = std::max(options_.segment_bytes, padded(segment_start_bytes + bytes));
    auto extended = extend_spare(needed, needed);
    if (!extended || extended.value() == Space::exhausted) return extended;
    if (auto started = start_segment(); !started) return started.error();
  }
  if (bytes > 0) {
    if (auto written = write_batch(batch); !written) return written.error();
  }
  if (batch.must_sync && unsynced_) {
    if (auto synced = sync(*segments_.back().file); !synced) return synced.error();
    unsynced_ = false;
    if (options_.sync) durable_ = position(segments_.back().sequence, offset_);
  }
  return Space::granted;
}

Result<void> Wal::write_batch(const Batch& batch) {
  Chain chain{position(segments_.back().sequence, offset_), durable_, crc_};
  std::string bytes;
  bytes.reserve(bytes_of(batch));
  if (batch.mark) {
    put_record(bytes, chain, RecordType::mark, mark_payload(*batch.mark));
    note_mark(*batch.mark);
  }
  for (const Entry& entry : batch.entries) {
    const std::uint64_t start = chain.position;
    put_record(bytes, chain, RecordType::entry, entry_payload_head(entry), entry.data);
    note_entry(entry.index, {start, chain.position - start, entry.term});
  }
  if (batch.hard_state) {
    put_record(bytes, chain, RecordType::hard_state, hard_state_payload(*batch.hard_state));
    hard_state_ = *batch.hard_state;
  }
  if (auto written = write(*segments_.back().file, offset_, bytes); !written) return written;
  unsynced_ = true;
  offset_ += bytes.size();
  crc_ = chain.crc;
  return {};
}

void Wal::note_entry(LogIndex index, const Place& place) {
  if (index < first_) {  // what stood before it was cut in a segment that is gone
    places_.clear();
    first_ = index;
  }
  FL_ASSERT(index <= last_index() + 1);
  places_.resize(index - first_);
  places_.push_back(place);
}

void Wal::note_mark(Mark mark) {
  mark_ = mark;
  if (mark.index < first_) return;  // the log begins behind it
  if (mark.index <= last_index() && places_[mark.index - first_].term == mark.term) return;
  places_.clear();
  first_ = mark.index + 1;
}

// Makes the spare at least `bytes` long, `step` more of it at a time.
Result<Space> Wal::extend_spare(std::uint64_t bytes, std::uint64_t step) {
  if (!spare_) {
    auto opened = disk_.open(path_of("spare.tmp"), Disk::Open::create);
    if (!opened) return remember(opened.error()).error();
    spare_ = std::move(opened).value();
    spare_bytes_ = 0;
  }
  if (spare_bytes_ < bytes) {
    const std::uint64_t target = std::min(bytes, spare_bytes_ + step);
    auto allocated = spare_->preallocate(target);
    if (!allocated) return remember(allocated.error()).error();
    starved_ = allocated.value() == Space::exhausted;
    if (starved_) {  // Gives back what it has: a snapshot may need it, and that frees segments.
      if (auto cut = remember(spare_->truncate(0)); !cut) return cut.error();
      spare_bytes_ = 0;
      return Space::exhausted;
    }
    spare_bytes_ = target;
    if (auto synced = sync(*spare_); !synced) return synced.error();
  }
  return Space::granted;
}

Result<Space> Wal::reserve() {
  if (dead_) return *dead_;
  if (!starved_ && offset_ <= segments_.back().bytes / 2) return Space::granted;
  return extend_spare(options_.segment_bytes, starved_ ? options_.segment_bytes : spare_step);
}

// Raft's state in force opens the segment, so that those before it can go. REQUIRES: the spare is complete.
Result<void> Wal::start_segment() {
  if (!segments_.empty() && unsynced_) {  // The new segment vouches for all that is before it.
    if (auto synced = sync(*segments_.back().file); !synced) return synced;
    unsynced_ = false;
  }
  const std::uint64_t sequence = segments_.empty() ? 1 : segments_.back().sequence + 1;
  Segment segment{.sequence = sequence, .first = last_index() + 1, .path = {}, .bytes = spare_bytes_, .file = {}};
  segment.path = path_of(segment_name(sequence, segment.first));
  Chain chain{position(sequence, 0), options_.sync ? position(sequence, 0) : 0, crc_};
  std::string bytes;
  put_record(bytes, chain, RecordType::segment,
             segment_payload({.bytes = static_cast<std::uint32_t>(segment.bytes),
                              .identity = identity_,
                              .sequence = sequence,
                              .first = segment.first}));
  if (hard_state_ != HardState()) put_record(bytes, chain, RecordType::hard_state, hard_state_payload(hard_state_));
  if (mark_.index) put_record(bytes, chain, RecordType::mark, mark_payload(mark_));
  if (auto written = write(*spare_, 0, bytes); !written) return written;
  if (auto synced = sync(*spare_); !synced) return synced;
  if (auto renamed = remember(disk_.rename(path_of("spare.tmp"), segment.path)); !renamed) return renamed;
  if (auto synced = sync_folder(); !synced) return synced;
  segment.file = std::move(spare_);
  segments_.push_back(std::move(segment));
  spare_bytes_ = 0;
  offset_ = bytes.size();
  crc_ = chain.crc;
  if (options_.sync) durable_ = chain.position;
  return {};
}

Result<void> Wal::compact(LogIndex index) {
  if (dead_) return *dead_;
  FL_ASSERT(index <= mark_.index);
  // By the next one's name, not by the entries in force: recovery knows the names only. The entry at `index` stays, since it tells
  // whether a mark of that index dropped what follows.
  while (segments_.size() > 1 && segments_[1].first <= index) {
    segments_[0].file.reset();
    if (auto removed = remember(disk_.remove(segments_[0].path)); !removed) return removed;
    // One by one, so that a power loss leaves no gap between them.
    if (auto synced = sync_folder(); !synced) return synced;
    segments_.pop_front();
  }
  while (!places_.empty() && sequence_of(places_.front().position) < segments_.front().sequence) {
    places_.pop_front();
    ++first_;
  }
  return {};
}

Result<std::string> Wal::read_place(const Place& place) {
  Segment& segment = segments_[sequence_of(place.position) - segments_.front().sequence];
  if (!segment.file) {
    auto opened = disk_.open(segment.path, Disk::Open::existing);
    if (!opened) return opened.error();
    segment.file = std::move(opened).value();
  }
  return segment.file->read(offset_of(place.position), place.bytes);
}

Result<std::vector<Entry>> Wal::read(LogIndex low, LogIndex high, std::uint64_t bytes_max) {
  if (dead_) return *dead_;
  FL_ASSERT(first_ <= low);
  FL_ASSERT(low < high);
  FL_ASSERT(high <= last_index() + 1);
  std::vector<Entry> entries;
  std::uint64_t bytes_sum = 0;
  for (LogIndex index = low; index < high; ++index) {
    const Place& place = places_[index - first_];
    bytes_sum += place.bytes;
    if (index > low && bytes_sum > bytes_max) break;
    auto bytes = read_place(place);
    if (!bytes) return bytes.error();
    const Record record = read_record_at(bytes.value(), place.position);
    if (record.state != Record::State::good || record.type != RecordType::entry) {
      return Error::environment(
          fmt::format("the log's entry {} cannot be read back: {}; crc {:08x} stored, {:08x} computed", index.value,
                      record.reason, record.crc, record.computed),
          "check the disk");
    }
    entries.push_back(entry_of(record.payload));
  }
  return entries;
}

}  // namespace faultline::raft::storage
