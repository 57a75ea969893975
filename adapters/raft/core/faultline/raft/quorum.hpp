// Majorities (Raft §5.2, §6): what a set of voters has agreed on. Pure functions of a configuration and one number or
// answer per node.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <faultline/assert.hpp>
#include <faultline/raft/types.hpp>

namespace faultline::raft {

// floor(n / 2) + 1: two majorities of the same n share a node. An even group tolerates no more failures than the odd
// one below it.
[[nodiscard]] std::size_t majority(std::size_t voters);
// floor((n - 1) / 2): how many voters may fail.
[[nodiscard]] std::size_t tolerated(std::size_t voters);

// The largest number that a majority of these has reached; without any, there is no limit (UINT64_MAX).
[[nodiscard]] std::uint64_t reached_by_majority(std::span<const std::uint64_t> values);

// The same for a configuration, `value_of` giving each voter's number; while it is joint, both majorities must have
// reached it (§6). Nobody has reached anything in an empty configuration.
template <class ValueOf>
[[nodiscard]] std::uint64_t reached_by_quorum(const Config& config, const ValueOf& value_of) {
  if (config.empty()) return 0;
  const auto side = [&](const std::vector<Member>& voters) {
    // Asked at every acknowledgement: without an allocation.
    std::array<std::uint64_t, members_max> values;
    FL_ASSERT(voters.size() <= values.size());
    std::transform(voters.begin(), voters.end(), values.begin(), [&](const Member& m) { return value_of(m.id); });
    return reached_by_majority({values.data(), voters.size()});
  };
  return std::min(side(config.voters), side(config.outgoing));
}

enum class VoteResult : std::uint8_t { pending, won, lost };

// An election among these, `answer_of` giving each voter's answer, if it gave one.
[[nodiscard]] VoteResult count_votes(const std::vector<std::optional<bool>>& answers);

template <class AnswerOf>
[[nodiscard]] VoteResult count_votes(const Config& config, const AnswerOf& answer_of) {
  if (config.empty()) return VoteResult::lost;
  const auto side = [&](const std::vector<Member>& voters) {
    std::vector<std::optional<bool>> answers;
    answers.reserve(voters.size());
    for (const Member& voter : voters) answers.push_back(answer_of(voter.id));
    return count_votes(answers);
  };
  const VoteResult incoming = side(config.voters);
  const VoteResult outgoing = side(config.outgoing);
  if (incoming == VoteResult::lost || outgoing == VoteResult::lost) return VoteResult::lost;
  return incoming == VoteResult::won && outgoing == VoteResult::won ? VoteResult::won : VoteResult::pending;
}

}  // namespace faultline::raft
