// The dumb twin of the store: one vector of everything that ever happened, scanned from front to back for each question. Compaction
// only remembers its revision. Shares the request and reply types with the store, and nothing else.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <faultline/raft/kv/store.hpp>

namespace faultline::raft::kv {

class Twin {
 public:
  Reply apply(std::uint64_t index, const Command& command);
  std::variant<Failure, RangeReply> range(const Range& range) const;
  WatchPage watch(const Watch& watch) const;
  Revision revision() const { return revision_; }
  std::vector<Lease> leases() const;
  std::vector<std::string> lease_keys(LeaseId id) const;
  std::vector<Session> sessions() const;
  // How many changes a store may have to keep for a compaction at the last revision: those a client can still see.
  std::size_t visible() const;

 private:
  struct Change {
    Revision revision;
    bool deleted;
    KeyValue kv;
  };
  struct Client {
    Session session;
    std::optional<Reply> reply;
  };

  std::map<std::string, KeyValue> at(Revision revision) const;
  std::optional<KeyValue> find(const std::string& key) const;
  RangeReply read(const Range& range, Revision revision) const;
  bool holds(const Compare& compare) const;
  void choose(const Txn& txn, std::vector<bool>& choices) const;
  std::optional<Failure> refuse(const Txn& txn, const std::vector<bool>& choices, std::size_t& next) const;
  TxnReply run(const Txn& txn, const std::vector<bool>& choices, std::size_t& next);
  std::optional<Failure> refuse(const Put& put) const;
  PutReply put(const Put& put);
  DeleteReply erase(const DeleteRange& range);
  void end(LeaseId id);
  decltype(Reply::response) perform(const Command& command);
  Reply once(const Command& command);

  std::vector<Change> changes_;
  Revision revision_ = 1;
  Revision writing_ = 0;  // the revision of the entry under way, once it has changed something
  Revision compacted_ = -1;
  std::uint64_t index_ = 0;
  std::map<LeaseId, Lease> leases_;
  std::map<SessionId, Client> clients_;
};

}  // namespace faultline::raft::kv
