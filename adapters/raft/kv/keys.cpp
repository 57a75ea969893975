// The keys of a Store: looking up, writing, ranges.
#include <algorithm>
#include <functional>
#include <utility>

#include <faultline/raft/kv/errors.hpp>

#include "state.hpp"

namespace faultline::raft::kv {
namespace {

constexpr std::string_view to_the_end("\0", 1);

template <class T>
int compare_three(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int compare_by(SortTarget target, const Record& a, const Record& b) {
  switch (target) {
    case SortTarget::key: return compare_three(a.key, b.key);
    case SortTarget::version: return compare_three(a.version, b.version);
    case SortTarget::create: return compare_three(a.create, b.create);
    case SortTarget::mod: return compare_three(a.main, b.main);
    case SortTarget::value: return compare_three(a.value, b.value);
  }
  return 0;
}

// Equal ones stay in key order, whichever way.
void sort(std::vector<const Record*>& records, SortOrder order, SortTarget target) {
  std::stable_sort(records.begin(), records.end(), [&](const Record* a, const Record* b) {
    const int compared = compare_by(target, *a, *b);
    return order == SortOrder::descend ? compared > 0 : compared < 0;
  });
}

bool is_bounded(const Range& range) {
  return range.min_mod_revision != 0 || range.max_mod_revision != 0 || range.min_create_revision != 0 ||
         range.max_create_revision != 0;
}

bool is_within_bounds(const Range& range, const Record& record) {
  return (range.min_mod_revision == 0 || record.main >= range.min_mod_revision) &&
         (range.max_mod_revision == 0 || record.main <= range.max_mod_revision) &&
         (range.min_create_revision == 0 || record.create >= range.min_create_revision) &&
         (range.max_create_revision == 0 || record.create <= range.max_create_revision);
}

}  // namespace

bool in_range(std::string_view key, std::string_view first, std::string_view range_end) {
  if (range_end.empty()) return key == first;
  return key >= first && (range_end == to_the_end || key < range_end);
}

KeyValue to_kv(const Record& record) {
  if (record.tombstone) return {.key = record.key, .mod_revision = record.main};
  return {.key = record.key,
          .value = record.value,
          .create_revision = record.create,
          .mod_revision = record.main,
          .version = record.version,
          .lease = record.lease};
}

void Chain::pop_front() {
  records_[first_].reset();
  ++first_;
  // Taking the front of a long vector one by one would be quadratic.
  if (first_ == records_.size() || first_ * 2 > records_.size()) {
    records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

const Record* Chain::at(Revision revision) const {
  if (newest().main <= revision) return &newest();
  const auto begin = records_.begin() + static_cast<std::ptrdiff_t>(first_);
  const auto after =
      std::partition_point(begin, records_.end(), [&](const RecordPtr& record) { return record->main <= revision; });
  return after == begin ? nullptr : std::prev(after)->get();
}

const Record* Store::State::find(std::string_view key, Revision at) const {
  const auto found = keys.find(key);
  if (found == keys.end()) return nullptr;
  const Record* record = found->second.at(at);
  return record == nullptr || record->tombstone ? nullptr : record;
}

namespace {

// The one key, or [key, range_end): calls visit(record) for those that live at the revision.
template <class Visit>
void each_live(const Store::State::Keys& keys, std::string_view key, std::string_view range_end, Revision at,
               Visit visit) {
  for (auto i = keys.lower_bound(key); i != keys.end() && in_range(i->first, key, range_end); ++i) {
    const Record* record = i->second.at(at);
    if (record != nullptr && !record->tombstone) visit(*record);
  }
}

}  // namespace

std::vector<const Record*> Store::State::live(std::string_view key, std::string_view range_end) const {
  std::vector<const Record*> records;
  each_live(keys, key, range_end, now(), [&](const Record& record) { records.push_back(&record); });
  return records;
}

// etcd's way, quirks included: `count` is of the whole range; bounds and an order look at all of it before the limit cuts, a bare
// sort target only at what the limit let through, and one more.
RangeReply Store::State::read(const Range& range, Revision at) const {
  RangeReply reply;
  const bool all = range.sort_order != SortOrder::none || is_bounded(range) || range.limit <= 0;
  std::vector<const Record*> found;
  each_live(keys, range.key, range.range_end, at, [&](const Record& record) {
    ++reply.count;
    const bool wanted = all || reply.count - 1 <= range.limit;  // one more than the limit tells `more`
    if (!range.count_only && wanted && is_within_bounds(range, record)) found.push_back(&record);
  });
  SortOrder order = range.sort_order;
  if (order == SortOrder::none && range.sort_target != SortTarget::key) order = SortOrder::ascend;
  if (order != SortOrder::none) sort(found, order, range.sort_target);
  if (range.limit > 0 && found.size() > static_cast<std::uint64_t>(range.limit)) {
    found.resize(static_cast<std::size_t>(range.limit));
    reply.more = true;
  }
  reply.kvs.reserve(found.size());
  for (const Record* record : found) {
    reply.kvs.push_back(to_kv(*record));
    if (range.keys_only) reply.kvs.back().value.clear();
  }
  return reply;
}

std::optional<Failure> Store::State::check_revision(Revision at) const {
  if (at > revision) return errors::future_revision();
  if (at > 0 && at < compacted) return errors::compacted();
  return {};
}

void Store::State::attach(const std::string& key, LeaseId from, LeaseId to) {
  if (from == to) return;
  if (const auto old = leases.find(from); old != leases.end()) old->second.keys.erase(key);
  if (const auto next = leases.find(to); next != leases.end()) next->second.keys.insert(key);
}

// `record` has key, value, lease and tombstone; the rest follows from the key's past.
void Store::State::write(Record record) {
  Chain& chain = keys.try_emplace(record.key).first->second;
  const Record* before = chain.size() == 0 || chain.newest().tombstone ? nullptr : &chain.newest();
  attach(record.key, before == nullptr ? no_lease : before->lease, record.lease);
  record.main = revision + 1;
  record.sub = sub;
  if (!record.tombstone) {
    record.create = before == nullptr ? record.main : before->create;
    record.version = before == nullptr ? 1 : before->version + 1;
  }
  ++sub;
  insert(chain, std::make_shared<const Record>(std::move(record)));
}

void Store::State::erase(std::string_view key) { write({.tombstone = true, .key = std::string(key)}); }

void Store::State::insert(Chain& chain, RecordPtr record) {
  add(sum, hash_of(*record));
  record_bytes += snapshot_bytes(*record);
  chain.push(record);
  history.append(std::move(record));
}

}  // namespace faultline::raft::kv
