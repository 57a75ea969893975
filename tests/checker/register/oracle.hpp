// The dumb twins: a search that tries every order, a linear check of an order, and small random problems. They share
// nothing with the engines but RegisterProblem.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <faultline/rng.hpp>

#include "checker/register/register.hpp"

namespace faultline::oracle {

// Tries every order, without any memory. REQUIRES: few operations.
bool linearizable(const RegisterProblem& problem);

// The history up to and with an event: what completes later is open.
RegisterProblem cut_after(const RegisterProblem& problem, EventIndex event);

// Empty if the order is a legal one that respects real time: no operation twice, none after one that completed before
// it was invoked, each legal for the register. With `complete`, every operation that completed must be in it. `until`:
// of operations completed before this position, all must be in it.
std::string check_order(const RegisterProblem& problem, const std::vector<std::uint32_t>& order, bool complete,
                        EventIndex until = 0);

struct Shape {
  unsigned operations = 6;
  unsigned processes = 0;  // 0: intervals are arbitrary
  unsigned values = 2;
  double open = 0.1;
  bool cas = true;
  bool differs = true;
  bool unique = false;  // every write and cas target is fresh
};

// Half of them are linearizable by construction, half of those with one result changed.
RegisterProblem random_problem(Rng& rng, const Shape& shape);

// One line per operation, for a failing test.
std::string to_string(const RegisterProblem& problem);

}  // namespace faultline::oracle
