// Requests of clients: through the log, or past it once a read may be answered; and what other nodes ask on behalf of theirs.
#include <faultline/raft/host.hpp>
#include <faultline/raft/kv/errors.hpp>

#include <algorithm>

#include "lessor.hpp"
#include "origin.hpp"

namespace faultline::raft {
namespace {

namespace errors = kv::errors;

constexpr Duration unpark_pause = std::chrono::milliseconds(10);
constexpr std::int64_t own_lock_ttl = 60;  // seconds; etcd's default for a lock without a lease

// etcd's words for a request that found no leader to hand its command to.
kv::Failure never_handed() { return {2, "context deadline exceeded"}; }

}  // namespace

RequestId Host::submit(Instant now, Request request) {
  const RequestId id = ++last_request_;
  Pending& pending = pending_[id];
  pending.request = std::move(request);
  if (!std::holds_alternative<Lock>(pending.request)) {
    pending.deadline = now + options_.request_timeout;
    deadlines_.emplace(pending.deadline, id);
  }
  begin(now, id, pending);
  return id;
}

void Host::begin(Instant now, RequestId id, Pending& pending) {
  if (const auto* write = std::get_if<Write>(&pending.request)) {
    if (const auto refused = kv::check(write->command)) return fail(id, *refused);
    if (!has_space_) return fail(id, errors::no_space());
    return launch(id, write->command);
  }
  if (std::holds_alternative<Read>(pending.request)) return fresh_reads_.push_back(id);
  if (std::holds_alternative<LeaseTimeToLive>(pending.request)) return ask_lease(now, id, pending);
  if (const auto* lock = std::get_if<Lock>(&pending.request)) {
    // Handing the command over has a limit, waiting for one's turn has none.
    pending.deadline = now + options_.request_timeout;
    deadlines_.emplace(pending.deadline, id);
    pending.lock_lease = lock->lease;
    if (lock->lease != kv::no_lease) return launch(id, kv::lock_command(lock->name, lock->lease));
    return launch(id, {.client = {}, .request = kv::LeaseGrant{.ttl = own_lock_ttl}});
  }
  if (const auto* transfer = std::get_if<Transfer>(&pending.request)) {
    const Outcome outcome = raft_.transfer(now, transfer->target);
    if (outcome == Outcome::not_leader || outcome == Outcome::no_leader) return fail(id, errors::not_leader());
    if (outcome == Outcome::unchanged) return answer(id, Done{});
    if (outcome != Outcome::accepted) return fail(id, errors::bad_leader_transferee());
    changes_.insert(id);
    return;
  }
  begin_change(id, std::get<ChangeMembers>(pending.request));
}

void Host::answer(RequestId id, Response response) {
  const auto found = pending_.find(id);
  FL_ASSERT(found != pending_.end());
  deadlines_.erase({found->second.deadline, id});
  locks_.erase(id);
  changes_.erase(id);
  if (found->second.flight != 0) flights_.erase(found->second.flight);
  pending_.erase(found);
  out_->answers.push_back({.id = id,
                           .result = std::move(response),
                           .revision = store_.revision(),
                           .term = raft_.term(),
                           .applied = store_.applied()});
}

void Host::cancel(Instant, RequestId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  std::optional<kv::Ticket> ticket = std::move(found->second.ticket);
  answer(id, kv::Failure{});
  out_->answers.pop_back();
  if (ticket) launch(0, {.client = {}, .request = kv::DeleteRange{.key = ticket->key, .range_end = {}}});
}

// --- Commands -----------------------------------------------------------------------------------------------------------------------

void Host::launch(RequestId id, const kv::Command& command) {
  const std::uint64_t sequence = ++last_sequence_;
  const Origin origin{options_.raft.id, options_.raft.boot, sequence};
  const std::string bytes = kv::encode(command);
  if (id != 0 && bytes.size() > kv::command_bytes_max) return fail(id, errors::request_too_large());
  flights_[sequence] = {.request = id, .entry = with_origin(origin, bytes)};
  if (id != 0) pending_.at(id).flight = sequence;
  hand(sequence);
}

void Host::hand(std::uint64_t sequence) {
  Flight& flight = flights_.at(sequence);
  const auto mark_handed = [&] {
    flight.handed = true;
    if (flight.request != 0) pending_.at(flight.request).handed = true;
  };
  const Proposal proposal = raft_.propose(flight.entry);
  switch (proposal.outcome) {
    case Outcome::accepted:
      mark_handed();
      if (flight.request == 0) flights_.erase(sequence);
      return;
    case Outcome::not_leader:
      mark_handed();
      ++counters_.forwards;
      send(Forward{raft_.term(), options_.raft.boot, sequence, flight.entry}, raft_.leader());
      if (flight.request == 0) flights_.erase(sequence);
      return;
    case Outcome::too_many_requests:
    case Outcome::too_large: {
      const RequestId id = flight.request;
      if (id == 0) {
        flights_.erase(sequence);
        return;
      }
      return fail(id,
                  proposal.outcome == Outcome::too_large ? errors::request_too_large() : errors::too_many_requests());
    }
    default: parked_.push_back(sequence);
  }
}

// Requests that wait for a leader are offered again now and then while one is known.
void Host::unpark(Instant now) {
  if (now < unpark_at_ || !raft_.leader()) return;
  unpark_at_ = now + unpark_pause;
  if (parked_.empty() && parked_questions_.empty()) return;
  for (const std::uint64_t sequence : std::exchange(parked_, {})) {
    if (flights_.contains(sequence)) hand(sequence);
  }
  for (const RequestId id : std::exchange(parked_questions_, {})) {
    if (const auto found = pending_.find(id); found != pending_.end()) ask_lease(now, id, found->second);
  }
}

void Host::arrive(Instant, NodeId from, const Forward& forward) {
  if (raft_.is_leader() && forwards_term_ != raft_.term()) {
    forwards_term_ = raft_.term();
    forwards_.clear();
  }
  // Of another term, or of one that another life of this node may have led: whether it was appended then is not known here.
  if (forward.term != forwards_term_) return;
  if (!forwards_[{from, forward.boot}].note(forward.sequence)) return;
  const Proposal proposal = has_space_ ? raft_.propose(forward.entry) : Proposal{Outcome::too_many_requests, {}, {}};
  if (proposal.outcome != Outcome::accepted) send(Refused{forward.boot, forward.sequence, proposal.outcome}, from);
}

void Host::arrive(const Refused& refused) {
  if (refused.boot != options_.raft.boot) return;
  const auto found = flights_.find(refused.sequence);
  if (found == flights_.end() || found->second.request == 0) return;
  const RequestId id = found->second.request;
  if (refused.outcome == Outcome::too_many_requests) return fail(id, errors::too_many_requests());
  if (refused.outcome == Outcome::too_large) return fail(id, errors::request_too_large());
  // Under a new number: this refusal may come again, and must not be taken for one of the next attempt.
  const std::uint64_t sequence = ++last_sequence_;
  Flight flight = std::move(found->second);
  flights_.erase(found);
  flight.handed = false;
  flight.entry = with_origin({options_.raft.id, options_.raft.boot, sequence},
                             std::string_view(flight.entry).substr(origin_bytes));
  flights_.emplace(sequence, std::move(flight));
  pending_.at(id).handed = false;
  pending_.at(id).flight = sequence;
  parked_.push_back(sequence);
}

// Frames overtake each other by less than the window; what is older is taken for seen, and its request times out.
bool Host::Forwards::note(std::uint64_t sequence) {
  constexpr std::uint64_t window = 1 << 16;
  if (sequence + window <= newest || !seen.insert(sequence).second) return false;
  newest = std::max(newest, sequence);
  while (*seen.begin() + window <= newest) seen.erase(seen.begin());
  return true;
}

// REQUIRES: the entry of this flight was applied just now.
void Host::landed(Instant, Flight flight, kv::Reply reply) {
  if (flight.request == 0) return;
  const RequestId id = flight.request;
  Pending& pending = pending_.at(id);
  pending.flight = 0;
  const auto* lock = std::get_if<Lock>(&pending.request);
  if (lock == nullptr) return answer(id, std::move(reply));
  if (auto* failure = std::get_if<kv::Failure>(&reply.response)) return fail(id, std::move(*failure));
  if (const auto* lease = std::get_if<kv::LeaseReply>(&reply.response)) {
    pending.lock_lease = lease->id;
    return launch(id, kv::lock_command(lock->name, lease->id));
  }
  pending.ticket = kv::read_ticket(lock->name, pending.lock_lease, reply);
  if (!pending.ticket) return fail(id, errors::lease_not_found());
  deadlines_.erase({pending.deadline, id});
  pending.deadline = Instant::max();
  locks_.insert(id);
  locks_seen_ = 0;
}

// --- Reads --------------------------------------------------------------------------------------------------------------------------

// One ticket serves all reads that wait for one: it is taken after each of them arrived. With few tickets under way at
// once, each carries many reads, and costs one round of messages. False if none was taken.
bool Host::issue_reads(Instant now) {
  constexpr std::size_t most_tickets = 2;
  std::erase_if(fresh_reads_, [&](RequestId id) { return !pending_.contains(id); });
  if (fresh_reads_.empty() || asked_reads_.size() >= most_tickets) return false;
  if (!ask(now, raft_.is_leader() ? options_.reads : ReadMode::index, fresh_reads_)) return false;
  fresh_reads_.clear();
  return true;
}

bool Host::ask(Instant now, ReadMode mode, const std::vector<RequestId>& reads) {
  const ReadTicket ticket = raft_.read(now, mode);
  if (ticket.outcome != Outcome::accepted) return false;
  std::vector<RequestId>& group = asked_reads_[ticket.id];
  group.insert(group.end(), reads.begin(), reads.end());
  auto& counter = mode == ReadMode::index   ? counters_.reads_index
                  : mode == ReadMode::lease ? counters_.reads_lease
                                            : counters_.reads_local;
  counter += reads.size();
  return true;
}

void Host::settle_reads(Instant now) {
  while (!confirmed_reads_.empty() && confirmed_reads_.begin()->first <= store_.applied()) {
    const ReadState read = confirmed_reads_.begin()->second;
    confirmed_reads_.erase(confirmed_reads_.begin());
    answer_read(now, read);
  }
}

void Host::answer_read(Instant now, const ReadState& read) {
  const auto found = asked_reads_.find(read.id);
  if (found == asked_reads_.end()) return;
  const std::vector<RequestId> group = std::move(found->second);
  asked_reads_.erase(found);
  // `now` is later than the arrival of each of these reads, and nobody else led at `now`: the store was up to date then.
  if (read.lease && !raft_.lease_holds(now)) {
    if (!ask(now, ReadMode::index, group)) fresh_reads_.insert(fresh_reads_.end(), group.begin(), group.end());
    return;
  }
  for (const RequestId id : group) {
    if (pending_.contains(id)) answer(id, Done{});
  }
}

// --- Leases -------------------------------------------------------------------------------------------------------------------------

LeaseAnswer Host::lease_answer(const LeaseTimeToLive& asked, std::int64_t remaining) const {
  const auto lease = store_.lease(asked.id);
  if (!lease || remaining < 0) return {};
  return {remaining, lease->ttl, asked.keys ? store_.lease_keys(asked.id) : std::vector<std::string>()};
}

void Host::ask_lease(Instant now, RequestId id, Pending& pending) {
  const auto& asked = std::get<LeaseTimeToLive>(pending.request);
  if (raft_.is_leader() && led_) return answer(id, lease_answer(asked, lessor_->remaining(now, asked.id)));
  if (raft_.leader() && raft_.leader() != options_.raft.id) {
    return send(LeaseQuestion{options_.raft.boot, id, asked.id}, raft_.leader());
  }
  parked_questions_.push_back(id);
}

void Host::arrive(NodeId from, Instant now, const LeaseQuestion& question) {
  const bool leads = raft_.is_leader() && led_;
  const std::int64_t remaining = leads ? lessor_->remaining(now, question.id) : -1;
  send(LeaseReport{question.boot, question.request, leads, remaining, store_.applied()}, from);
}

void Host::arrive(const LeaseReport& report) {
  const auto found = pending_.find(report.request);
  if (report.boot != options_.raft.boot || found == pending_.end()) return;
  if (!std::holds_alternative<LeaseTimeToLive>(found->second.request)) return;
  if (!report.leads) return parked_questions_.push_back(report.request);
  lease_reports_.emplace(report.applied, report);
}

// The lease and its keys are read here: only once this store is as new as the leader's was, or a lease just granted would seem gone.
void Host::settle_lease_reports() {
  while (!lease_reports_.empty() && lease_reports_.begin()->first <= store_.applied()) {
    const LeaseReport report = lease_reports_.begin()->second;
    lease_reports_.erase(lease_reports_.begin());
    const auto found = pending_.find(report.request);
    if (found == pending_.end()) continue;
    answer(report.request, lease_answer(std::get<LeaseTimeToLive>(found->second.request), report.remaining));
  }
}

// --- Locks, members, time --------------------------------------------------------------------------------------------------

void Host::settle_locks() {
  if (locks_seen_ == store_.revision()) return;
  locks_seen_ = store_.revision();
  for (const RequestId id : std::set<RequestId>(locks_)) {
    const kv::Ticket ticket = *pending_.at(id).ticket;
    const kv::LockState state = kv::lock_state(store_, ticket);
    if (state == kv::LockState::held) answer(id, LockAnswer{ticket.key, ticket.create_revision});
    if (state == kv::LockState::gone) answer(id, LockAnswer{});
  }
}

bool Host::is_changed(const ChangeMembers& change) const {
  const Config& config = raft_.config();
  if (config.joint() || !raft_.config_committed()) return false;
  const Member* member = config.find(change.member.id);
  if (change.kind == ChangeMembers::Kind::remove) return member == nullptr;
  if (change.kind == ChangeMembers::Kind::promote) return config.is_voter(change.member.id);
  return member != nullptr;
}

void Host::begin_change(RequestId id, const ChangeMembers& change) {
  if (!raft_.is_leader()) return fail(id, errors::not_leader());
  if (is_changed(change)) return answer(id, Done{});
  const Config config = raft_.config();
  Membership target{config.voters, config.learners};
  const auto take_out = [&](std::vector<Member>& members) {
    std::erase_if(members, [&](const Member& member) { return member.id == change.member.id; });
  };
  if (change.kind == ChangeMembers::Kind::promote && config.find(change.member.id) == nullptr) {
    return fail(id, {5, "etcdserver: member not found"});
  }
  const Member member = change.kind == ChangeMembers::Kind::promote ? *config.find(change.member.id) : change.member;
  take_out(target.voters);
  take_out(target.learners);
  if (change.kind == ChangeMembers::Kind::promote) target.voters.push_back(member);
  if (change.kind == ChangeMembers::Kind::add_learner) target.learners.push_back(member);
  const Outcome outcome = raft_.change(target);
  // A leader may change members once it has committed in its own term, and one change at a time: both come soon.
  const bool wait = outcome == Outcome::change_in_flight || outcome == Outcome::no_own_commit;
  if (outcome == Outcome::accepted || wait) {
    if (outcome == Outcome::accepted) pending_.at(id).handed = true;
    changes_.insert(id);
    return;
  }
  if (outcome == Outcome::not_caught_up) {
    return fail(id, {9, "etcdserver: can only promote a learner member which is in sync with leader"});
  }
  fail(id, {9, "raftd: the change of members was refused: " + std::string(to_text(outcome))});
}

void Host::settle_members() {
  for (const RequestId id : std::set<RequestId>(changes_)) {
    const Pending& pending = pending_.at(id);
    if (const auto* transfer = std::get_if<Transfer>(&pending.request)) {
      if (raft_.leader() == transfer->target) answer(id, Done{});
    } else if (is_changed(std::get<ChangeMembers>(pending.request))) {
      answer(id, Done{});
    } else if (!pending.handed) {
      // It waited for another change to end.
      changes_.erase(id);
      if (!raft_.config().joint() || !raft_.is_leader()) {
        begin_change(id, std::get<ChangeMembers>(pending.request));
      } else {
        changes_.insert(id);
      }
    }
  }
}

kv::Failure Host::out_of_time(const Pending& pending) const {
  if (std::holds_alternative<LeaseTimeToLive>(pending.request)) return errors::no_leader();
  if (std::holds_alternative<Read>(pending.request)) return errors::timed_out();
  const auto* write = std::get_if<Write>(&pending.request);
  if (write != nullptr && !pending.handed && std::holds_alternative<kv::LeaseKeepalive>(write->command.request)) {
    return errors::no_leader();
  }
  const bool in_log = pending.handed || std::holds_alternative<Transfer>(pending.request);
  return in_log ? errors::timed_out() : never_handed();
}

void Host::expire(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const RequestId id = deadlines_.begin()->second;
    ++counters_.requests_timed_out;
    fail(id, out_of_time(pending_.at(id)));
  }
}

}  // namespace faultline::raft
