#include "twin.hpp"

#include <algorithm>

#include <faultline/raft/kv/errors.hpp>

namespace faultline::raft::kv {
namespace {

bool covers(const std::string& key, const std::string& end, const std::string& candidate) {
  if (end.empty()) return candidate == key;
  if (end == std::string(1, '\0')) return candidate >= key;
  return candidate >= key && candidate < end;
}

std::int64_t number_of(const KeyValue& kv, Compare::Target target) {
  switch (target) {
    case Compare::Target::version: return kv.version;
    case Compare::Target::create: return kv.create_revision;
    case Compare::Target::mod: return kv.mod_revision;
    default: return static_cast<std::int64_t>(kv.lease);
  }
}

}  // namespace

std::map<std::string, KeyValue> Twin::at(Revision revision) const {
  std::map<std::string, KeyValue> state;
  for (const Change& change : changes_) {
    if (change.revision > revision) break;
    if (change.deleted)
      state.erase(change.kv.key);
    else
      state[change.kv.key] = change.kv;
  }
  return state;
}

std::optional<KeyValue> Twin::find(const std::string& key) const {
  for (auto i = changes_.rbegin(); i != changes_.rend(); ++i) {
    if (i->kv.key == key) return i->deleted ? std::nullopt : std::optional(i->kv);
  }
  return {};
}

RangeReply Twin::read(const Range& range, Revision revision) const {
  std::vector<KeyValue> found;
  for (const auto& [key, kv] : at(revision)) {
    if (covers(range.key, range.range_end, key)) found.push_back(kv);
  }
  RangeReply reply{.count = static_cast<std::int64_t>(found.size())};
  if (range.count_only) return reply;
  const bool bounded = range.min_mod_revision != 0 || range.max_mod_revision != 0 || range.min_create_revision != 0 ||
                       range.max_create_revision != 0;
  if (!bounded && range.sort_order == SortOrder::none && range.limit > 0 &&
      found.size() > static_cast<std::size_t>(range.limit) + 1) {
    found.resize(static_cast<std::size_t>(range.limit) + 1);
  }
  std::erase_if(found, [&](const KeyValue& kv) {
    return (range.min_mod_revision != 0 && kv.mod_revision < range.min_mod_revision) ||
           (range.max_mod_revision != 0 && kv.mod_revision > range.max_mod_revision) ||
           (range.min_create_revision != 0 && kv.create_revision < range.min_create_revision) ||
           (range.max_create_revision != 0 && kv.create_revision > range.max_create_revision);
  });
  const auto less = [&](const KeyValue& a, const KeyValue& b) {
    switch (range.sort_target) {
      case SortTarget::key: return a.key < b.key;
      case SortTarget::version: return a.version < b.version;
      case SortTarget::create: return a.create_revision < b.create_revision;
      case SortTarget::mod: return a.mod_revision < b.mod_revision;
      case SortTarget::value: return a.value < b.value;
    }
    return false;
  };
  if (range.sort_order == SortOrder::descend) {
    std::stable_sort(found.begin(), found.end(), [&](const KeyValue& a, const KeyValue& b) { return less(b, a); });
  } else if (range.sort_order == SortOrder::ascend || range.sort_target != SortTarget::key) {
    std::stable_sort(found.begin(), found.end(), less);
  }
  if (range.limit > 0 && found.size() > static_cast<std::size_t>(range.limit)) {
    found.resize(static_cast<std::size_t>(range.limit));
    reply.more = true;
  }
  if (range.keys_only) {
    for (KeyValue& kv : found) kv.value.clear();
  }
  reply.kvs = std::move(found);
  return reply;
}

std::variant<Failure, RangeReply> Twin::range(const Range& range) const {
  if (range.key.empty()) return errors::key_not_provided();
  if (range.revision > revision_) return errors::future_revision();
  if (range.revision > 0 && range.revision < compacted_) return errors::compacted();
  return read(range, range.revision > 0 ? range.revision : revision_);
}

WatchPage Twin::watch(const Watch& watch) const {
  if (watch.start_revision < compacted_) return {.compacted = compacted_};
  WatchPage page{.next = std::max(revision_ + 1, watch.start_revision)};
  for (const Change& change : changes_) {
    if (change.revision < watch.start_revision || !covers(watch.key, watch.range_end, change.kv.key)) continue;
    if (change.deleted ? watch.no_delete : watch.no_put) continue;
    WatchEvent event{.deleted = change.deleted, .kv = change.kv};
    if (watch.prev_kv && change.revision - 1 >= compacted_) {
      const auto before = at(change.revision - 1);
      if (const auto found = before.find(change.kv.key); found != before.end()) event.prev_kv = found->second;
    }
    if (page.batches.empty() || page.batches.back().revision != change.revision) {
      page.batches.push_back({.revision = change.revision});
    }
    page.batches.back().events.push_back(std::move(event));
  }
  return page;
}

std::size_t Twin::visible() const {
  std::set<std::pair<std::string, Revision>> seen;
  std::size_t count = 0;
  for (auto i = changes_.rbegin(); i != changes_.rend(); ++i) {
    if (i->revision >= compacted_) {
      ++count;
      seen.emplace(i->kv.key, i->revision <= compacted_ ? 0 : 1);
    } else if (seen.emplace(i->kv.key, 0).second && !i->deleted) {
      ++count;
    }
  }
  return count;
}

std::vector<Lease> Twin::leases() const {
  std::vector<Lease> all;
  for (const auto& [id, lease] : leases_) all.push_back(lease);
  return all;
}

std::vector<std::string> Twin::lease_keys(LeaseId id) const {
  std::vector<std::string> keys;
  if (!leases_.contains(id)) return keys;
  for (const auto& [key, kv] : at(revision_ + 1)) {
    if (kv.lease == id) keys.push_back(key);
  }
  return keys;
}

std::vector<Session> Twin::sessions() const {
  std::vector<Session> all;
  for (const auto& [id, client] : clients_) all.push_back(client.session);
  return all;
}

std::optional<Failure> Twin::refuse(const Put& put) const {
  if ((put.ignore_value || put.ignore_lease) && !find(put.key)) return errors::key_not_found();
  if (put.lease != no_lease && !leases_.contains(put.lease)) return errors::lease_not_found();
  return {};
}

// A delete up to the end of all keys, earlier in the transaction, may have taken what `ignore_value` wants to keep (etcd crashes then);
// there is nothing to keep, and the put creates the key.
PutReply Twin::put(const Put& put) {
  const auto before = find(put.key);
  writing_ = revision_ + 1;
  KeyValue kv{.key = put.key,
              .value = put.ignore_value && before ? before->value : put.value,
              .create_revision = before ? before->create_revision : writing_,
              .mod_revision = writing_,
              .version = before ? before->version + 1 : 1,
              .lease = put.ignore_lease && before ? before->lease : put.lease};
  changes_.push_back({writing_, false, std::move(kv)});
  return {.prev_kv = put.prev_kv ? before : std::nullopt};
}

DeleteReply Twin::erase(const DeleteRange& range) {
  DeleteReply reply;
  for (const auto& [key, kv] : at(revision_ + 1)) {
    if (!covers(range.key, range.range_end, key)) continue;
    ++reply.deleted;
    if (range.prev_kv) reply.prev_kvs.push_back(kv);
    writing_ = revision_ + 1;
    changes_.push_back({writing_, true, {.key = key, .mod_revision = writing_}});
  }
  return reply;
}

bool Twin::holds(const Compare& compare) const {
  std::vector<KeyValue> found;
  for (const auto& [key, kv] : at(revision_)) {
    if (covers(compare.key, compare.range_end, key)) found.push_back(kv);
  }
  if (found.empty()) {
    if (compare.target == Compare::Target::value) return false;
    found.emplace_back();
  }
  for (const KeyValue& kv : found) {
    const bool by_value = compare.target == Compare::Target::value;
    const bool less = by_value ? kv.value < compare.value : number_of(kv, compare.target) < compare.number;
    const bool more = by_value ? compare.value < kv.value : number_of(kv, compare.target) > compare.number;
    bool holds = false;
    if (compare.result == Compare::Result::equal) holds = !less && !more;
    if (compare.result == Compare::Result::not_equal) holds = less || more;
    if (compare.result == Compare::Result::less) holds = less;
    if (compare.result == Compare::Result::greater) holds = more;
    if (!holds) return false;
  }
  return true;
}

void Twin::choose(const Txn& txn, std::vector<bool>& choices) const {
  bool all = true;
  for (const Compare& compare : txn.compares) all = all && holds(compare);
  choices.push_back(all);
  for (const Operation& operation : all ? txn.success : txn.failure) {
    if (const auto* nested = std::get_if<Txn>(&operation.request)) choose(*nested, choices);
  }
}

std::optional<Failure> Twin::refuse(const Txn& txn, const std::vector<bool>& choices, std::size_t& next) const {
  for (const Operation& operation : choices[next++] ? txn.success : txn.failure) {
    std::optional<Failure> refused;
    if (const auto* one = std::get_if<Put>(&operation.request)) refused = refuse(*one);
    if (const auto* one = std::get_if<Txn>(&operation.request)) refused = refuse(*one, choices, next);
    if (const auto* one = std::get_if<Range>(&operation.request)) {
      if (one->revision > revision_) refused = errors::future_revision();
      if (one->revision > 0 && one->revision < compacted_) refused = errors::compacted();
    }
    if (refused) return refused;
  }
  return {};
}

TxnReply Twin::run(const Txn& txn, const std::vector<bool>& choices, std::size_t& next) {
  TxnReply reply{.succeeded = choices[next++]};
  for (const Operation& operation : reply.succeeded ? txn.success : txn.failure) {
    OperationReply response;
    if (const auto* one = std::get_if<Put>(&operation.request)) response.response = put(*one);
    if (const auto* one = std::get_if<DeleteRange>(&operation.request)) response.response = erase(*one);
    const Revision now = std::max(revision_, writing_);
    if (const auto* one = std::get_if<Range>(&operation.request)) {
      response.response = read(*one, one->revision > 0 ? one->revision : now);
    }
    response.revision = now;
    if (const auto* one = std::get_if<Txn>(&operation.request)) {
      response.response = run(*one, choices, next);
      response.revision = 0;
    }
    reply.responses.push_back(std::move(response));
  }
  return reply;
}

void Twin::end(LeaseId id) {
  const auto keys = lease_keys(id);
  for (const std::string& key : keys) erase({.key = key});
  leases_.erase(id);
}

decltype(Reply::response) Twin::perform(const Command& command) {
  if (auto failure = check(command)) return *failure;
  const auto& request = command.request;
  if (const auto* one = std::get_if<Put>(&request)) {
    if (one->lease != no_lease && !leases_.contains(one->lease)) return errors::lease_not_found();
    if (auto failure = refuse(*one)) return *failure;
    return put(*one);
  }
  if (const auto* one = std::get_if<DeleteRange>(&request)) return erase(*one);
  if (const auto* one = std::get_if<Txn>(&request)) {
    std::vector<bool> choices;
    choose(*one, choices);
    std::size_t next = 0;
    if (auto failure = refuse(*one, choices, next)) return *failure;
    next = 0;
    return run(*one, choices, next);
  }
  if (const auto* one = std::get_if<Compaction>(&request)) {
    if (one->revision <= compacted_) return errors::compacted();
    if (one->revision > revision_) return errors::future_revision();
    compacted_ = one->revision;
    return CompactionReply{};
  }
  if (const auto* one = std::get_if<LeaseGrant>(&request)) {
    if (one->ttl > 9'000'000'000) return errors::lease_ttl_too_large();
    if (leases_.contains(one->id)) return errors::lease_exists();
    leases_[one->id] = {.id = one->id, .ttl = std::max<std::int64_t>(2, one->ttl), .renewal = index_};
    return LeaseReply{one->id, leases_[one->id].ttl, index_};
  }
  if (const auto* one = std::get_if<LeaseKeepalive>(&request)) {
    if (!leases_.contains(one->id)) return LeaseReply{.id = one->id};
    leases_[one->id].renewal = index_;
    return LeaseReply{one->id, leases_[one->id].ttl, index_};
  }
  if (const auto* one = std::get_if<LeaseRevoke>(&request)) {
    if (!leases_.contains(one->id)) return errors::lease_not_found();
    end(one->id);
    return LeaseReply{.id = one->id};
  }
  if (const auto* one = std::get_if<LeaseExpire>(&request)) {
    if (!leases_.contains(one->id)) return LeaseReply{.id = one->id};
    const Lease lease = leases_[one->id];
    if (lease.renewal > one->renewal || lease.renewal < one->renewal)
      return LeaseReply{lease.id, lease.ttl, lease.renewal};
    end(one->id);
    return LeaseReply{.id = one->id};
  }
  if (std::holds_alternative<SessionOpen>(request)) {
    clients_[SessionId{index_}].session = {.id = SessionId{index_}, .last_used = index_};
    return SessionReply{SessionId{index_}, true};
  }
  const auto& expire = std::get<SessionExpire>(request);
  const auto found = clients_.find(expire.id);
  if (found == clients_.end()) return SessionReply{.id = expire.id};
  if (found->second.session.last_used != expire.last_used) return SessionReply{expire.id, true};
  clients_.erase(found);
  return SessionReply{.id = expire.id};
}

Reply Twin::once(const Command& command) {
  writing_ = 0;
  auto response = perform(command);
  revision_ = std::max(revision_, writing_);
  return {revision_, std::move(response)};
}

Reply Twin::apply(std::uint64_t index, const Command& command) {
  index_ = index;
  if (!command.client) return once(command);
  const SessionId id = command.client->session;
  if (!clients_.contains(id)) return {revision_, errors::session_unknown()};
  const std::uint64_t sequence = command.client->sequence;
  if (sequence < std::max<std::uint64_t>(clients_[id].session.sequence, 1)) {
    return {revision_, errors::session_sequence_old()};
  }
  const Reply reply = sequence == clients_[id].session.sequence ? *clients_[id].reply : once(command);
  if (clients_.contains(id)) clients_[id] = {.session = {id, index, sequence}, .reply = reply};
  return reply;
}

}  // namespace faultline::raft::kv
