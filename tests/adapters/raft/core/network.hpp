// A group of nodes in which nothing moves unless a test says so: time, messages, disks. Tests call the verbs directly
// or write them down as a script; whatever happens is told, line by line, in transcript().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "invariants.hpp"
#include "node.hpp"

namespace faultline::raft::test {

inline constexpr Duration T = std::chrono::milliseconds(1000);

class Network {
 public:
  // `founded`: the first boot is over, and its messages are not told.
  explicit Network(std::uint64_t nodes, Options options = {}, bool founded = true);

  Raft& raft(std::uint64_t id) { return node(id).raft(); }
  Node& node(std::uint64_t id) { return *nodes_.at(NodeId{id}); }
  Invariants& invariants() { return invariants_; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::size_t pending() const { return wire_.size(); }
  std::deque<Message>& wire() { return wire_; }
  // The one leader of the highest term; 0: none.
  [[nodiscard]] std::uint64_t leader();

  // A node that waits to be added.
  void add(std::uint64_t id);
  // Time passes for everybody, but nobody is told.
  void sleep(Duration duration) { now_ += duration; }
  // Time passes, and everybody is told, step by step, while messages flow.
  void run(Duration duration);
  void tick(std::uint64_t id);
  // Enough time passes that this node wants to be elected and that nobody is bound by a promise.
  void campaign(std::uint64_t id);
  // campaign() and settle(). REQUIRES: it wins.
  void elect(std::uint64_t id);
  void heartbeat(std::uint64_t id);
  Proposal propose(std::uint64_t id, const std::string& command);
  ReadTicket read(std::uint64_t id, ReadMode mode = ReadMode::index);
  Outcome transfer(std::uint64_t id, std::uint64_t target);
  Outcome change(std::uint64_t id, const std::vector<std::uint64_t>& voters,
                 const std::vector<std::uint64_t>& learners = {});
  void inject(const Message& message);

  // The messages between these two (0: any node) arrive, except those of the kinds to drop.
  void deliver(std::uint64_t from, std::uint64_t to, const std::set<std::string>& drop = {});
  // Everything arrives until nothing moves; false if that does not happen.
  bool settle();
  void drop_all() { wire_.clear(); }

  // What leaves `from` never reaches `to`.
  void cut(std::uint64_t from, std::uint64_t to) { cut_.insert({NodeId{from}, NodeId{to}}); }
  void isolate(std::uint64_t id);
  void partition(const std::vector<std::vector<std::uint64_t>>& sides);
  void heal() { cut_.clear(); }

  // A slow disk finishes a write only when told to.
  void slow_disk(std::uint64_t id) { slow_.insert(NodeId{id}); }
  void fast_disk(std::uint64_t id);
  void persist(std::uint64_t id);
  void power_loss(std::uint64_t id);
  void restart(std::uint64_t id);
  void wipe(std::uint64_t id);
  void snapshot(std::uint64_t id, std::size_t padding = 0);

  // "4/2 no-op, 5/2 x": the log as the disk has it, and what of it is committed.
  std::string log(std::uint64_t id);
  std::string state(std::uint64_t id);
  // The commands applied, in order: "x y".
  std::string applied(std::uint64_t id);

  struct Answer {
    ReadId id;
    LogIndex index;
  };
  const std::vector<Answer>& answers() const { return answers_; }
  const std::vector<ReadId>& lost() const { return lost_; }

  std::string take_transcript() { return std::exchange(transcript_, {}); }
  void tell(const std::string& line) { transcript_ += line + "\n"; }

 private:
  void after_step(Node& node);
  void arrive(const Message& message);

  Options options_;
  Invariants invariants_;
  Instant now_{};
  std::uint64_t boots_ = 0;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::deque<Message> wire_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::set<NodeId> slow_;
  std::vector<Answer> answers_;
  std::vector<ReadId> lost_;
  std::string transcript_;
};

}  // namespace faultline::raft::test
