#include "trail.hpp"

#include <faultline/assert.hpp>

#include <algorithm>

namespace faultline::search {

Trail::Trail() : nodes_{{.parent = none, .item = none, .holders = 1, .depth = 0}} {}

TrailNode Trail::extend(TrailNode parent, std::uint32_t item) {
  const Node node{.parent = parent, .item = item, .holders = 1, .depth = nodes_[parent].depth + 1};
  ++nodes_[parent].holders;
  if (free_.empty()) {
    nodes_.push_back(node);
    return static_cast<TrailNode>(nodes_.size() - 1);
  }
  const TrailNode id = free_.back();
  free_.pop_back();
  nodes_[id] = node;
  return id;
}

void Trail::release(TrailNode node) {
  while (--nodes_[node].holders == 0) {
    FL_ASSERT(node != root_);  // the root holds itself
    free_.push_back(node);
    node = nodes_[node].parent;
  }
}

std::vector<std::uint32_t> Trail::order(TrailNode node) const {
  std::vector<std::uint32_t> order = settled_;
  for (; node != root_; node = nodes_[node].parent) order.push_back(nodes_[node].item);
  std::reverse(order.begin() + static_cast<std::ptrdiff_t>(settled_.size()), order.end());
  return order;
}

void Trail::settle(TrailNode held) {
  if (nodes_.size() - free_.size() < settle_at_) return;
  std::vector<TrailNode> path;
  for (TrailNode node = held; node != root_; node = nodes_[node].parent) path.push_back(node);
  // The root is held by itself and by its children; with one child and nobody else's interest it gives way to that
  // child, which takes over holding itself.
  while (!path.empty() && nodes_[root_].holders == 2) {
    const TrailNode child = path.back();
    path.pop_back();
    settled_.push_back(nodes_[child].item);
    free_.push_back(root_);
    root_ = child;
    ++nodes_[root_].holders;
  }
  settle_at_ = 4096 + 2 * (nodes_.size() - free_.size());
}

}  // namespace faultline::search
