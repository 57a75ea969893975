#include <faultline/live/daemon.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>

#include "adapters/live/spawn.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

using test::Folder;

DaemonSpec shell(const Folder& folder, const std::string& script) {
  return {.name = "n1",
          .command = {"sh", "-c", script},
          .environment = {},
          .working_directory = {},
          .log_file = folder / "daemon.log",
          .name_space = {},
          .ports = {}};
}

TEST(Daemon, StartsInItsOwnSessionAndAppendsItsOutputToTheLog) {
  const Folder folder;
  Daemon daemon(shell(folder, "echo out; echo error >&2; exec sleep 100"), nullptr);
  ASSERT_TRUE(daemon.start().ok());
  ASSERT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log") == "out\nerror\n"; }));
  const auto stat = read_stat(daemon.identity().pid);
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->group, daemon.identity().pid);
  EXPECT_EQ(stat->start_time, daemon.identity().start_time);
  EXPECT_EQ(daemon.state(), Daemon::State::running);
  ASSERT_TRUE(daemon.kill().ok());
  ASSERT_TRUE(daemon.start().ok());
  EXPECT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log") == "out\nerror\nout\nerror\n"; }));
}

TEST(Daemon, KillIsOverWhenItReturnsAndTakesTheWholeGroup) {
  const Folder folder;
  Daemon daemon(shell(folder, "sleep 100 & sleep 100 & wait"), nullptr);
  ASSERT_TRUE(daemon.start().ok());
  const ProcessIdentity first = daemon.identity();
  ASSERT_TRUE(test::eventually([&] { return group_members(first.pid).size() == 3; }));
  ASSERT_TRUE(daemon.kill().ok());
  EXPECT_FALSE(is_alive(first));
  EXPECT_FALSE(read_stat(first.pid).has_value()) << "not reaped";
  EXPECT_TRUE(group_members(first.pid).empty());
  EXPECT_EQ(daemon.state(), Daemon::State::down);
  EXPECT_EQ(daemon.end(), "killed by signal 9 (Killed)");
  EXPECT_FALSE(daemon.ended_unasked());
  ASSERT_TRUE(daemon.start().ok());
  EXPECT_NE(daemon.identity(), first);
}

TEST(Daemon, PauseStopsEveryThreadOfTheGroupAndResumeLetsThemGoOn) {
  const Folder folder;
  Daemon daemon(shell(folder, "(while :; do echo x; sleep 0.01; done) & exec sleep 100"), nullptr);
  ASSERT_TRUE(daemon.start().ok());
  const auto size = [&] { return test::read_file(folder / "daemon.log").size(); };
  ASSERT_TRUE(test::eventually([&] { return size() > 4; }));
  ASSERT_TRUE(daemon.pause().ok());
  EXPECT_EQ(daemon.state(), Daemon::State::paused);
  for (const pid_t pid : group_members(daemon.identity().pid))
    EXPECT_EQ(thread_states(pid).find_first_not_of("TD"), std::string::npos);
  const auto before = size();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(size(), before) << "it ran on while it was paused";
  ASSERT_TRUE(daemon.pause().ok()) << "twice is once";
  ASSERT_TRUE(daemon.resume().ok());
  EXPECT_TRUE(test::eventually([&] { return size() > before + 4; }));
  ASSERT_TRUE(daemon.resume().ok()) << "twice is once";
}

TEST(Daemon, APausedOneCanBeKilledAndOneThatIsDownCannotBePaused) {
  const Folder folder;
  Daemon daemon(shell(folder, "exec sleep 100"), nullptr);
  EXPECT_FALSE(daemon.pause().ok());
  ASSERT_TRUE(daemon.start().ok());
  ASSERT_TRUE(daemon.pause().ok());
  ASSERT_TRUE(daemon.kill().ok());
  const auto refused = daemon.pause();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "cannot pause node n1: it is down (killed by signal 9 (Killed))");
  EXPECT_TRUE(daemon.kill().ok()) << "no effect if down";
}

TEST(Daemon, StopAsksFirstAndKillsAfterTheGrace) {
  const Folder folder;
  Daemon polite(shell(folder, "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"), nullptr);
  ASSERT_TRUE(polite.start().ok());
  ASSERT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log") == "up\n"; }));
  ASSERT_TRUE(polite.pause().ok()) << "SIGTERM must reach a paused one, too";
  ASSERT_TRUE(polite.stop(std::chrono::seconds(10)).ok());
  EXPECT_EQ(polite.end(), "exited with status 7");
  EXPECT_TRUE(test::read_file(folder / "daemon.log").ends_with("bye\n"));
  EXPECT_FALSE(polite.ended_unasked());

  Daemon stubborn(shell(folder, "trap '' TERM; echo deaf; while :; do sleep 0.01; done"), nullptr);
  ASSERT_TRUE(stubborn.start().ok());
  ASSERT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log").ends_with("deaf\n"); }));
  ASSERT_TRUE(stubborn.stop(std::chrono::milliseconds(50)).ok());
  EXPECT_EQ(stubborn.end(), "killed by signal 9 (Killed)");
}

