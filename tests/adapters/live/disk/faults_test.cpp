// Every fault of a disk bites a supervised child and ends when it is taken back.
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support.hpp"

namespace faultline::live::test {
namespace {

int open_file(const DiskFolder& folder, const char* name, int flags = O_RDWR | O_CREAT) {
  return ::open((folder.data() / name).c_str(), flags, 0644);
}

TEST(DiskFaults, WorkHere) {
  const auto works = disk_faults_work();
  EXPECT_TRUE(works.ok()) << works.error().to_string();
}

TEST(DiskFaults, WritesFailWithTheErrorAskedForAndSucceedAfterwards) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  const auto rule = supervisor->add(ErrorRule{.reads = false, .error = EIO, .probability = 1, .file = "wal/*"});
  fs::create_directories(folder.data() / "member" / "wal");
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int wal = open_file(folder, "member/wal/1"), other = open_file(folder, "other");
                        FL_STEP(::write(wal, "x", 1) < 0 && errno == EIO);
                        FL_STEP(::pwrite(wal, "x", 1, 7) < 0 && errno == EIO);
                        FL_STEP(::write(other, "x", 1) == 1);
                        return 0;
                      }),
            0);
  EXPECT_EQ(supervisor->remove(rule).count, 2U);
  EXPECT_TRUE(supervisor->probe().ok());
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int wal = open_file(folder, "member/wal/1");
                        FL_STEP(::write(wal, "x", 1) == 1 && ::fsync(wal) == 0);
                        return 0;
                      }),
            0);
  EXPECT_EQ(bytes_of(folder.data() / "member/wal/1"), "x");
}

TEST(DiskFaults, AWatchedCallWaitsAndMeetsTheRulesThatAreThereWhenItGoesOn) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  std::atomic<int> seen{0};
  std::atomic<bool> holds{true};
  fs::create_directories(folder.data() / "wal");
  const auto watch = supervisor->add(WatchRule{.call = DiskCall::fsync,
                                               .nth = 2,
                                               .after = false,
                                               .file = "wal/*",
                                               .seen = [&] { ++seen; },
                                               .holds = [&] { return holds.load(); }});
  const pid_t child = start_child(*supervisor, [&] {
    const int wal = open_file(folder, "wal/1"), other = open_file(folder, "other");
    FL_STEP(::write(wal, "x", 1) == 1 && ::fsync(wal) == 0);
    FL_STEP(::fsync(other) == 0);
    FL_STEP(::fsync(wal) < 0 && errno == EIO);
    FL_STEP(::fsync(wal) == 0);
    return 0;
  });
  for (int i = 0; i < 2000 && seen == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_EQ(seen, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "it waits";
  const auto rule = supervisor->add(SyncErrorRule{.error = EIO, .drops_pages = true, .nth = 1, .file = {}});
  holds = false;
  EXPECT_EQ(wait_for_child(child), 0);
  EXPECT_EQ(supervisor->remove(rule).count, 1U);
  EXPECT_EQ(supervisor->remove(watch).count, 1U);
  EXPECT_EQ(seen, 1) << "once";
}

TEST(DiskFaults, AfterAWatchedWriteTheDaemonWaitsWithTheWriteDone) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  std::atomic<bool> seen{false};
  supervisor->add(WatchRule{.call = DiskCall::write,
                            .nth = 1,
                            .after = true,
                            .file = {},
                            .seen = [&] { seen = true; },
                            .holds = [] { return true; }});
  const pid_t child = start_child(*supervisor, [&] {
    FL_STEP(::write(open_file(folder, "f"), "done", 4) == 4);
    FL_STEP(::unlink((folder.data() / "f").c_str()) == 0);
    return 0;
  });
  for (int i = 0; i < 2000 && !seen; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(seen);
  const auto works = disk_faults_work();
  ASSERT_TRUE(works.ok());
  EXPECT_EQ(bytes_of(folder.data() / "f"), works.value() ? "done" : "");
  ::kill(child, SIGKILL);
  EXPECT_EQ(wait_for_child(child), 256 + SIGKILL) << "what waits can be killed";
  EXPECT_TRUE(fs::exists(folder.data() / "f"));
  EXPECT_TRUE(supervisor->wait_until_ended().ok());
}

TEST(DiskFaults, ReadsFailWhereTheyAreSeen) {
  DiskFolder folder;
  auto supervisor = supervise(folder, {.reads = true});
  const auto rule = supervisor->add(ErrorRule{.reads = true, .error = EIO, .probability = 1, .file = {}});
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        char byte = 0;
                        const int file = open_file(folder, "f");
                        FL_STEP(::write(file, "x", 1) == 1);
                        FL_STEP(::pread(file, &byte, 1, 0) < 0 && errno == EIO);
                        return 0;
                      }),
            0);
  EXPECT_EQ(supervisor->remove(rule).count, 1U);
}

