// The reads a leader has yet to confirm (Raft §8, D §6.4), and those a follower has asked its leader about.
//
// A read waits first for a commit of the leader's own term, then gets (index, round): the commit index, and a heartbeat
// round begun after it arrived. Once a quorum has answered that round, or a later one, nobody else was leader when the
// read arrived. Rounds only grow, so the queue is confirmed from its front.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include <faultline/raft/types.hpp>
#include <faultline/time.hpp>

namespace faultline::raft {

struct ConfirmedRead {
  ReadId id;
  NodeId asked_by;  // this node, or a follower
  LogIndex index;
};

class ReadQueue {
 public:
  [[nodiscard]] std::size_t size() const { return without_round_.size() + with_round_.size(); }
  void add(ReadId id, NodeId asked_by) { without_round_.push_back({id, asked_by, {}}); }
  [[nodiscard]] bool needs_round() const { return !without_round_.empty(); }
  // REQUIRES: `round` has not begun to leave yet, and `commit` is that of a leader which committed in its own term.
  void assign(std::uint64_t round, LogIndex commit);
  // A quorum has answered this round.
  std::vector<ConfirmedRead> confirm(std::uint64_t round);
  // All of them, unconfirmed.
  std::vector<ConfirmedRead> clear();

 private:
  struct Waiting {
    ConfirmedRead read;
    std::uint64_t round;
  };
  std::vector<ConfirmedRead> without_round_;
  std::deque<Waiting> with_round_;
};

// By sequence; all of one node and one start.
class FollowerReads {
 public:
  [[nodiscard]] std::size_t size() const { return deadlines_.size(); }
  void add(ReadId id, Instant deadline) { deadlines_.emplace(id, deadline); }
  // Whether it was still waited for.
  bool take(ReadId id) { return deadlines_.erase(id) == 1; }
  std::vector<ReadId> expire(Instant now);
  std::vector<ReadId> clear();
  // REQUIRES: size() > 0. Deadlines grow with the sequence.
  [[nodiscard]] Instant next_deadline() const { return deadlines_.begin()->second; }

 private:
  std::map<ReadId, Instant> deadlines_;
};

}  // namespace faultline::raft
