// Who may be patched and who is refused, and what becomes of a process whose patcher is killed.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include <optional>

#include <faultline/live/clock.hpp>
#include <faultline/rng.hpp>

#include "adapters/live/clock/patch.hpp"
#include "etcd.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

using test::attached;
using test::Target;
using namespace std::chrono_literals;
using Kind = ClockChange::Kind;

constexpr double near = 200;

std::string refusal(pid_t pid) {
  const auto fault = ClockFault::attach(pid, test::no_journal);
  return fault ? "" : fault.error().to_string();
}

// Runs in a child; true if it exits with 0.
bool in_child(const std::function<bool()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(work() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ClockFault, WorksHere) {
  const auto works = clock_faults_work();
  EXPECT_TRUE(works.ok()) << works.error().to_string();
}

TEST(ClockFault, RefusesAProcessThatIsGone) {
  pid_t pid = 0;
  {
    const Target target;
    pid = target.pid();
  }
  EXPECT_NE(refusal(pid).find("process " + std::to_string(pid) + " does not exist"), std::string::npos);
}

TEST(ClockFault, RefusesAProcessUnderADebuggerAndNamesIt) {
  Target target;
  target.expect_ready();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, target.pid(), nullptr, nullptr), 0);
  const std::string text = refusal(target.pid());
  EXPECT_NE(text.find("is traced by process " + std::to_string(::getpid())), std::string::npos) << text;
  EXPECT_NE(text.find("end the debugger"), std::string::npos) << text;
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, target.pid(), nullptr, nullptr), 0);
  ::waitpid(target.pid(), nullptr, __WALL);
  ASSERT_EQ(::ptrace(PTRACE_DETACH, target.pid(), nullptr, nullptr), 0);
  EXPECT_EQ(refusal(target.pid()), "");
}

TEST(ClockFault, RefusesAProcessThatAnotherToolHasPatched) {
  Target target;
  target.expect_ready();
  const auto site = clock::inspect(target.pid());
  ASSERT_TRUE(site.ok());
  const auto& entry = site.value().undo.words.front();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, target.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, target.pid(), nullptr, nullptr), 0);
  ::waitpid(target.pid(), nullptr, __WALL);
  const std::uint64_t foreign = clock::jump_word(entry.address, entry.address + 0x100000, entry.original);
  ASSERT_EQ(::ptrace(PTRACE_POKETEXT, target.pid(), entry.address, foreign), 0);
  const std::string text = refusal(target.pid());
  EXPECT_NE(text.find("another tool has patched the vDSO"), std::string::npos) << text;
  ASSERT_EQ(::ptrace(PTRACE_POKETEXT, target.pid(), entry.address, entry.original), 0);
  ASSERT_EQ(::ptrace(PTRACE_DETACH, target.pid(), nullptr, nullptr), 0);
  EXPECT_EQ(refusal(target.pid()), "");
}

TEST(ClockFault, RefusesAProcessInATimeNamespaceOfItsOwn) {
  if (::geteuid() != 0) {
    std::printf("not root: a time namespace cannot be made here\n");
    return;
  }
  Target target({"0"}, [](const std::function<void()>& execute) {
    constexpr int new_time = 0x80;  // CLONE_NEWTIME; takes effect at exec
    if (::unshare(new_time) == 0) execute();
  });
  target.expect_ready();
  EXPECT_NE(refusal(target.pid()).find("time namespace"), std::string::npos);
}

TEST(ClockFault, RefusesAProcessOfAnotherUser) {
  if (::geteuid() != 0) {
    std::printf("not root: there is no other user here\n");
    return;
  }
  Target target;
  target.expect_ready();
  EXPECT_TRUE(in_child([&] {
    constexpr uid_t nobody = 65534;
    if (::setgid(nobody) != 0 || ::setuid(nobody) != 0) return false;
    return refusal(target.pid()).find("may not be traced") != std::string::npos;
  }));
}

TEST(ClockFault, AnOrdinaryUserBendsTheClocksOfItsOwnChildren) {
  const auto bend = [] {
    Target target;
    if (target.line() != "ready") return false;
    auto fault = ClockFault::attach(target.pid(), test::no_journal);
    if (!fault) std::printf("%s\n", fault.error().to_string().c_str());
    if (!fault || !fault.value().set({.kind = Kind::jump, .by = 100s})) return false;
    const double skew = target.skews()[0];
    return std::abs(skew - 100e3) < near && fault.value().restore().ok() && std::abs(target.skews()[0]) < near;
  };
  EXPECT_TRUE(in_child([&] {
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return false;
    return bend();
  }));
}

