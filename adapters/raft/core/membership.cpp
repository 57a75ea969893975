#include <faultline/raft/membership.hpp>

#include <faultline/assert.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft {

namespace {

bool by_id(const Member& a, const Member& b) { return a.id < b.id; }

bool sorted_without_repetition(const std::vector<Member>& members) {
  return std::adjacent_find(members.begin(), members.end(),
                            [](const Member& a, const Member& b) { return !(a.id < b.id); }) == members.end();
}

const Member* find_in(const std::vector<Member>& members, NodeId id) {
  const auto found = std::lower_bound(members.begin(), members.end(), Member{.id = id}, by_id);
  return found != members.end() && found->id == id ? &*found : nullptr;
}

// Who stays what it is keeps its stay, and its address unless a new one is given.
std::vector<Member> with_stays(const Config& current, std::vector<Member> members, LogIndex index, bool vote) {
  for (Member& member : members) {
    const Member* known = current.find(member.id);
    const bool same = known && (has_had_a_vote(known->stay) || !vote);
    member.stay = same ? known->stay : vote ? voters_stay(index) : learners_stay(index);
    if (known && member.address.empty()) member.address = known->address;
  }
  std::sort(members.begin(), members.end(), by_id);
  return members;
}

}  // namespace

const Member* Config::find(NodeId id) const {
  for (const auto* part : {&voters, &outgoing, &learners}) {
    if (const Member* found = find_in(*part, id)) return found;
  }
  return nullptr;
}

bool Config::is_voter(NodeId id) const { return find_in(voters, id) || find_in(outgoing, id); }

std::vector<Member> Config::members() const {
  std::vector<Member> all;
  for (const auto* part : {&voters, &outgoing, &learners}) {
    for (const Member& member : *part) {
      if (std::find_if(all.begin(), all.end(), [&](const Member& m) { return m.id == member.id; }) == all.end()) {
        all.push_back(member);
      }
    }
  }
  std::sort(all.begin(), all.end(), by_id);
  return all;
}

bool well_formed(const Config& config) {
  if (config.empty()) return config.outgoing.empty() && config.learners.empty();
  for (const auto* part : {&config.voters, &config.outgoing, &config.learners}) {
    if (!sorted_without_repetition(*part) || (!part->empty() && !part->front().id)) return false;
  }
  for (const Member& learner : config.learners) {
    if (find_in(config.voters, learner.id)) return false;
  }
  std::size_t members = config.voters.size() + config.learners.size();
  for (const Member& leaving : config.outgoing) {
    if (!find_in(config.voters, leaving.id) && !find_in(config.learners, leaving.id)) ++members;
  }
  return members <= members_max;
}

Config initial_config(std::vector<Member> members) {
  Config config;
  for (Member& member : members) member.stay = StayId{1};
  std::sort(members.begin(), members.end(), by_id);
  config.voters = std::move(members);
  return config;
}

JointPlan plan_joint(const Config& current, const Membership& target, LogIndex index) {
  FL_ASSERT(!current.joint());
  Config next;
  next.voters = with_stays(current, target.voters, index, true);
  next.learners = with_stays(current, target.learners, index, false);
  if (next.empty() || !well_formed(next)) return {Outcome::invalid_change, {}};
  if (next == current) return {Outcome::unchanged, {}};
  for (const Member& voter : next.voters) {
    if (!current.find(voter.id)) return {Outcome::not_caught_up, {}};
  }
  next.outgoing = current.voters;
  if (!well_formed(next)) return {Outcome::invalid_change, {}};
  return {Outcome::accepted, std::move(next)};
}

Config leave_joint(Config config) {
  FL_ASSERT(config.joint());
  config.outgoing.clear();
  return config;
}

}  // namespace faultline::raft