TEST(DiskFaults, AFullDiskTakesWhatFitsAndThenRefuses) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  const auto rule = supervisor->add(SpaceRule{.bytes = 10});
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int file = open_file(folder, "f");
                        FL_STEP(::write(file, "12345678", 8) == 8);
                        FL_STEP(::write(file, "12345678", 8) == 2);
                        FL_STEP(::write(file, "1", 1) < 0 && errno == ENOSPC);
                        FL_STEP(::pwrite(file, "abc", 3, 0) == 3);  // no growth
                        FL_STEP(::ftruncate(file, 4) == 0 && ::pwrite(file, "1", 1, 4) == 1);
                        FL_STEP(::fallocate(file, 0, 0, 100) < 0 && errno == ENOSPC);
                        return 0;
                      }),
            0);
  EXPECT_EQ(supervisor->remove(rule).count, 3U);
  EXPECT_EQ(bytes_of(folder.data() / "f"), "abc41");
}

TEST(DiskFaults, PagesThatAFailedSyncDroppedAreLostThoughTheNextSyncSucceeds) {
  for (const bool drops : {true, false}) {
    DiskFolder folder;
    auto supervisor = supervise(folder);
    const auto rule = supervisor->add(SyncErrorRule{.error = EIO, .drops_pages = drops, .nth = 2, .file = {}});
    EXPECT_EQ(run_child(*supervisor,
                        [&] {
                          const std::string first(4096, 'a'), second(4096, 'b');
                          const int file = open_file(folder, "f");
                          FL_STEP(::write(file, first.data(), first.size()) == 4096 && ::fsync(file) == 0);
                          FL_STEP(::pwrite(file, second.data(), second.size(), 0) == 4096);
                          FL_STEP(::fsync(file) < 0 && errno == EIO);
                          FL_STEP(::fsync(file) == 0);
                          return 0;
                        }),
              0);
    const DiskRuleEffect effect = supervisor->remove(rule);
    EXPECT_EQ(effect.count, 1U);
    EXPECT_EQ(effect.pages, drops ? 1U : 0U);
    EXPECT_EQ(bytes_of(folder.data() / "f")[0], 'b');
    Rng rng(1);
    const auto lost = supervisor->lose(DiskLoss::lose_unsynced, rng);
    ASSERT_TRUE(lost.ok());
    EXPECT_EQ(lost.value().pages, drops ? 1U : 0U);
    EXPECT_EQ(bytes_of(folder.data() / "f")[0], drops ? 'a' : 'b');
  }
}

TEST(DiskFaults, PagesThatWereDroppedLeaveTheCacheWhenTheDaemonEnds) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  supervisor->add(SyncErrorRule{.error = EIO, .drops_pages = true, .nth = 1, .file = {}});
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int file = open_file(folder, "f");
                        FL_STEP(::write(file, "gone", 4) == 4 && ::fsync(file) < 0);
                        return 0;
                      }),
            0);
  Rng rng(1);
  ASSERT_TRUE(supervisor->lose(DiskLoss::keep, rng).ok());
  EXPECT_EQ(bytes_of(folder.data() / "f"), std::string(4, '\0'));
}

TEST(DiskFaults, CallsOfASlowDiskWaitAndOthersDoNot) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  const auto rule = supervisor->add(SlowRule{.latency = std::chrono::milliseconds(150)});
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        int ends[2];
                        FL_STEP(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
                        for (int i = 0; i < 100; ++i) FL_STEP(::write(ends[0], "x", 1) == 1);
                        const int file = open_file(folder, "f");
                        FL_STEP(::write(file, "x", 1) == 1 && ::fsync(file) == 0);
                        return 0;
                      }),
            0);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(450));
  EXPECT_EQ(supervisor->remove(rule).count, 3U);  // open, write, sync
}

