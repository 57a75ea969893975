#include <faultline/raft/read_queue.hpp>

#include <faultline/assert.hpp>

namespace faultline::raft {

void ReadQueue::assign(std::uint64_t round, LogIndex commit) {
  FL_ASSERT(with_round_.empty() || with_round_.back().round < round);
  for (ConfirmedRead& read : without_round_) {
    read.index = commit;
    with_round_.push_back({read, round});
  }
  without_round_.clear();
}

std::vector<ConfirmedRead> ReadQueue::confirm(std::uint64_t round) {
  std::vector<ConfirmedRead> confirmed;
  while (!with_round_.empty() && with_round_.front().round <= round) {
    confirmed.push_back(with_round_.front().read);
    with_round_.pop_front();
  }
  return confirmed;
}

std::vector<ConfirmedRead> ReadQueue::clear() {
  std::vector<ConfirmedRead> all;
  for (const Waiting& waiting : with_round_) all.push_back(waiting.read);
  all.insert(all.end(), without_round_.begin(), without_round_.end());
  with_round_.clear();
  without_round_.clear();
  return all;
}

std::vector<ReadId> FollowerReads::expire(Instant now) {
  std::vector<ReadId> expired;
  while (!deadlines_.empty() && deadlines_.begin()->second <= now) {
    expired.push_back(deadlines_.begin()->first);
    deadlines_.erase(deadlines_.begin());
  }
  return expired;
}

std::vector<ReadId> FollowerReads::clear() {
  std::vector<ReadId> all;
  for (const auto& [id, deadline] : deadlines_) all.push_back(id);
  deadlines_.clear();
  return all;
}

}  // namespace faultline::raft
