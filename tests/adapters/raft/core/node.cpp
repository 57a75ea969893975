#include "node.hpp"

#include <faultline/assert.hpp>
#include <faultline/raft/codec.hpp>
#include <faultline/raft/crc32c.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft::test {

void Disk::append(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    while (!log.empty() && log.back().index >= entry.index) log.pop_back();
    FL_ASSERT(log.empty() || log.back().index + 1 == entry.index);
    log.push_back(entry);
  }
}

void Disk::write(const SnapshotChunk& chunk) {
  if (chunk.offset == 0) {
    part = chunk.snapshot;
    part_bytes.clear();
  }
  FL_ASSERT(part == chunk.snapshot);
  FL_ASSERT(part_bytes.size() == chunk.offset);
  part_bytes += chunk.bytes;
}

void Disk::install(const Snapshot& taken, std::string bytes, bool keep_log) {
  snapshot = taken;
  snapshot_bytes = std::move(bytes);
  if (!keep_log) log.clear();
}

void Disk::drop_other_history() {
  if (!snapshot || log.empty()) return;
  if (log.back().index < snapshot->index) return log.clear();
  for (const Entry& entry : log) {
    if (entry.index == snapshot->index && entry.term != snapshot->term) return log.clear();
  }
}

LogIndex Disk::last() const {
  const LogIndex covered = snapshot ? snapshot->index : LogIndex{};
  return log.empty() ? covered : std::max(covered, log.back().index);
}

