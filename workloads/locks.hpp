// Generators of the workloads whose clients remember what they hold: locks and leases. Private to workloads/; see workload.hpp.
#pragma once

#include <faultline/generator.hpp>

namespace faultline {

struct LockWork {
  std::size_t locks = 1;  // at most; one for every five workers, so that a lock that is lost soon finds another holder
  std::int64_t ttl_ms = 10'000;
  Duration hold = std::chrono::seconds(2);  // mean
  bool fenced = false;                      // holders write under their token
};

// Endless: who holds nothing asks for a lock, who holds one lets it go when its time is over. The value of an acquire is the lease's time
// to live in milliseconds, that of a fenced release the token, of a write [token n].
Generator lock_work(Rng rng, const LockWork& options);

struct LeaseWork {
  std::size_t keys = 10;  // alive or watched at a time
  std::int64_t ttl_ms = 10'000;
};

// Endless: grants a key and keeps its lease alive some times, every third of the time to live, then leaves it to end; everybody reads the
// keys all the while and some time after they are gone. The value of a grant is the time to live in milliseconds.
Generator lease_work(Rng rng, const LeaseWork& options);

}  // namespace faultline
