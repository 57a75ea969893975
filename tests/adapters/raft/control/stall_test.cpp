// A harness that stalls for longer than leases live, against three real raftd: what it ended itself is no finding. Its one thread stands
// still, as it does when the machine is overloaded or asleep, while the nodes go on.
#include <unistd.h>

#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include <faultline/checker.hpp>
#include <faultline/live/live_world.hpp>
#include <faultline/raft/target.hpp>
#include <faultline/run.hpp>
#include <faultline/workload.hpp>

namespace faultline::raft {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr Duration ttl = 2s;
constexpr Duration stall = 5s;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fl-stall-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
    ::setenv("FAULTLINE_STATE", (path_ / "state").c_str(), 1);
  }
  ~Folder() {
    ::unsetenv("FAULTLINE_STATE");
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] fs::path run() const { return path_ / "run"; }

 private:
  fs::path path_;
};

// The history of a run whose thread stands still once.
History stalled_run(Generator clients, std::string_view name) {
  const Folder folder;
  TargetOptions options{.nodes = 3, .run_directory = folder.run()};
  options.network = live::NetworkKind::proxy;
  options.binary = FL_RAFTD;
  options.concurrency = 10;
  options.objects = etcd::objects_of(name);
  const auto target = make_target(std::move(options));
  const auto up = target->set_up();
  EXPECT_TRUE(up.ok()) << up.error().to_string();
  RunResult result;
  std::thread([&] {
    auto world = live::LiveWorld::open(*target, {.concurrency = 10});
    EXPECT_TRUE(world.ok());
    RunOptions run_options{.concurrency = 10, .seed = 3, .time_limit = 10s};
    bool stood_still = false;
    run_options.stop = [&] {
      // Somebody holds something then, and others want it.
      if (!stood_still && world.value()->now() >= Instant(2s)) {
        stood_still = true;
        std::this_thread::sleep_for(stall);
      }
      return Stop::no;
    };
    result = run({.main = on_clients(std::move(clients))}, *world.value(), run_options);
    EXPECT_TRUE(stood_still);
  }).join();
  EXPECT_TRUE(target->tear_down().ok());
  EXPECT_FALSE(result.failure.has_value()) << result.failure->to_string();
  return std::move(result.history);
}

std::size_t count(const History& history, const std::function<bool(const Event&)>& wanted) {
  std::size_t n = 0;
  for (EventIndex i = 0; i < history.size(); ++i) n += wanted(history.event(i)) ? 1 : 0;
  return n;
}

// One holds the lock for longer than the stall lasts; another asks for it all the time.
Generator one_holds_and_another_waits() {
  const Invocation acquire{"acquire", std::int64_t{ttl / std::chrono::milliseconds(1)}, "lock0"};
  return any(
      {on_workers(WorkerSet::of(0), sequence({Generator(acquire), sleep(8s), Invocation{"release", {}, "lock0"}})),
       on_workers(WorkerSet::of(1), sequence({sleep(500ms), until_ok(delay(50ms, repeat(acquire)))}))});
}

TEST(Stall, AnEndedLeaseOfALockIsNoSecondHolder) {
  const History history = stalled_run(one_holds_and_another_waits(), "lock");
  const auto verdict = check(history, "mutex");
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.value().kind, VerdictKind::valid) << verdict.value().reason;
  const auto doubted = count(history, [](const Event& event) {
    return event.error().is_string() && event.error().as_text().find("this harness stalled") != std::string_view::npos;
  });
  EXPECT_GT(doubted, 0U) << "the stall ended no lease, so this shows nothing";
  const auto got =
      count(history, [](const Event& event) { return event.f == "acquire" && event.type == EventType::ok; });
  EXPECT_EQ(got, 2U) << "by the second one, too, once the first has let it go";
}

TEST(Stall, AFencedLockAndALeaseAreJudgedByWhatWasAskedAndAnswered) {
  for (const std::string_view name : {"fenced-lock", "lease"}) {
    const auto workload = make_workload(name, {.seed = 3, .rate = 100, .ttl = ttl});
    ASSERT_TRUE(workload.ok());
    const History history = stalled_run(workload.value().clients, name);
    const auto verdict = check(history, workload.value().info.model);
    ASSERT_TRUE(verdict.ok());
    EXPECT_EQ(verdict.value().kind, VerdictKind::valid) << name << ": " << verdict.value().reason;
  }
}

}  // namespace
}  // namespace faultline::raft
