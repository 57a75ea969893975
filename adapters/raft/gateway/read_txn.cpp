#include <faultline/assert.hpp>
#include <faultline/raft/gateway/read_txn.hpp>

#include <algorithm>

namespace faultline::raft::gateway {
namespace {

template <class Number>
bool holds(kv::Compare::Result wanted, const Number& is, const Number& given) {
  switch (wanted) {
    case kv::Compare::Result::equal: return is == given;
    case kv::Compare::Result::greater: return is > given;
    case kv::Compare::Result::less: return is < given;
    case kv::Compare::Result::not_equal: return is != given;
  }
  return false;
}

bool holds(const kv::Compare& compare, const kv::KeyValue& kv) {
  using Target = kv::Compare::Target;
  switch (compare.target) {
    case Target::version: return holds(compare.result, kv.version, compare.number);
    case Target::create: return holds(compare.result, kv.create_revision, compare.number);
    case Target::mod: return holds(compare.result, kv.mod_revision, compare.number);
    case Target::value: return holds(compare.result, kv.value, compare.value);
    case Target::lease: return holds(compare.result, static_cast<std::int64_t>(kv.lease), compare.number);
  }
  return false;
}

// An absent key, or an empty range, counts as one key of zeros whose value equals nothing.
bool holds(const kv::Store& store, const kv::Compare& compare) {
  const auto found = store.range({.key = compare.key, .range_end = compare.range_end});
  const auto* reply = std::get_if<kv::RangeReply>(&found);
  FL_ASSERT(reply != nullptr);
  if (reply->kvs.empty()) return compare.target != kv::Compare::Target::value && holds(compare, kv::KeyValue{});
  return std::all_of(reply->kvs.begin(), reply->kvs.end(), [&](const kv::KeyValue& kv) { return holds(compare, kv); });
}

}  // namespace

std::variant<kv::Failure, kv::TxnReply> read_txn(const kv::Store& store, const kv::Txn& txn) {
  kv::TxnReply reply;
  reply.succeeded = std::all_of(txn.compares.begin(), txn.compares.end(),
                                [&](const kv::Compare& compare) { return holds(store, compare); });
  for (const kv::Operation& operation : reply.succeeded ? txn.success : txn.failure) {
    const auto* range = std::get_if<kv::Range>(&operation.request);
    FL_ASSERT(range != nullptr);
    auto answer = store.range(*range);
    if (auto* failure = std::get_if<kv::Failure>(&answer)) return std::move(*failure);
    reply.responses.push_back({store.revision(), std::get<kv::RangeReply>(std::move(answer))});
  }
  return reply;
}

}  // namespace faultline::raft::gateway
