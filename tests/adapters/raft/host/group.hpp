// A group of hosts in one thread: virtual time, frames that arrive after a millisecond unless cut, disks that are durable at once.
#pragma once

#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/host.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace faultline::raft {

class Group {
 public:
  struct Options {
    std::size_t nodes = 3;
    std::uint64_t seed = 1;
    ReadMode reads = ReadMode::index;
    std::uint64_t snapshot_entries = 0;
  };

  explicit Group(Options options);

  // Lets time pass until the condition holds; false if it does not within the limit.
  template <class Condition>
  bool until(Condition condition, Duration limit = std::chrono::seconds(20)) {
    const Instant end = now_ + limit;
    while (!condition()) {
      if (now_ >= end) return false;
      step();
    }
    return true;
  }
  void pass(Duration duration) {
    until([] { return false; }, duration);
  }

  [[nodiscard]] NodeId leader() const;  // that all nodes of a majority follow; 0: none
  NodeId await_leader();
  Host& host(NodeId id) { return *nodes_.at(id.value).host; }
  [[nodiscard]] Instant now() const { return now_; }

  RequestId submit(NodeId node, Request request);
  // The answer, waiting for it; fails the test if there is none.
  Answer ask(NodeId node, Request request, Duration limit = std::chrono::seconds(20));
  [[nodiscard]] const Answer* answer(NodeId node, RequestId id) const;

  [[nodiscard]] std::uint64_t jobs(NodeId node) const { return nodes_.at(node.value).jobs; }  // done by its disk
  // The text of the last event of this kind.
  [[nodiscard]] std::string told(NodeId node, const std::string& kind) { return nodes_.at(node.value).told[kind]; }

  void cut(NodeId node) { cut_.insert(node.value); }
  void heal() { cut_.clear(); }
  // Everything but what is durable is lost.
  void restart(NodeId node);
  void add(NodeId node);  // an empty node that waits to be added
  void lose_frames(std::uint64_t kind_index) { lost_kind_ = kind_index; }
  // Each frame of this kind comes once more, that much later.
  void repeat_frames(std::uint64_t kind_index, Duration later) {
    repeated_kind_ = kind_index;
    repeated_later_ = later;
  }

 private:
  struct Node {
    std::unique_ptr<Host> host;
    Stored disk;
    std::map<std::string, std::string> snapshots;  // bytes by label
    std::map<RequestId, Answer> answers;
    std::map<std::string, std::string> told;
    std::string part;
    std::uint64_t boots = 0;
    std::uint64_t jobs = 0;
  };
  struct Flight {
    Instant arrives;
    Frame frame;
  };

  void start(NodeId id, bool joins);
  void step();
  void turn(NodeId id);
  void fly(Flight flight);
  void persist(Node& node, const DiskJob& job);

  Options options_;
  Instant now_{};
  std::map<std::uint64_t, Node> nodes_;
  std::deque<Flight> flights_;
  std::set<std::uint64_t> cut_;
  std::uint64_t lost_kind_ = std::variant_size_v<Word>;
  std::uint64_t repeated_kind_ = UINT64_MAX;
  Duration repeated_later_{};
};

}  // namespace faultline::raft
