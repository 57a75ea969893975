// The event queue: what is still to happen, in the order of (time, sequence number). Items stay where they are from push() to release();
// the heap moves 16-byte keys, which compare as one integer.
#pragma once

#include <faultline/assert.hpp>
#include <faultline/sim/work.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace faultline::sim {

using Ticks = std::int64_t;  // true time in nanoseconds since the run began
inline constexpr Ticks never = INT64_MAX;

struct Item {
  enum class Kind : std::uint8_t {
    frame,         // at node, from peer, `number`: the boot it was sent to, `link`
    request,       // at node, from client peer, connection `number`
    closed,        // the same
    reply,         // at client peer, from node, connection `number`
    refused,       // the same
    broken,        // the same
    wake,          // of a node's boot `number`
    work,          // the same
    release,       // of a node: what was held back goes on
    client_start,  // of client peer
    client_wake,   // the same
    client_limit,  // the same; `id`: the operation
    nemesis,       // the next event asked of process -1
    clog_begin,    // of the active fault `id`, its clog `number`
    clog_end,
    decision_begin,  // of the watched schedule, by position `id`
    decision_end,
    members,  // the change of members under way goes on
    retire,   // a node that was removed is shut down
    restart   // the rolling restart that is the active fault `id` goes on
  };
  Kind kind = Kind::wake;
  bool has_arrived = false;  // at its node, which held it back
  std::uint32_t node = 0;
  std::uint32_t peer = 0;
  std::uint32_t number = 0;
  std::uint32_t link = 0;
  std::uint64_t id = 0;
  std::string bytes;
  Work work;
};

class EventQueue {
 public:
  [[nodiscard]] bool is_empty() const { return heap_.empty(); }
  [[nodiscard]] Ticks next_time() const { return heap_.empty() ? never : static_cast<Ticks>(heap_.front() >> 64); }

  void push(Ticks time, Item&& item) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = size_++;
      FL_ASSERT(slot < most_slots);
      if (slot % chunk_size == 0) chunks_.push_back(std::make_unique<Chunk>());
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    at(slot) = std::move(item);
    FL_ASSERT(time >= 0);
    heap_.emplace_back();
    rise(heap_.size() - 1, key_of(time, sequence_++, slot));
  }

  // Takes the next one out of the order. Its item, at(slot), stays until release(). REQUIRES: !is_empty().
  std::uint32_t pop() {
    FL_ASSERT(!heap_.empty());
    const auto slot = static_cast<std::uint32_t>(heap_.front()) & (most_slots - 1);
    const Key last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sink(last);
    return slot;
  }
  [[nodiscard]] Item& at(std::uint32_t slot) { return (*chunks_[slot / chunk_size])[slot % chunk_size]; }
  void release(std::uint32_t slot) {
    at(slot).work = Work();
    free_.push_back(slot);
  }

  // Ends the closures of a node's background work; their items stay, empty.
  void forget_work(std::uint32_t node) {
    for (std::uint32_t slot = 0; slot < size_; ++slot) {
      Item& item = at(slot);
      if (item.kind == Item::Kind::work && item.node == node) item.work = Work();
    }
  }

 private:
  // From the top: 64 bits of time, 42 of the sequence number, 22 of the slot, which two keys never need to tell them apart.
  __extension__ using Key = unsigned __int128;
  static constexpr unsigned slot_bits = 22;
  static constexpr std::uint32_t most_slots = 1U << slot_bits;
  static Key key_of(Ticks time, std::uint64_t sequence, std::uint32_t slot) {
    return static_cast<Key>(static_cast<std::uint64_t>(time)) << 64 | sequence << slot_bits | slot;
  }
  static constexpr std::size_t fan = 4;

  void rise(std::size_t at, Key key) {
    while (at > 0) {
      const std::size_t parent = (at - 1) / fan;
      if (heap_[parent] < key) break;
      heap_[at] = heap_[parent];
      at = parent;
    }
    heap_[at] = key;
  }
  // The hole at the top goes all the way down, for the last key mostly belongs there; then the key rises from it.
  void sink(Key key) {
    const std::size_t size = heap_.size();
    std::size_t at = 0;
    for (std::size_t first = 1; first < size; first = at * fan + 1) {
      std::size_t least = first;
      const std::size_t end = first + fan < size ? first + fan : size;
      for (std::size_t child = first + 1; child < end; ++child) {
        least = heap_[child] < heap_[least] ? child : least;
      }
      heap_[at] = heap_[least];
      at = least;
    }
    rise(at, key);
  }

  static constexpr std::uint32_t chunk_size = 256;
  using Chunk = std::array<Item, chunk_size>;

  std::vector<Key> heap_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::uint32_t size_ = 0;
  std::vector<std::uint32_t> free_;
  std::uint64_t sequence_ = 0;
};

}  // namespace faultline::sim
