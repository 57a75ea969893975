// Trail: how each configuration came about, as a tree of placed items shared by all of them, in memory of the window's
// size.
//
// A node is one placed item after its parent. Nodes are counted: by their children and by the configurations that end
// there. What all configurations share is settled: written to the order and freed.
#pragma once

#include <cstdint>
#include <vector>

#include <faultline/event.hpp>

namespace faultline::search {

using TrailNode = std::uint32_t;

class Trail {
 public:
  Trail();

  [[nodiscard]] TrailNode root() const { return root_; }
  // A new node, held once by the caller; the parent stays held by whoever held it.
  TrailNode extend(TrailNode parent, std::uint32_t item);
  void hold(TrailNode node) { ++nodes_[node].holders; }
  void release(TrailNode node);

  // Items placed up to the node.
  [[nodiscard]] std::uint32_t depth(TrailNode node) const { return nodes_[node].depth; }
  // All items up to the node, in order.
  [[nodiscard]] std::vector<std::uint32_t> order(TrailNode node) const;

  // Call now and then with any held node: moves what all held nodes share to the settled order. Cheap unless much was
  // added.
  void settle(TrailNode held);

  [[nodiscard]] std::uint64_t bytes() const {
    return nodes_.capacity() * sizeof(Node) + (free_.capacity() + settled_.capacity()) * sizeof(std::uint32_t);
  }
  // What the next node may cost at once.
  [[nodiscard]] std::uint64_t growth() const {
    return free_.empty() && nodes_.size() == nodes_.capacity() ? nodes_.capacity() * 2 * sizeof(Node) : 0;
  }

 private:
  struct Node {
    TrailNode parent;
    std::uint32_t item;
    std::uint32_t holders;
    std::uint32_t depth;
  };

  std::vector<Node> nodes_;
  std::vector<TrailNode> free_;
  std::vector<std::uint32_t> settled_;
  TrailNode root_ = 0;
  std::size_t settle_at_ = 4096;
};

}  // namespace faultline::search
