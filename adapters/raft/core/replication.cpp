// Log replication: Raft §5.3 and §5.4.2, Figure 2 (AppendEntries); membership Raft §6; flow control D §10.2.

#include <faultline/raft/core.hpp>

#include <faultline/assert.hpp>
#include <faultline/raft/codec.hpp>
#include <faultline/raft/membership.hpp>
#include <faultline/raft/quorum.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft {

namespace {

constexpr std::size_t rounds_remembered = 1024;
constexpr std::uint64_t nearly_all = 256;  // entries a learner may lag behind and still be promoted

// Entries that follow each other and the prefix, terms that never fall, configurations that are some.
bool is_sound(const Message& message, const Append& append) {
  LogIndex index = append.prev_index;
  Term term = append.prev_term;
  for (const Entry& entry : append.entries) {
    if (entry.index != index + 1 || entry.term < term || entry.term > message.term) return false;
    if (entry.kind == EntryKind::config && !decode_config(entry.data)) return false;
    index = entry.index;
    term = entry.term;
  }
  return true;
}

}  // namespace

void Raft::handle(const Message& message, Append& append) {
  follow(message.from);
  note_stay(message);
  if (!is_sound(message, append)) {
    ++counters_.messages_ignored;
    return;
  }
  AppendReply answer{.prev_index = append.prev_index, .round = append.round};
  if (!log_.matches(append.prev_index, append.prev_term)) {
    // Raft §5.3, the optimisation at its end: a whole term may be skipped at once.
    answer.hint_index = log_.last_not_after(append.prev_index, append.prev_term);
    answer.hint_term = *log_.term_at(answer.hint_index);
    return reply(message, answer);
  }
  const LogIndex verified = append.prev_index + append.entries.size();
  log_.merge(std::move(append.entries));
  // Figure 2, rule 5: what lies beyond this append's last entry is not known to be the leader's.
  log_.commit_to(std::min(append.commit, verified));
  answer.accepted = true;
  answer.match = verified;
  reply(message, answer);
}

Progress* Raft::follower_of(const Message& message) {
  if (role_ == Role::leader) {
    const auto found = followers_.find(message.from);
    if (found != followers_.end() && found->second.member().stay == message.stay) return &found->second;
  }
  ++counters_.messages_ignored;
  return nullptr;
}

void Raft::handle(const Message& message, AppendReply& answer) {
  Progress* follower = follower_of(message);
  if (!follower) return;
  if (answer.match > log_.last() || answer.round > round_ || answer.round < follower->since()) {
    ++counters_.messages_ignored;
    return;
  }
  follower->heard_from(now_, answer.round);
  if (answer.accepted) {
    if (follower->accepted(answer.match)) {
      advance_commit();
      if (role_ == Role::leader) drive_transfer();
    }
  } else {
    // A hint that lies before this log begins leads to the oldest entry, and from there to a snapshot.
    follower->refused(answer.prev_index, log_.last_not_after(answer.hint_index, answer.hint_term), answer.round);
  }
  confirm_rounds();
}

void Raft::append_own(EntryKind kind, std::string data) {
  log_.append({term_, log_.last() + 1, kind, std::move(data)});
  is_fed_ = false;
  uncommitted_bytes_ += log_.at(log_.last()).bytes();
  if (kind == EntryKind::config) sync_followers();  // in force from now on (Raft §6)
}

bool Raft::committed_in_own_term() const { return log_.term_at(log_.commit()) == term_; }

// Raft §5.4.2: only entries of the own term are committed by counting; earlier ones are with them.
void Raft::advance_commit() {
  const LogIndex reached{reached_by_quorum(log_.config(), [&](NodeId id) {
    return id == options_.id ? log_.stable().value : followers_.at(id).match().value;
  })};
  if (reached <= log_.commit() || log_.term_at(reached) != term_) return;
  uncommitted_bytes_ -= log_.bytes_between(log_.commit(), reached);
  log_.commit_to(reached);
  settle_config();
}

// Raft §6: once the joint configuration is committed, the leader leaves it; once it is not in the new one, it steps
// down.
void Raft::settle_config() {
  if (!log_.config_committed() || !committed_in_own_term()) return;
  if (log_.config().joint()) {
    append_own(EntryKind::config, encode(leave_joint(log_.config())));
  } else if (!log_.config().is_voter(options_.id)) {
    become_follower(term_, NodeId{});
  }
}

// One Progress for each member but this; a member of another stay begins anew.
void Raft::sync_followers() {
  const Config& config = log_.config();
  quorum_until_ = Instant::min();
  std::erase_if(followers_, [&](const auto& entry) {
    const Member* member = config.find(entry.first);
    return !member || member->stay != entry.second.member().stay;
  });
  for (const Member& member : config.members()) {
    if (member.id != options_.id) followers_.try_emplace(member.id, member, log_.last(), now_);
  }
}

