#include "role_watch.hpp"

#include <utility>

namespace faultline::live {
namespace {

struct LeaderPoll final : RoleSource {
  explicit LeaderPoll(std::function<bool()> ask) : leads(std::move(ask)) {}
  std::vector<std::string> taken() override {
    const bool did = std::exchange(led, leads());
    if (led && !did) return {"leader"};
    return {};
  }
  std::function<bool()> leads;
  bool led = false;
};

}  // namespace

RoleWatch::RoleWatch(std::shared_ptr<EventBoard> board, std::vector<Node> nodes)
    : board_(std::move(board)), nodes_(std::move(nodes)) {
  for (const Node& node : nodes_) threads_.emplace_back([this, &node] { look(node); });
}

RoleWatch::~RoleWatch() {
  ends_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void RoleWatch::look(const Node& node) {
  if (node.enter && !node.enter()) return;
  while (!ends_) {
    for (const std::string& role : node.source->taken()) took(node.name, role);
    std::this_thread::sleep_for(node.pause);
  }
}

void RoleWatch::took(const NodeName& node, const std::string& role) {
  const std::lock_guard lock(mutex_);
  for (const EventBoard::Watched& each : board_->watched()) {
    const auto* trigger = std::get_if<RoleTrigger>(&each.trigger.what);
    if (trigger == nullptr || trigger->role != role || (!trigger->node.empty() && trigger->node != node)) continue;
    if (++seen_[each.decision] == trigger->nth) board_->happened(each.decision);
  }
}

std::unique_ptr<RoleSource> make_leader_poll(std::function<bool()> leads) {
  return std::make_unique<LeaderPoll>(std::move(leads));
}

}  // namespace faultline::live
