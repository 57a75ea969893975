// broadcast time << election timeout << time between failures (Raft §5.6), measured in a group whose messages take
// their time.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "network.hpp"

namespace faultline::raft::test {
namespace {

using std::chrono::milliseconds;

struct Timing {
  Duration election_timeout, heartbeat;
  Duration slowest_message;  // each takes up to this, uniformly; order is kept on each link
};

struct Service {
  std::uint64_t terms = 0;
  double available = 0;  // the share of the time in which some leader had been confirmed within T
};

// Three nodes whose disks take no time, for so long.
Service run(const Timing& timing, Duration length) {
  std::vector<Member> members{{NodeId{1}, {}, ""}, {NodeId{2}, {}, ""}, {NodeId{3}, {}, ""}};
  std::map<NodeId, Raft> nodes;
  Rng rng(1);
  for (const Member& member : members) {
    nodes.emplace(member.id, Raft({.id = member.id,
                                   .boot = member.id.value,
                                   .initial = members,
                                   .election_timeout = timing.election_timeout,
                                   .heartbeat = timing.heartbeat},
                                  {}, rng.fork(member.id.value), Instant{}));
  }
  std::multimap<Instant, Message> wire;
  std::map<std::pair<NodeId, NodeId>, Instant> last_arrival;
  Service outcome;
  std::uint64_t served = 0, steps = 0;
  for (Instant now{}; now < Instant{} + length; now += milliseconds(5)) {
    while (!wire.empty() && wire.begin()->first <= now) {
      nodes.at(wire.begin()->second.to).step(now, std::move(wire.begin()->second));
      wire.erase(wire.begin());
    }
    bool leads = false;
    for (auto& [id, node] : nodes) {
      node.tick(now);
      while (node.has_ready()) {
        Ready ready = node.ready();
        node.advance(ready.number);
        for (auto* messages : {&ready.messages_now, &ready.messages_after_persist}) {
          for (Message& message : *messages) {
            Instant& arrival = last_arrival[{message.from, message.to}];
            arrival = std::max(arrival, now + Duration(rng.between(0, timing.slowest_message.count())));
            wire.emplace(arrival, std::move(message));
          }
        }
      }
      leads = leads || node.is_leader();
      outcome.terms = std::max(outcome.terms, node.term().value);
    }
    served += leads;
    ++steps;
  }
  outcome.available = static_cast<double>(served) / static_cast<double>(steps);
  return outcome;
}

TEST(Timing, TenHeartbeatsKeepOneLeaderForAnHour) {
  const Service usual = run({milliseconds(1000), milliseconds(100), milliseconds(80)}, std::chrono::minutes(60));
  EXPECT_EQ(usual.terms, 2U);  // the first boot's, and one election
  EXPECT_GT(usual.available, .999);
}

TEST(Timing, ATimeoutOfOneAndAHalfHeartbeatsChangesLeadersUnderJitter) {
  const Service nervous = run({milliseconds(150), milliseconds(100), milliseconds(200)}, std::chrono::minutes(2));
  EXPECT_GT(nervous.terms, 10U);
}

TEST(Timing, TimingSweep) {
  double before = 1.1;
  for (const int slowest : {20, 200, 2000}) {
    const Service outcome = run({milliseconds(300), milliseconds(50), milliseconds(slowest)}, std::chrono::minutes(2));
    std::printf("T = 300 ms, messages up to %d ms: %lu terms, a leader %.1f %% of the time\n", slowest, outcome.terms,
                100 * outcome.available);
    EXPECT_LT(outcome.available, before);
    before = outcome.available;
  }
  EXPECT_LT(before, .6);
}

}  // namespace
}  // namespace faultline::raft::test
