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
History stalled_run(const Workload& workload, std::string_view name) {
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
    RunOptions run_options{.concurrency = 10, .seed = 3, .time_limit = 11s};
    bool stood_still = false;
    run_options.stop = [&] {
      // Somebody holds something then, and others want it.
      if (!stood_still && world.value()->now() >= Instant(2s)) {
        stood_still = true;
        std::this_thread::sleep_for(stall);
      }
      return Stop::no;
    };
    result = run({.main = on_clients(workload.clients)}, *world.value(), run_options);
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

Workload workload_of(std::string_view name) {
  auto workload = make_workload(name, {.seed = 3, .rate = 100, .ttl = ttl});
  EXPECT_TRUE(workload.ok());
  return std::move(workload).value();
}

TEST(Stall, AnEndedLeaseOfALockIsNoSecondHolder) {
  const Workload workload = workload_of("lock");
  const History history = stalled_run(workload, "lock");
  const auto verdict = check(history, workload.info.model);
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.value().kind, VerdictKind::valid) << verdict.value().reason;
  const auto doubted = count(history, [](const Event& event) {
    return event.error().is_string() && event.error().as_text().find("this harness stalled") != std::string_view::npos;
  });
  const auto lost = count(history, [](const Event& event) { return event.extra.get("lost") == Value(true); });
  EXPECT_GT(doubted + lost, 0U) << "the stall ended no lease, so this shows nothing";
  const auto later = count(history, [](const Event& event) {
    return event.f == "acquire" && event.type == EventType::ok && event.time > Instant(2s + stall);
  });
  EXPECT_GT(later, 0U) << "locks are got again afterwards";
}

TEST(Stall, AFencedLockAndALeaseAreJudgedByWhatWasAskedAndAnswered) {
  for (const std::string_view name : {"fenced-lock", "lease"}) {
    const Workload workload = workload_of(name);
    const History history = stalled_run(workload, name);
    const auto verdict = check(history, workload.info.model);
    ASSERT_TRUE(verdict.ok());
    EXPECT_EQ(verdict.value().kind, VerdictKind::valid) << name << ": " << verdict.value().reason;
  }
}

}  // namespace
}  // namespace faultline::raft
