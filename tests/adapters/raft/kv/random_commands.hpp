// Random requests over few keys, so that they meet: every kind, every option, many of them refused.
#pragma once

#include <string>

#include <faultline/raft/kv/command.hpp>
#include <faultline/raft/kv/store.hpp>
#include <faultline/rng.hpp>

namespace faultline::raft::kv {

class RandomCommands {
 public:
  explicit RandomCommands(Rng rng) : rng_(rng) {}

  // `revision` and `index` are about where the store is, so that old, present and future ones are drawn.
  Command command(Revision revision, std::uint64_t index);
  Range range(Revision revision);
  Watch watch(Revision revision);
  Rng& rng() { return rng_; }

 private:
  std::string key();
  std::string range_end();
  Revision near(Revision revision);
  LeaseId lease();
  Put put();
  Compare compare(Revision revision);
  Txn txn(Revision revision, int depth);
  Operation operation(Revision revision, int depth);
  decltype(Command::request) request(Revision revision, std::uint64_t index);

  Rng rng_;
};

}  // namespace faultline::raft::kv
