#include <faultline/raft/kv/lock.hpp>

#include <charconv>
#include <utility>

#include <faultline/assert.hpp>

namespace faultline::raft::kv {
namespace {

std::string prefix_of(std::string_view name) { return std::string(name) + '/'; }

// The first key behind all that begin with the prefix: '/' is not the last of the bytes.
std::string end_of(std::string prefix) {
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

std::string lock_key(std::string_view name, LeaseId lease) {
  char hex[17];
  const auto end = std::to_chars(std::begin(hex), std::end(hex), static_cast<std::int64_t>(lease), 16).ptr;
  return prefix_of(name).append(hex, end);
}

Command lock_command(std::string_view name, LeaseId lease) {
  FL_ASSERT(lease != no_lease);
  const std::string key = lock_key(name, lease);
  Txn txn;
  txn.compares.push_back(
      {.key = key, .target = Compare::Target::create, .result = Compare::Result::equal, .number = 0});
  txn.success.push_back({Put{.key = key, .lease = lease}});
  txn.failure.push_back({Range{.key = key}});
  return {.request = std::move(txn)};
}

std::optional<Ticket> read_ticket(std::string_view name, LeaseId lease, const Reply& reply) {
  const auto* txn = std::get_if<TxnReply>(&reply.response);
  if (txn == nullptr || txn->responses.size() != 1) return {};
  Ticket ticket{.prefix = prefix_of(name), .key = lock_key(name, lease), .create_revision = reply.revision};
  if (const auto* range = std::get_if<RangeReply>(&txn->responses[0].response)) {
    if (range->kvs.size() != 1) return {};
    ticket.create_revision = range->kvs[0].create_revision;
  }
  return ticket;
}

LockState lock_state(const Store& store, const Ticket& ticket) {
  const auto own = store.range({.key = ticket.key, .keys_only = true});
  const auto& found = std::get<RangeReply>(own).kvs;
  if (found.empty() || found[0].create_revision != ticket.create_revision) return LockState::gone;
  const auto before = store.range({.key = ticket.prefix,
                                   .range_end = end_of(ticket.prefix),
                                   .limit = 1,
                                   .keys_only = true,
                                   .max_create_revision = ticket.create_revision - 1});
  return std::get<RangeReply>(before).kvs.empty() ? LockState::held : LockState::waiting;
}

}  // namespace faultline::raft::kv
