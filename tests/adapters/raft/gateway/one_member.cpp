#include "one_member.hpp"

#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/kv/errors.hpp>

#include <algorithm>

namespace faultline::raft::gateway {

HttpReply OneMember::answer(Request& asked) {
  if (auto* refused = std::get_if<HttpReply>(&asked.content)) return std::move(*refused);
  if (auto* write = std::get_if<Write>(&asked.content)) {
    if (const auto failure = kv::check(write->command)) return error_reply(asked.call, *failure);
    if (kv::encode(write->command).size() > kv::command_bytes_max) {
      return error_reply(asked.call, kv::errors::request_too_large());
    }
    return to_reply(asked.call, header_, apply(write->command));
  }
  if (auto* read = std::get_if<Read>(&asked.content)) {
    if (const auto failure = kv::check(read->range)) return error_reply(asked.call, *failure);
    const auto found = store_.range(read->range);
    if (const auto* failure = std::get_if<kv::Failure>(&found)) return error_reply(asked.call, *failure);
    return range_reply(header_, store_.revision(), std::get<kv::RangeReply>(found));
  }
  if (auto* txn = std::get_if<ReadTxn>(&asked.content)) {
    if (const auto failure = kv::check(kv::Command{.request = txn->txn})) return error_reply(asked.call, *failure);
    const auto read = read_txn(store_, txn->txn);
    if (const auto* failure = std::get_if<kv::Failure>(&read)) return error_reply(asked.call, *failure);
    return txn_reply(header_, store_.revision(), std::get<kv::TxnReply>(read));
  }
  if (auto* keepalives = std::get_if<Keepalives>(&asked.content)) {
    HttpReply reply;
    for (const kv::LeaseId id : keepalives->leases) {
      const kv::Reply applied = apply({.request = kv::LeaseKeepalive{id}});
      reply.body += keepalive_line(header_, applied.revision, id, std::get<kv::LeaseReply>(applied.response).ttl);
    }
    return reply;
  }
  return local(asked);
}

HttpReply OneMember::local(const Request& asked) {
  if (const auto* question = std::get_if<TimeToLive>(&asked.content)) {
    TimeToLiveReply reply{.revision = store_.revision(), .id = question->id};
    if (const auto lease = store_.lease(question->id)) {
      reply.ttl = reply.granted_ttl = lease->ttl;
      if (question->keys) reply.keys = store_.lease_keys(question->id);
    }
    return time_to_live_reply(header_, reply);
  }
  switch (asked.call) {
    case Call::lease_leases: {
      std::vector<kv::LeaseId> ids;
      for (const kv::Lease& lease : store_.leases()) ids.push_back(lease.id);
      return leases_reply(header_, store_.revision(), ids);
    }
    case Call::status:
      return status_reply(header_, {.revision = store_.revision(),
                                    .version = "3.4.23",
                                    .db_size = 1,
                                    .leader = header_.member_id,
                                    .raft_index = 1,
                                    .raft_applied_index = 1,
                                    .db_size_in_use = 1});
    case Call::version: return version_reply("3.4.23", "3.4.0", "0.1.0");
    case Call::health: return health_reply(true);
    default: return empty_reply();
  }
}

std::variant<HttpReply, kv::Ticket> OneMember::lock(const Lock& lock) {
  kv::LeaseId lease = lock.lease;
  if (lease == kv::no_lease) {
    const kv::Reply granted = apply({.request = kv::LeaseGrant{.ttl = 60}});
    lease = std::get<kv::LeaseReply>(granted.response).id;
  }
  const kv::Reply reply = apply(kv::lock_command(lock.name, lease));
  if (const auto* failure = std::get_if<kv::Failure>(&reply.response)) return error_reply(Call::lock, *failure);
  const auto ticket = kv::read_ticket(lock.name, lease, reply);
  if (!ticket) return plain_error_reply(kv::errors::lease_not_found());
  if (auto done = lock_reply_if_any(*ticket)) return std::move(*done);
  return *ticket;
}

std::optional<HttpReply> OneMember::lock_reply_if_any(const kv::Ticket& ticket) const {
  switch (kv::lock_state(store_, ticket)) {
    case kv::LockState::held: return lock_reply(header_, store_.revision(), ticket.key);
    case kv::LockState::gone: return plain_error_reply(kv::errors::lease_not_found());
    case kv::LockState::waiting: break;
  }
  return std::nullopt;
}

void OneMember::expire_leases_up_to(std::int64_t ttl) {
  for (const kv::Lease& lease : store_.leases()) {
    if (lease.ttl <= ttl) apply({.request = kv::LeaseExpire{lease.id, lease.renewal}});
  }
}

}  // namespace faultline::raft::gateway
