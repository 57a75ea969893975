// What must hold after every step of a simulated group, seen from outside all nodes, their disks, and a ghost log of
// whatever any node ever knew to be committed. A violation is recorded with its letters (ES, LA, LM, LC, SMS, MON, RD,
// CFG), never thrown.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/raft/core.hpp>

namespace faultline::raft::test {

struct Disk;

class Invariants {
 public:
  // A node went through one step, or began another life (`restarted`).
  void check_state(const Status& status, bool restarted = false);
  // What a life begins with.
  void restore_log(NodeId node, const Disk& disk);
  // What a Ready says before it is obeyed.
  void check_ready(const Status& status, const Ready& ready);
  // A message leaves while the disk holds this.
  void check_sent(const Message& message, const Disk& disk);
  // A node applied an entry, and its state has this hash now.
  void check_applied(NodeId node, const Entry& entry, std::uint64_t state_hash);
  void check_snapshot(NodeId node, LogIndex applied, std::uint64_t state_hash);
  // A linearizable read that began when the ghost commit index was `then` was answered at `answered`.
  void check_read(NodeId node, LogIndex then, LogIndex answered);
  // The node's past is gone on purpose: it was removed and wiped.
  void forget(NodeId node);

  [[nodiscard]] LogIndex ghost_commit() const { return ghost_.empty() ? LogIndex{} : ghost_.rbegin()->first; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_; }
  [[nodiscard]] std::uint64_t checks() const { return checks_; }

 private:
  using Position = std::pair<LogIndex, Term>;
  struct Committed {
    Term term;
    Term known_in;  // the lowest term of a node that knew
    std::string text;
  };
  struct Seen {
    Term term;
    NodeId vote;
    LogIndex commit;
    LogIndex applied;
    std::map<LogIndex, Term> log;  // as handed to its disk
  };
  void violated(const std::string& what);
  void check_leader(const Status& status);
  void check_config(const Entry& entry, const Seen& seen, LogIndex commit);
  void note_log(const Status& status, const std::vector<Entry>& entries);

  std::map<Term, NodeId> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  std::map<LogIndex, Committed> ghost_;
  std::map<Position, std::uint64_t> prefixes_;  // (index, term) -> hash of everything up to it
  std::map<LogIndex, std::uint64_t> states_;    // applied index -> hash of the state
  std::map<Position, Config> configs_;
  std::map<NodeId, Seen> nodes_;
  std::vector<std::string> violations_;
  std::uint64_t trace_ = 0;
  std::uint64_t checks_ = 0;
};

}  // namespace faultline::raft::test
