// Chronicle: what a reader of the Raft paper asks of a run that failed: by whose votes a leader leads and where its log ends, what it takes
// for committed and who has it too, what is overwritten, what a power loss took back.
//
// For the trace alone, and only made for runs that are traced: it draws nothing, and nothing it sees changes. One for all nodes of a run;
// one thread. It keeps the terms of all entries of a life, so its memory grows with the run.
#pragma once

#include <faultline/raft/host.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace faultline::raft::sim {

class Chronicle {
 public:
  // Each a note: "elected: n1 is leader in term 7; n4 and n5 voted for it; its log ends at 3/5".
  // Kinds: elected, commit, log. An entry is written index/term, which the first note says.
  std::vector<std::string> booted(NodeId node, const Stored& stored);
  // After the node's step, before its output is performed.
  std::vector<std::string> stepped(NodeId node, const Raft& raft, const Output& output);

 private:
  struct Node {
    std::map<LogIndex, Term> log;  // what it has handed to its disk; of what a snapshot covers nothing is known
    LogIndex commit;
    Term led;  // the last term that it led, and what was told of it
    bool told_commit = false, told_older_commit = false, told_append = false;
  };
  void note_votes(const Output& output);
  void note_log(NodeId id, Node& node, const Output& output, bool leads, std::vector<std::string>& notes);
  void note_commit(NodeId id, Node& node, const Raft& raft, std::vector<std::string>& notes) const;
  [[nodiscard]] std::string elected(NodeId id, const Node& node, const Raft& raft);

  bool told_notation_ = false;
  std::map<NodeId, Node> nodes_;
  std::map<std::pair<Term, NodeId>, std::set<NodeId>> votes_;  // by term and candidate
};

}  // namespace faultline::raft::sim
