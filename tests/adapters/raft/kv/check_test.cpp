// Which transactions write a key twice: the store's check, which merges intervals, against a list that is searched from end to end.
#include <gtest/gtest.h>

#include <set>

#include <faultline/raft/kv/errors.hpp>
#include <faultline/raft/kv/store.hpp>
#include <faultline/rng.hpp>

namespace faultline::raft::kv {
namespace {

using Operations = std::vector<Operation>;

struct Written {
  std::vector<std::string> puts;
  std::vector<DeleteRange> deletes;
  bool twice = false;

  bool has(const std::string& key) const {
    for (const std::string& put : puts) {
      if (put == key) return true;
    }
    return covered(key);
  }
  bool covered(const std::string& key) const {
    for (const DeleteRange& range : deletes) {
      if (range.range_end.empty() ? key == range.key : key >= range.key && key < range.range_end) return true;
    }
    return false;
  }
};

Written written(const Operations& operations) {
  Written all;
  for (const Operation& operation : operations) {
    if (const auto* range = std::get_if<DeleteRange>(&operation.request)) all.deletes.push_back(*range);
  }
  for (const Operation& operation : operations) {
    const auto* txn = std::get_if<Txn>(&operation.request);
    if (txn == nullptr) continue;
    const Written branches[] = {written(txn->success), written(txn->failure)};
    const Written before = all;
    for (const Written& branch : branches) {
      all.twice = all.twice || branch.twice;
      for (const std::string& key : branch.puts) {
        all.twice = all.twice || before.has(key);
        all.puts.push_back(key);
      }
      all.deletes.insert(all.deletes.end(), branch.deletes.begin(), branch.deletes.end());
    }
  }
  for (const Operation& operation : operations) {
    const auto* put = std::get_if<Put>(&operation.request);
    if (put == nullptr) continue;
    all.twice = all.twice || all.has(put->key);
    all.puts.push_back(put->key);
  }
  return all;
}

std::string random_key(Rng& rng) {
  std::string key(1, static_cast<char>('a' + rng.below(6)));
  if (rng.chance(0.2)) key += '\0';
  return key;
}

Operations random_operations(Rng& rng, int depth) {
  Operations operations;
  for (auto n = rng.below(5); n > 0; --n) {
    switch (rng.below(depth > 0 ? 4 : 3)) {
      case 0: operations.push_back({Put{.key = random_key(rng)}}); break;
      case 1: operations.push_back({DeleteRange{.key = random_key(rng)}}); break;
      case 2: operations.push_back({DeleteRange{.key = random_key(rng), .range_end = random_key(rng)}}); break;
      default:
        operations.push_back(
            {Txn{.success = random_operations(rng, depth - 1), .failure = random_operations(rng, depth - 1)}});
    }
  }
  return operations;
}

TEST(Check, AKeyWrittenTwiceIsFoundAsByItsTwin) {
  Rng rng(11);
  std::uint64_t refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Txn txn{.success = random_operations(rng, 2), .failure = random_operations(rng, 1)};
    const bool expected = written(txn.success).twice || written(txn.failure).twice;
    const auto failure = check(Command{.request = txn});
    ASSERT_EQ(failure.has_value(), expected) << to_text(Command{.request = txn});
    if (!failure) continue;
    ASSERT_EQ(*failure, errors::duplicate_key());
    ++refused;
  }
  EXPECT_GT(refused, 10'000U);
  EXPECT_LT(refused, 90'000U);
}

}  // namespace
}  // namespace faultline::raft::kv
