#include "history.hpp"

#include <algorithm>
#include <utility>

#include <faultline/assert.hpp>

namespace faultline::raft::kv {

void History::append(RecordPtr record) {
  const Moment moment{record->main, record->sub};
  if (chunks_.empty() || chunks_.back()->used == slots_max) {
    chunks_.push_back(std::make_shared<Chunk>());
    chunks_.back()->epoch = epoch_;
  }
  Chunk& chunk = *chunks_.back();
  FL_ASSERT(chunk.used == 0 || chunk.slots[chunk.used - 1].moment < moment);
  // A frozen copy of this very chunk reads only the slots below its own `last_used`.
  chunk.slots[chunk.used] = {moment, std::move(record)};
  ++chunk.used;
  ++chunk.live;
  ++size_;
}

std::size_t History::chunk_of(Moment moment) const {
  const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), moment,
                                      [](Moment wanted, const auto& chunk) { return wanted < chunk->slots[0].moment; });
  return after == chunks_.begin() ? 0 : static_cast<std::size_t>(after - chunks_.begin() - 1);
}

std::size_t History::slot_of(const Chunk& chunk, Moment moment) {
  const auto end = chunk.slots.begin() + static_cast<std::ptrdiff_t>(chunk.used);
  const auto found = std::lower_bound(chunk.slots.begin(), end, moment,
                                      [](const Slot& slot, Moment wanted) { return slot.moment < wanted; });
  return static_cast<std::size_t>(found - chunk.slots.begin());
}

const Record* History::at_or_after(Moment moment) const {
  const Record* found = nullptr;
  each_from(moment, [&](const Record& record) {
    found = &record;
    return false;
  });
  return found;
}

History::Chunk& History::writable(std::size_t chunk) {
  std::shared_ptr<Chunk>& shared = chunks_[chunk];
  if (shared->epoch != epoch_) {
    shared = std::make_shared<Chunk>(*shared);
    shared->epoch = epoch_;
  }
  return *shared;
}

void History::erase(Moment moment) {
  FL_ASSERT(!chunks_.empty());
  const std::size_t c = chunk_of(moment);
  Chunk& chunk = writable(c);
  const std::size_t s = slot_of(chunk, moment);
  FL_ASSERT(s < chunk.used && chunk.slots[s].moment == moment && chunk.slots[s].record);
  chunk.slots[s].record.reset();
  --chunk.live;
  --size_;
  merge(c);
}

// The last chunk is left alone: it is being filled.
void History::merge(std::size_t chunk) {
  constexpr std::size_t sparse = slots_max / 4;
  if (chunk + 1 >= chunks_.size() || chunks_[chunk]->live > sparse) return;
  const auto at = chunks_.begin() + static_cast<std::ptrdiff_t>(chunk);
  if ((*at)->live == 0) {
    chunks_.erase(at);
    return;
  }
  if (chunk + 2 >= chunks_.size() || chunks_[chunk + 1]->live > sparse) return;
  auto merged = std::make_shared<Chunk>();
  merged->epoch = epoch_;
  for (std::size_t c = chunk; c < chunk + 2; ++c) {
    for (std::size_t s = 0; s < chunks_[c]->used; ++s) {
      const Slot& slot = chunks_[c]->slots[s];
      if (slot.record) merged->slots[merged->used++] = slot;
    }
  }
  merged->live = merged->used;
  *at = std::move(merged);
  chunks_.erase(at + 1);
}

History::Frozen History::freeze() {
  ++epoch_;
  Frozen frozen{.chunks = {chunks_.begin(), chunks_.end()}, .last_used = chunks_.empty() ? 0 : chunks_.back()->used};
  return frozen;
}

}  // namespace faultline::raft::kv
