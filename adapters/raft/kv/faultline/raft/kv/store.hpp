// Store: the replicated state machine. Keys with their history, leases, locks and client sessions; a pure function of the entries
// applied, in order. No clock, no randomness, no I/O.
//
// How a host uses it
//   write      check(command) refuses what no log should carry; encode it, propose it, and when the entry is committed apply() it.
//              The Reply is the answer. Apply every entry in order: commands with apply(), all others with skip().
//   read       once the read may be answered (ReadIndex, lease, …) ask range(). It never goes through the log.
//   watch      keep a revision per watcher; call watch() when revision() has moved on. It returns whole revisions, each once, and
//              where to continue; a slow watcher only reads further back.
//   lease      the leader counts down `ttl` seconds on its own monotonic clock from the moment it applied the renewal, then proposes
//              LeaseExpire{id, renewal}. Every LeaseReply tells it what to start or drop; a new leader starts all of leases() anew
//              at their full ttl, so a lease may live longer than its TTL, never shorter. Time to live is the host's to answer.
//   session    opened by SessionOpen; its id is the entry's index. The leader proposes SessionExpire{id, last_used} for those of
//              sessions() that were idle too long.
//   lock       lock.hpp.
//   snapshot   view() is a frozen copy in constant time per 256 records; another thread may turn it into bytes while the store goes
//              on (snapshot.hpp).
//
// History. Every change of a key is a Record, kept in order of revision and per key; compaction hides what lies below its revision
// at once and sweeps it away in bounded steps, a few with each later entry, so that no entry takes long. The sweep depends on nothing
// but the entries applied, so it is part of the state: equal logs give equal hash() and equal snapshots.
//
// Cost: put and point read are O(log keys); range O(log keys + keys in the range), since `count` counts them all; watch O(records
// since). Revisions are kept until compacted, as in etcd.
//
// Thread rules: one owner; a View may be read and destroyed on any thread.
#pragma once

#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/kv/command.hpp>
#include <faultline/raft/types.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace faultline::raft::kv {

inline constexpr std::int64_t lease_ttl_min = 2;              // seconds; etcd's for an election timeout of 1 s
inline constexpr std::int64_t lease_ttl_max = 9'000'000'000;  // etcd's
inline constexpr std::size_t sessions_max = 100'000;

// Why the command must not be proposed, as far as the command alone tells; apply() checks the same again.
std::optional<Failure> check(const Command& command);
std::optional<Failure> check(const Range& range);

struct Lease {
  LeaseId id = no_lease;
  std::int64_t ttl = 0;       // granted, seconds
  std::uint64_t renewal = 0;  // the entry that granted or renewed it last

  friend bool operator==(const Lease&, const Lease&) = default;
};

struct Session {
  SessionId id{0};
  std::uint64_t last_used = 0;  // the entry of its last command
  std::uint64_t sequence = 0;   // of that command; 0: none yet

  friend bool operator==(const Session&, const Session&) = default;
};

// 128 bits over everything a client can see and everything later entries depend on.
struct StateHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const StateHash&, const StateHash&) = default;
};

struct WatchEvent {
  bool deleted = false;
  KeyValue kv;                      // of a delete: key and mod_revision only
  std::optional<KeyValue> prev_kv;  // if asked for, if there was one, and if it is not compacted

  friend bool operator==(const WatchEvent&, const WatchEvent&) = default;
};

struct Watch {
  std::string key;
  std::string range_end;
  Revision start_revision = 1;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  std::size_t records_max = 10'000;  // to look at in one call, rounded up to a whole revision
};

struct WatchPage {
  struct Batch {
    Revision revision = 0;
    std::vector<WatchEvent> events;  // in the order they were applied
  };
  std::optional<Revision> compacted;  // start_revision lies below this, the compact revision: nothing can be said
  std::vector<Batch> batches;         // ascending; revisions without a matching event are left out
  Revision next = 0;                  // start_revision of the next call; above revision() when nothing is left
};

// One change of one key. Immutable and shared by the indexes and by views on other threads.
struct Record {
  Revision main = 0;      // the entry's revision
  std::uint32_t sub = 0;  // its place in the entry
  bool tombstone = false;
  Revision create = 0;
  std::int64_t version = 0;
  LeaseId lease = no_lease;
  std::string key;
  std::string value;
};
using RecordPtr = std::shared_ptr<const Record>;

class View;

class Store {
 public:
  Store();
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  // REQUIRES: index is the one after applied(). Bytes that are no command fail with code 13 and change nothing.
  Reply apply(LogIndex index, std::string_view command);
  Reply apply(LogIndex index, const Command& command);
  // A no-op or configuration entry.
  void skip(LogIndex index);

  [[nodiscard]] LogIndex applied() const;
  [[nodiscard]] Revision revision() const;
  [[nodiscard]] Revision compacted() const;  // 0 if never
  [[nodiscard]] StateHash hash() const;
  [[nodiscard]] std::uint64_t record_count() const;
  [[nodiscard]] std::uint64_t record_bytes() const;  // what the records take in a snapshot

  [[nodiscard]] std::variant<Failure, RangeReply> range(const Range& range) const;
  [[nodiscard]] WatchPage watch(const Watch& watch) const;

  [[nodiscard]] std::optional<Lease> lease(LeaseId id) const;
  [[nodiscard]] std::vector<Lease> leases() const;                      // by id
  [[nodiscard]] std::vector<std::string> lease_keys(LeaseId id) const;  // sorted
  [[nodiscard]] std::vector<Session> sessions() const;                  // by id

  [[nodiscard]] View view();

  struct State;  // the room's own

 private:
  friend class Importer;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace faultline::raft::kv
