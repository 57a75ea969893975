// Leader election: Raft §5.2 and §5.4.1, pre-votes and promises D §4.2.3 and §9.6, transfer D §3.10.

#include <faultline/raft/core.hpp>

#include <faultline/assert.hpp>
#include <faultline/raft/quorum.hpp>

#include <utility>

namespace faultline::raft {

// A voter of the configuration in force; or of the one before, while the newer one may yet be lost (D §4.2.2: the only
// node that holds the entry by which it leaves must be able to get it committed).
bool Raft::may_campaign() const {
  if ((founding() != Founding::seasoned && !all_founded_) || snapshot_to_install_ || is_untold_) return false;
  if (votes_in(log_.config())) return true;
  return !log_.config_committed() && votes_in(log_.config_at(log_.config_index() - 1));
}

// As itself: a node that was removed, wiped and added again meets its former stay in old entries, whose promises it does not know.
bool Raft::votes_in(const Config& config) const {
  return config.is_voter(options_.id) && config.find(options_.id)->stay >= stay_;
}

void Raft::note_stay(const Message& message) {
  if (!message.stay || (message.term == stay_named_ && message.stay < stay_)) return;
  stay_ = message.stay;
  stay_named_ = message.term;
  is_untold_ = false;
}

// Nobody grants a vote within T of hearing a leader, nor does a leader itself, which steps down when it is not heard.
bool Raft::has_promised() const { return role_ == Role::leader || now_ < no_vote_before_; }

// Uniform in [T, 2T), Raft §9.3.
void Raft::draw_election_timeout() {
  const auto t = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_timeout_ = options_.election_timeout + Duration(static_cast<Duration::rep>(rng_.below(t)));
}

void Raft::election_timed_out() {
  draw_election_timeout();
  restart_election_timer();
  become_follower(term_, NodeId{});
  if (!may_campaign()) return;
  if (options_.pre_vote) {
    campaign_before_voting();
  } else {
    campaign(false);
  }
}

void Raft::campaign_before_voting() {
  ++counters_.pre_campaigns;
  role_ = Role::pre_candidate;
  votes_ = {{options_.id, true}};
  ask_for_votes(Term{term_.value + 1}, true, false);
  count_election();
}

void Raft::campaign(bool transfer) {
  ++counters_.campaigns;
  become_follower(Term{term_.value + 1}, NodeId{});
  role_ = Role::candidate;
  vote_ = options_.id;
  votes_.clear();  // its own vote counts once it is durable
  ask_for_votes(term_, false, transfer);
}

void Raft::ask_for_votes(Term term, bool pre, bool transfer) {
  for (const Member& member : log_.config().members()) {
    if (member.id == options_.id || !log_.config().is_voter(member.id)) continue;
    send(member.id, member.stay, term,
         VoteRequest{.pre = pre,
                     .transfer = transfer,
                     .last_index = log_.last(),
                     .last_term = log_.last_term(),
                     .boot = options_.boot});
  }
}

void Raft::handle(const Message& message, VoteRequest& request) {
  const Member* self = log_.config().find(options_.id);
  const bool of_former_life = is_untold_ || message.stay < stay_ || (self && message.stay < self->stay);
  const bool knows_nothing = !log_.last();  // one that joins votes only once it has a log
  const bool vote_is_free = request.pre ? message.term > term_ || vote_ == message.from || !vote_
                                        : vote_ == message.from || (!vote_ && !leader_);
  const bool up_to_date = log_.is_up_to_date(request.last_index, request.last_term);
  const bool granted = vote_is_free && up_to_date && !of_former_life && !knows_nothing;
  if (granted && !request.pre) {
    vote_ = message.from;
    restart_election_timer();
  }
  if (!granted) ++(request.pre ? counters_.pre_votes_refused : counters_.votes_refused);
  // The grant of a pre-vote is about the term asked for; a refusal tells of one's own.
  const Term term = request.pre && granted ? message.term : term_;
  send(message.from, message.stay, term, VoteReply{.pre = request.pre, .granted = granted, .boot = request.boot});
}

void Raft::handle(const Message& message, VoteReply& answer) {
  const Member* voter = log_.config().find(message.from);
  const bool expected = answer.pre
                            ? role_ == Role::pre_candidate && (!answer.granted || message.term == Term{term_.value + 1})
                            : role_ == Role::candidate;
  // A start never campaigns in a term of the one before, unless its disk was wiped meanwhile (core.hpp, "First boot").
  const bool of_this_life = answer.boot == options_.boot;
  if (!expected || !of_this_life || !voter || voter->stay != message.stay) {
    ++counters_.messages_ignored;
    return;
  }
  votes_.emplace(message.from, answer.granted);
  count_election();
}

void Raft::count_election() {
  if (role_ == Role::candidate && durable_term_ == term_ && durable_vote_ == options_.id) votes_[options_.id] = true;
  const VoteResult result = count_votes(log_.config(), [&](NodeId id) -> std::optional<bool> {
    const auto answer = votes_.find(id);
    return answer == votes_.end() ? std::nullopt : std::optional<bool>(answer->second);
  });
  if (result == VoteResult::lost) become_follower(term_, NodeId{});
  if (result != VoteResult::won) return;
  if (role_ == Role::pre_candidate) {
    campaign(false);
  } else {
    become_leader();
  }
}

void Raft::become_follower(Term term, NodeId leader) {
  FL_ASSERT(term >= term_);
  if (role_ == Role::leader) stop_leading();
  if (term > term_ || leader != leader_) lose_follower_reads();
  if (term > term_) {
    term_ = term;
    vote_ = NodeId{};  // one vote in each term, so a newer term brings a new one
  }
  role_ = Role::follower;
  leader_ = leader;
  votes_.clear();
}

void Raft::become_leader() {
  FL_ASSERT(role_ == Role::candidate);
  ++counters_.elections_won;
  role_ = Role::leader;
  leader_ = options_.id;
  votes_.clear();
  followers_.clear();  // what an earlier leadership knew of them is worth nothing now
  sync_followers();
  uncommitted_bytes_ = log_.bytes_between(log_.commit(), log_.last());
  lease_from_ = Instant::min();
  lease_ended_ = false;
  transferee_ = NodeId{};
  joiners_.clear();
  sent_rounds_.clear();
  confirmed_round_ = round_;
  next_heartbeat_ = now_ + options_.heartbeat;
  append_own(EntryKind::no_op, {});  // Raft §8: commits what earlier terms left, and makes reads possible
  begin_round();
}

void Raft::stop_leading() {
  for (const ConfirmedRead& read : reads_.clear()) {
    if (read.asked_by == options_.id) lost_reads_.push_back(read.id);
  }
  followers_.clear();
  sent_rounds_.clear();
  uncommitted_bytes_ = 0;
  transferee_ = NodeId{};
  draw_election_timeout();
  restart_election_timer();
}

// A sign of life from the leader of this term.
void Raft::follow(NodeId leader) {
  FL_ASSERT(role_ != Role::leader);  // Election Safety: one leader in a term
  FL_ASSERT(!leader_ || leader_ == leader);
  if (role_ != Role::follower || leader_ != leader) become_follower(term_, leader);
  no_vote_before_ = std::max(no_vote_before_, now_ + options_.election_timeout);
  restart_election_timer();
}

// D §6.2: a leader that a quorum has not answered for T cannot serve anybody, and must not keep others from being
// elected.
void Raft::check_quorum() {
  if (!options_.check_quorum || now_ < quorum_until_) return;
  const std::uint64_t since = reached_by_quorum(log_.config(), [&](NodeId id) {
    const Instant heard = id == options_.id ? now_ : followers_.at(id).heard();
    return static_cast<std::uint64_t>(heard.time_since_epoch().count());
  });
  const Instant heard{Duration(static_cast<Duration::rep>(since))};
  quorum_until_ = heard + options_.election_timeout;  // at least: who is heard again makes it later
  if (now_ >= quorum_until_) become_follower(term_, NodeId{});
}

Outcome Raft::transfer(Instant now, NodeId target) {
  advance_time(now);
  if (role_ != Role::leader) return leader_ ? Outcome::not_leader : Outcome::no_leader;
  if (target == options_.id) return Outcome::unchanged;
  const auto& voters = log_.config().voters;
  if (std::none_of(voters.begin(), voters.end(), [&](const Member& m) { return m.id == target; }))
    return Outcome::not_a_voter;
  if (transferee_) return transferee_ == target ? Outcome::accepted : Outcome::transferring;
  transferee_ = target;
  transfer_deadline_ = now_ + options_.election_timeout;
  timeout_now_due_ = true;
  drive_transfer();
  return Outcome::accepted;
}

void Raft::drive_transfer() {
  const auto target = transferee_ ? followers_.find(transferee_) : followers_.end();
  if (target == followers_.end() || !timeout_now_due_ || target->second.match() != log_.last()) return;
  timeout_now_due_ = false;
  lease_ended_ = true;
  send(transferee_, target->second.member().stay, term_, TimeoutNow{});
}

void Raft::handle(const Message& message, TimeoutNow&) {
  if (role_ != Role::follower || message.from != leader_ || !may_campaign()) {
    ++counters_.messages_ignored;
    return;
  }
  draw_election_timeout();
  restart_election_timer();
  campaign(true);
}

}  // namespace faultline::raft
