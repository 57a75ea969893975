// Snapshots and compaction: Raft §7, D §5.

#include <faultline/raft/core.hpp>

#include <faultline/assert.hpp>
#include <faultline/raft/crc32c.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft {

namespace {
constexpr std::size_t chunks_waiting_max = 16;  // between two Readys; a leader sends one at a time
}

void Raft::send_chunk(Progress& follower) {
  const Snapshot& snapshot = follower.snapshot();
  const std::uint64_t offset = follower.snapshot_offset();
  follower.sent_chunk();
  send(follower.member().id, follower.member().stay, term_,
       SnapshotChunk{.snapshot = snapshot,
                     .offset = offset,
                     .length = std::min(options_.snapshot_chunk_bytes, snapshot.size - offset),
                     .round = round_});
}

void Raft::handle(const Message& message, SnapshotChunk& chunk) {
  follow(message.from);
  note_stay(message);
  const Snapshot snapshot = chunk.snapshot;
  SnapshotReply answer{
      .index = snapshot.index, .snapshot_term = snapshot.term, .checksum = snapshot.checksum, .round = chunk.round};
  if (snapshot.config.empty() || snapshot.term > message.term || !snapshot.index) {
    ++counters_.messages_ignored;
    return;
  }
  if (snapshot.index <= log_.commit()) {  // older than what is known to be committed: nothing in it is news
    answer.installed = true;
  } else if (log_.matches(snapshot.index, snapshot.term)) {
    log_.commit_to(snapshot.index);  // all of it is in the log; what follows there stays (Raft §7)
    answer.installed = true;
  } else if (take_chunk(chunk)) {
    install(snapshot);
    answer.installed = true;
  }
  if (answer.installed && part_ && part_->snapshot.index <= log_.commit()) part_.reset();
  answer.wanted = answer.installed || !part_ ? 0 : part_->size;
  reply(message, answer);
}

// Adds the chunk to the part if it is the next one; whether the snapshot is complete.
bool Raft::take_chunk(SnapshotChunk& chunk) {
  const Snapshot& snapshot = chunk.snapshot;
  if (!part_ || part_->snapshot != snapshot) part_ = Stored::Part{.snapshot = snapshot};
  const bool fits = chunk.offset == part_->size && chunk.bytes.size() <= snapshot.size - chunk.offset &&
                    (!chunk.bytes.empty() || snapshot.size == 0) && chunk.bytes.size() == chunk.length;
  if (part_->size < snapshot.size || snapshot.size == 0) {
    if (!fits || chunks_.size() >= chunks_waiting_max || crc32c(chunk.bytes) != chunk.crc) {
      ++counters_.messages_ignored;
      return false;
    }
    part_->size += chunk.bytes.size();
    part_->checksum = crc32c(chunk.bytes, part_->checksum);
    chunks_.push_back(std::move(chunk));
  }
  if (part_->size < part_->snapshot.size) return false;
  if (part_->checksum == part_->snapshot.checksum) return true;
  part_.reset();  // the chunks are whole, so what was resumed is not: once more from the start
  return false;
}

void Raft::install(const Snapshot& snapshot) {
  log_.restore(snapshot);
  snapshot_to_install_ = snapshot;
  part_.reset();
  ++counters_.snapshots_installed;
}

void Raft::handle(const Message& message, SnapshotReply& answer) {
  Progress* follower = follower_of(message);
  if (!follower) return;
  if (answer.round > round_ || answer.round < follower->since()) {
    ++counters_.messages_ignored;
    return;
  }
  follower->heard_from(now_, answer.round);
  confirm_rounds();
  if (follower->flow() != Flow::snapshot) return;
  const Snapshot& snapshot = follower->snapshot();
  if (answer.index != snapshot.index || answer.snapshot_term != snapshot.term || answer.checksum != snapshot.checksum)
    return;
  if (answer.installed) {
    follower->installed();
    advance_commit();
  } else if (answer.wanted <= snapshot.size) {
    follower->wants_chunk(answer.wanted, answer.round, round_);
  }
}

Snapshot Raft::describe(LogIndex applied) const {
  FL_ASSERT(applied <= log_.commit());
  const std::optional<Term> term = log_.term_at(applied);
  FL_ASSERT(term.has_value());
  return {.index = applied, .term = *term, .config = log_.config_at(applied)};
}

void Raft::snapshot_taken(const Snapshot& snapshot) {
  log_.compact(snapshot, options_.compaction_tail);
  is_fed_ = false;
}

bool Raft::needs(const Snapshot& snapshot) const {
  if (snapshot == log_.snapshot()) return true;
  return std::any_of(followers_.begin(), followers_.end(), [&](const auto& entry) {
    return entry.second.flow() == Flow::snapshot && entry.second.snapshot() == snapshot;
  });
}

}  // namespace faultline::raft
