// The world itself: time, clients, determinism.
#include <gtest/gtest.h>

#include <algorithm>

#include "toy.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

SimOptions three(std::uint64_t seed = 1) {
  SimOptions options;
  options.seed = seed;
  return options;
}

TEST(World, TimeJumpsToTheNextEventAndStopsAtTheLimit) {
  Toy toy;
  SimWorld world(three(), toy);
  EXPECT_EQ(world.now(), at(0s));
  EXPECT_FALSE(world.next_completion(at(1s)));
  EXPECT_EQ(world.now(), at(1s));
  EXPECT_FALSE(world.next_completion(at(500ms)));  // never back
  EXPECT_EQ(world.now(), at(1s));
  // 200 pings a second to each of the others.
  EXPECT_NEAR(static_cast<double>(toy.pings(0, 1)), 200, 3);
  EXPECT_GT(world.counters().events, 1000U);
}

TEST(World, WritesAreReadBackAndCompletionsCarryTimeAndNode) {
  Toy toy;
  SimWorld world(three(), toy);
  const Event written = ask(world, 0, "write", 7);
  EXPECT_EQ(written.type, EventType::ok);
  EXPECT_EQ(written.node(), Value("n1"));
  EXPECT_EQ(written.time, world.now());
  EXPECT_GT(written.time, at(0s));
  EXPECT_EQ(ask(world, 0, "read").value, Value("7"));
  EXPECT_EQ(ask(world, 1, "read").value, Value(""));  // n2 has a file of its own
}

TEST(World, ProcessesOfOneWorkerShareItsNode) {
  Toy toy;
  SimOptions options = three();
  options.concurrency = 5;
  SimWorld world(options, toy);
  EXPECT_EQ(ask(world, 3, "read").node(), Value("n1"));
  EXPECT_EQ(ask(world, 8, "read").node(), Value("n1"));  // worker 3 again
  EXPECT_EQ(ask(world, 4, "read").node(), Value("n2"));
}

TEST(World, AKilledNodeRefuses) {
  Toy toy;
  SimWorld world(three(), toy);
  ASSERT_TRUE(world.apply(fault("kill", {"n1"})));
  const Event completion = ask(world, 0, "write", 1);
  EXPECT_EQ(completion.type, EventType::fail);
  EXPECT_EQ(completion.error(), Value("refused"));
}

TEST(World, ANodeKilledUnderARequestBreaksTheConnection) {
  Toy toy;
  SimOptions options = three();
  options.disk.latency = 50ms;
  SimWorld world(options, toy);
  world.dispatch(invoke(0, "write", 1));
  EXPECT_FALSE(world.next_completion(at(20ms)));  // at the node by now, waiting for its disk
  ASSERT_TRUE(world.apply(fault("kill", {"n1"})));
  const auto completion = world.next_completion(at(10s));
  ASSERT_TRUE(completion);
  EXPECT_EQ(completion->type, EventType::info);
  EXPECT_EQ(completion->error(), Value("broken"));
  EXPECT_LT(completion->time, at(100ms));
}

TEST(World, ACutClientLinkIsSilence) {
  Toy toy;
  SimWorld world(three(), toy);
  const Fault cut = fault("partition", {}, {{"clients", Value::map({{"n1", Value::list({"c0"})}})}});
  const auto applied = world.apply(cut);
  EXPECT_EQ(counter(applied, "dropped_pairs"), 2);
  const Event completion = ask(world, 0, "read");
  EXPECT_EQ(completion.error(), Value("timeout"));
  EXPECT_EQ(completion.time, at(500ms));
  EXPECT_EQ(ask(world, 3, "read").type, EventType::ok);  // another client of the same node
  EXPECT_EQ(counter(world.heal(cut), "dropped_packets"), 1);
  EXPECT_EQ(ask(world, 5, "read").type, EventType::ok);
}

TEST(World, ARequestToARestartedNodeOverTheOldConnectionNeverCounts) {
  Toy toy;
  SimWorld world(three(), toy);
  ASSERT_EQ(ask(world, 0, "write", 1).type, EventType::ok);  // the connection stands
  const Fault kill = fault("kill", {"n1"});
  ASSERT_TRUE(world.apply(kill));
  ASSERT_TRUE(world.heal(kill));
  // The news of the end is still on its way when the request leaves.
  const Event completion = ask(world, 0, "write", 2);
  EXPECT_EQ(completion.error(), Value("broken"));
  EXPECT_EQ(ask(world, 5, "read").value, Value("1"));
}

