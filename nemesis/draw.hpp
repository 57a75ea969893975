// Draw: the small change of drawing faults: weighted words, and durations, counts and probabilities that are spread over orders of
// magnitude. Whole numbers throughout, so that every build draws the same; results are round, so that people can read them.
#pragma once

#include <faultline/nemesis.hpp>

namespace faultline {

// REQUIRES: some weight > 0.
std::string_view pick(std::span<const Choice> choices, Rng& rng);
std::string_view pick(std::span<const Choice> choices, std::span<const std::uint64_t> weights, Rng& rng);

// The package's own, and "start": at a time, a frame or a change of role.
std::vector<Question> questions_of(const Package& package);

// Log-uniform in [low, high]: each factor of two as likely as every other. REQUIRES: 0 < low <= high.
std::uint64_t log_uniform(std::uint64_t low, std::uint64_t high, Rng& rng);
Duration log_uniform(Duration low, Duration high, Rng& rng);
// The same to two digits: "1200ms" rather than "1234567us".
Duration rounded(Duration duration);
// "1200ms": exactly, in the largest unit that divides it.
std::string exact(Duration duration);
// Log-uniform in [low, high] thousandths, as a probability.
double log_uniform_probability(std::uint64_t low, std::uint64_t high, Rng& rng);

}  // namespace faultline
