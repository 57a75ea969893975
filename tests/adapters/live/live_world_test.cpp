#include <faultline/live/live_world.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include <faultline/run.hpp>

#include "support.hpp"

namespace faultline::live {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct FakeTarget;

// Does what the operation's f says.
struct FakeClient final : Client {
  FakeClient(FakeTarget& its_target, Process its_process, NodeName its_node);
  ~FakeClient() override;
  asio::awaitable<Event> perform(Event invocation) override;

  FakeTarget& target;
  Process process;
  NodeName node;
};

// A system of three nodes that exist only here. Counts what is asked of it.
struct FakeTarget final : Target, FaultPort {
  Result<void> set_up() override { return {}; }
  Result<void> enter_client_network() override {
    ++entered;
    return enter ? enter() : Result<void>();
  }
  std::vector<NodeName> nodes() const override { return {"n1", "n2", "n3"}; }
  FaultPort& faults() override { return *this; }
  std::unique_ptr<Client> open_client(asio::any_io_executor, Process process, const NodeName& node) override {
    opened.emplace_back(process, node);
    return std::make_unique<FakeClient>(*this, process, node);
  }
  Endpoint client_endpoint(const NodeName&) const override { return {"127.0.0.1", 1}; }
  std::map<std::string, std::string> describe() const override { return {}; }
  std::map<std::string, std::string> unavailable_faults() const override { return {}; }
  Result<void> tear_down() override { return {}; }

  std::vector<NodeName> primaries() override { return {}; }
  Result<void> supports(const Fault&) const override { return {}; }
  Result<Value> apply(const Fault& fault) override { return call("apply " + fault.kind); }
  Result<Value> heal(const Fault& fault) override { return call("heal " + fault.kind); }
  Result<Value> heal_all() override { return call("heal all"); }

  Result<Value> call(const std::string& what) {
    std::unique_lock lock(mutex);
    calls.push_back(what);
    changed.notify_all();
    changed.wait(lock, [&] { return !held; });
    return Value::map({{"killed", Value::map({{"n1", 1}})}});
  }
  void hold(bool on) {
    const std::lock_guard lock(mutex);
    held = on;
    changed.notify_all();
  }
  bool was_called(std::size_t times) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return calls.size() >= times; });
  }

  std::function<Result<void>()> enter;
  std::atomic<int> entered{0};
  std::vector<std::pair<Process, NodeName>> opened;
  int alive = 0;
  std::mutex mutex;  // guards everything below
  std::condition_variable changed;
  bool held = false;
  std::vector<std::string> calls;
};

FakeClient::FakeClient(FakeTarget& its_target, Process its_process, NodeName its_node)
    : target(its_target), process(its_process), node(std::move(its_node)) {
  ++target.alive;
}
FakeClient::~FakeClient() { --target.alive; }

asio::awaitable<Event> FakeClient::perform(Event invocation) {
  if (invocation.f == "throw") throw std::runtime_error("broken client");
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(invocation.f == "hang" ? Duration(1h) : invocation.f == "slow" ? Duration(200ms) : Duration(1ms));
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  Event completion = invocation;
  completion.type = invocation.f == "info" ? EventType::info : EventType::ok;
  if (invocation.f == "mistake") completion.process += 1;
  if (invocation.f == "named") completion = completion.with("node", "elsewhere");
  co_return completion;
}

Event operation(Process process, const std::string& f) {
  return {.process = process, .f = f, .key = {}, .value = 7, .extra = {}};
}

Event nemesis(const std::string& f, const Value& value) {
  return {.process = nemesis_process, .f = f, .key = {}, .value = value, .extra = {}};
}

const Value kill_n1 = Value::map({{"kind", "kill"}, {"nodes", Value::list({"n1"})}});

struct Open {
  explicit Open(LiveWorldOptions options = {.concurrency = 4}) {
    auto opened = LiveWorld::open(target, options);
    EXPECT_TRUE(opened.ok());
    world = std::move(opened).value();
  }
  std::optional<Event> next(Duration limit = 10s) { return world->next_completion(world->now() + limit); }

  FakeTarget target;
  std::unique_ptr<LiveWorld> world;
};

TEST(LiveWorld, CompletesAnOperationWithTimeAndNode) {
  Open open;
  const Instant before = open.world->now();
  open.world->dispatch(operation(1, "read"));
  const auto completion = open.next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->type, EventType::ok);
  EXPECT_EQ(completion->process, 1);
  EXPECT_EQ(completion->value, Value(7));
  EXPECT_EQ(completion->node(), Value("n2"));
  EXPECT_GE(completion->time, before + 1ms);
  EXPECT_LE(completion->time, open.world->now());
  open.world->dispatch(operation(1, "named"));
  EXPECT_EQ(open.next()->node(), Value("elsewhere")) << "what the client says wins";
}