namespace {

void put(std::string& bytes, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

std::uint64_t get(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

}  // namespace

std::string snapshot_bytes(LogIndex applied, std::uint64_t hash, std::size_t padding) {
  std::string bytes;
  put(bytes, applied.value);
  put(bytes, hash);
  bytes.append(padding, static_cast<char>('a' + applied.value % 26));
  return bytes;
}

Node::Node(Options options, Rng rng, Instant now, Invariants& invariants)
    : options_(std::move(options)), invariants_(invariants) {
  start(now, rng);
}

void Node::start(Instant now, Rng rng) {
  durable_.drop_other_history();
  written_ = durable_;
  Stored stored{.hard_state = durable_.hard_state, .snapshot = durable_.snapshot};
  invariants_.restore_log(options_.id, durable_);
  applied_ = {};
  hash_ = 0;
  history_.clear();
  if (durable_.snapshot) {
    applied_ = LogIndex{get(durable_.snapshot_bytes, 0)};
    hash_ = get(durable_.snapshot_bytes, 8);
    FL_ASSERT(applied_ == durable_.snapshot->index);
    invariants_.check_snapshot(options_.id, applied_, hash_);
  }
  stored.entries = durable_.log;
  receiving_.clear();
  if (durable_.part) {
    receiving_ = durable_.part_bytes;
    stored.part = Stored::Part{*durable_.part, receiving_.size(), crc32c(receiving_)};
  }
  raft_ = std::make_unique<Raft>(options_, std::move(stored), rng, now);
  invariants_.check_state(raft_->status(), true);
}

void Node::collect(std::vector<Message>& outbox) {
  while (raft_->has_ready()) {
    const Status before = raft_->status();
    Ready ready = raft_->ready();
    invariants_.check_ready(before, ready);
    for (Message& message : ready.messages_now) {
      invariants_.check_sent(message, durable_);
      auto* chunk = std::get_if<SnapshotChunk>(&message.body);
      if (!chunk || fill(*chunk)) outbox.push_back(std::move(message));
    }
    ready.messages_now.clear();
    for (const SnapshotChunk& chunk : ready.chunks) {
      if (chunk.offset == 0) receiving_.clear();
      receiving_ += chunk.bytes;
    }
    if (ready.snapshot) {
      FL_ASSERT(crc32c(receiving_) == ready.snapshot->checksum);
      applied_ = LogIndex{get(receiving_, 0)};
      hash_ = get(receiving_, 8);
      FL_ASSERT(applied_ == ready.snapshot->index);
      invariants_.check_snapshot(options_.id, applied_, hash_);
    }
    for (const Entry& entry : ready.committed) apply(entry);
    ready.committed.clear();
    waiting_reads_.insert(waiting_reads_.end(), ready.reads.begin(), ready.reads.end());
    lost_.insert(lost_.end(), ready.lost_reads.begin(), ready.lost_reads.end());
    under_way_.push_back(std::move(ready));
  }
}

bool Node::finish_write(std::vector<Message>& outbox) {
  if (under_way_.empty()) return false;
  Ready ready = std::move(under_way_.front());
  under_way_.pop_front();
  persist(ready, ready.entries.size(), true);
  if (ready.must_sync) durable_ = written_;
  for (Message& message : ready.messages_after_persist) {
    invariants_.check_sent(message, durable_);
    outbox.push_back(std::move(message));
  }
  raft_->advance(ready.number);
  return true;
}

void Node::persist(const Ready& ready, std::size_t entries_kept, bool whole) {
  if (whole) {
    for (const SnapshotChunk& chunk : ready.chunks) written_.write(chunk);
    if (ready.snapshot) {
      FL_ASSERT(written_.part == ready.snapshot);
      written_.install(*ready.snapshot, std::exchange(written_.part_bytes, {}), false);
      written_.part.reset();
    }
  }
  if (ready.snapshot && !whole) return;
  written_.append({ready.entries.begin(), ready.entries.begin() + static_cast<std::ptrdiff_t>(entries_kept)});
  if (whole && ready.hard_state) written_.hard_state = *ready.hard_state;
}

void Node::apply(const Entry& entry) {
  FL_ASSERT(entry.index == applied_ + 1);
  applied_ = entry.index;
  for (const char c : entry.data) hash_ = mix64(hash_ ^ static_cast<unsigned char>(c)) + 1;
  hash_ = mix64(hash_ + entry.index.value);
  history_.push_back(entry);
  invariants_.check_applied(options_.id, entry, hash_);
}

void Node::lose_power(std::uint64_t kept) {
  // The last write that was synced is safe; of later ones a prefix is.
  for (const Ready& ready : under_way_) {
    const std::uint64_t entries = ready.entries.size();
    const bool whole = kept > entries;
    persist(ready, static_cast<std::size_t>(std::min(kept, entries)), whole);
    if (!whole) break;
    kept -= entries + 1;
  }
  if (kept > 0 || !under_way_.empty()) durable_ = written_;
  written_ = durable_;
  under_way_.clear();
  raft_.reset();
  old_snapshots_.clear();
  waiting_reads_.clear();
  lost_.clear();
}

void Node::restart(Instant now, Rng rng, std::uint64_t boot) {
  FL_ASSERT(!running());
  options_.boot = boot;
  start(now, rng);
}

void Node::wipe() {
  FL_ASSERT(!running());
  written_ = durable_ = {};
  options_.initial.clear();
  invariants_.forget(options_.id);
}

void Node::take_snapshot(std::size_t padding) {
  if (applied_ <= raft_->status().snapshot.index) return;
  for (const Ready& ready : under_way_) {
    if (ready.snapshot) return;  // the disk is about to become something else
  }
  Snapshot snapshot = raft_->describe(applied_);
  const std::string bytes = snapshot_bytes(applied_, hash_, padding);
  snapshot.size = bytes.size();
  snapshot.checksum = crc32c(bytes);
  if (written_.snapshot) old_snapshots_.emplace_back(*written_.snapshot, written_.snapshot_bytes);
  written_.install(snapshot, bytes, true);
  durable_ = written_;  // its own fsync
  raft_->snapshot_taken(snapshot);
  std::erase_if(written_.log,
                [&](const Entry& e) { return e.index < std::min(raft_->status().first, snapshot.index); });
  std::erase_if(old_snapshots_, [&](const auto& old) { return !raft_->needs(old.first); });
}

bool Node::fill(SnapshotChunk& chunk) const {
  const auto cut = [&](const std::string& bytes) {
    chunk.bytes = bytes.substr(chunk.offset, chunk.length);
    chunk.crc = crc32c(chunk.bytes);
    return true;
  };
  if (written_.snapshot == chunk.snapshot) return cut(written_.snapshot_bytes);
  for (const auto& [snapshot, bytes] : old_snapshots_) {
    if (snapshot == chunk.snapshot) return cut(bytes);
  }
  return false;
}

std::vector<std::pair<ReadState, LogIndex>> Node::take_answers() {
  std::vector<std::pair<ReadState, LogIndex>> answers;
  std::erase_if(waiting_reads_, [&](const ReadState& read) {
    if (read.index > applied_) return false;
    answers.emplace_back(read, applied_);
    return true;
  });
  return answers;
}

std::vector<ReadId> Node::take_lost() { return std::exchange(lost_, {}); }

}  // namespace faultline::raft::test
