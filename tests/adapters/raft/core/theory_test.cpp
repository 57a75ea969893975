// The founding documents, shown: Fischer, Lynch and Paterson's adversary; Paxos as an exhaustive small model; timing.

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include <faultline/raft/quorum.hpp>

#include "network.hpp"

namespace faultline::raft::test {
namespace {

// FLP: whoever may delay messages keeps a correct protocol from ever deciding; once delays are bounded again, it
// decides.
TEST(Theory, AdversaryDelaysForever) {
  Network net(3);
  for (int round = 0; round < 200; ++round) {
    for (std::uint64_t id = 1; id <= 3; ++id) net.campaign(id);
    net.deliver(0, 0, {"vote", "append"});  // pre-votes pass; what would decide comes too late
    net.deliver(0, 0, {"vote"});
    net.deliver(0, 0, {"vote"});
    ASSERT_EQ(net.leader(), 0U);
  }
  net.drop_all();
  net.run(20 * T);
  EXPECT_NE(net.leader(), 0U);
}

// Single-decree Paxos with some proposers and three acceptors: every schedule of its atomic steps. A proposer asks
// (1a/1b) acceptors one by one, adopts the value of the highest-numbered acceptance among a quorum's answers, then asks
// them to accept (2a/2b).
class Paxos {
 public:
  struct Rules {
    std::size_t proposers = 2;
    std::size_t quorum = 2;
    bool highest_numbered = true;  // else: the first answer's value
  };
  explicit Paxos(Rules rules) : rules_(rules) {}

  struct Acceptor {
    int promised = 0, accepted = 0, value = 0;
    auto operator<=>(const Acceptor&) const = default;
  };
  struct Proposer {
    int number = 0, own = 0;
    int asked = 0, accepts_asked = 0;  // bit sets of acceptors
    int promises = 0;
    int best = 0, value = 0;  // of the answers so far
    auto operator<=>(const Proposer&) const = default;
  };
  struct State {
    std::array<Acceptor, 3> acceptors;
    std::array<Proposer, 3> proposers;
    std::array<std::array<int, 3>, 3> accepted_by{};  // proposer -> acceptor -> value accepted under its number
    auto operator<=>(const State&) const = default;
  };

  [[nodiscard]] std::set<int> chosen(const State& s) const {
    std::set<int> values;
    for (const auto& votes : s.accepted_by) {
      std::map<int, std::size_t> count;
      for (const int value : votes) {
        if (value != 0 && ++count[value] >= rules_.quorum) values.insert(value);
      }
    }
    return values;
  }

  // What may be chosen, over all schedules; the search ends once two values are.
  std::set<std::set<int>> outcomes() {
    State first;
    for (int p = 0; p < 3; ++p) first.proposers[static_cast<std::size_t>(p)] = {.number = p + 1, .own = 10 * (p + 1)};
    explore(first);
    return outcomes_;
  }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }

 private:
  void explore(const State& s) {
    if (split_ || !seen_.insert(s).second) return;
    outcomes_.insert(chosen(s));
    split_ = chosen(s).size() > 1;
    for (std::size_t p = 0; p < rules_.proposers; ++p) {
      for (std::size_t a = 0; a < 3; ++a) {
        prepare(s, p, a);
        accept(s, p, a);
      }
    }
  }

  void prepare(State s, std::size_t p, std::size_t a) {
    Proposer& proposer = s.proposers[p];
    Acceptor& acceptor = s.acceptors[a];
    if ((proposer.asked >> a & 1) != 0 || proposer.accepts_asked != 0) return;
    proposer.asked |= 1 << a;
    if (acceptor.promised < proposer.number) {
      acceptor.promised = proposer.number;
      ++proposer.promises;
      const bool better =
          rules_.highest_numbered ? acceptor.accepted > proposer.best : proposer.best == 0 && acceptor.accepted > 0;
      if (better) {
        proposer.best = acceptor.accepted;
        proposer.value = acceptor.value;
      }
    }
    explore(s);
  }

  void accept(State s, std::size_t p, std::size_t a) {
    Proposer& proposer = s.proposers[p];
    Acceptor& acceptor = s.acceptors[a];
    if (static_cast<std::size_t>(proposer.promises) < rules_.quorum || (proposer.accepts_asked >> a & 1) != 0) return;
    proposer.accepts_asked |= 1 << a;
    const int value = proposer.best != 0 ? proposer.value : proposer.own;
    if (acceptor.promised <= proposer.number) {
      acceptor = {.promised = proposer.number, .accepted = proposer.number, .value = value};
      s.accepted_by[p][a] = value;
    }
    explore(s);
  }

  Rules rules_;
  bool split_ = false;
  std::set<State> seen_;
  std::set<std::set<int>> outcomes_;
};

TEST(Theory, PaxosModel) {
  Paxos paxos(Paxos::Rules{});
  const auto outcomes = paxos.outcomes();
  EXPECT_GT(paxos.states(), 500U);
  EXPECT_EQ(outcomes, (std::set<std::set<int>>{{}, {10}, {20}}));
}

TEST(Theory, PaxosThatIsContentWithOneAcceptanceChoosesTwoValues) {
  Paxos paxos(Paxos::Rules{.quorum = 1});
  EXPECT_TRUE(paxos.outcomes().contains({10, 20}));
}

// Proposal 1 is accepted by one, proposal 2 chosen by the others; proposal 3 hears the one first.
TEST(Theory, PaxosThatTakesTheFirstPromisesValueChoosesTwoValues) {
  Paxos paxos(Paxos::Rules{.proposers = 3, .highest_numbered = false});
  std::size_t most = 0;
  for (const auto& chosen : paxos.outcomes()) most = std::max(most, chosen.size());
  EXPECT_EQ(most, 2U);
}

}  // namespace
}  // namespace faultline::raft::test