TEST(LiveWorld, DispatchStartsNothingItself) {
  Open open;
  open.world->dispatch(operation(0, "slow"));
  std::this_thread::sleep_for(300ms);
  // The client's 200 ms begin only now, so the look does not find it done.
  EXPECT_FALSE(open.world->next_completion(open.world->now()).has_value());
  EXPECT_TRUE(open.next().has_value());
}

TEST(LiveWorld, ALookDoesNotWaitAndAWaitEndsAtItsDeadline) {
  Open open;
  open.world->dispatch(operation(0, "hang"));
  const Instant begin = open.world->now();
  EXPECT_FALSE(open.world->next_completion(begin - 1s).has_value());
  EXPECT_FALSE(open.world->next_completion(Instant::min()).has_value());
  EXPECT_LT(open.world->now() - begin, 1s);
  EXPECT_FALSE(open.next(100ms).has_value());
  EXPECT_GE(open.world->now() - begin, 100ms);
  EXPECT_LT(open.world->now() - begin, 2s);
}

TEST(LiveWorld, EveryInvocationGetsExactlyOneCompletionInTheOrderTheyEnd) {
  Open open;
  open.world->dispatch(operation(0, "slow"));
  for (Process p = 1; p < 4; ++p) open.world->dispatch(operation(p, "read"));
  std::set<Process> first;
  for (int i = 0; i < 3; ++i) first.insert(open.next()->process);
  EXPECT_EQ(first, (std::set<Process>{1, 2, 3}));
  EXPECT_EQ(open.next()->process, 0);
  EXPECT_FALSE(open.next(20ms).has_value());
}

TEST(LiveWorld, WorkersArePinnedToNodesRoundRobinAndKeepTheirClient) {
  Open open;
  for (int round = 0; round < 2; ++round) {
    for (Process p = 0; p < 4; ++p) open.world->dispatch(operation(p, "read"));
    for (Process p = 0; p < 4; ++p) ASSERT_TRUE(open.next().has_value());
  }
  EXPECT_EQ(open.target.opened,
            (std::vector<std::pair<Process, NodeName>>{{0, "n1"}, {1, "n2"}, {2, "n3"}, {3, "n1"}}));
}

TEST(LiveWorld, ARetiredProcessIsFollowedByANewClientOnTheSameNode) {
  Open open;
  open.world->dispatch(operation(1, "info"));
  EXPECT_EQ(open.next()->type, EventType::info);
  open.world->dispatch(operation(5, "read"));
  ASSERT_TRUE(open.next().has_value());
  EXPECT_EQ(open.target.opened, (std::vector<std::pair<Process, NodeName>>{{1, "n2"}, {5, "n2"}}));
  EXPECT_EQ(open.target.alive, 1) << "the old client is dropped";
}

TEST(LiveWorld, AnOperationThatNeverEndsBecomesInfoAndIsAbandoned) {
  Open open({.concurrency = 4, .operation_limit = 50ms});
  open.world->dispatch(operation(2, "hang"));
  const auto completion = open.next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->type, EventType::info);
  EXPECT_EQ(completion->error(), Value("not done within 50 ms; abandoned"));
  open.world->dispatch(operation(6, "read"));
  EXPECT_EQ(open.next()->type, EventType::ok);
  EXPECT_FALSE(open.next(100ms).has_value()) << "a second completion";
}

TEST(LiveWorld, AClientThatBreaksItsContractIsInfo) {
  Open open;
  open.world->dispatch(operation(0, "throw"));
  auto completion = open.next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->type, EventType::info);
  EXPECT_EQ(completion->error(), Value("the client threw: broken client"));
  open.world->dispatch(operation(1, "mistake"));
  completion = open.next();
  EXPECT_EQ(completion->type, EventType::info);
  EXPECT_EQ(completion->process, 1);
  EXPECT_EQ(completion->error(), Value("the client answered for another operation"));
}

TEST(LiveWorld, AnInterruptEndsOneWaitAtOnce) {
  Open open;
  open.world->dispatch(operation(0, "slow"));
  std::jthread other([&] {
    std::this_thread::sleep_for(20ms);
    open.world->interrupt();
  });
  const Instant begin = open.world->now();
  EXPECT_FALSE(open.next(1h).has_value());
  EXPECT_LT(open.world->now() - begin, 10s);
  EXPECT_TRUE(open.next().has_value()) << "the wait after it is a wait again";
  open.world->interrupt();
  EXPECT_FALSE(open.next(1h).has_value()) << "an interrupt between two waits is not lost";
}

LiveWorld* interrupted_by_signal = nullptr;

