// Trace: how each living configuration came about, as a tree of the operations it placed, counted by reference.
//
// A node is one operation put at one place of the walk (moves.hpp). Branches whose configurations died are freed at
// once. What all living configurations share is cut off the root and appended to a plain list now and then, so the
// tree's size follows the window, not the history. Moves of one path are in the order of their making; one plan's are
// adjacent, the first says where.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "timeline.hpp"

namespace faultline::registers {

// Where in the walk a plan inserts. The limits and the arguments are in moves.hpp.
enum class Place : std::uint8_t {
  end,      // a cas chain after everything placed so far
  rewrite,  // a blind write after everything, then a chain
  gap,      // a blind write and a chain just before the last blind write
  tail,     // a chain where an episode was left before the blind write that follows it
  loop,     // a closed chain where the walk held a value
  more,     // continues the plan of the move before
};

struct Move {
  static constexpr std::uint32_t class_bit = 1U << 31;

  Time when = 0;           // the completion that called for it
  std::uint32_t what = 0;  // an operation, or class_bit | a class of open ones
  Place place = Place::end;
  ValueId value = 0;  // tail, loop: of the place
  Time limit = 0;     // tail, loop: of the place, canonical at `when`
};

class Trace {
 public:
  using Node = std::uint32_t;
  static constexpr Node root = 0;

  explicit Trace(bool recording) : recording_(recording) { nodes_.push_back({}); }

  // A new node that the caller holds one reference to; the reference to `parent` stays the caller's.
  Node append(Node parent, const Move& move) {
    if (!recording_) return root;
    Node node;
    if (free_ != none) {
      node = free_;
      free_ = nodes_[node].parent;
    } else {
      node = static_cast<Node>(nodes_.size());
      nodes_.emplace_back();
    }
    nodes_[node] = {move, parent, 1};
    hold(parent);
    ++living_;
    return node;
  }
  void hold(Node node) { ++nodes_[node].references; }
  void release(Node node) {
    while (node != root && --nodes_[node].references == 0) {
      const Node parent = nodes_[node].parent;
      nodes_[node].parent = free_;
      free_ = node;
      --living_;
      node = parent;
    }
  }

  // Every move from the beginning to `node`.
  [[nodiscard]] std::vector<Move> path(Node node) const;

  // Whether so many nodes have gathered since the last cut that looking for a shared beginning pays.
  [[nodiscard]] bool wants_cut() const { return living_ > cut_at_; }
  // Cuts off what all `leaves` share, unless the meter is spent before that is known. Every node held by anybody must
  // be among them.
  void cut(std::span<const Node> leaves, Meter& meter);

  // What all share counts twice: whoever asks for a path gets a copy.
  [[nodiscard]] std::uint64_t bytes() const {
    return nodes_.capacity() * sizeof(Entry) + 2 * shared_.size() * sizeof(Move);
  }
  // What the next plan may cost at once.
  [[nodiscard]] std::uint64_t growth() const {
    constexpr std::size_t longest = 256;  // of a plan
    return free_ == none && nodes_.size() + longest > nodes_.capacity() ? 2 * nodes_.capacity() * sizeof(Entry) : 0;
  }

 private:
  struct Entry {
    Move move;
    Node parent = none;
    std::uint32_t references = 0;
  };

  std::vector<Entry> nodes_;
  std::deque<Move> shared_;
  Node free_ = none;
  std::size_t living_ = 0;
  std::size_t cut_at_ = 4096;
  bool recording_;
};

}  // namespace faultline::registers
