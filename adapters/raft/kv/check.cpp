// What a request may not ask, whatever the state: the checks etcd makes before it proposes.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/raft/kv/errors.hpp>
#include <faultline/raft/kv/store.hpp>

namespace faultline::raft::kv {
namespace {

std::optional<Failure> check_put(const Put& put) {
  if (put.key.empty()) return errors::key_not_provided();
  if (put.ignore_value && !put.value.empty()) return errors::value_provided();
  if (put.ignore_lease && put.lease != no_lease) return errors::lease_provided();
  return {};
}

std::optional<Failure> check_shape(const Txn& txn, std::size_t operations_left);

std::optional<Failure> check_operations(const std::vector<Operation>& operations, std::size_t operations_left) {
  for (const Operation& operation : operations) {
    std::optional<Failure> failure;
    if (const auto* put = std::get_if<Put>(&operation.request)) {
      failure = check_put(*put);
    } else if (const auto* txn = std::get_if<Txn>(&operation.request)) {
      failure = check_shape(*txn, operations_left);
    } else if (const auto* range = std::get_if<Range>(&operation.request)) {
      failure = check(*range);
    } else if (std::get<DeleteRange>(operation.request).key.empty()) {
      failure = errors::key_not_provided();
    }
    if (failure) return failure;
  }
  return {};
}

// Each level may take as many operations as the levels above have left over.
std::optional<Failure> check_shape(const Txn& txn, std::size_t operations_left) {
  const std::size_t operations = std::max({txn.compares.size(), txn.success.size(), txn.failure.size()});
  if (operations > operations_left) return errors::too_many_operations();
  for (const Compare& compare : txn.compares) {
    if (compare.key.empty()) return errors::key_not_provided();
  }
  if (auto failure = check_operations(txn.success, operations_left - operations)) return failure;
  return check_operations(txn.failure, operations_left - operations);
}

// What a list of operations writes. A key may be put once, and not beside a delete that covers it. Found in etcd's order: a
// list's own deletes, its nested transactions one after the other, its own puts; so a delete nested behind a nested put of the same
// key goes through, as it does there.
struct Writes {
  std::set<std::string, std::less<>> puts;
  std::map<std::string, std::string> deletes;  // disjoint half-open intervals, first key to end

  // A delete up to "\0" (every key from `key` on) covers nothing here: etcd's interval ends before it begins.
  void add_delete(const DeleteRange& range) {
    add_interval(range.key, range.range_end.empty() ? range.key + '\0' : range.range_end);
  }
  void add_interval(std::string first, std::string end) {
    if (end <= first) return;
    auto at = deletes.upper_bound(first);
    if (at != deletes.begin() && std::prev(at)->second >= first) --at;
    while (at != deletes.end() && at->first <= end) {
      first = std::min(first, at->first);
      end = std::max(end, at->second);
      at = deletes.erase(at);
    }
    deletes.emplace(std::move(first), std::move(end));
  }
  [[nodiscard]] bool deletes_key(const std::string& key) const {
    const auto after = deletes.upper_bound(key);
    return after != deletes.begin() && key < std::prev(after)->second;
  }
};

std::optional<Writes> collect(const std::vector<Operation>& operations);

// False: a key twice. The branches exclude each other, so both may put the same key.
bool collect_nested(const Txn& txn, Writes& writes) {
  const auto success = collect(txn.success);
  const auto failure = collect(txn.failure);
  if (!success || !failure) return false;
  const auto free = [&](const std::string& key) { return !writes.puts.contains(key) && !writes.deletes_key(key); };
  if (!std::all_of(success->puts.begin(), success->puts.end(), free)) return false;
  if (!std::all_of(failure->puts.begin(), failure->puts.end(), free)) return false;
  for (const Writes* branch : {&*success, &*failure}) {
    writes.puts.insert(branch->puts.begin(), branch->puts.end());
    for (const auto& [first, end] : branch->deletes) writes.add_interval(first, end);
  }
  return true;
}

std::optional<Writes> collect(const std::vector<Operation>& operations) {
  Writes writes;
  for (const Operation& operation : operations) {
    if (const auto* range = std::get_if<DeleteRange>(&operation.request)) writes.add_delete(*range);
  }
  for (const Operation& operation : operations) {
    const auto* txn = std::get_if<Txn>(&operation.request);
    if (txn != nullptr && !collect_nested(*txn, writes)) return {};
  }
  for (const Operation& operation : operations) {
    const auto* put = std::get_if<Put>(&operation.request);
    if (put == nullptr) continue;
    if (writes.deletes_key(put->key) || !writes.puts.insert(put->key).second) return {};
  }
  return writes;
}

std::optional<Failure> check_txn(const Txn& txn) {
  if (auto failure = check_shape(txn, operations_max)) return failure;
  if (!collect(txn.success) || !collect(txn.failure)) return errors::duplicate_key();
  return {};
}

}  // namespace

std::optional<Failure> check(const Range& range) {
  if (range.key.empty()) return errors::key_not_provided();
  return {};
}

std::optional<Failure> check(const Command& command) {
  if (const auto* put = std::get_if<Put>(&command.request)) return check_put(*put);
  if (const auto* txn = std::get_if<Txn>(&command.request)) return check_txn(*txn);
  if (const auto* range = std::get_if<DeleteRange>(&command.request); range != nullptr && range->key.empty()) {
    return errors::key_not_provided();
  }
  return {};
}

}  // namespace faultline::raft::kv
