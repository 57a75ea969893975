// The event queue: what is still to happen, in the order of (time, sequence number). Items stay where they are from push() to release();
// what is ordered are 16-byte keys, which compare as one integer.
//
// Most of what is pushed comes within milliseconds, and most of what waits are limits of operations seconds away, which a single heap would
// have every event sift past. So time is cut into buckets (a calendar queue; Brown, CACM 31(10), 1988): keys of the bucket under way lie in
// a small heap, those of the next four seconds unordered in theirs, and what comes later in a heap of its own.
#pragma once

#include <faultline/assert.hpp>
#include <faultline/sim/work.hpp>

#include <algorithm>
#include <array>
#include <bit>
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
  [[nodiscard]] bool is_empty() const { return near_.empty(); }
  [[nodiscard]] Ticks next_time() const { return near_.empty() ? never : time_of(near_.front()); }

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
    place(key_of(time, sequence_++, slot));
    if (near_.empty()) open_next();
  }

  // Takes the next one out of the order. Its item, at(slot), stays until release(). REQUIRES: !is_empty().
  std::uint32_t pop() {
    FL_ASSERT(!near_.empty());
    const auto slot = static_cast<std::uint32_t>(near_.front()) & (most_slots - 1);
    take_first(near_);
    if (near_.empty()) open_next();
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
  static Ticks time_of(Key key) { return static_cast<Ticks>(key >> 64); }

  static constexpr unsigned bucket_bits = 22;  // 4.2 ms
  static constexpr std::uint64_t buckets = 1024;
  static std::uint64_t bucket_of(Key key) { return static_cast<std::uint64_t>(key >> 64) >> bucket_bits; }

  void place(Key key) {
    const std::uint64_t bucket = bucket_of(key);
    if (bucket <= open_) {
      add(near_, key);
    } else if (bucket - open_ < buckets) {
      ring_[bucket % buckets].push_back(key);
      occupied_[bucket % buckets / 64] |= std::uint64_t{1} << (bucket % 64);
    } else {
      add(far_, key);
    }
  }

  // The next bucket with something in it is the one under way from now on; if there is none, the queue is empty.
  void open_next() {
    std::uint64_t next = UINT64_MAX;
    for (std::uint64_t ahead = 1; ahead < buckets && next == UINT64_MAX;) {
      const std::uint64_t bucket = open_ + ahead;
      const std::uint64_t word = occupied_[bucket % buckets / 64] >> (bucket % 64);
      if (word != 0) next = bucket + static_cast<std::uint64_t>(std::countr_zero(word));
      ahead += 64 - bucket % 64;
    }
    if (!far_.empty()) next = std::min(next, bucket_of(far_.front()));
    if (next == UINT64_MAX) return;
    if (next - open_ < buckets) {
      std::vector<Key>& bucket = ring_[next % buckets];
      for (const Key key : bucket) add(near_, key);
      bucket.clear();
      occupied_[next % buckets / 64] &= ~(std::uint64_t{1} << (next % 64));
    }
    open_ = next;
    while (!far_.empty() && bucket_of(far_.front()) <= open_) {
      add(near_, far_.front());
      take_first(far_);
    }
  }

  // --- heaps ---------------------------------------------------------------------------------------------------------
  using Heap = std::vector<Key>;
  static constexpr std::size_t fan = 4;

  static void add(Heap& heap, Key key) {
    heap.emplace_back();
    rise(heap, heap.size() - 1, key);
  }
  static void take_first(Heap& heap) {
    const Key last = heap.back();
    heap.pop_back();
    if (!heap.empty()) sink(heap, last);
  }

  static void rise(Heap& heap, std::size_t at, Key key) {
    while (at > 0) {
      const std::size_t parent = (at - 1) / fan;
      if (heap[parent] < key) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = key;
  }
  // The hole at the top goes all the way down, for the last key mostly belongs there; then the key rises from it.
  static void sink(Heap& heap, Key key) {
    const std::size_t size = heap.size();
    std::size_t at = 0;
    for (std::size_t first = 1; first < size; first = at * fan + 1) {
      std::size_t least = first;
      const std::size_t end = first + fan < size ? first + fan : size;
      for (std::size_t child = first + 1; child < end; ++child) {
        least = heap[child] < heap[least] ? child : least;
      }
      heap[at] = heap[least];
      at = least;
    }
    rise(heap, at, key);
  }

  static constexpr std::uint32_t chunk_size = 256;
  using Chunk = std::array<Item, chunk_size>;

  Heap near_;                                           // of the bucket under way and before; empty only if all is
  std::uint64_t open_ = 0;                              // the bucket under way
  std::vector<Heap> ring_{buckets};                     // by bucket, those after it; in no order
  std::array<std::uint64_t, buckets / 64> occupied_{};  // bits: which of them hold something
  Heap far_;                                            // later than those, when they came
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::uint32_t size_ = 0;
  std::vector<std::uint32_t> free_;
  std::uint64_t sequence_ = 0;
};

}  // namespace faultline::sim
