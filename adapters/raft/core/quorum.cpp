#include <faultline/raft/quorum.hpp>

#include <algorithm>
#include <functional>

namespace faultline::raft {

std::size_t majority(std::size_t voters) { return voters / 2 + 1; }

std::size_t tolerated(std::size_t voters) { return voters == 0 ? 0 : (voters - 1) / 2; }

std::uint64_t reached_by_majority(std::vector<std::uint64_t> values) {
  if (values.empty()) return UINT64_MAX;
  const auto least = values.begin() + static_cast<std::ptrdiff_t>(majority(values.size()) - 1);
  std::nth_element(values.begin(), least, values.end(), std::greater<>());
  return *least;
}

VoteResult count_votes(const std::vector<std::optional<bool>>& answers) {
  if (answers.empty()) return VoteResult::won;
  const auto granted = static_cast<std::size_t>(std::count(answers.begin(), answers.end(), std::optional<bool>(true)));
  const auto refused = static_cast<std::size_t>(std::count(answers.begin(), answers.end(), std::optional<bool>(false)));
  if (granted >= majority(answers.size())) return VoteResult::won;
  return answers.size() - refused < majority(answers.size()) ? VoteResult::lost : VoteResult::pending;
}

}  // namespace faultline::raft