TEST(World, ARequestOverAConnectionWhoseEndIsNotYetKnownNeverCounts) {
  Toy toy;
  SimWorld world(three(), toy);
  ASSERT_EQ(ask(world, 0, "write", 1).type, EventType::ok);
  const Fault clog = fault("clog", {}, {{"links", Value::list({Value::list({"n1", "c0"})})}});
  const Fault kill = fault("kill", {"n1"});
  ASSERT_TRUE(world.apply(clog));  // the news of the end is held
  ASSERT_TRUE(world.apply(kill));
  ASSERT_TRUE(world.heal(kill));
  EXPECT_EQ(ask(world, 0, "write", 2).error(), Value("timeout"));
  ASSERT_TRUE(world.heal(clog));
  EXPECT_EQ(ask(world, 5, "read").value, Value("1"));
}

TEST(World, ALateAnswerIsNotTakenForTheNextOne) {
  Toy toy;
  SimWorld world(three(), toy);
  EXPECT_EQ(ask(world, 0, "read").type, EventType::ok);  // the connection stands
  const Fault pause = fault("pause", {"n1"});
  ASSERT_TRUE(world.apply(pause));
  EXPECT_EQ(ask(world, 0, "write", 1).error(), Value("timeout"));
  ASSERT_TRUE(world.heal(pause));
  // The first one is done now, its answer goes to a connection that is gone.
  EXPECT_EQ(ask(world, 0, "read").value, Value(""));
  run(world, world.now() + 1s);
  EXPECT_EQ(ask(world, 0, "read").value, Value("1"));
}

TEST(World, ARequestThatReachedAPausedNodeIsDoneThoughItsClientHasGone) {
  Toy toy;
  SimWorld world(three(), toy);
  const Fault pause = fault("pause", {"n1"});
  ASSERT_TRUE(world.apply(pause));
  EXPECT_EQ(ask(world, 0, "write", 1).error(), Value("timeout"));
  ASSERT_TRUE(world.heal(pause));
  run(world, world.now() + 1s);
  EXPECT_EQ(ask(world, 5, "read").value, Value("1"));
}

// Datagrams: in any order, and they outlive the boot they were sent to.
TEST(World, DatagramsArriveInAnyOrderStreamsInTheirs) {
  const auto disorder = [](bool streams) {
    Toy toy;
    SimOptions options = three();
    options.network.streams = streams;
    options.network.jitter = 20ms;
    SimWorld world(options, toy);
    run(world, at(2s));
    std::uint64_t last = 0, swaps = 0;
    for (const Ping& ping : toy.heard[1]) {
      if (ping.from != 0) continue;
      swaps += ping.number < last ? 1 : 0;
      last = ping.number;
    }
    return swaps;
  };
  EXPECT_EQ(disorder(true), 0U);
  EXPECT_GT(disorder(false), 50U);
}

TEST(World, FramesOfAStreamDieWithTheBootTheyWereSentTo) {
  const auto late = [](bool streams) {
    Toy toy;
    SimOptions options = three();
    options.network.streams = streams;
    SimWorld world(options, toy);
    const Fault clog = fault("clog", {}, {{"links", Value::list({Value::list({"n1", "n2"})})}});
    const Fault kill = fault("kill", {"n2"});
    run(world, at(100ms));
    EXPECT_TRUE(world.apply(clog));
    run(world, at(200ms));
    EXPECT_TRUE(world.apply(kill) && world.heal(kill) && world.heal(clog));
    const std::uint64_t sent = toy.sent[{0, 1}];
    run(world, at(300ms));
    return std::count_if(toy.heard[1].begin(), toy.heard[1].end(),
                         [&](const Ping& p) { return p.from == 0 && p.boot == 2 && p.number <= sent; });
  };
  EXPECT_EQ(late(true), 0);
  EXPECT_GE(late(false), 19);
}

