#include <faultline/live/leftovers.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <faultline/live/clock.hpp>
#include <faultline/live/daemon.hpp>
#include <faultline/rng.hpp>

#include "adapters/live/leftovers_format.hpp"
#include "adapters/live/namespaces.hpp"
#include "adapters/live/spawn.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using test::Folder;

// Runs `work` in a child that then dies without tidying up, as a harness does under SIGKILL.
void in_dying_harness(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    work();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

std::vector<std::string> journals(const Folder& folder) { return test::entries(folder / "state"); }

HealedLeftovers heal() {
  auto healed = heal_leftovers();
  EXPECT_TRUE(healed.ok());
  return healed.ok() ? healed.value() : HealedLeftovers{};
}

// A process that no harness waits for; it ends with the test.
struct Stranger {
  Stranger() : pid(::fork()) {
    if (pid == 0) {
      ::setpgid(0, 0);
      for (;;) ::pause();
    }
    ::setpgid(pid, pid);
    identity = identify(pid).value();
  }
  ~Stranger() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  pid_t pid;
  ProcessIdentity identity;
};

TEST(Leftovers, RecordsSurviveEveryCharacter) {
  const std::vector<std::string> fields{"a\tb", "", "c\\t", "line\nbreak", "\\"};
  const std::string line = join_record(fields);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(split_record(std::string_view(line).substr(0, line.size() - 1)), fields);
}

TEST(Leftovers, ARunThatHealedEverythingLeavesNoJournal) {
  const Folder folder;
  {
    auto journal = Leftovers::open("clean");
    ASSERT_TRUE(journal.ok());
    const auto id = journal.value()->intend_namespace("fl-clean-n1");
    ASSERT_TRUE(id.ok());
    EXPECT_EQ(journals(folder).size(), 1U);
    journal.value()->healed(id.value());
  }
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, ALiveHarnessIsLeftAlone) {
  const Folder folder;
  const Stranger daemon;
  auto journal = Leftovers::open("alive");
  ASSERT_TRUE(journal.ok());
  ASSERT_TRUE(journal.value()->intend_process(daemon.identity, "n1").ok());
  EXPECT_TRUE(heal().done.empty());
  EXPECT_TRUE(is_alive(daemon.identity));
  EXPECT_EQ(journals(folder).size(), 1U);
}

TEST(Leftovers, ADeadHarnesssProcessIsKilledAlsoWhenItIsPaused) {
  const Folder folder;
  const Stranger daemon;
  ::kill(daemon.pid, SIGSTOP);
  in_dying_harness([&] {
    auto journal = Leftovers::open("dead");
    (void)journal.value()->intend_process(daemon.identity, "n1");
  });
  ASSERT_EQ(journals(folder).size(), 1U);
  const auto healed = heal();
  ASSERT_EQ(healed.done.size(), 1U);
  EXPECT_EQ(healed.done[0], "killed process " + std::to_string(daemon.pid) + " (n1) of run dead");
  EXPECT_TRUE(healed.remaining.empty());
  EXPECT_FALSE(is_alive(daemon.identity));
  EXPECT_TRUE(journals(folder).empty());
  EXPECT_TRUE(heal().done.empty()) << "a second heal changes nothing";
}

TEST(Leftovers, ARecycledPidIsNotKilled) {
  const Folder folder;
  const Stranger stranger;
  in_dying_harness([&] {
    auto journal = Leftovers::open("dead");
    ProcessIdentity earlier = stranger.identity;
    earlier.start_time -= 1;
    (void)journal.value()->intend_process(earlier, "n1");
    ProcessIdentity other_boot = stranger.identity;
    other_boot.boot_id = "81020961-0000-4b8c-bf46-62ac3e3552f4";
    (void)journal.value()->intend_process(other_boot, "n2");
  });
  EXPECT_TRUE(heal().done.empty());
  EXPECT_TRUE(is_alive(stranger.identity));
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, TheClocksOfAProcessThatLivesOnAreSetRight) {
  const Folder folder;
  const Stranger daemon;  // no daemon of the run, so that it is not killed
  in_dying_harness([&] {
    auto journal = Leftovers::open("dead");
    auto fault = ClockFault::attach(daemon.pid, [&](const ClockUndo& undo) -> Result<void> {
      auto intent = journal.value()->intend_clock(undo, "n1");
      return intent ? Result<void>() : intent.error();
    });
    if (!fault || !fault.value().set({.kind = ClockChange::Kind::jump, .by = std::chrono::seconds(60)})) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  });
  const auto healed = heal();
  ASSERT_EQ(healed.done.size(), 1U);
  EXPECT_EQ(healed.done[0], "set right the clocks of process " + std::to_string(daemon.pid) + " (n1) of run dead");
  EXPECT_TRUE(is_alive(daemon.identity));
  EXPECT_TRUE(heal().done.empty()) << "a second heal changes nothing";
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, WhatWasHealedIsNotHealedAgainAndATornLineIsDropped) {
  const Folder folder;
  const Stranger one;
  const Stranger two;
  in_dying_harness([&] {
    auto journal = Leftovers::open("dead");
    const auto id = journal.value()->intend_process(one.identity, "n1");
    journal.value()->healed(id.value());
    // An intent that was cut short before it was durable: nothing was created for it.
    std::ofstream torn(journal.value()->file(), std::ios::app);
    torn << "intent\t2\tprocess\t" << two.pid << '\t' << two.identity.start_time << '\t' << two.identity.boot_id
         << "\tn2";
  });
  EXPECT_TRUE(heal().done.empty());
  EXPECT_TRUE(is_alive(one.identity));
  EXPECT_TRUE(is_alive(two.identity));
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, GarbageInTheStateDirectoryIsHarmless) {
  const Folder folder;
  std::ofstream(folder / "state/empty.journal").close();
  std::ofstream(folder / "state/half.journal.new") << "faultl";
  std::ofstream(folder / "state/binary.journal") << std::string("\0\xff\n\tintent", 10);
  std::ofstream(folder / "state/notes.txt") << "mine";
  EXPECT_TRUE(heal().done.empty());
  EXPECT_EQ(journals(folder), std::vector<std::string>{"notes.txt"});
}

TEST(Leftovers, ScratchFoldersGoAndFoldersOfOthersStay) {
  const Folder folder;
  const fs::path ours = folder / "ours";
  const fs::path empty = folder / "empty";
  const fs::path torn = folder / "torn";
  const fs::path foreign = folder / "foreign";
  fs::create_directories(foreign);
  std::ofstream(foreign / "precious") << "data";
  in_dying_harness([&] {
    auto journal = Leftovers::open("dead");
    (void)make_scratch_folder(*journal.value(), ours);
    fs::create_directories(ours / "n1/wal");
    std::ofstream(ours / "n1/wal/0.wal") << "data";
    (void)journal.value()->intend_folder(folder / "never made");
    (void)journal.value()->intend_folder(empty);  // killed between mkdir and marker
    fs::create_directories(empty);
    (void)journal.value()->intend_folder(torn);  // killed while the marker was written
    fs::create_directories(torn);
    std::ofstream(torn / scratch_marker) << "de";
    (void)journal.value()->intend_folder(foreign);  // killed before it saw that the folder exists
  });
  EXPECT_EQ(heal().done.size(), 3U);
  EXPECT_FALSE(fs::exists(ours));
  EXPECT_FALSE(fs::exists(empty));
  EXPECT_FALSE(fs::exists(torn));
  EXPECT_TRUE(fs::exists(foreign / "precious"));
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, AFolderThatExistsIsRefusedAndForgotten) {
  const Folder folder;
  {
    auto journal = Leftovers::open("refused");
    ASSERT_TRUE(journal.ok());
    EXPECT_FALSE(make_scratch_folder(*journal.value(), folder.path()).ok());
  }
  EXPECT_TRUE(journals(folder).empty());
  EXPECT_TRUE(fs::exists(folder.path()));
}

TEST(Leftovers, NamespacesGoAlsoHalfMadeOnes) {
  if (!test::is_root()) return;
  const Folder folder;
  const std::string run = fresh_run_id();
  in_dying_harness([&] {
    auto journal = Leftovers::open(run);
    (void)journal.value()->intend_namespace("fl-" + run + "-n1");
    (void)create_namespace("fl-" + run + "-n1");
    (void)journal.value()->intend_namespace("fl-" + run + "-n2");
    std::ofstream(namespace_path("fl-" + run + "-n2")).close();  // killed before the mount
    (void)journal.value()->intend_namespace("fl-" + run + "-n3");
  });
  ASSERT_EQ(test::namespaces_of(run).size(), 2U);
  EXPECT_EQ(heal().done.size(), 2U);
  EXPECT_TRUE(test::namespaces_of(run).empty());
  EXPECT_TRUE(journals(folder).empty());
}

TEST(Leftovers, TheKernelEndsTheDaemonsOfADeadHarness) {
  const Folder folder;
  const std::string run = fresh_run_id();
  in_dying_harness([&] {
    auto journal = Leftovers::open(run);
    auto* daemon = new Daemon({.name = "n1",
                               .command = {"sh", "-c", "setsid sleep 1000 & exec sleep 1000"},
                               .environment = {},
                               .working_directory = {},
                               .log_file = folder / "daemon.log",
                               .name_space = {},
                               .ports = {}},
                              journal.value().release());
    if (daemon->start()) {
      while (processes_with_environment("FAULTLINE_RUN=" + run).size() < 2) {
      }
      (void)daemon->pause();
    }
  });
  const auto of_run = [&] { return processes_with_environment("FAULTLINE_RUN=" + run); };
  EXPECT_TRUE(test::eventually([&] { return of_run().size() <= 1; }))
      << "the daemon itself dies with its harness, even paused";
  ASSERT_EQ(of_run().size(), 1U) << "what it started and let go of is found by its environment";
  EXPECT_FALSE(heal().done.empty());
  EXPECT_TRUE(of_run().empty());
}

TEST(Leftovers, AHealerThatIsKilledItselfIsFollowedByTheNext) {
  const Folder folder;
  const Stranger daemon;
  const std::string run = fresh_run_id();
  in_dying_harness([&] {
    auto journal = Leftovers::open(run);
    (void)journal.value()->intend_process(daemon.identity, "n1");
    for (int i = 0; i < 50; ++i) {
      const fs::path scratch = folder / ("scratch" + std::to_string(i));
      (void)make_scratch_folder(*journal.value(), scratch);
      fs::create_directories(scratch / "n1/wal");
      std::ofstream(scratch / "n1/wal/0.wal") << "data";
    }
    if (::geteuid() != 0) return;
    (void)journal.value()->intend_namespace("fl-" + run + "-n1");
    (void)create_namespace("fl-" + run + "-n1");
  });
  int killed = 0;
  for (auto delay = std::chrono::microseconds(100);; delay += std::chrono::microseconds(400)) {
    const pid_t healer = ::fork();
    if (healer == 0) ::_exit(heal_leftovers().ok() ? 0 : 1);
    std::this_thread::sleep_for(delay);
    ::kill(healer, SIGKILL);
    int status = 0;
    ::waitpid(healer, &status, 0);
    if (WIFEXITED(status)) break;
    ++killed;
  }
  EXPECT_GT(killed, 0);
  EXPECT_FALSE(is_alive(daemon.identity));
  EXPECT_TRUE(test::namespaces_of(run).empty());
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(fs::exists(folder / ("scratch" + std::to_string(i))));
  EXPECT_TRUE(journals(folder).empty());
}

// Kills a real harness while it builds, breaks and heals a cluster.
void kill_harness_at_random_moments(const std::string& network, std::uint64_t seed, int rounds) {
  Rng rng = Rng(seed).fork(network);
  int found = 0;
  for (int round = 0; round < rounds; ++round) {
    const Folder folder;
    const std::string run = fresh_run_id();
    const auto delay = std::chrono::milliseconds(rng.between(1, 1200));
    const Descriptor output(::open((folder / "victim.log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    auto victim = spawn({.command = {FL_VICTIM, run, (folder / "run").string(), network, FL_GOSSIP},
                         .environment = {},
                         .working_directory = {},
                         .output = output.get(),
                         .errors = output.get()});
    ASSERT_TRUE(victim.ok());
    ASSERT_TRUE(victim.value().release().ok());
    ASSERT_TRUE(test::eventually([&] { return test::read_file(folder / "victim.log").starts_with("begin"); }));
    std::this_thread::sleep_for(delay);
    int status = 0;
    ASSERT_EQ(::waitpid(victim.value().pid(), &status, WNOHANG), 0) << test::read_file(folder / "victim.log");
    ::kill(victim.value().pid(), SIGKILL);
    ::waitpid(victim.value().pid(), &status, 0);
    const std::string context = "seed " + std::to_string(seed) + " round " + std::to_string(round) + " killed after " +
                                to_text(delay) + ", its log: " + test::read_file(folder / "victim.log");
    const auto healed = heal();
    found += healed.done.empty() ? 0 : 1;
    EXPECT_TRUE(healed.remaining.empty()) << context << healed.remaining.front();
    EXPECT_TRUE(test::eventually([&] { return processes_with_environment("FAULTLINE_RUN=" + run).empty(); }))
        << context;
    EXPECT_TRUE(test::namespaces_of(run).empty()) << context;
    EXPECT_TRUE(test::entries(folder / "tmp").empty()) << context;
    EXPECT_TRUE(journals(folder).empty()) << context;
    EXPECT_TRUE(heal().done.empty()) << context;
  }
  EXPECT_GT(found, 0) << "no round left anything to heal: the moments are not those that matter";
}

TEST(Leftovers, NothingRemainsOfAHarnessKilledAtRandomMomentsWithNamespaces) {
  if (!test::is_root()) return;
  kill_harness_at_random_moments("namespaces", 1, 12);
}

TEST(Leftovers, NothingRemainsOfAHarnessKilledAtRandomMomentsWithTheProxy) {
  kill_harness_at_random_moments("proxy", 2, 6);
}

}  // namespace
}  // namespace faultline::live
