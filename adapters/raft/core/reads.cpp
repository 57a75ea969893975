// Reads that need no log entry: Raft §8, D §6.4.

#include <faultline/raft/core.hpp>

#include <utility>

namespace faultline::raft {

ReadTicket Raft::read(Instant now, ReadMode mode) {
  advance_time(now);
  if (role_ != Role::leader && !leader_) return {Outcome::no_leader, {}};
  if (role_ != Role::leader && mode != ReadMode::index) return {Outcome::not_leader, {}};
  if (mode == ReadMode::lease && !options_.lease_reads) return {Outcome::lease_disabled, {}};
  const bool at_once = mode == ReadMode::local || (mode == ReadMode::lease && lease_holds(now_));
  const std::size_t pending = role_ == Role::leader ? reads_.size() : follower_reads_.size();
  if (!at_once && pending >= options_.pending_reads) return {Outcome::too_many_requests, {}};
  const ReadId id{options_.id, options_.boot, next_read_++};
  if (at_once) {
    read_states_.push_back({id, log_.commit(), mode == ReadMode::lease});
  } else if (role_ == Role::leader) {
    reads_.add(id, options_.id);
  } else {
    follower_reads_.add(id, now_ + 2 * options_.election_timeout);
    send(leader_, StayId{}, term_, ReadRequest{id});
  }
  return {Outcome::accepted, id};
}

void Raft::handle(const Message& message, ReadRequest& request) {
  if (role_ != Role::leader || reads_.size() >= options_.pending_reads)
    return reply(message, ReadReply{request.id, {}});
  reads_.add(request.id, message.from);
}

void Raft::handle(const Message& message, ReadReply& answer) {
  if (message.from != leader_ || !follower_reads_.take(answer.id)) {
    ++counters_.messages_ignored;
    return;
  }
  if (answer.index) {
    read_states_.push_back({answer.id, answer.index});
  } else {
    lost_reads_.push_back(answer.id);
  }
}

void Raft::deliver(const std::vector<ConfirmedRead>& reads) {
  for (const ConfirmedRead& read : reads) {
    if (read.asked_by == options_.id) {
      read_states_.push_back({read.id, read.index});
    } else {
      send(read.asked_by, StayId{}, term_, ReadReply{read.id, read.index});
    }
  }
}

void Raft::lose_follower_reads() {
  for (const ReadId id : follower_reads_.clear()) lost_reads_.push_back(id);
}

// The lease runs from the *sending* of a round that a quorum answered: from then on each of them refuses its vote for T
// by its own clock, which may run fast by R while this one runs slow by R (D §6.4.1).
bool Raft::lease_holds(Instant now) const {
  if (role_ != Role::leader || !options_.lease_reads || lease_ended_ || transferee_ || !committed_in_own_term())
    return false;
  if (lease_from_ == Instant::min()) return false;
  const double drift = *options_.max_clock_drift;
  const auto length = static_cast<double>(options_.election_timeout.count()) * (1 - drift) / (1 + drift);
  return std::max(now, now_) < lease_from_ + Duration(static_cast<Duration::rep>(length));
}

}  // namespace faultline::raft
