// RoleWatch: a thread per node that looks which roles it takes, and tells a board of those that decisions wait for.
//
// Owner: LocalCluster. Where the system tells of its roles (RoleSource) none is missed; else nodes are asked again and again whether they
// lead: a leader that loses its office and has it back between two questions is seen once.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <faultline/live/events.hpp>

namespace faultline::live {

class RoleWatch {
 public:
  struct Node {
    NodeName name;
    std::function<bool()> enter;  // the thread, into the network; false: it cannot
    std::unique_ptr<RoleSource> source;
    Duration pause{};  // between two looks
  };

  RoleWatch(std::shared_ptr<EventBoard> board, std::vector<Node> nodes);
  ~RoleWatch();  // ends the threads; bounded by one look of theirs
  RoleWatch(const RoleWatch&) = delete;
  RoleWatch& operator=(const RoleWatch&) = delete;

 private:
  void look(const Node& node);
  void took(const NodeName& node, const std::string& role);

  std::shared_ptr<EventBoard> board_;
  std::vector<Node> nodes_;
  std::atomic<bool> ends_{false};
  std::mutex mutex_;                             // guards the next
  std::map<std::uint64_t, std::uint64_t> seen_;  // by decision: how often its role was taken
  std::vector<std::thread> threads_;
};

// Of a node that can only be asked whether it leads.
std::unique_ptr<RoleSource> make_leader_poll(std::function<bool()> leads);

}  // namespace faultline::live
