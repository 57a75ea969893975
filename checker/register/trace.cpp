#include "trace.hpp"

#include <algorithm>

namespace faultline::registers {

std::vector<Move> Trace::path(Node node) const {
  std::vector<Move> moves;
  std::size_t own = 0;
  for (Node n = node; n != root; n = nodes_[n].parent) ++own;
  moves.resize(shared_.size() + own);
  std::copy(shared_.begin(), shared_.end(), moves.begin());
  for (std::size_t at = moves.size(); node != root; node = nodes_[node].parent) moves[--at] = nodes_[node].move;
  return moves;
}

void Trace::cut(std::span<const Node> leaves, Meter& meter) {
  FL_ASSERT(!leaves.empty());
  if (!meter.may_hold_next(nodes_.size() * 2 * sizeof(std::uint32_t))) return;
  std::vector<Node> spine;  // from the first leaf up
  for (Node node = leaves[0]; node != root; node = nodes_[node].parent) spine.push_back(node);
  std::reverse(spine.begin(), spine.end());
  std::vector<std::uint32_t> depth(nodes_.size(), none);
  for (std::uint32_t i = 0; i < spine.size(); ++i) depth[spine[i]] = i;
  std::size_t shared = spine.size();
  std::vector<Node> seen;
  for (const Node leaf : leaves.subspan(1)) {
    Node node = leaf;
    seen.clear();
    while (node != root && depth[node] == none) {
      seen.push_back(node);
      node = nodes_[node].parent;
      if (meter.tick()) return;
    }
    const std::size_t meets = node == root ? 0 : depth[node] + std::size_t{1};
    shared = std::min(shared, meets);
    // Later walks may stop where this one has been: what they find there meets the spine at the same depth.
    if (node != root) {
      for (const Node passed : seen) depth[passed] = depth[node];
    }
  }
  // The last shared node becomes the first of the tree; those before it have no other child and go to the list.
  if (shared >= 2) {
    for (std::size_t i = 0; i + 1 < shared; ++i) shared_.push_back(nodes_[spine[i]].move);
    nodes_[spine[shared - 1]].parent = root;
    release(spine[shared - 2]);
  }
  cut_at_ = std::max<std::size_t>(4096, 2 * living_);
}

}  // namespace faultline::registers