TEST(Daemon, AnEndOfItsOwnIsSeenAndTold) {
  const Folder folder;
  Daemon daemon(shell(folder, "echo cannot open the log; exit 3"), nullptr);
  ASSERT_TRUE(daemon.start().ok());
  ASSERT_TRUE(test::eventually([&] { return daemon.state() == Daemon::State::down; }));
  EXPECT_TRUE(daemon.ended_unasked());
  EXPECT_EQ(daemon.end(), "exited with status 3");
  EXPECT_EQ(daemon.log_tail(), "cannot open the log\n");
}

TEST(Daemon, AProgramThatDoesNotExistIsNamed) {
  const Folder folder;
  auto spec = shell(folder, "");
  spec.command = {"no-such-program-of-ours"};
  Daemon daemon(spec, nullptr);
  const auto started = daemon.start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("'no-such-program-of-ours' not found in PATH"), std::string::npos)
      << started.error().message;
  EXPECT_EQ(daemon.state(), Daemon::State::down);
  spec.command = {"sh", "-c", "sleep 100"};
  spec.working_directory = folder / "missing";
  Daemon nowhere(spec, nullptr);
  const auto failed = nowhere.start();
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().message.find("changing to its working directory: No such file"), std::string::npos)
      << failed.error().message;
  EXPECT_EQ(nowhere.state(), Daemon::State::down);
}

TEST(Daemon, DoesNotStartWhileItsPortIsTaken) {
  const Folder folder;
  Descriptor holder(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(holder.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(holder.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(holder.get(), 1), 0);
  auto spec = shell(folder, "echo up; exec sleep 100");
  spec.ports = {{"127.0.0.1", ntohs(address.sin_port)}};
  Daemon daemon(spec, nullptr);
  std::atomic<bool> started{false};
  std::thread starter([&] { started = daemon.start().ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(test::read_file(folder / "daemon.log"), "") << "it ran before its port was free";
  holder.reset();
  starter.join();
  EXPECT_TRUE(started);
  EXPECT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log") == "up\n"; }));
}

TEST(Daemon, InheritsNoDescriptorAndNoSignalDisposition) {
  const Folder folder;
  const Descriptor leak(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  ::signal(SIGTERM, SIG_IGN);
  Daemon daemon(shell(folder, "ls /proc/self/fd | tr '\\n' ' '; exec sleep 100"), nullptr);
  ASSERT_TRUE(daemon.start().ok());
  ASSERT_TRUE(test::eventually([&] { return test::read_file(folder / "daemon.log") == "0 1 2 3 "; }))
      << test::read_file(folder / "daemon.log");
  ASSERT_TRUE(daemon.stop(std::chrono::seconds(10)).ok());
  ::signal(SIGTERM, SIG_DFL);
  EXPECT_EQ(daemon.end(), "killed by signal 15 (Terminated)");
}

TEST(Daemon, LeavesNoProcessNoThreadAndNoDescriptorBehind) {
  const Folder folder;
  const auto descriptors = test::open_descriptors();
  std::vector<ProcessIdentity> started;
  for (int i = 0; i < 20; ++i) {
    Daemon daemon(shell(folder, i % 2 == 0 ? "exec sleep 100" : "exit 0"), nullptr);
    ASSERT_TRUE(daemon.start().ok());
    started.push_back(daemon.identity());
    const bool pauses = i % 4 == 0;
    ASSERT_TRUE(!pauses || daemon.pause().ok());
  }
  for (const auto& process : started) EXPECT_FALSE(read_stat(process.pid).has_value());
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(thread_states(::getpid()).size(), 1U);
}

TEST(RunCommand, ReturnsStatusAndOutputAndEndsAtItsLimit) {
  const auto result = run_command({"sh", "-c", "cat; echo oops >&2; exit 5"}, "hello", "");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().status, 5);
  EXPECT_EQ(result.value().output, "hello");
  EXPECT_EQ(result.value().errors, "oops\n");
  const auto begin = std::chrono::steady_clock::now();
  const auto late = run_command({"sh", "-c", "sleep 100 & sleep 100"}, "", "", std::chrono::milliseconds(100));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().message, "sh did not end within 100 ms");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace faultline::live