TEST(World, ARequestThatWaitsToBeAcceptedWhenItsClientGivesUpNeverArrives) {
  Toy toy;
  SimWorld world(three(), toy);
  const Fault clog = fault("clog", {}, {{"links", Value::list({Value::list({"c0", "n1"})})}});
  ASSERT_TRUE(world.apply(clog));
  EXPECT_EQ(ask(world, 0, "write", 1).error(), Value("timeout"));
  EXPECT_EQ(counter(world.heal(clog), "held_packets"), 1);
  run(world, world.now() + 1s);
  EXPECT_EQ(ask(world, 5, "read").value, Value(""));
}

TEST(World, ANodeLearnsThatAClientHungUp) {
  Toy toy;
  SimWorld world(three(), toy);
  ASSERT_EQ(ask(world, 0, "read").type, EventType::ok);
  ASSERT_EQ(ask(world, 5, "read").type, EventType::ok);
  run(world, world.now() + 10ms);
  EXPECT_EQ(toy.closed[0], 1);
}

struct Mute final : Client {
  void perform(const Event&) override {}
  void receive(std::string) override {}
  void refused() override {}
  void broken() override {}
  void wake() override {}
};
struct MuteSystem final : System {
  Toy toy;
  Result<std::unique_ptr<Daemon>> boot(Surroundings& world) override { return toy.boot(world); }
  std::unique_ptr<Client> client(Process, ClientSurroundings&) override { return std::make_unique<Mute>(); }
};

TEST(World, AClientThatNeverAnswersIsAbandonedAtTheLimit) {
  MuteSystem system;
  SimOptions options = three();
  options.operation_limit = 3s;
  SimWorld world(options, system);
  run(world, at(1s));
  const Event completion = ask(world, 0, "read");
  EXPECT_EQ(completion.type, EventType::info);
  EXPECT_EQ(completion.time, at(4s));
  EXPECT_EQ(ask(world, 5, "read").time, at(7s));
}

// It would spin at one instant for ever, above all on a frozen clock.
struct Restless final : Daemon {
  explicit Restless(Surroundings& w) : world(w) { wake(); }
  void wake() override { world.wake_at(world.monotonic()); }
  void receive(NodeIndex, std::string) override {}
  void request(Connection, std::string) override {}
  Surroundings& world;
};
struct RestlessSystem final : System {
  Result<std::unique_ptr<Daemon>> boot(Surroundings& world) override {
    return std::unique_ptr<Daemon>(std::make_unique<Restless>(world));
  }
  std::unique_ptr<Client> client(Process, ClientSurroundings&) override { return nullptr; }
};

