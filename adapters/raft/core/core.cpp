#include <faultline/raft/core.hpp>

#include <faultline/assert.hpp>

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

namespace faultline::raft {

namespace {

// What the sender vouches for with its disk (Raft Figure 2: "respond only after updating stable storage"): its vote,
// its log, its term. An append vouches for nothing: the leader's term has been durable since it asked for votes, and
// its own copy of the entries does not count before it is durable.
bool waits_for_disk(const Body& body) {
  if (const auto* request = std::get_if<VoteRequest>(&body)) return !request->pre;
  if (const auto* hello = std::get_if<Hello>(&body)) return hello->reply;
  return std::holds_alternative<VoteReply>(body) || std::holds_alternative<AppendReply>(body) ||
         std::holds_alternative<SnapshotReply>(body) || std::holds_alternative<ReadReply>(body);
}

// Both keep the room they have: these vectors fill and empty at every turn.
template <class T>
void hand_over(std::vector<T>& from, std::vector<T>& to) {
  to.clear();
  to.swap(from);
}

}  // namespace

Result<void> validate(const Options& options) {
  const auto bad = [](std::string what, std::string remedy) {
    return Error::bad_input(std::move(what), std::move(remedy));
  };
  if (!options.id) return bad("a node's id must not be 0", "Number the nodes from 1.");
  std::set<NodeId> ids;
  for (const Member& member : options.initial) {
    if (!member.id || !ids.insert(member.id).second)
      return bad("an initial member is named twice, or 0", "Name each once.");
  }
  if (ids.size() > members_max) return bad("too many initial members", "At most " + std::to_string(members_max) + ".");
  if (!ids.empty() && !ids.contains(options.id)) {
    return bad("this node is not among the initial members", "Name it, or none to join a running group.");
  }
  if (options.heartbeat <= Duration::zero() || options.election_timeout <= options.heartbeat) {
    return bad("the election timeout must be longer than a heartbeat", "Ten heartbeats are usual.");
  }
  if (options.max_clock_drift && !(*options.max_clock_drift >= 0 && *options.max_clock_drift < 1)) {
    return bad("the clock drift must be in [0, 1)", "0.01 allows one per cent.");
  }
  if (options.lease_reads && !(options.check_quorum && options.max_clock_drift)) {
    return bad("lease reads need quorum checks and a bound of the clock drift", "Give the bound, or read by index.");
  }
  if (options.batch_bytes == 0 || options.window_messages == 0 || options.window_bytes == 0 ||
      options.snapshot_chunk_bytes == 0 || options.committed_bytes == 0) {
    return bad("batches, windows and chunks must hold something", "Leave their sizes as they are.");
  }
  return {};
}

Raft::Raft(Options options, Stored stored, Rng rng, Instant now)
    : options_(std::move(options)),
      rng_(rng),
      now_(now),
      log_(std::move(stored.snapshot), std::move(stored.entries), stored.hard_state.commit),
      term_(stored.hard_state.term),
      vote_(stored.hard_state.vote),
      stay_(stored.hard_state.stay),
      part_(std::move(stored.part)),
      emitted_(stored.hard_state),
      durable_term_(term_),
      durable_vote_(vote_) {
  FL_ASSERT(validate(options_).ok());
  if (log_.last_term() > term_) {  // the crash came between the entries and the hard state behind them
    term_ = log_.last_term();
    vote_ = NodeId{};
    is_untold_ = stored.hard_state == HardState() && log_.last() > LogIndex{1};
  }
  // What this node promised to a leader before it went down is forgotten, but not void.
  if (founding() == Founding::seasoned) no_vote_before_ = now_ + options_.election_timeout;
  draw_election_timeout();
  restart_election_timer();
}

void Raft::advance_time(Instant now) {
  now_ = std::max(now_, now);
  is_fed_ = false;
}

void Raft::tick(Instant now) {
  advance_time(now);
  if (refusal_) return;
  if (now_ >= next_hello_) say_hello();
  for (const ReadId id : follower_reads_.expire(now_)) lost_reads_.push_back(id);
  if (role_ != Role::leader) {
    if (now_ >= election_deadline_) election_timed_out();
    return;
  }
  check_quorum();
  if (role_ != Role::leader) return;
  if (transferee_ && now_ >= transfer_deadline_) transferee_ = NodeId{};
  if (now_ >= next_heartbeat_) {
    next_heartbeat_ = now_ + options_.heartbeat;
    for (auto& [id, follower] : followers_) follower.allow_again();
    timeout_now_due_ = true;
    begin_round();
    drive_transfer();
  }
}

Instant Raft::next_tick() const {
  if (refusal_) return Instant::max();
  Instant next = role_ == Role::leader ? next_heartbeat_ : election_deadline_;
  next = std::min(next, next_hello_);
  if (role_ == Role::leader && transferee_) next = std::min(next, transfer_deadline_);
  if (follower_reads_.size() > 0) next = std::min(next, follower_reads_.next_deadline());
  return next;
}

// A pre-vote asks about a term without being in it, and its grant echoes that term: neither makes it known.
bool Raft::is_newer_term(const Message& message) const {
  if (message.term <= term_) return false;
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) return !request->pre;
  if (const auto* answer = std::get_if<VoteReply>(&message.body)) return !(answer->pre && answer->granted);
  return true;
}