TEST(LiveWorld, AnInterruptMayComeFromASignalHandler) {
  Open open;
  interrupted_by_signal = open.world.get();
  ::signal(SIGUSR1, [](int) { interrupted_by_signal->interrupt(); });
  const pthread_t self = ::pthread_self();
  std::jthread other([self] {
    std::this_thread::sleep_for(20ms);
    ::pthread_kill(self, SIGUSR1);
  });
  const Instant begin = open.world->now();
  EXPECT_FALSE(open.next(1h).has_value());
  EXPECT_LT(open.world->now() - begin, 10s);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST(LiveWorld, TheNemesisWorksInOrderBesideTheClients) {
  Open open;
  open.target.hold(true);
  open.world->dispatch(nemesis("start-kill", kill_n1));
  ASSERT_TRUE(open.target.was_called(1));
  for (int i = 0; i < 10; ++i) {
    open.world->dispatch(operation(0, "read"));
    ASSERT_EQ(open.next()->process, 0) << "a call of the nemesis does not hold up clients";
  }
  open.target.hold(false);
  const auto started = open.next();
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(started->process, nemesis_process);
  EXPECT_EQ(started->type, EventType::info);
  EXPECT_EQ(started->f, "start-kill");
  EXPECT_EQ(started->value.get("done").get("killed").get("n1"), Value(1)) << started->value.to_string();
  open.world->dispatch(nemesis("stop-kill", kill_n1));
  EXPECT_EQ(open.next()->f, "stop-kill");
  open.world->dispatch(nemesis("heal-all", {}));
  EXPECT_EQ(open.next()->f, "heal-all");
  EXPECT_EQ(open.target.calls, (std::vector<std::string>{"apply kill", "heal kill", "heal all"}));
  EXPECT_EQ(open.target.entered, 2) << "the world's thread and the nemesis's";
}

TEST(LiveWorld, EndsCleanlyWithOperationsUnderWay) {
  FakeTarget target;
  const auto descriptors = test::open_descriptors();
  for (const int looks : {0, 1}) {
    auto world = LiveWorld::open(target, {.concurrency = 4}).value();
    for (Process p = 0; p < 4; ++p) world->dispatch(operation(p, p % 2 == 0 ? "hang" : "read"));
    for (int i = 0; i < looks; ++i) (void)world->next_completion(world->now() + 20ms);
    world->dispatch(nemesis("start-kill", kill_n1));
  }
  EXPECT_EQ(target.alive, 0);
  EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST(LiveWorld, EndsInTimeWhileTheNemesisHangs) {
  FakeTarget target;
  target.hold(true);
  const auto begin = std::chrono::steady_clock::now();
  {
    auto world = LiveWorld::open(target, {.concurrency = 4, .nemesis_limit = 100ms}).value();
    world->dispatch(nemesis("start-kill", kill_n1));
    world->dispatch(nemesis("heal-all", {}));
    ASSERT_TRUE(target.was_called(1));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  target.hold(false);
  ASSERT_TRUE(test::eventually([] { return thread_states(::getpid()).size() == 1; }));
  EXPECT_EQ(target.calls, (std::vector<std::string>{"apply kill"})) << "nothing is begun after the end";
}

TEST(LiveWorld, BringsItsThreadBackToItsOwnNetwork) {
  if (!test::is_root()) return;
  const test::Folder folder;
  LocalCluster cluster(test::gossip_options(folder / "run", NetworkKind::namespaces, {"n1"}));
  ASSERT_TRUE(cluster.set_up().ok());
  const auto here = [] { return std::filesystem::read_symlink("/proc/thread-self/ns/net"); };
  const auto home = here();
  FakeTarget target;
  target.enter = [&cluster] { return cluster.enter_client_network(); };
  auto world = LiveWorld::open(target, {}).value();
  EXPECT_NE(here(), home);
  EXPECT_NE(test::ask(cluster.place("n1").addresses.client, 5s), "");
  world.reset();
  EXPECT_EQ(here(), home);
}

TEST(LiveWorld, DrivesAWholeRun) {
  Open open({.concurrency = 3});
  const auto draw = [](const Context&, Rng& rng) { return Invocation{rng.chance(0.2) ? "info" : "read", {}, {}}; };
  Plan plan{.main = on_clients(limit(200, function(Rng(1), draw))),
            .heal = Generator(Invocation{"heal-all", {}, {}}),
            .final = {}};
  const RunResult result = run(std::move(plan), *open.world, {.concurrency = 3});
  EXPECT_FALSE(result.failure.has_value()) << (result.failure ? result.failure->to_string() : "");
  EXPECT_EQ(result.outstanding, 0U);
  EXPECT_EQ(result.history.operation_count(), 200U);
}

}  // namespace
}  // namespace faultline::live