Proposal Raft::propose(std::string bytes) {
  if (role_ != Role::leader) return {leader_ ? Outcome::not_leader : Outcome::no_leader, {}, {}};
  if (transferee_) return {Outcome::transferring, {}, {}};
  if (bytes.size() > options_.entry_bytes) return {Outcome::too_large, {}, {}};
  if (uncommitted_bytes_ + bytes.size() > options_.uncommitted_bytes) return {Outcome::too_many_requests, {}, {}};
  append_own(EntryKind::command, std::move(bytes));
  return {Outcome::accepted, log_.last(), term_};
}

Outcome Raft::change(const Membership& target) {
  if (role_ != Role::leader) return leader_ ? Outcome::not_leader : Outcome::no_leader;
  if (transferee_) return Outcome::transferring;
  if (!committed_in_own_term()) return Outcome::no_own_commit;
  if (!log_.config_committed() || log_.config().joint()) return Outcome::change_in_flight;
  JointPlan plan = plan_joint(log_.config(), target, log_.last() + 1);
  if (plan.outcome != Outcome::accepted) return plan.outcome;
  for (const Member& voter : plan.config.voters) {
    if (log_.config().is_voter(voter.id)) continue;
    const Progress& learner = followers_.at(voter.id);
    // One whose log is empty could neither vote nor be elected, and those before it might be too few without it.
    const bool is_here = learner.match() >= begin_of(learner.member().stay);
    const bool caught_up = is_here && learner.flow() == Flow::replicate && log_.last() - learner.match() <= nearly_all;
    if (!caught_up || now_ - learner.heard() >= options_.election_timeout) return Outcome::not_caught_up;
  }
  append_own(EntryKind::config, encode(plan.config));
  return Outcome::accepted;
}

// A heartbeat round: every append composed from now on carries its number, and everybody gets at least one.
void Raft::begin_round() {
  sent_rounds_.push_back({++round_, now_});
  if (sent_rounds_.size() > rounds_remembered) sent_rounds_.pop_front();
  confirm_rounds();
}

void Raft::confirm_rounds() {
  if (role_ != Role::leader || confirmed_round_ == round_) return;
  const std::uint64_t reached = reached_by_quorum(
      log_.config(), [&](NodeId id) { return id == options_.id ? round_ : followers_.at(id).acked_round(); });
  if (reached <= confirmed_round_) return;
  confirmed_round_ = reached;
  while (!sent_rounds_.empty() && sent_rounds_.front().round <= reached) {
    lease_from_ = sent_rounds_.front().at;
    sent_rounds_.pop_front();
  }
  deliver(reads_.confirm(reached));
  answer_joiners();
}

void Raft::feed_followers() {
  if (role_ != Role::leader) return;
  if (reads_.needs_round() && committed_in_own_term()) {
    reads_.assign(round_ + 1, log_.commit());
    begin_round();
  }
  for (auto& [id, follower] : followers_) {
    if (!follower.has_all(log_.last(), log_.commit(), round_)) feed(follower);
  }
}

void Raft::feed(Progress& follower) {
  // Whatever was sent before the log began here may be lost, and could not be sent again: the window must not stand in
  // the way.
  if (follower.flow() != Flow::snapshot && !log_.knows_term_at(follower.next() - 1)) {
    follower.begin_snapshot(log_.snapshot());
    ++counters_.snapshots_sent;
  }
  while (follower.flow() != Flow::snapshot && follower.next() <= log_.last() &&
         follower.may_send(options_.window_messages, options_.window_bytes)) {
    send_append(follower, log_.slice(follower.next(), options_.batch_bytes));
  }
  if (follower.flow() == Flow::snapshot && follower.may_send(1, 1)) send_chunk(follower);
  const bool commit_is_news =
      follower.flow() == Flow::replicate && std::min(log_.commit(), follower.next() - 1) > follower.commit_sent();
  if (follower.round_sent() < round_ || commit_is_news) send_append(follower, {});
}

// Without entries it is a heartbeat: it still says where the logs should meet, so that a lost append is noticed. Who
// waits for a snapshot meets the leader only at the very beginning.
void Raft::send_append(Progress& follower, std::vector<Entry> entries) {
  Append append{.commit = log_.commit(), .round = round_};
  if (follower.flow() != Flow::snapshot) {
    append.prev_index = follower.next() - 1;
    append.prev_term = *log_.term_at(append.prev_index);
  }
  const LogIndex end = append.prev_index + entries.size();
  if (!entries.empty()) {
    std::uint64_t bytes = 0;
    for (const Entry& entry : entries) bytes += entry.bytes();
    follower.sent_entries(end, bytes);
  }
  follower.sent_news(round_, std::min(log_.commit(), end));
  append.entries = std::move(entries);
  send(follower.member().id, follower.member().stay, term_, std::move(append));
}

}  // namespace faultline::raft
