#include "recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace faultline::raft::storage {
namespace {

constexpr const char* rejoin =
    "remove this node from the cluster, delete its data directory and add it again, so that it takes its log from the "
    "others";

std::string_view without_trailing_zeros(std::string_view bytes) {
  const std::size_t last = bytes.find_last_not_of('\0');
  return bytes.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string with_crcs(std::string_view reason, std::uint32_t stored, std::uint32_t computed) {
  return fmt::format("{}; crc {:08x} stored, {:08x} computed", reason, stored, computed);
}

}  // namespace

Result<Recovered> Recovery::run() {
  if (auto made = wal_.disk_.make_folder(wal_.folder_); !made) return made.error();
  if (auto found = find_segments(); !found) return found.error();
  if (wal_.segments_.empty()) {
    if (auto begun = begin(); !begun) return begun.error();
    return Recovered{.fresh = true, .hard_state = {}, .mark = {}, .entries = {}, .torn = {}};
  }
  for (std::size_t i = 0; i < wal_.segments_.size() && !damage_; ++i) {
    if (auto replayed = replay(i); !replayed) return replayed.error();
  }
  if (damage_) {
    if (auto handled = handle_damage(); !handled) return handled.error();
  }
  if (auto checked = check_end(); !checked) return checked.error();
  if (auto made = make_durable(); !made) return made.error();
  return Recovered{.fresh = entries_.empty() && wal_.hard_state_ == HardState() && !wal_.mark_.index,
                   .hard_state = wal_.hard_state_,
                   .mark = wal_.mark_,
                   .entries = std::move(entries_),
                   .torn = std::move(torn_)};
}

Result<void> Recovery::find_segments() {
  auto names = wal_.disk_.list(wal_.folder_);
  if (!names) return names.error();
  for (const std::string& name : names.value()) {
    if (name.ends_with(".tmp")) {
      if (auto removed = wal_.disk_.remove(wal_.path_of(name)); !removed) return removed;
    }
    const auto parsed = parse_segment_name(name);
    if (!parsed) continue;
    auto& segments = wal_.segments_;
    if (!segments.empty() && segments.back().sequence + 1 != parsed->sequence) {
      return Error::environment(fmt::format("{}: segments {} to {} of the log are missing before it",
                                            wal_.path_of(name), segments.back().sequence + 1, parsed->sequence - 1),
                                rejoin);
    }
    Wal::Segment segment;
    segment.sequence = parsed->sequence;
    segment.first = parsed->first;
    segment.path = wal_.path_of(name);
    segments.push_back(std::move(segment));
  }
  return {};
}

Result<void> Recovery::begin() {
  auto extended = wal_.extend_spare(wal_.options_.segment_bytes, wal_.options_.segment_bytes);
  if (!extended) return extended.error();
  if (extended.value() == Space::exhausted) {
    return Error::environment(
        fmt::format("{}: no space for a log of {} bytes", wal_.folder_, wal_.options_.segment_bytes),
        "make room on the disk of the data directory and start again");
  }
  return wal_.start_segment();
}

Result<std::string> Recovery::load(std::size_t number) {
  Wal::Segment& segment = wal_.segments_[number];
  auto file = wal_.disk_.open(segment.path, Disk::Open::existing);
  if (!file) return file.error();
  segment.file = std::move(file).value();
  auto size = segment.file->size();
  if (!size) return size.error();
  return segment.file->read(0, size.value());
}

void Recovery::damaged(std::size_t number, std::uint64_t offset, std::string reason) {
  damage_ = Damage{number, offset, std::move(reason)};
}

Result<void> Recovery::replay(std::size_t number) {
  auto loaded = load(number);
  if (!loaded) return loaded.error();
  const std::string& bytes = loaded.value();
  Wal::Segment& segment = wal_.segments_[number];
  const Record head = read_record(bytes, segment.sequence, 0);
  if (head.state == Record::State::bad) {
    damaged(number, 0, with_crcs(head.reason, head.crc, head.computed));
    return {};
  }
  if (head.state == Record::State::end) {
    damaged(number, 0, with_crcs("the segment's first record is missing", 0, 0));
    return {};
  }
  if (number > 0 && head.previous != wal_.crc_) {
    damaged(number - 1, offset_, with_crcs("records are missing before the next segment", head.previous, wal_.crc_));
    return {};
  }
  if (auto begun = begin_segment(number, bytes, head); !begun) return begun;
  offset_ = head.next_offset;
  wal_.crc_ = head.crc;
  durable_ = std::max(durable_, head.durable);
  for (;;) {
    const Record record = read_record(bytes, segment.sequence, offset_);
    if (record.state == Record::State::end) return {};
    if (record.state == Record::State::bad) {
      damaged(number, offset_, with_crcs(record.reason, record.crc, record.computed));
      return {};
    }
    if (record.previous != wal_.crc_) {
      damaged(number, offset_, with_crcs("it does not follow the record before", record.previous, wal_.crc_));
      return {};
    }
    if (auto applied = apply(segment, record); !applied) return applied;
    offset_ = record.next_offset;
    wal_.crc_ = record.crc;
    durable_ = std::max(durable_, record.durable);
  }
}

Result<void> Recovery::begin_segment(std::size_t number, std::string_view bytes, const Record& record) {
  Wal::Segment& segment = wal_.segments_[number];
  if (record.type != RecordType::segment) return refusal(segment, 0, "the first record is of another type");
  const SegmentHead head = segment_of(record.payload);
  if (head.identity != wal_.identity_) {
    return Error::environment(
        fmt::format("{}: the log is of cluster {:016x}, node {}; this is cluster {:016x}, node {}", segment.path,
                    head.identity.cluster, head.identity.node.value, wal_.identity_.cluster, wal_.identity_.node.value),
        "give the node its own data directory, or the identity the directory was made with");
  }
  if (head.sequence != segment.sequence || head.first != segment.first) {
    return refusal(segment, 0, "the file was renamed: its first record bears another number");
  }
  if (number == 0) wal_.first_ = head.first;
  if (head.first > wal_.last_index() + 1) return refusal(segment, 0, "entries are missing before it");
  // The log may have been dropped by a mark that could not be told from an old one, as its entries went with older segments.
  if (head.first < wal_.first_) wal_.first_ = head.first;
  wal_.places_.resize(head.first - wal_.first_);
  entries_.resize(wal_.places_.size());
  // With sync the whole file was on the disk before it had its name.
  if (bytes.size() < head.bytes && record.durable > 0) {
    return refusal(segment, bytes.size(), fmt::format("the file was cut short from {} bytes", head.bytes));
  }
  segment.bytes = head.bytes;
  return {};
}

Result<void> Recovery::apply(const Wal::Segment& segment, const Record& record) {
  switch (record.type) {
    case RecordType::segment: return refusal(segment, offset_, "a segment record in the middle");
    case RecordType::entry: {
      Entry entry = entry_of(record.payload);
      if (entry.index > wal_.last_index() + 1) {
        return refusal(segment, offset_,
                       fmt::format("entry {} follows entry {}", entry.index.value, wal_.last_index().value));
      }
      wal_.note_entry(entry.index, {position(segment.sequence, offset_), record.next_offset - offset_, entry.term});
      entries_.resize(wal_.places_.size() - 1);
      entries_.push_back(std::move(entry));
      return {};
    }
    case RecordType::hard_state: {
      const HardState state = hard_state_of(record.payload);
      if (state.term < wal_.hard_state_.term || state.commit < wal_.hard_state_.commit) {
        return refusal(segment, offset_, "term or commit fall");
      }
      wal_.hard_state_ = state;
      return {};
    }
    case RecordType::mark: {
      const Mark mark = mark_of(record.payload);
      if (mark.index < wal_.mark_.index) return refusal(segment, offset_, "the snapshot mark falls");
      wal_.note_mark(mark);
      entries_.resize(wal_.places_.size());
      return {};
    }
  }
  return {};
}

Result<void> Recovery::check_end() {
  if (wal_.first_ <= wal_.mark_.index + 1) return {};
  return Error::environment(fmt::format("{}: entries {} to {} are missing: the log begins at {}, its snapshot is of {}",
                                        wal_.segments_.front().path, wal_.mark_.index.value + 1, wal_.first_.value - 1,
                                        wal_.first_.value, wal_.mark_.index.value),
                            rejoin);
}

Error Recovery::refusal(const Wal::Segment& segment, std::uint64_t offset, std::string_view reason) {
  return Error::environment(fmt::format("{}: byte {}: the log is damaged: {}", segment.path, offset, reason), rejoin);
}

// The largest `durable` of what is consistent in itself from the damage on.
Result<std::uint64_t> Recovery::durable_behind() {
  std::uint64_t durable = 0;
  for (std::size_t i = damage_->segment; i < wal_.segments_.size(); ++i) {
    auto loaded = load(i);
    if (!loaded) return loaded.error();
    const std::string& bytes = loaded.value();
    const std::uint64_t sequence = wal_.segments_[i].sequence;
    std::uint64_t at = find_record(bytes, sequence, i == damage_->segment ? damage_->offset : 0);
    while (at < bytes.size()) {
      const Record record = read_record(bytes, sequence, at);
      durable = std::max(durable, record.durable);
      at = find_record(bytes, sequence, record.next_offset);
    }
  }
  return durable;
}

Result<void> Recovery::handle_damage() {
  const Wal::Segment& segment = wal_.segments_[damage_->segment];
  auto behind = durable_behind();
  if (!behind) return behind.error();
  const std::uint64_t durable = std::max(durable_, behind.value());
  if (damage_->offset == 0 && (damage_->segment == 0 || durable > 0)) {
    return refusal(segment, 0, damage_->reason + "; a segment bears its name only once this record is on the disk");
  }
  if (position(segment.sequence, damage_->offset) < durable) {
    return refusal(segment, damage_->offset,
                   fmt::format("{}; the log was synced up to byte {} of segment {}, so acknowledged entries are lost",
                               damage_->reason, offset_of(durable), sequence_of(durable)));
  }
  return cut();
}

std::string Recovery::name_for_copy(const std::string& path) const {
  for (std::uint64_t n = 1;; ++n) {
    std::string name = fmt::format("{}.torn-{}", path, n);
    if (!wal_.disk_.open(name, Disk::Open::existing)) return name;
  }
}

// Nothing from the damage on was ever acknowledged.
Result<void> Recovery::cut() {
  const std::size_t kept = damage_->segment + (damage_->offset == 0 ? 0 : 1);
  torn_ = TornTail{wal_.segments_[damage_->segment].path, damage_->offset, {}, damage_->reason};
  while (wal_.segments_.size() > kept) {  // The last first: a crash here leaves no gap.
    wal_.segments_.back().file.reset();
    torn_->copy = name_for_copy(wal_.segments_.back().path);
    if (auto renamed = wal_.disk_.rename(wal_.segments_.back().path, torn_->copy); !renamed) return renamed;
    if (auto synced = wal_.disk_.sync_folder(wal_.folder_); !synced) return synced;
    wal_.segments_.pop_back();
  }
  if (damage_->offset == 0) return {};
  auto bytes = load(damage_->segment);
  if (!bytes) return bytes.error();
  const auto tail = without_trailing_zeros(std::string_view(bytes.value()).substr(damage_->offset));
  if (tail.empty()) return {};
  torn_->copy = name_for_copy(torn_->file);
  if (auto copied = copy_tail(tail); !copied) return copied;
  File& file = *wal_.segments_.back().file;
  if (auto zeroed = file.write(damage_->offset, std::string(tail.size(), '\0')); !zeroed) return zeroed;
  return file.sync();
}

Result<void> Recovery::copy_tail(std::string_view tail) {
  auto copy = wal_.disk_.open(torn_->copy, Disk::Open::create);
  if (!copy) return copy.error();
  if (auto written = copy.value()->write(0, tail); !written) return written;
  if (auto synced = copy.value()->sync(); !synced) return synced;
  return wal_.disk_.sync_folder(wal_.folder_);
}

// What was read may never have reached the disk; a failed sync of an earlier life may even have left pages that are marked clean.
// So what is not known durable is written once more and synced before anything is built on it.
Result<void> Recovery::make_durable() {
  for (std::size_t i = 0; i < wal_.segments_.size(); ++i) {
    Wal::Segment& segment = wal_.segments_[i];
    const bool last = i + 1 == wal_.segments_.size();
    if (!last && (!wal_.options_.sync || position(segment.sequence + 1, 0) <= durable_)) {
      segment.file.reset();
      continue;
    }
    auto loaded = load(i);
    if (!loaded) return loaded.error();
    const std::string& bytes = loaded.value();
    if (last) {
      if (auto whole = fill_up(segment, bytes.size()); !whole) return whole;
    }
    if (!wal_.options_.sync) continue;
    const std::uint64_t from = sequence_of(durable_) == segment.sequence ? offset_of(durable_) : 0;
    const std::uint64_t to = last ? offset_ : bytes.size();
    const auto unsure = std::string_view(bytes).substr(from, to - from);
    if (auto written = wal_.write(*segment.file, from, unsure); !written) return written;
    if (auto synced = wal_.sync(*segment.file); !synced) return synced;
  }
  wal_.offset_ = offset_;
  wal_.durable_ = wal_.options_.sync ? position(wal_.segments_.back().sequence, offset_) : 0;
  return wal_.sync_folder();
}

Result<void> Recovery::fill_up(Wal::Segment& segment, std::uint64_t size) {
  if (size >= segment.bytes) return {};
  auto allocated = segment.file->preallocate(segment.bytes);
  if (!allocated) return allocated.error();
  if (allocated.value() == Space::granted) return {};
  return Error::environment(fmt::format("{}: no space for the rest of the segment", segment.path),
                            "make room on the disk of the data directory and start again");
}

}  // namespace faultline::raft::storage