// The daemon stops right before or after its third sync; what it wrote until then, and no more, may be durable.
TEST(DiskFaults, ACrashPointStopsTheDaemonAtTheCallItNames) {
  for (const bool after : {false, true}) {
    DiskFolder folder;
    auto supervisor = supervise(folder);
    std::atomic<pid_t> victim{0};
    const auto rule =
        supervisor->add(CrashRule{.call = DiskCall::fsync, .nth = 3, .after = after, .file = "f", .crash = [&] {
                                    while (victim == 0) std::this_thread::yield();
                                    ::kill(victim, SIGKILL);
                                  }});
    victim = start_child(*supervisor, [&] {
      const int file = open_file(folder, "f");
      for (int i = 0; i < 100; ++i) FL_STEP(::write(file, "x", 1) == 1 && ::fsync(file) == 0);
      return 0;
    });
    EXPECT_EQ(wait_for_child(victim), 256 + SIGKILL);
    EXPECT_EQ(supervisor->remove(rule).count, 1U);
    EXPECT_EQ(bytes_of(folder.data() / "f"), "xxx");
    Rng rng(1);
    ASSERT_TRUE(supervisor->lose(DiskLoss::lose_unsynced, rng).ok());
    EXPECT_EQ(bytes_of(folder.data() / "f"), after ? "xxx" : "xx");
  }
}

TEST(DiskFaults, ACrashAfterARenameOrACreationFindsItDone) {
  for (const DiskCall call : {DiskCall::rename, DiskCall::mkdir}) {
    DiskFolder folder;
    auto supervisor = supervise(folder);
    std::atomic<pid_t> victim{0};
    supervisor->add(CrashRule{.call = call, .nth = 1, .after = true, .file = {}, .crash = [&] {
                                while (victim == 0) std::this_thread::yield();
                                ::kill(victim, SIGKILL);
                              }});
    victim = start_child(*supervisor, [&] {
      ::close(open_file(folder, "a"));
      ::rename((folder.data() / "a").c_str(), (folder.data() / "b").c_str());
      ::mkdir((folder.data() / "c").c_str(), 0755);
      for (;;) ::pause();
      return 0;
    });
    EXPECT_EQ(wait_for_child(victim), 256 + SIGKILL);
    EXPECT_TRUE(fs::exists(folder.data() / "b"));
    EXPECT_EQ(fs::exists(folder.data() / "c"), call == DiskCall::mkdir);
  }
}

TEST(DiskFaults, AFileThatIsMappedSharedAndWritableIsRefusedWithItsName) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int file = open_file(folder, "db");
                        FL_STEP(::ftruncate(file, 4096) == 0);
                        FL_STEP(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0) != MAP_FAILED);
                        FL_STEP(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED);
                        return 0;
                      }),
            0);
  Rng rng(1);
  const auto lost = supervisor->lose(DiskLoss::lose_unsynced, rng);
  ASSERT_FALSE(lost.ok());
  EXPECT_NE(lost.error().message.find("db is mapped shared and writable"), std::string::npos) << lost.error().message;
  EXPECT_FALSE(supervisor->can_lose().ok());
}

TEST(DiskFaults, WhatTheCacheHeldOutlivesTheProcessAndGoesWithThePower) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  const auto append = [&](bool syncs) {
    return run_child(*supervisor, [&] {
      const int file = open_file(folder, "f", O_WRONLY | O_CREAT | O_APPEND);
      FL_STEP(::write(file, "x", 1) == 1 && (!syncs || ::fdatasync(file) == 0));
      return 0;
    });
  };
  Rng rng(1);
  EXPECT_EQ(append(true), 0);
  EXPECT_EQ(append(false), 0);
  ASSERT_TRUE(supervisor->lose(DiskLoss::keep, rng).ok());
  EXPECT_EQ(append(false), 0);
  EXPECT_EQ(bytes_of(folder.data() / "f"), "xxx");
  ASSERT_TRUE(supervisor->lose(DiskLoss::lose_unsynced, rng).ok());
  EXPECT_EQ(bytes_of(folder.data() / "f"), "x");
}

TEST(DiskFaults, AnOpenForSynchronousWritesLosesNothing) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        const int file = open_file(folder, "f", O_WRONLY | O_CREAT | O_DSYNC);
                        FL_STEP(::write(file, "kept", 4) == 4);
                        return 0;
                      }),
            0);
  Rng rng(1);
  ASSERT_TRUE(supervisor->lose(DiskLoss::lose_unsynced, rng).ok());
  EXPECT_EQ(bytes_of(folder.data() / "f"), "kept");
}

TEST(DiskFaults, UringIsNotThereSoThatNoWriteIsMissed) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  constexpr long io_uring_setup = 425;
  EXPECT_EQ(run_child(*supervisor,
                      [&] {
                        FL_STEP(::syscall(io_uring_setup, 8, nullptr) < 0 && errno == ENOSYS);
                        return 0;
                      }),
            0);
}

}  // namespace
}  // namespace faultline::live::test
