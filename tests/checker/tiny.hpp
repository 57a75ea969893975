// Random tiny histories of any model: few processes, few values, results that are often but not always right, open and
// failed ones.
#pragma once

#include <string>
#include <string_view>

#include <faultline/history.hpp>
#include <faultline/rng.hpp>

namespace faultline::test {

History tiny_history(std::string_view model, Rng& rng, std::size_t max_operations = 7);

// One event per line, to print with a failing seed.
std::string to_text(const History& history);

}  // namespace faultline::test
