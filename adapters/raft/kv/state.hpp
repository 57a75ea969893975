// The inside of a Store: what apply() changes and the questions read. One owner, as the Store.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/raft/kv/store.hpp>

#include "history.hpp"

namespace faultline::raft::kv {

// What a record takes in a snapshot beside its key and value.
inline constexpr std::uint64_t record_head_bytes = 48;

inline std::uint64_t snapshot_bytes(const Record& record) {
  return record_head_bytes + record.key.size() + record.value.size();
}
StateHash hash_of(const Record& record);
StateHash hash_of(const Lease& lease);
StateHash hash_of(const Session& session, std::string_view reply);

// Sums of hashes: the order in which things came and went does not matter.
inline void add(StateHash& sum, const StateHash& part) {
  sum.high += part.high;
  sum.low += part.low;
}
inline void subtract(StateHash& sum, const StateHash& part) {
  sum.high -= part.high;
  sum.low -= part.low;
}

bool in_range(std::string_view key, std::string_view first, std::string_view range_end);

KeyValue to_kv(const Record& record);

// The kept records of one key, oldest first. Compaction takes them away in front.
class Chain {
 public:
  void push(RecordPtr record) { records_.push_back(std::move(record)); }
  void pop_front();
  [[nodiscard]] std::size_t size() const { return records_.size() - first_; }
  [[nodiscard]] const Record& operator[](std::size_t i) const { return *records_[first_ + i]; }
  [[nodiscard]] const Record& newest() const { return *records_.back(); }
  // The newest at or below the revision; null if there is none.
  [[nodiscard]] const Record* at(Revision revision) const;

 private:
  std::vector<RecordPtr> records_;
  std::size_t first_ = 0;
};

struct LeaseState {
  Lease lease;
  std::set<std::string> keys;
};

struct SessionState {
  Session session;
  std::shared_ptr<const std::string> reply;  // to its last command, encoded; null: none yet
};

struct Store::State {
  using Keys = std::map<std::string, Chain, std::less<>>;

  LogIndex applied;
  Revision revision = 1;
  Revision compacted = -1;  // etcd's: revision 0 may be compacted once
  // Compaction's unfinished work: the records from here up to the compact revision have not been looked at.
  Moment sweep;
  Keys keys;
  History history;
  std::map<LeaseId, LeaseState> leases;
  std::map<SessionId, SessionState> sessions;
  StateHash sum;  // of all records, leases and sessions
  std::uint64_t record_bytes = 0;
  std::uint32_t sub = 0;  // changes of the entry being applied

  // -- The entry being applied (apply.cpp) --
  Reply answer(const Command& command);
  Reply perform(const Command& command);

  // -- Keys (keys.cpp). While an entry is applied, `now()` sees its own changes. --
  [[nodiscard]] Revision now() const { return revision + (sub > 0 ? 1 : 0); }
  [[nodiscard]] const Record* find(std::string_view key, Revision at) const;  // null: absent or deleted
  void write(Record record);                                                  // fills main and sub
  void erase(std::string_view key);
  void insert(Chain& chain, RecordPtr record);  // also of a snapshot
  void attach(const std::string& key, LeaseId from, LeaseId to);
  // REQUIRES: at >= compacted.
  [[nodiscard]] RangeReply read(const Range& range, Revision at) const;
  // The live keys of a range, in order, as of now().
  [[nodiscard]] std::vector<const Record*> live(std::string_view key, std::string_view range_end) const;
  [[nodiscard]] std::optional<Failure> check_revision(Revision at) const;

  // -- Compaction (sweep.cpp) --
  void compact(Revision at);
  void sweep_some(std::size_t steps);
  [[nodiscard]] StateHash hash() const;

 private:
  Reply failed(Failure failure) const { return {revision, std::move(failure)}; }
  std::optional<Failure> check_put(const Put& put) const;
  PutReply put(const Put& put);
  DeleteReply delete_range(const DeleteRange& range);
  decltype(Reply::response) perform(const Put& put);
  decltype(Reply::response) perform(const DeleteRange& range);
  decltype(Reply::response) perform(const Txn& txn);
  decltype(Reply::response) perform(const Compaction& compaction);
  decltype(Reply::response) perform(const LeaseGrant& grant);
  decltype(Reply::response) perform(const LeaseRevoke& revoke);
  decltype(Reply::response) perform(const LeaseKeepalive& keepalive);
  decltype(Reply::response) perform(const LeaseExpire& expire);
  decltype(Reply::response) perform(const SessionOpen& open);
  decltype(Reply::response) perform(const SessionExpire& expire);
  void end_lease(LeaseId id);

  // The branch each transaction takes, outermost first, in the order they stand; decided before anything is written.
  struct Path;
  bool holds(const Compare& compare) const;
  void decide(const Txn& txn, Path& path) const;
  std::optional<Failure> check_path(const Txn& txn, Path& path) const;
  TxnReply run(const Txn& txn, Path& path);

  std::size_t trim(std::string_view key, std::size_t steps);
  void forget(const Record& record);
};

}  // namespace faultline::raft::kv
