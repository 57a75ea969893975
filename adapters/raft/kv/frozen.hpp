// What a View holds: the parts of a State that a snapshot has, as they were. Read by any thread, changed by none.
#pragma once

#include <vector>

#include <faultline/raft/kv/snapshot.hpp>

#include "history.hpp"
#include "state.hpp"

namespace faultline::raft::kv {

struct View::Frozen {
  LogIndex applied;
  Revision revision = 0;
  Revision compacted = 0;
  Moment sweep;
  StateHash hash;
  std::uint64_t records = 0;
  std::uint64_t record_bytes = 0;
  std::vector<Lease> leases;
  std::vector<SessionState> sessions;
  History::Frozen history;
};

}  // namespace faultline::raft::kv
