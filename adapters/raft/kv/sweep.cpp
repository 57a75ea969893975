// Compaction: hidden at once, swept away in steps.
//
// What compacting at C keeps of a key: all its records above C, those at C exactly, and the newest below C unless a later one stands at
// or below C or it is a tombstone. So a read at any revision from C on, and a watch from C on, sees what it would have seen.
//
// A record is dropped because of a later one of its key, or because it is a tombstone; so it is enough to visit the records between
// the last compaction and this one, and to trim the front of each one's chain.
#include <algorithm>

#include <faultline/assert.hpp>

#include "state.hpp"

namespace faultline::raft::kv {

void Store::State::compact(Revision at) {
  // Records at the former compact revision were spared only for its sake.
  sweep = std::min(sweep, Moment{std::max<Revision>(compacted, 0), 0});
  compacted = at;
}

void Store::State::forget(const Record& record) {
  subtract(sum, hash_of(record));
  record_bytes -= snapshot_bytes(record);
  history.erase({record.main, record.sub});
}

// Drops at most `steps` records; returns how many.
std::size_t Store::State::trim(std::string_view key, std::size_t steps) {
  const auto found = keys.find(key);
  FL_ASSERT(found != keys.end());
  Chain& chain = found->second;
  std::size_t dropped = 0;
  for (; dropped < steps && chain.size() > 0 && chain[0].main < compacted; ++dropped) {
    const bool superseded = chain.size() > 1 && chain[1].main <= compacted;
    if (!superseded && !chain[0].tombstone) break;
    forget(chain[0]);
    chain.pop_front();
  }
  if (chain.size() == 0) keys.erase(found);
  return dropped;
}

void Store::State::sweep_some(std::size_t steps) {
  while (steps > 0 && sweep.main <= compacted) {
    const Record* record = history.at_or_after(sweep);
    if (record == nullptr || record->main > compacted) {
      sweep = {compacted + 1, 0};
      return;
    }
    const Moment moment{record->main, record->sub};
    const std::size_t dropped = trim(std::string(record->key), steps);
    // With its steps used up the chain may not be done: look at the same place again.
    if (dropped == steps) return;
    steps -= dropped + 1;
    sweep = {moment.main, moment.sub + 1};
  }
}

}  // namespace faultline::raft::kv