TEST(ClockFault, APatchIsUndoneByItsRecordAlone) {
  Target target({"1"});
  target.expect_ready();
  ClockUndo undo;
  // A harness that dies with the clocks bent.
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  EXPECT_TRUE(in_child([&] {
    auto fault = ClockFault::attach(target.pid(), [&](const ClockUndo& record) {
      const std::string line = record.to_string();
      return ::write(pipe[1], line.data(), line.size()) > 0 ? Result<void>() : Error::environment("pipe");
    });
    if (!fault || !fault.value().set({.kind = Kind::jump, .by = 1000s})) return false;
    ::_exit(0);
  }));
  EXPECT_NEAR(target.skews()[0], 1000e3, near) << "the clocks stay bent";
  char line[1024] = {};
  ASSERT_GT(::read(pipe[0], line, sizeof line - 1), 0);
  const auto record = ClockUndo::parse(line);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record.value().to_string(), line);
  const auto undone = undo_clock_patch(record.value());
  ASSERT_TRUE(undone.ok()) << undone.error().to_string();
  EXPECT_TRUE(undone.value());
  EXPECT_NEAR(target.skews()[0], 0, near);
  const auto again = undo_clock_patch(record.value());
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again.value()) << "a second time changes nothing";
  ClockUndo other_process = record.value();
  other_process.start_time += 1;
  const auto foreign = undo_clock_patch(other_process);
  EXPECT_TRUE(foreign.ok() && !foreign.value()) << "a recycled pid is left alone";
  EXPECT_EQ(target.stats()["corrupt"], 0U);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(ClockFault, APatchThatADeadHarnessLeftIsReplaced) {
  Target target({"1"});
  target.expect_ready();
  EXPECT_TRUE(in_child([&] {
    auto fault = ClockFault::attach(target.pid(), test::no_journal);
    if (!fault || !fault.value().set({.kind = Kind::jump, .by = 1000s})) return false;
    ::_exit(0);
  }));
  ClockFault fault = attached(target.pid());
  EXPECT_NEAR(target.skews()[0], 0, near);
  ASSERT_TRUE(fault.set({.kind = Kind::jump, .by = 10s}).ok());
  EXPECT_NEAR(target.skews()[0], 10e3, near);
  ASSERT_TRUE(fault.restore().ok());
  EXPECT_NEAR(target.skews()[0], 0, near);
}

TEST(ClockFault, RecordsThatAreNoneAreRefused) {
  for (const char* text : {"", "12", "12 13 boot", "12 13 boot zz", "-1 13 boot 1 2 3"})
    EXPECT_FALSE(ClockUndo::parse(text).ok()) << text;
}

// The patcher dies anywhere: while it maps, between two entries, with a thread borrowed, while it restores.
TEST(ClockFault, APatcherKilledAtAnyMomentLeavesAProcessThatRunsOn) {
  Target target({"2", "churn"});
  target.expect_ready();
  auto* const records =
      static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  constexpr std::size_t reason_size = 2048;
  char* const reason = records + reason_size;
  Rng rng(7);
  int undone = 0;
  for (int round = 0; round < 60; ++round) {
    const pid_t patcher = ::fork();
    if (patcher == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const auto intend = [&](const ClockUndo& undo) {
        std::snprintf(records, reason_size, "%s", undo.to_string().c_str());
        return Result<void>();
      };
      for (;;) {
        auto fault = ClockFault::attach(target.pid(), intend);
        if (!fault) {
          std::snprintf(reason, reason_size, "%s", fault.error().message.c_str());
          ::_exit(1);
        }
      }
    }
    std::this_thread::sleep_for(Duration(rng.between(0, 25'000'000)));
    ::kill(patcher, SIGKILL);
    int status = 0;
    ::waitpid(patcher, &status, 0);
    ASSERT_EQ(::waitpid(target.pid(), nullptr, WNOHANG), 0) << "the process died in round " << round;
    ASSERT_TRUE(WIFSIGNALED(status)) << "refused in round " << round << ": " << reason;
    if (records[0] == 0) continue;
    const auto record = ClockUndo::parse(records);
    ASSERT_TRUE(record.ok());
    const auto done = undo_clock_patch(record.value());
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    undone += done.value() ? 1 : 0;
    ASSERT_NEAR(target.skews()[0], 0, near);
  }
  EXPECT_GT(undone, 0) << "no moment was one that matters";
  auto stats = target.stats();
  EXPECT_EQ(stats["corrupt"], 0U);
  EXPECT_EQ(stats["backward"], 0U);
  ::munmap(records, 4096);
}

// Go: static, no stack to borrow, entries cached, threads preempted by signals.
TEST(ClockFault, ABusyEtcdIsPatchedAndRestoredUnharmed) {
  if (!test::Etcd::is_installed()) {
    std::printf("etcd is not present\n");
    return;
  }
  test::Etcd etcd;
  ASSERT_TRUE(etcd.becomes_ready());
  ClockFault fault = attached(etcd.pid());
  {
    const test::Load load(etcd, 4);
    for (int cycle = 0; cycle < 100; ++cycle) {
      ASSERT_TRUE(fault.set({.group = ClockGroup::wall, .kind = Kind::jump, .by = 60s}).ok());
      const auto read = fault.read_back();
      ASSERT_TRUE(read.ok()) << cycle << ": " << read.error().to_string();
      ASSERT_NEAR(test::milliseconds(read.value().wall), 60e3, 1);
      ASSERT_TRUE(fault.restore().ok()) << cycle;
      const auto again = fault.reattach(test::no_journal);
      ASSERT_TRUE(again.ok()) << cycle << ": " << again.error().to_string();
    }
    EXPECT_GT(fault.reads().mono, 0U) << "it reads its clocks by the vDSO";
    EXPECT_GT(load.done(), 0);
    EXPECT_EQ(load.failed(), 0);
  }
  ASSERT_TRUE(fault.restore().ok());
  EXPECT_TRUE(etcd.is_running());
  EXPECT_TRUE(etcd.puts());
}

}  // namespace
}  // namespace faultline::live
