// A host of one Raft for tests: a disk that forgets what was not synced, a state machine that is a running hash,
// nothing else.
//
// The caller decides when a write reaches the disk and when messages travel. A Ready that is not on disk yet is "under
// way"; a power loss may keep any prefix of what is under way. Every observable step is told to the Invariants.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/raft/core.hpp>

#include "invariants.hpp"

namespace faultline::raft::test {

// What a disk holds: the records in the order they were written, already folded.
struct Disk {
  HardState hard_state;
  std::optional<Snapshot> snapshot;
  std::string snapshot_bytes;
  std::vector<Entry> log;  // contiguous; may begin before the snapshot's end
  std::optional<Snapshot> part;
  std::string part_bytes;

  void append(const std::vector<Entry>& entries);
  void write(const SnapshotChunk& chunk);
  void install(const Snapshot& taken, std::string bytes, bool keep_log);
  // Recovery: a snapshot that became durable before the log it covers replaces that log.
  void drop_other_history();
  [[nodiscard]] LogIndex last() const;
};

// The bytes of a snapshot: what was applied, then padding, so that it has many chunks.
std::string snapshot_bytes(LogIndex applied, std::uint64_t hash, std::size_t padding);

class Node {
 public:
  struct Applied {
    Entry entry;
    std::uint64_t hash;
  };

  Node(Options options, Rng rng, Instant now, Invariants& invariants);

  [[nodiscard]] NodeId id() const { return options_.id; }
  [[nodiscard]] bool running() const { return raft_ != nullptr; }
  // REQUIRES: running().
  Raft& raft() { return *raft_; }
  [[nodiscard]] const Disk& disk() const { return durable_; }
  [[nodiscard]] LogIndex applied() const { return applied_; }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] const std::vector<Entry>& history() const { return history_; }  // commands and all applied in this life

  // Takes everything that is ready: messages that may leave at once go to `outbox`, the rest is under way to the disk.
  void collect(std::vector<Message>& outbox);
  // The oldest write under way reaches the disk; what waited for it goes to `outbox`. Whether there was one.
  bool finish_write(std::vector<Message>& outbox);
  [[nodiscard]] std::size_t writes_under_way() const { return under_way_.size(); }

  // Power fails: of the writes under way the first `kept` entries survive. Everything in memory is gone.
  void lose_power(std::uint64_t kept);
  void restart(Instant now, Rng rng, std::uint64_t boot);
  // The disk is replaced by an empty one; the node waits to be added again.
  void wipe();

  void take_snapshot(std::size_t padding);
  // Fills in the bytes of a chunk this node sends; false if it no longer has that snapshot.
  bool fill(SnapshotChunk& chunk) const;

  // Reads confirmed and applied, with the index each was answered at; reads lost.
  std::vector<std::pair<ReadState, LogIndex>> take_answers();
  std::vector<ReadId> take_lost();

 private:
  void persist(const Ready& ready, std::size_t entries_kept, bool whole);
  void apply(const Entry& entry);
  void start(Instant now, Rng rng);

  Options options_;
  Invariants& invariants_;
  std::unique_ptr<Raft> raft_;
  Disk written_, durable_;
  std::deque<Ready> under_way_;
  std::deque<std::pair<Snapshot, std::string>> old_snapshots_;  // still being sent
  std::string receiving_;                                       // the part as it is in memory
  LogIndex applied_;
  std::uint64_t hash_ = 0;
  std::vector<Entry> history_;
  std::vector<ReadState> waiting_reads_;
  std::vector<ReadId> lost_;
};

}  // namespace faultline::raft::test
