#include <faultline/raft/quorum.hpp>

#include <algorithm>

namespace faultline::raft {

std::size_t majority(std::size_t voters) { return voters / 2 + 1; }

std::size_t tolerated(std::size_t voters) { return voters == 0 ? 0 : (voters - 1) / 2; }

// Groups are small: to compare all with all costs less than to sort them.
std::uint64_t reached_by_majority(std::span<const std::uint64_t> values) {
  if (values.empty()) return UINT64_MAX;
  std::uint64_t reached = 0;
  for (const std::uint64_t value : values) {
    const auto there = std::count_if(values.begin(), values.end(), [&](std::uint64_t other) { return other >= value; });
    if (static_cast<std::size_t>(there) >= majority(values.size())) reached = std::max(reached, value);
  }
  return reached;
}

VoteResult count_votes(const std::vector<std::optional<bool>>& answers) {
  if (answers.empty()) return VoteResult::won;
  const auto granted = static_cast<std::size_t>(std::count(answers.begin(), answers.end(), std::optional<bool>(true)));
  const auto refused = static_cast<std::size_t>(std::count(answers.begin(), answers.end(), std::optional<bool>(false)));
  if (granted >= majority(answers.size())) return VoteResult::won;
  return answers.size() - refused < majority(answers.size()) ? VoteResult::lost : VoteResult::pending;
}

}  // namespace faultline::raft
