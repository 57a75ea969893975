// Majorities against a dumb twin that looks at every subset of the voters.

#include <faultline/raft/quorum.hpp>

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>

#include <faultline/raft/membership.hpp>
#include <faultline/rng.hpp>

namespace faultline::raft::test {
namespace {

std::vector<Member> members(std::uint32_t mask) {
  std::vector<Member> all;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    if (mask >> (id - 1) & 1) all.push_back({NodeId{id}, StayId{1}, ""});
  }
  return all;
}

// Whether those of `mask` are more than half of these voters.
bool more_than_half(const std::vector<Member>& voters, std::uint32_t mask) {
  std::size_t inside = 0;
  for (const Member& voter : voters) inside += mask >> (voter.id.value - 1) & 1;
  return 2 * inside > voters.size();
}

bool is_quorum(const Config& config, std::uint32_t mask) {
  if (config.voters.empty()) return false;
  return more_than_half(config.voters, mask) && (config.outgoing.empty() || more_than_half(config.outgoing, mask));
}

// The largest value all of some quorum have reached.
std::uint64_t dumb_reached(const Config& config, const std::array<std::uint64_t, 5>& values) {
  std::uint64_t best = 0;
  for (std::uint32_t mask = 0; mask < 32; ++mask) {
    if (!is_quorum(config, mask)) continue;
    std::uint64_t least = UINT64_MAX;
    for (std::size_t i = 0; i < 5; ++i) {
      if (mask >> i & 1) least = std::min(least, values[i]);
    }
    best = std::max(best, least);
  }
  return best;
}

TEST(Quorum, ReachedIsWhatTheBestQuorumHasReached) {
  for (std::uint32_t voters = 1; voters < 32; ++voters) {
    for (std::uint32_t outgoing = 0; outgoing < 32; ++outgoing) {
      const Config config{members(voters), members(outgoing), {}};
      for (std::uint32_t code = 0; code < 243; ++code) {
        std::array<std::uint64_t, 5> values{};
        std::uint32_t rest = code;
        for (auto& value : values) {
          value = rest % 3;
          rest /= 3;
        }
        // Only voters have values, so that a quorum's other nodes do not lower it.
        std::array<std::uint64_t, 5> known = values;
        for (std::size_t i = 0; i < 5; ++i) {
          if (!((voters | outgoing) >> i & 1)) known[i] = UINT64_MAX;
        }
        ASSERT_EQ(reached_by_quorum(config, [&](NodeId id) { return values[id.value - 1]; }),
                  dumb_reached(config, known))
            << voters << " " << outgoing << " " << code;
      }
    }
  }
}

TEST(Quorum, AnElectionIsWonByAQuorumAndLostOnceNoneIsLeft) {
  for (std::uint32_t voters = 1; voters < 32; ++voters) {
    for (std::uint32_t outgoing = 0; outgoing < 32; ++outgoing) {
      const Config config{members(voters), members(outgoing), {}};
      for (std::uint32_t granted = 0; granted < 32; ++granted) {
        for (std::uint32_t refused = 0; refused < 32; ++refused) {
          if (granted & refused) continue;
          const VoteResult result = count_votes(config, [&](NodeId id) -> std::optional<bool> {
            if (granted >> (id.value - 1) & 1) return true;
            if (refused >> (id.value - 1) & 1) return false;
            return std::nullopt;
          });
          const VoteResult dumb = is_quorum(config, granted)    ? VoteResult::won
                                  : is_quorum(config, ~refused) ? VoteResult::pending
                                                                : VoteResult::lost;
          ASSERT_EQ(result, dumb) << voters << " " << outgoing << " " << granted << " " << refused;
        }
      }
    }
  }
}

TEST(Quorum, NobodyDecidesInAnEmptyConfiguration) {
  EXPECT_EQ(reached_by_quorum(Config{}, [](NodeId) { return 7U; }), 0U);
  EXPECT_EQ(count_votes(Config{}, [](NodeId) { return std::optional<bool>(true); }), VoteResult::lost);
}

// raft.md's table, n = 1..9; "tolerates floor(n / 2)" is wrong for every even n.
TEST(Quorum, MajorityTable) {
  const std::array<std::array<std::size_t, 3>, 9> table{
      {{1, 1, 0}, {2, 2, 0}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2}, {6, 4, 2}, {7, 4, 3}, {8, 5, 3}, {9, 5, 4}}};
  for (const auto& [n, needed, may_fail] : table) {
    EXPECT_EQ(majority(n), needed);
    EXPECT_EQ(tolerated(n), may_fail);
    EXPECT_EQ(needed + may_fail, n);
    if (n % 2 == 0) {
      EXPECT_NE(tolerated(n), n / 2);
    }
  }
}

