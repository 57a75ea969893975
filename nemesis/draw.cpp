#include "draw.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace faultline {

std::string_view pick(std::span<const Choice> choices, std::span<const std::uint64_t> weights, Rng& rng) {
  FL_ASSERT(choices.size() == weights.size());
  std::uint64_t total = 0;
  for (const std::uint64_t weight : weights) total += weight;
  std::uint64_t at = rng.below(total);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (at < weights[i]) return choices[i].word;
    at -= weights[i];
  }
  FL_ASSERT(false && "the weights add up");
}

std::string_view pick(std::span<const Choice> choices, Rng& rng) {
  std::vector<std::uint64_t> weights;
  for (const Choice& choice : choices) weights.push_back(choice.weight);
  return pick(choices, weights, rng);
}

std::uint64_t log_uniform(std::uint64_t low, std::uint64_t high, Rng& rng) {
  FL_ASSERT(low > 0 && low <= high);
  const auto octaves = static_cast<std::uint64_t>(std::bit_width(high / low));
  const std::uint64_t from = low << rng.below(octaves);
  const std::uint64_t to = from > high / 2 ? high : 2 * from - 1;
  return from + rng.below(std::max(from, to) - from + 1);
}

Duration log_uniform(Duration low, Duration high, Rng& rng) {
  return Duration(static_cast<Duration::rep>(
      log_uniform(static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()), rng)));
}

Duration rounded(Duration duration) {
  Duration::rep digit = 1;
  while (duration.count() / digit >= 100) digit *= 10;
  return Duration(duration.count() / digit * digit);
}

std::string exact(Duration duration) {
  constexpr std::array<std::pair<std::string_view, Duration::rep>, 3> units{
      {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}}};
  for (const auto& [unit, size] : units) {
    if (duration.count() % size == 0) return fmt::format("{}{}", duration.count() / size, unit);
  }
  return fmt::format("{}ns", duration.count());
}

double log_uniform_probability(std::uint64_t low, std::uint64_t high, Rng& rng) {
  return static_cast<double>(log_uniform(low, high, rng)) / 1000;
}

}  // namespace faultline
