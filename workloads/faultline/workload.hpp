// Workload: what the clients of a run do, and which model judges it.
//
//   register      read and write. No value is written twice to a key, so that every read names the write it saw: the
//                 check is fast however long the history, and its explanation short.
//   cas-register  read, write and cas [from to] with few values, so that a cas often succeeds. The check is harder.
//   kv-append     get, put and append on strings; each token is unique on its key, so that a get shows which appends it
//                 saw and in what order: lost and doubled writes stay visible long after they happened.
//   set           add and read of whole sets: every element is added once; each set is read at the end.
//   lock          acquire and release of few locks. A client holds a lock from the completion of its acquire until it asks
//                 for the release, as code does that knows only `lock` and `unlock`; its lease is kept alive all the while.
//   fenced-lock   the same locks, and writes [token n] to what they protect, which stands outside the system under test and
//                 refuses a token older than one it has seen. Two may believe that they hold the lock; that is no fault here.
//   lease         a key is granted a lease that is kept alive for a while; all read it until it is gone. How long it must
//                 live and may live: Lease in models.hpp.
//
// Of register, cas-register, kv-append and set:
// All workers work on all keys: every operation draws a random key among those live. That is what finds stale and lost
// values best where each worker is pinned to one node, for soon after a write on one side of a cut somebody reads the
// same key on the other. A key that has had its share of operations retires for a new one, so that no key's history
// grows beyond what a search can take. Operations come at one rate in all, at random intervals.
//
// All randomness comes from the seed. Generators are endless: RunOptions::time_limit ends them.
#pragma once

#include <faultline/generator.hpp>
#include <faultline/history.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace faultline {

struct WorkloadOptions {
  std::uint64_t seed = 0;
  std::size_t keys = 10;                     // live at a time, 1 to 1000
  double rate = 500;                         // operations per second in all
  std::optional<std::uint64_t> ops_per_key;  // then the key retires; 0: never. Default: register 0, the others 200
  double read_fraction = 0.5;                // of the operations
  // Workers that only read, the first of them: one that is blocked in a write on a node that is cut off reads nothing stale there.
  // Only where keys stay in use (register). REQUIRES: fewer than the workers there are.
  std::size_t readers = 0;
  std::int64_t value_count = 5;             // cas-register: values 0 … n - 1; at least 2
  Duration ttl = std::chrono::seconds(10);  // lock, fenced-lock, lease: of a lease that is not kept alive; 1s to 1h
  bool final_reads = true;
};

struct WorkloadInfo {
  std::string_view name;
  std::string_view model;  // as check() knows it
  std::string_view description;
};

struct Workload {
  WorkloadInfo info;
  Generator clients;
  // For Plan::final: every worker reads the keys that were live last (at most 100), so that every node is asked for
  // each. Null if not wanted.
  std::function<Generator(const History&)> final_reads;
};

std::span<const WorkloadInfo> workloads();

// Bad input: an unknown name (with its nearest match), options out of range.
Result<Workload> make_workload(std::string_view name, const WorkloadOptions& options);

// "200/s": operations per second. A bare number is an error that names the unit.
Result<double> parse_rate(std::string_view text);

}  // namespace faultline