// Five nodes, each up 99 % of the time: three are up together 99.999 % of it (not 99.99 %).
TEST(Quorum, FiveNodesAt99PercentGiveFiveNines) {
  double up = 0;
  for (std::uint32_t mask = 0; mask < 32; ++mask) {
    const int alive = std::popcount(mask);
    if (alive >= static_cast<int>(majority(5))) up += std::pow(.99, alive) * std::pow(.01, 5 - alive);
  }
  EXPECT_NEAR(up, .99999015, 1e-8);
}

TEST(Membership, EveryQuorumOfAJointConfigurationMeetsEveryQuorumBeforeAndAfter) {
  for (std::uint32_t before = 1; before < 32; ++before) {
    for (std::uint32_t after = 1; after < 32; ++after) {
      const Config old{members(before), {}, {}}, joint{members(after), members(before), {}},
          next{members(after), {}, {}};
      for (std::uint32_t a = 0; a < 32; ++a) {
        if (!is_quorum(joint, a)) continue;
        for (std::uint32_t b = 0; b < 32; ++b) {
          if (is_quorum(old, b) || is_quorum(next, b)) {
            ASSERT_NE(a & b, 0U) << before << " " << after;
          }
        }
      }
    }
  }
}

TEST(Membership, WithTheVoteAnotherStayBeginsAndItIsKeptWithoutIt) {
  const Member one{NodeId{1}, {}, ""}, two{NodeId{2}, {}, ""};
  const Config founded = initial_config({one});
  const auto next = [&](const Config& current, const Membership& target, std::uint64_t index) {
    const JointPlan plan = plan_joint(current, target, LogIndex{index});
    EXPECT_EQ(plan.outcome, Outcome::accepted);
    return leave_joint(plan.config);
  };
  const Config learner = next(founded, {{one}, {two}}, 7);
  EXPECT_EQ(learner.find(two.id)->stay, learners_stay(LogIndex{7}));
  const Config voter = next(learner, {{one, two}, {}}, 9);
  EXPECT_EQ(voter.find(two.id)->stay, voters_stay(LogIndex{9}));
  EXPECT_EQ(voter.find(one.id)->stay, StayId{1});
  const Config demoted = next(voter, {{one}, {two}}, 11);
  EXPECT_EQ(demoted.find(two.id)->stay, voters_stay(LogIndex{9}));
  EXPECT_EQ(next(demoted, {{one, two}, {}}, 13).find(two.id)->stay, voters_stay(LogIndex{9}));
  const Config again = next(next(demoted, {{one}, {}}, 15), {{one}, {two}}, 17);
  EXPECT_EQ(again.find(two.id)->stay, learners_stay(LogIndex{17}));
}

TEST(Membership, WhoStaysKeepsItsStayAndWhoIsNewBeginsOne) {
  const Config current = initial_config({{NodeId{2}, {}, "b"}, {NodeId{1}, {}, "a"}});
  EXPECT_EQ(to_text(current), "voters 1 2");
  const JointPlan plan =
      plan_joint(current, {.voters = {{NodeId{1}, {}, ""}}, .learners = {{NodeId{3}, StayId{1}, "c"}}}, LogIndex{7});
  ASSERT_EQ(plan.outcome, Outcome::accepted);
  EXPECT_EQ(to_text(plan.config), "voters 1, outgoing 1 2, learners 3@7");
  EXPECT_EQ(plan.config.voters[0].address, "a");
  EXPECT_EQ(to_text(leave_joint(plan.config)), "voters 1, learners 3@7");
}

}  // namespace
}  // namespace faultline::raft::test
