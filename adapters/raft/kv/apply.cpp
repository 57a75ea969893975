// One command against the state: sessions first, then the request.
#include <algorithm>
#include <utility>

#include <faultline/assert.hpp>
#include <faultline/raft/kv/errors.hpp>
#include <faultline/rng.hpp>

#include "state.hpp"

namespace faultline::raft::kv {

// Raft §8: the last reply is kept per session, so that a retry is answered, not applied again.
Reply Store::State::answer(const Command& command) {
  if (!command.client) return perform(command);
  auto session = sessions.find(command.client->session);
  if (session == sessions.end()) return failed(errors::session_unknown());
  const std::uint64_t last = session->second.session.sequence;
  const std::uint64_t sequence = command.client->sequence;
  if (sequence < last || sequence == 0) return failed(errors::session_sequence_old());
  std::optional<Reply> reply;
  if (sequence == last) {
    auto stored = decode_reply(*session->second.reply);
    FL_ASSERT(stored.ok());
    reply = std::move(stored).value();
  } else {
    reply = perform(command);
    session = sessions.find(command.client->session);
    if (session == sessions.end()) return *std::move(reply);  // the command has ended its own session
  }
  SessionState& state = session->second;
  subtract(sum, hash_of(state.session, state.reply ? *state.reply : ""));
  state.session.last_used = applied.value;
  state.session.sequence = sequence;
  if (sequence != last) state.reply = std::make_shared<const std::string>(encode(*reply));
  add(sum, hash_of(state.session, *state.reply));
  return *std::move(reply);
}

Reply Store::State::perform(const Command& command) {
  if (auto failure = check(command)) return failed(std::move(*failure));
  sub = 0;
  auto response = std::visit([this](const auto& request) { return perform(request); }, command.request);
  revision = now();
  sub = 0;
  return {revision, std::move(response)};
}

// -- Keys --

std::optional<Failure> Store::State::check_put(const Put& put) const {
  if ((put.ignore_value || put.ignore_lease) && find(put.key, now()) == nullptr) return errors::key_not_found();
  if (put.lease != no_lease && !leases.contains(put.lease)) return errors::lease_not_found();
  return {};
}

// REQUIRES: check_put found nothing.
PutReply Store::State::put(const Put& put) {
  PutReply reply;
  Record record{.lease = put.lease, .key = put.key, .value = put.value};
  if (put.prev_kv || put.ignore_value || put.ignore_lease) {
    const Record* before = find(put.key, now());
    if (before != nullptr && put.prev_kv) reply.prev_kv = to_kv(*before);
    if (before != nullptr && put.ignore_value) record.value = before->value;
    if (before != nullptr && put.ignore_lease) record.lease = before->lease;
  }
  write(std::move(record));
  return reply;
}

DeleteReply Store::State::delete_range(const DeleteRange& range) {
  DeleteReply reply;
  std::vector<std::string> doomed;
  for (const Record* record : live(range.key, range.range_end)) {
    doomed.push_back(record->key);
    if (range.prev_kv) reply.prev_kvs.push_back(to_kv(*record));
  }
  for (const std::string& key : doomed) erase(key);
  reply.deleted = static_cast<std::int64_t>(doomed.size());
  return reply;
}

decltype(Reply::response) Store::State::perform(const Put& request) {
  // Outside a transaction etcd looks for the lease first.
  if (request.lease != no_lease && !leases.contains(request.lease)) return errors::lease_not_found();
  if (auto failure = check_put(request)) return std::move(*failure);
  return put(request);
}

decltype(Reply::response) Store::State::perform(const DeleteRange& range) { return delete_range(range); }

decltype(Reply::response) Store::State::perform(const Compaction& compaction) {
  if (compaction.revision <= compacted) return errors::compacted();
  if (compaction.revision > revision) return errors::future_revision();
  compact(compaction.revision);
  return CompactionReply{};
}

// -- Leases --

decltype(Reply::response) Store::State::perform(const LeaseGrant& grant) {
  if (grant.ttl > lease_ttl_max) return errors::lease_ttl_too_large();
  LeaseId id = grant.id;
  // The entry's index picks: the same on every replica, and not worth guessing.
  for (std::uint64_t n = 0; id == no_lease || (grant.id == no_lease && leases.contains(id)); ++n) {
    id = static_cast<LeaseId>(mix64(applied.value + n * 0x9e3779b97f4a7c15ULL) >> 1);
  }
  if (leases.contains(id)) return errors::lease_exists();
  const Lease lease{.id = id, .ttl = std::max(grant.ttl, lease_ttl_min), .renewal = applied.value};
  leases.emplace(id, LeaseState{.lease = lease});
  add(sum, hash_of(lease));
  return LeaseReply{.id = id, .ttl = lease.ttl, .renewal = lease.renewal};
}

decltype(Reply::response) Store::State::perform(const LeaseKeepalive& keepalive) {
  const auto found = leases.find(keepalive.id);
  if (found == leases.end()) return LeaseReply{.id = keepalive.id};
  Lease& lease = found->second.lease;
  subtract(sum, hash_of(lease));
  lease.renewal = applied.value;
  add(sum, hash_of(lease));
  return LeaseReply{.id = lease.id, .ttl = lease.ttl, .renewal = lease.renewal};
}

// Its keys go in key order, all in one revision.
void Store::State::end_lease(LeaseId id) {
  const auto found = leases.find(id);
  const std::set<std::string> keys_of_it = std::move(found->second.keys);
  subtract(sum, hash_of(found->second.lease));
  leases.erase(found);
  for (const std::string& key : keys_of_it) erase(key);
}

decltype(Reply::response) Store::State::perform(const LeaseRevoke& revoke) {
  if (!leases.contains(revoke.id)) return errors::lease_not_found();
  end_lease(revoke.id);
  return LeaseReply{.id = revoke.id};
}

decltype(Reply::response) Store::State::perform(const LeaseExpire& expire) {
  const auto found = leases.find(expire.id);
  if (found == leases.end()) return LeaseReply{.id = expire.id};
  const Lease lease = found->second.lease;
  if (lease.renewal != expire.renewal) return LeaseReply{.id = lease.id, .ttl = lease.ttl, .renewal = lease.renewal};
  end_lease(expire.id);
  return LeaseReply{.id = expire.id};
}

// -- Sessions --

decltype(Reply::response) Store::State::perform(const SessionOpen&) {
  if (sessions.size() >= sessions_max) return errors::too_many_sessions();
  const Session session{.id = static_cast<SessionId>(applied.value), .last_used = applied.value};
  sessions.emplace(session.id, SessionState{.session = session});
  add(sum, hash_of(session, ""));
  return SessionReply{.id = session.id, .open = true};
}

decltype(Reply::response) Store::State::perform(const SessionExpire& expire) {
  const auto found = sessions.find(expire.id);
  if (found == sessions.end()) return SessionReply{.id = expire.id};
  const SessionState& session = found->second;
  if (session.session.last_used != expire.last_used) return SessionReply{.id = expire.id, .open = true};
  subtract(sum, hash_of(session.session, session.reply ? *session.reply : ""));
  sessions.erase(found);
  return SessionReply{.id = expire.id};
}

// -- Transactions --

struct Store::State::Path {
  std::vector<bool> succeeded;
  std::size_t next = 0;
};

bool Store::State::holds(const Compare& compare) const {
  const auto records = live(compare.key, compare.range_end);
  if (records.empty() && compare.target == Compare::Target::value) return false;
  const auto holds_for = [&](const Record& record) {
    int order = 0;
    const auto number = [&](std::int64_t found) {
      return found < compare.number ? -1 : (found > compare.number ? 1 : 0);
    };
    switch (compare.target) {
      case Compare::Target::version: order = number(record.version); break;
      case Compare::Target::create: order = number(record.create); break;
      case Compare::Target::mod: order = number(record.main); break;
      case Compare::Target::lease: order = number(static_cast<std::int64_t>(record.lease)); break;
      case Compare::Target::value: order = record.value.compare(compare.value); break;
    }
    switch (compare.result) {
      case Compare::Result::equal: return order == 0;
      case Compare::Result::greater: return order > 0;
      case Compare::Result::less: return order < 0;
      case Compare::Result::not_equal: return order != 0;
    }
    return false;
  };
  if (records.empty()) return holds_for(Record{});
  return std::all_of(records.begin(), records.end(), [&](const Record* record) { return holds_for(*record); });
}

void Store::State::decide(const Txn& txn, Path& path) const {
  const bool succeeded =
      std::all_of(txn.compares.begin(), txn.compares.end(), [&](const Compare& compare) { return holds(compare); });
  path.succeeded.push_back(succeeded);
  for (const Operation& operation : succeeded ? txn.success : txn.failure) {
    if (const auto* nested = std::get_if<Txn>(&operation.request)) decide(*nested, path);
  }
}

// Whatever would fail on the way, before anything is written: a transaction happens whole or not at all.
std::optional<Failure> Store::State::check_path(const Txn& txn, Path& path) const {
  const bool succeeded = path.succeeded[path.next++];
  for (const Operation& operation : succeeded ? txn.success : txn.failure) {
    std::optional<Failure> failure;
    if (const auto* put = std::get_if<Put>(&operation.request)) failure = check_put(*put);
    if (const auto* range = std::get_if<Range>(&operation.request)) failure = check_revision(range->revision);
    if (const auto* nested = std::get_if<Txn>(&operation.request)) failure = check_path(*nested, path);
    if (failure) return failure;
  }
  return {};
}

TxnReply Store::State::run(const Txn& txn, Path& path) {
  TxnReply reply{.succeeded = path.succeeded[path.next++]};
  for (const Operation& operation : reply.succeeded ? txn.success : txn.failure) {
    OperationReply& response = reply.responses.emplace_back();
    if (const auto* request = std::get_if<Put>(&operation.request)) {
      response.response = put(*request);
    } else if (const auto* range = std::get_if<Range>(&operation.request)) {
      response.response = read(*range, range->revision > 0 ? range->revision : now());
    } else if (const auto* doomed = std::get_if<DeleteRange>(&operation.request)) {
      response.response = delete_range(*doomed);
    } else {
      response.response = run(std::get<Txn>(operation.request), path);
      continue;  // etcd gives it an empty header
    }
    response.revision = now();
  }
  return reply;
}

decltype(Reply::response) Store::State::perform(const Txn& txn) {
  Path path;
  decide(txn, path);
  if (auto failure = check_path(txn, path)) return std::move(*failure);
  path.next = 0;
  return run(txn, path);
}

}  // namespace faultline::raft::kv
