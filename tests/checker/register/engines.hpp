// Runs one problem through every engine and every switch, and judges the answers against the oracle.
#pragma once

#include <string>
#include <vector>

#include "checker/register/search.hpp"
#include "oracle.hpp"

namespace faultline::oracle {

struct Way {
  std::string name;
  RegisterEngine engine = RegisterEngine::automatic;
  registers::Prunings prunings;
};

// Every engine as it is; with `switches`, the frontier and the depth-first search once without each reduction, too.
std::vector<Way> ways(bool switches);

SearchResult run(const RegisterProblem& problem, const Way& way);

// Empty if the answer is right: the expected verdict; a complete legal order for valid; for invalid a legal beginning and a
// `died_at` by which no order is left. Zones may not know where failed cas are about.
std::string complaint(const RegisterProblem& problem, const SearchResult& result, bool expect_valid, const Way& way);

// The first complaint of any way, with the problem; empty if all are right and agree.
std::string judge(const RegisterProblem& problem, bool switches);

}  // namespace faultline::oracle
