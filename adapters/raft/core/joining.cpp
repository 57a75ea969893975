// How a node that was started empty comes into a running group (core.hpp, "To join").

#include <faultline/raft/core.hpp>

#include <algorithm>

namespace faultline::raft {

// Neither an entry nor a term: nobody has taken this disk in yet.
bool Raft::must_join() const { return options_.initial.empty() && founding() == Founding::empty; }

// Nothing a leader says is taken, not even its term, before one has said that nothing was forgotten here.
void Raft::step_before_joining(Message& message) {
  if (auto* answer = std::get_if<JoinReply>(&message.body)) return handle(message, *answer);
  if (std::holds_alternative<Append>(message.body) || std::holds_alternative<SnapshotChunk>(message.body)) {
    return send(message.from, message.stay, message.term, JoinRequest{.boot = options_.boot});
  }
  ++counters_.messages_ignored;
}

void Raft::handle(const Message& message, JoinRequest& request) {
  Progress* follower = follower_of(message);
  if (!follower) return;
  const auto known = std::find_if(joiners_.begin(), joiners_.end(),
                                  [&](const Joiner& joiner) { return joiner.member == follower->member(); });
  if (known != joiners_.end() && known->boot == request.boot) return;
  if (known != joiners_.end()) joiners_.erase(known);
  joiners_.push_back({follower->member(), request.boot, round_ + 1});
  begin_round();
}

void Raft::answer_joiners() {
  std::erase_if(joiners_, [&](const Joiner& joiner) {
    if (joiner.round > confirmed_round_) return false;
    const bool refused = has_had_a_vote(joiner.member.stay);
    send(joiner.member.id, joiner.member.stay, term_, JoinReply{.boot = joiner.boot, .has_had_a_vote = refused});
    // What this learner may have held is gone; answers that tell of it may still be under way.
    const auto follower = followers_.find(joiner.member.id);
    if (!refused && follower != followers_.end() && follower->second.member() == joiner.member) {
      follower->second = Progress(joiner.member, log_.last(), now_, joiner.round);
    }
    return true;
  });
}

void Raft::handle(const Message& message, JoinReply& answer) {
  if (!must_join() || answer.boot != options_.boot) {
    ++counters_.messages_ignored;
    return;
  }
  if (answer.has_had_a_vote) {
    refusal_ = Refusal{message.from};
    return;
  }
  become_follower(message.term, message.from);
  follow(message.from);
  note_stay(message);
}

}  // namespace faultline::raft