TEST(World, TimePassesEvenForADaemonThatAlwaysAsksToBeWokenAtOnce) {
  RestlessSystem system;
  SimWorld world(three(), system);
  ASSERT_TRUE(world.apply(fault("clock", {"n1", "n2", "n3"}, {{"clock", "both"}, {"change", "freeze"}})));
  EXPECT_FALSE(world.next_completion(at(100ms)));
  EXPECT_EQ(world.now(), at(100ms));
  EXPECT_NEAR(static_cast<double>(world.counters().wakes), 30'000, 10);
}

TEST(World, AViolationEndsTheWaitOnceAndTheFirstIsKept) {
  Toy toy;
  SimWorld world(three(), toy);
  toy.invariant = [&](NodeIndex node) -> std::optional<Violation> {
    if (toy.steps < 100) return std::nullopt;
    return Violation{"SMS", "step " + std::to_string(toy.steps) + " of node " + std::to_string(node)};
  };
  EXPECT_FALSE(world.next_completion(at(1h)));
  EXPECT_LT(world.now(), at(10s));
  ASSERT_TRUE(world.violation());
  EXPECT_EQ(world.violation()->detector, "SMS");
  const std::string sentence = world.violation()->sentence;
  EXPECT_FALSE(world.next_completion(at(2s)));
  EXPECT_EQ(world.now(), at(2s));
  EXPECT_EQ(world.violation()->sentence, sentence);
}

TEST(World, ADaemonThatEndsByItselfStaysDownAndIsAFinding) {
  Toy toy;
  SimWorld world(three(), toy);
  toy.feared = "13";
  EXPECT_EQ(ask(world, 0, "write", 13).error(), Value("broken"));
  EXPECT_FALSE(world.is_running(0));
  EXPECT_EQ(world.end_of(0), "not that");
  EXPECT_EQ(world.unexpected_ends(), std::vector<std::string>{"n1: not that"});
  EXPECT_EQ(toy.ends[0], 1);
  // With a fault of its disk it is none.
  ASSERT_TRUE(world.apply(fault("io_error", {"n2"}, {{"call", "write"}})));
  EXPECT_EQ(ask(world, 1, "write", 1).error(), Value("broken"));
  EXPECT_EQ(world.end_of(1), "cannot write log/1: EIO");
  EXPECT_EQ(world.unexpected_ends().size(), 1U);
  ASSERT_TRUE(world.heal_all());
  EXPECT_TRUE(world.is_running(0));
}

// --- determinism -----------------------------------------------------------------------------------------------------------

// A run with everything in it, through the ordinary loop.
struct Outcome {
  std::uint64_t hash;
  std::map<std::string, std::uint64_t> draws;
  std::vector<std::uint64_t> hashes;
  std::size_t events;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome mixed_run(const SimOptions& options) {
  Toy toy;
  SimWorld world(options, toy);
  world.record_hashes(1000);
  Rng rng = Rng(options.seed).fork("test");
  const std::vector<Fault> faults{
      fault(
          "packet", {"n1", "n2"},
          {{"delay", "3ms"}, {"jitter", "4ms"}, {"loss", 0.1}, {"duplicate", 0.1}, {"reorder", 0.2}, {"corrupt", 0.1}}),
      fault("kill", {"n2"}, {{"disk", "reordered"}}),
      fault("clock", {"n3"}, {{"clock", "both"}, {"change", "rate"}, {"rate", 0.3}}),
      fault("pause", {"n1"}),
      fault("slow_disk", {"n1", "n3"}, {{"latency", "20ms"}}),
      fault("io_error", {"n3"}, {{"call", "write"}, {"probability", 0.3}}),
      fault("pressure", {"n1"}, {{"speed", 0.01}})};
  std::size_t completed = 0;
  Process next = 0;
  for (int round = 0; round < 60; ++round) {
    const Fault& one = faults[rng.below(faults.size())];
    (void)(rng.chance(0.5) ? world.apply(one) : world.heal(one)).ok();
    for (std::size_t worker = 0; worker < options.concurrency; ++worker)
      world.dispatch(invoke(next + static_cast<Process>(worker), rng.chance(0.5) ? "read" : "write", round));
    next += static_cast<Process>(options.concurrency);
    completed += run(world, world.now() + 2s).size();
  }
  EXPECT_EQ(completed, 60 * options.concurrency);
  (void)world.heal_all().ok();
  return {world.hash(), world.draws(), world.hashes(), world.counters().events};
}

TEST(Determinism, TheSameOptionsGiveTheSameHashTwice) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const SimOptions options = draw_options(seed, 3, 0, 4);
    // Memory in between, so that addresses differ.
    const std::vector<std::string> ballast(100 + seed, std::string(1000, 'x'));
    const Outcome first = mixed_run(options);
    const auto read = options_from_value(to_value(options));
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(first, mixed_run(read.value()));
    EXPECT_EQ(ballast.size(), 100 + seed);
  }
}

TEST(Determinism, OtherSeedsGiveOtherHashes) {
  EXPECT_NE(mixed_run(draw_options(1, 3, 0, 4)).hash, mixed_run(draw_options(2, 3, 0, 4)).hash);
}

// The same in every build: a difference here is one between compilers, flags or platforms, or a deliberate change of the world.
TEST(Determinism, TheHashIsTheSameInEveryBuild) {
  EXPECT_EQ(mixed_run(draw_options(7, 3, 0, 4)).hash, 1692233490997612314U);
}

TEST(Determinism, LeavingOneFaultOutLeavesTheDrawsOfOtherLinksAlone) {
  const auto draws = [](bool with) {
    Toy toy;
    SimWorld world(three(), toy);
    const Fault loss = fault("packet", {}, {{"links", Value::list({Value::list({"n1", "n2"})})}, {"loss", 0.5}});
    if (with) {
      EXPECT_TRUE(world.apply(loss));
    }
    run(world, at(5s));
    return world.draws();
  };
  EXPECT_EQ(draws(false), draws(true));
}

}  // namespace
}  // namespace faultline::sim
