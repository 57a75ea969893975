// History: every kept Record in order of revision, in chunks that frozen copies share.
//
// A copy for a View is a copy of the directory of chunks: 16 bytes per 256 records. Appending writes only slots that no copy looks
// at, so it needs no lock and no copying; erasing copies the chunk it touches once per freeze(). Chunks that erasing has emptied are
// merged with their neighbours, so that few live records never hold much memory.
//
// Thread rules: one owner; a Frozen may be read on another thread while the owner goes on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <faultline/raft/kv/store.hpp>

namespace faultline::raft::kv {

struct Moment {
  Revision main = 0;
  std::uint32_t sub = 0;

  friend auto operator<=>(const Moment&, const Moment&) = default;
};

class History {
 public:
  static constexpr std::size_t slots_max = 256;

  struct Slot {
    Moment moment;
    RecordPtr record;  // null: erased
  };
  struct Chunk {
    std::array<Slot, slots_max> slots;
    std::size_t used = 0;     // grows only while the chunk is the last
    std::size_t live = 0;     // the owner's
    std::uint64_t epoch = 0;  // the freeze() after which it was made
  };
  struct Frozen {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    std::size_t last_used = 0;  // of the last chunk, which the owner goes on filling

    [[nodiscard]] std::size_t used(std::size_t chunk) const {
      return chunk + 1 == chunks.size() ? last_used : chunks[chunk]->used;
    }
  };

  // REQUIRES: later than every record before.
  void append(RecordPtr record);
  // REQUIRES: it is there.
  void erase(Moment moment);
  // The first record at or after `moment`; null if there is none.
  [[nodiscard]] const Record* at_or_after(Moment moment) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Frozen freeze();

  // Calls visit(record) in order from `moment` on, until it returns false.
  template <class Visit>
  void each_from(Moment moment, Visit visit) const {
    for (std::size_t c = chunk_of(moment); c < chunks_.size(); ++c) {
      const Chunk& chunk = *chunks_[c];
      for (std::size_t s = slot_of(chunk, moment); s < chunk.used; ++s) {
        if (chunk.slots[s].record && !visit(*chunk.slots[s].record)) return;
      }
    }
  }

 private:
  // The chunk in which `moment` would lie.
  [[nodiscard]] std::size_t chunk_of(Moment moment) const;
  // The first slot at or after `moment`; chunk.used if there is none.
  [[nodiscard]] static std::size_t slot_of(const Chunk& chunk, Moment moment);
  Chunk& writable(std::size_t chunk);
  void merge(std::size_t chunk);

  std::vector<std::shared_ptr<Chunk>> chunks_;  // none empty
  std::uint64_t epoch_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace faultline::raft::kv
