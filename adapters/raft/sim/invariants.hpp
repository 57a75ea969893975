// Invariants: what must hold after every step of a simulated group, seen from outside all nodes, their disks and a ghost log.
//
//   ES   election safety: one leader per term, ever                                                              Raft §5.2
//   LA   a leader only appends to its log                                                                        §5.3
//   LM   log matching: the same (index, term) has the same past in all logs that ever were                       §5.3
//   LC   leader completeness: a leader of term t holds all that was known committed in terms below t             §5.4
//   SMS  no two nodes take different entries of an index for committed                                           §5.4.3
//   MON  within a life term, commit and applied index never fall; one vote per term, ever (but check_vote); commit <= last; what was durable is back
//        after a restart; nothing is sent that needs the disk before the disk has it                             Figure 2
//   D    equal applied index, equal state (keys, leases, sessions), also of snapshots
//   RD   a linearizable read shows at least what was known committed when it arrived                             §8
//   AP   every reply is the model's, run over the committed log; every command in it was asked for; one (session, sequence) acts once
//   CFG  quorums of consecutive configurations meet; one change at a time, after a commit of the leader's own term; a node acts under
//        the last configuration of its log, and under no other                                                   §6, D §4.1
//   CQ   what a leader takes for committed is on the disks of a majority of each set of voters, or the next leader may lack it  §5.3
//
// The observer calls in the order things happen: booted, then of each step emitted (for every job), sent (for every message that matters),
// persisted, stepped. Cost: constant per step, plus hashing of each entry once per node that writes it.
//
// Findings are kept, not thrown: at most findings_max. Nothing here trusts the system under test: it may be broken on purpose.
#pragma once

#include <faultline/raft/host.hpp>
#include <faultline/raft/keeper.hpp>
#include <faultline/sim/system.hpp>

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ghost_log.hpp"
#include "probes.hpp"

namespace faultline::raft::sim {

using Finding = faultline::sim::Violation;

// What a life begins with.
struct Birth {
  bool fsync = true;    // else nothing is ever durable
  bool rotten = false;  // the disk was damaged at some time: see lost_last_sync()
  bool joins = false;
};

// What a node is, as far as it shows at once.
struct NodeState {
  Term term;
  LogIndex commit;
  bool leads = false;
  const Config* config = nullptr;    // in force
  std::uint64_t config_version = 0;  // another one whenever the configuration may be; 0: unknown
};
inline NodeState state_of(const Raft& raft) {
  return {raft.term(), raft.commit(), raft.is_leader(), &raft.config(), raft.config_version()};
}

class Invariants {
 public:
  static constexpr std::size_t findings_max = 20;

  explicit Invariants(Probes& probes);

  // --- lives ----------------------------------------------------------------------------------------------------------------------
  void booted(NodeId node, std::uint64_t boot, const Stored& stored, const kv::Store& store, const Birth& birth);
  void ended(NodeId node);

  // --- steps ----------------------------------------------------------------------------------------------------------------------
  // A node goes through one step: what it writes, what it says, and what it is afterwards.
  void emitted(NodeId node, const NodeState& state, const DiskJob& job);
  void sent(const Message& message);
  // All jobs up to this number are done, with one sync if `synced`.
  void persisted(NodeId node, std::uint64_t number, bool synced);
  void stepped(NodeId node, const NodeState& state, const kv::Store& store);

  // --- clients ----------------------------------------------------------------------------------------------------------------------
  void asked(NodeId node, const kv::Command& command);
  void answered(NodeId node, const kv::Command& command, const kv::Reply& reply);
  void answered_read(NodeId node, LogIndex committed_when_asked, LogIndex applied);

  [[nodiscard]] const GhostLog& ghost() const { return ghost_; }
  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  // Not empty: a disk lost what it had in its last sync, and its node could not know ("rot inside the last synced batch looks torn"). What
  // follows proves nothing.
  [[nodiscard]] const std::string& lost_last_sync() const { return lost_last_sync_; }
  void mix(faultline::sim::Hash& hash) const;

 private:
  struct Slot {
    Term term;
    std::uint64_t chain = 0;
  };
  // A node's log as handed to its disk.
  struct LogView {
    LogIndex base;  // covered by a snapshot
    Slot at_base;
    std::deque<Slot> slots;
    std::deque<LogIndex> configs;  // where configurations are
    [[nodiscard]] LogIndex last() const { return base + slots.size(); }
    [[nodiscard]] const Slot* at(LogIndex index) const;
    void cut(LogIndex first);
  };
  // What has been, or will be, durable once a job is done.
  struct Promise {
    std::uint64_t number = 0;
    Term term;
    NodeId vote;
    LogIndex last;
    Slot at_last;
    LogIndex cut_from;  // the first index that this job rewrites; 0: none
  };
  // The lives of voter and candidate are counted by the wipes before them.
  struct Vote {
    NodeId choice;
    std::uint32_t voters_life = 0, choices_life = 0;
  };
  struct Asked {
    std::uint32_t outstanding = 0;
    std::vector<kv::Reply> replies;  // of the ghost, not given out yet
  };
  struct Node {
    bool alive = false;
    std::uint64_t boot = 0;
    bool fsync = true;
    Term term;
    LogIndex commit, applied;
    bool leads = false;
    bool rotten = false;       // its disk was damaged once
    bool new_members = false;  // in this step its log got, or lost, a configuration
    Config counted_by;         // the configuration in force when the last step ended
    std::uint64_t counted_version = 0;
    LogView log;
    std::deque<Promise> synced;                      // as of the last syncs, the newest last; never empty while alive
    std::deque<Promise> jobs;                        // handed to the disk, not synced
    std::unordered_map<std::uint64_t, Asked> asked;  // by hash of the command
  };

  void found(const char* detector, std::string sentence);
  Node& node(NodeId id);
  void note_entries(NodeId id, Node& node, const NodeState& state, const std::vector<Entry>& entries);
  void check_config(NodeId id, const Node& node, const NodeState& state, const Entry& entry);
  void check_leader(NodeId id, Term term);
  void check_completeness(NodeId id, const Node& node, Term term);
  void check_commit(NodeId id, Node& node, LogIndex commit, Term term);
  void check_members(NodeId id, const Node& node, const NodeState& state);
  void check_quorum(NodeId id, const Node& node, const NodeState& state);
  [[nodiscard]] bool on_majority(const std::vector<Member>& voters, LogIndex index, const Slot& slot) const;
  void check_state(NodeId id, const kv::Store& store, const char* when);
  void check_vote(NodeId voter, Term term, NodeId choice);
  void check_promise(const Message& message);
  void check_revival(NodeId id, const Node& node, const Stored& stored, const Birth& birth);
  void revive_log(NodeId id, Node& node, const Stored& stored);
  void hear(const Entry& entry, const kv::Command* command, const kv::Reply& reply);

  Probes& probes_;
  GhostLog ghost_;
  std::vector<Node> nodes_;  // by id - 1
  std::map<Term, NodeId> leaders_;
  std::pair<Term, NodeId> last_leader_;  // the last one looked up
  std::map<std::pair<Term, NodeId>, Vote> votes_;
  std::map<NodeId, std::uint32_t> wipes_;  // how often each came back with nothing
  std::map<std::pair<LogIndex, Term>, Config> configs_;
  std::unordered_map<std::uint64_t, std::pair<std::uint64_t, kv::Reply>> sessions_;  // last sequence and reply of each
  std::vector<Finding> findings_;
  std::string lost_last_sync_;
};

}  // namespace faultline::raft::sim
