// Changes of membership as pure functions of configurations (Raft §6): old -> joint -> new, and who may be in them.
#pragma once

#include <faultline/raft/core.hpp>
#include <faultline/raft/types.hpp>

namespace faultline::raft {

// Lists sorted without repetition, nobody in two parts that exclude each other, not more than members_max; may be empty
// as a whole.
[[nodiscard]] bool well_formed(const Config& config);

// The members of a first boot, all voters, of the stay that begins with the first entry.
[[nodiscard]] Config initial_config(std::vector<Member> members);

struct JointPlan {
  Outcome outcome = Outcome::invalid_change;
  Config config;  // accepted
};
// The joint configuration that leads from `current` to `target`; whoever is new begins a stay at `index`. A new voter
// must be a learner of `current`; whether it has caught up is the leader's to know. REQUIRES: !current.joint().
[[nodiscard]] JointPlan plan_joint(const Config& current, const Membership& target, LogIndex index);

// REQUIRES: config.joint().
[[nodiscard]] Config leave_joint(Config config);

}  // namespace faultline::raft