void Raft::step(Instant now, Message message) {
  advance_time(now);
  if (refusal_) return;
  if (message.to != options_.id || message.from == options_.id || !message.from) {
    ++counters_.messages_ignored;
    return;
  }
  if (auto* hello = std::get_if<Hello>(&message.body)) return handle(message, *hello);
  if (founding() == Founding::empty && must_ask()) return;  // nothing is promised before the first boot is through
  if (must_join()) return step_before_joining(message);
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (!request->transfer && has_promised()) {  // D §4.2.3: not even a newer term is looked at
      ++(request->pre ? counters_.pre_votes_refused : counters_.votes_refused);
      return;
    }
  }
  if (is_newer_term(message)) {
    const bool from_leader =
        std::holds_alternative<Append>(message.body) || std::holds_alternative<SnapshotChunk>(message.body);
    become_follower(message.term, from_leader ? message.from : NodeId{});
  }
  if (message.term < term_) return answer_older_term(message);
  std::visit([&](auto& body) { handle(message, body); }, message.body);
}

// A deposed leader, and a candidate who is behind, learn of the newer term from the reply (Raft §5.1). Nothing else of
// an older term has any effect; in particular it is no sign of life.
void Raft::answer_older_term(const Message& message) {
  if (std::holds_alternative<Append>(message.body) || std::holds_alternative<SnapshotChunk>(message.body)) {
    return reply(message, AppendReply{});
  }
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    return reply(message, VoteReply{.pre = request->pre, .granted = false, .boot = request->boot});
  }
  ++counters_.messages_ignored;
}

void Raft::send(NodeId to, StayId stay, Term term, Body body) {
  auto& box = waits_for_disk(body) ? messages_after_persist_ : messages_now_;
  if (box.size() >= options_.outbox_messages) {
    ++counters_.messages_dropped;
    return;
  }
  if (box.capacity() == 0) box.reserve(followers_.size() + 1);
  box.emplace_back(options_.id, to, term, stay, std::move(body));
}

// What followers are to be sent changes with what comes in, not with being asked for.
void Raft::feed_once() {
  if (!std::exchange(is_fed_, true)) feed_followers();
}

bool Raft::has_ready() {
  feed_once();
  return !messages_now_.empty() || !messages_after_persist_.empty() || has_more_than_messages();
}

bool Raft::has_more_than_messages() const {
  return !chunks_.empty() || snapshot_to_install_ || log_.has_unemitted() || log_.has_unapplied() ||
         !read_states_.empty() || !lost_reads_.empty() || emitted_ != HardState{term_, vote_, log_.commit(), stay_};
}

bool Raft::take_messages(std::vector<Message>& into) {
  if (!outstanding_.empty() || has_more_than_messages()) return false;
  hand_over(messages_now_, into);
  for (Message& message : messages_after_persist_) into.push_back(std::move(message));
  messages_after_persist_.clear();
  return true;
}

Ready Raft::ready() {
  feed_once();
  Ready ready;
  fill(ready);
  return ready;
}

void Raft::ready(Ready& into) {
  feed_once();
  fill(into);
}

void Raft::fill(Ready& ready) {
  ready.number = ++ready_number_;
  hand_over(chunks_, ready.chunks);
  ready.snapshot = std::exchange(snapshot_to_install_, std::nullopt);
  ready.entries = log_.emit(ready.number);
  const HardState now{term_, vote_, log_.commit(), stay_};
  const bool promise_changed = now.term != emitted_.term || now.vote != emitted_.vote;
  ready.hard_state.reset();
  if (now != emitted_) ready.hard_state = emitted_ = now;
  ready.must_sync = !ready.chunks.empty() || ready.snapshot || !ready.entries.empty() || promise_changed;
  hand_over(messages_now_, ready.messages_now);
  hand_over(messages_after_persist_, ready.messages_after_persist);
  ready.committed = log_.hand_out(options_.committed_bytes);
  hand_over(read_states_, ready.reads);
  hand_over(lost_reads_, ready.lost_reads);
  outstanding_.push_back({ready.number, term_, vote_});
}

void Raft::advance(std::uint64_t number) {
  FL_ASSERT(!outstanding_.empty());
  FL_ASSERT(number >= outstanding_.front().number);
  FL_ASSERT(number <= ready_number_);
  const LogIndex commit = log_.commit();
  while (!outstanding_.empty() && outstanding_.front().number <= number) {
    durable_term_ = outstanding_.front().term;
    durable_vote_ = outstanding_.front().vote;
    outstanding_.pop_front();
  }
  log_.persisted(number);
  if (role_ == Role::candidate) count_election();  // its own vote may have become durable
  if (role_ == Role::leader) advance_commit();     // its own copy may have
  if (log_.commit() != commit) is_fed_ = false;
}

Status Raft::status() const {
  Status status{.id = options_.id,
                .role = role_,
                .term = term_,
                .vote = vote_,
                .leader = leader_,
                .commit = log_.commit(),
                .last = log_.last(),
                .stable = log_.stable(),
                .first = log_.first(),
                .snapshot = log_.snapshot(),
                .config = log_.config(),
                .config_index = log_.config_index(),
                .founding = founding(),
                .transferee = transferee_,
                .lease = lease_holds(now_),
                .pending_reads = reads_.size() + follower_reads_.size(),
                .uncommitted_bytes = uncommitted_bytes_,
                .counters = counters_};
  for (const auto& [id, follower] : followers_) {
    status.followers.push_back({.member = follower.member(),
                                .flow = follower.flow(),
                                .match = follower.match(),
                                .next = follower.next(),
                                .inflight_messages = follower.inflight_messages(),
                                .inflight_bytes = follower.inflight_bytes(),
                                .snapshot_offset = follower.snapshot_offset(),
                                .learner = !log_.config().is_voter(id),
                                .heard = now_ - follower.heard() < options_.election_timeout});
  }
  return status;
}

}  // namespace faultline::raft
