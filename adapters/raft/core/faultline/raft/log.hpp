// Log: the entries a node holds (in memory all of them, durable or not), what of it is committed, and the
// configurations in it.
//
//      base            commit        stable         emitted      last
//   ----|----------------|--------------|--------------|-----------|
//   in a snapshot only    ...            durable here   handed to   only here
//                                                       the host
//
// `stable` is what the host said is durable, `emitted` what it was given to make durable; commit may be beyond stable,
// never beyond last. Entries at or below base are gone; the newest snapshot covers them. A configuration is in force
// from the moment its entry is in the log, and no longer in force once it is cut (Raft §6).
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include <faultline/raft/types.hpp>

namespace faultline::raft {

class Log {
 public:
  // As a disk gave them back (core.hpp, Stored). REQUIRES: entries are contiguous, begin at or below snapshot.index +
  // 1, hold commit.
  Log(std::optional<Snapshot> snapshot, std::vector<Entry> entries, LogIndex commit);

  [[nodiscard]] LogIndex base() const { return base_; }
  [[nodiscard]] LogIndex first() const { return base_ + 1; }
  [[nodiscard]] LogIndex last() const { return base_ + entries_.size(); }
  [[nodiscard]] LogIndex commit() const { return commit_; }
  [[nodiscard]] LogIndex stable() const { return stable_; }
  [[nodiscard]] Term last_term() const { return *term_at(last()); }
  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }

  // Of the entry at `index`; nothing if it is beyond the log or compacted away. Index 0 and base have a term.
  [[nodiscard]] std::optional<Term> term_at(LogIndex index) const;
  [[nodiscard]] bool knows_term_at(LogIndex index) const { return index >= base_ && index <= last(); }
  // Whether this log agrees with a leader's up to (index, term): the check of Raft §5.3.
  [[nodiscard]] bool matches(LogIndex index, Term term) const;
  // Raft §5.4.1: whether a log that ends so is at least as good as this one, the term first.
  [[nodiscard]] bool is_up_to_date(LogIndex last_index, Term last_term) const;
  // The largest index <= `index` whose term is <= `term`; base at the least.
  [[nodiscard]] LogIndex last_not_after(LogIndex index, Term term) const;
  // Entries from `from` on, at least one if there is any, not more than `bytes` in all. REQUIRES: from >= first().
  [[nodiscard]] std::vector<Entry> slice(LogIndex from, std::uint64_t bytes) const;
  // REQUIRES: first() <= index <= last().
  [[nodiscard]] const Entry& at(LogIndex index) const;
  [[nodiscard]] std::uint64_t bytes_between(LogIndex after, LogIndex through) const;

  // At the leader: only ever appends (Raft §5.3, Leader Append-Only). REQUIRES: entry.index == last() + 1.
  void append(Entry entry);
  // At a follower: takes over entries that follow a matching prefix. An entry that is here already stays; only a
  // conflict cuts. REQUIRES: entries are contiguous, and matches(entries.front().index - 1, …).
  void merge(std::vector<Entry> entries);
  // Never lowers it. REQUIRES: index <= last().
  void commit_to(LogIndex index);

  // What the host has not been given yet, to be stored by the Ready of this number.
  [[nodiscard]] bool has_unemitted() const { return emitted_ < last(); }
  std::vector<Entry> emit(std::uint64_t number);
  // The Readys up to this number are durable.
  void persisted(std::uint64_t number);
  // Committed, emitted, and not handed out to be applied yet: at least one if there is any, not more than `bytes` in
  // all.
  [[nodiscard]] bool has_unapplied() const { return handed_ < std::min(commit_, emitted_); }
  std::vector<Entry> hand_out(std::uint64_t bytes);

  // Throws all entries away in favour of a snapshot. REQUIRES: commit() < snapshot.index, and it does not match.
  void restore(const Snapshot& snapshot);
  // A snapshot of this log is durable; keep `tail` entries up to it. REQUIRES: its index is committed.
  void compact(const Snapshot& snapshot, std::uint64_t tail);

  [[nodiscard]] const Config& config() const { return configs_.back().config; }
  // Counts the times that another one may have come into force.
  [[nodiscard]] std::uint64_t config_version() const { return config_version_; }
  [[nodiscard]] LogIndex config_index() const { return configs_.back().index; }
  // Whether the configuration in force is known to be committed.
  [[nodiscard]] bool config_committed() const { return config_index() <= commit_; }
  // In force at that index. REQUIRES: index >= base().
  [[nodiscard]] const Config& config_at(LogIndex index) const;

 private:
  struct Placed {
    LogIndex index;
    Config config;
  };
  struct Outstanding {
    std::uint64_t number;
    LogIndex through;  // what is durable once it is, unless a later Ready cut it
  };
  void truncate(LogIndex from);
  void note_config(const Entry& entry);

  std::deque<Entry> entries_;
  LogIndex base_;
  Term base_term_;
  LogIndex commit_, stable_, emitted_, handed_;
  Snapshot snapshot_;
  std::vector<Placed> configs_;  // the first is in force at base
  std::uint64_t config_version_ = 1;
  std::deque<Outstanding> outstanding_;
};

}  // namespace faultline::raft
