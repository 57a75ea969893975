// clock_target: a process that reads its clocks, and notices if anything happens to it but that they change.
//
//   clock_target BUSY [churn]
//
// BUSY threads read every clock in a loop; each checks that the monotonic ones never step back and that its registers, integer and
// vector, survive. With `churn` another thread starts and joins threads all the time, and a timer signal arrives every millisecond.
// Commands on stdin, one line of answer each:
//   read       wall mono gettimeofday time coarse-wall coarse-mono raw boottime tai, in nanoseconds
//   stats      loops=… backward=… corrupt=… signals=… threads=…
//   wait       sleeps 20 ms by poll and answers how long that took by a raw system call, in nanoseconds
//   fork       what a child, forked for it, says to `read`
//   child      the pid of a forked child that answers nothing, but inherits the clocks and lives until this process ends
//   exec       executes itself anew; answers `ready`
//   quit
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<std::uint64_t> loops{0}, backward{0}, corrupt{0}, signals{0}, threads{0};

std::int64_t now(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::int64_t raw_now() {
  timespec t{};
  ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::int64_t wall_by_gettimeofday() {
  timeval t{};
  ::gettimeofday(&t, nullptr);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + std::int64_t{t.tv_usec} * 1000;
}

// Twelve integers and six doubles that live in registers across the clock reads; what comes out is known.
bool registers_survive(std::uint64_t round) {
  std::uint64_t a = round, b = round ^ 0x9e37, c = ~round, d = round * 3;
  double x = static_cast<double>(round & 0xffff), y = 0.5 + x, z = 2 * x;
  for (int i = 0; i < 8; ++i) {
    a = a * 6364136223846793005U + 1442695040888963407U;
    b ^= a >> 17;
    c += b * 31;
    d = (d << 7 | d >> 57) + c;
    x += 1;
    y += x;
    z -= 0.25;
    (void)now(i % 2 == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME);
  }
  std::uint64_t a2 = round, b2 = round ^ 0x9e37, c2 = ~round, d2 = round * 3;
  double x2 = static_cast<double>(round & 0xffff), y2 = 0.5 + x2, z2 = 2 * x2;
  for (int i = 0; i < 8; ++i) {
    a2 = a2 * 6364136223846793005U + 1442695040888963407U;
    b2 ^= a2 >> 17;
    c2 += b2 * 31;
    d2 = (d2 << 7 | d2 >> 57) + c2;
    x2 += 1;
    y2 += x2;
    z2 -= 0.25;
  }
  return a == a2 && b == b2 && c == c2 && d == d2 && x == x2 && y == y2 && z == z2;
}

void be_busy() {
  std::int64_t last = 0;
  std::int64_t last_raw = 0;
  for (std::uint64_t round = 0;; ++round) {
    const std::int64_t mono = now(CLOCK_MONOTONIC);
    if (mono < last) ++backward;
    last = mono;
    const std::int64_t raw = now(CLOCK_MONOTONIC_RAW);
    if (raw < last_raw) ++backward;
    last_raw = raw;
    (void)wall_by_gettimeofday();
    (void)::time(nullptr);
    if (!registers_survive(round)) ++corrupt;
    ++loops;
  }
}

void churn() {
  for (;;) {
    std::thread([] { ++threads; }).join();
    (void)now(CLOCK_MONOTONIC);
  }
}

void answer_read() {
  std::printf("%ld %ld %ld %ld %ld %ld %ld %ld %ld\n", now(CLOCK_REALTIME), now(CLOCK_MONOTONIC),
              wall_by_gettimeofday(), static_cast<long>(::time(nullptr)) * 1'000'000'000, now(CLOCK_REALTIME_COARSE),
              now(CLOCK_MONOTONIC_COARSE), now(CLOCK_MONOTONIC_RAW), now(CLOCK_BOOTTIME), now(CLOCK_TAI));
}

void answer_wait() {
  const std::int64_t before = raw_now();
  ::poll(nullptr, 0, 20);
  std::printf("%ld\n", raw_now() - before);
}

void answer_fork() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    answer_read();
    std::fflush(stdout);
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
}

void answer_child() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      (void)now(CLOCK_REALTIME);
      ::usleep(1000);
    }
  }
  std::printf("%d\n", pid);
}

void answer_stats() {
  std::printf("loops=%lu backward=%lu corrupt=%lu signals=%lu threads=%lu\n", loops.load(), backward.load(),
              corrupt.load(), signals.load(), threads.load());
}

}  // namespace

int main(int argc, char** argv) {
  const int busy = argc > 1 ? std::atoi(argv[1]) : 0;
  for (int i = 0; i < busy; ++i) std::thread(be_busy).detach();
  if (argc > 2 && std::strcmp(argv[2], "churn") == 0) {
    ::signal(SIGALRM, [](int) { ++signals; });
    const itimerval every{.it_interval = {.tv_sec = 0, .tv_usec = 1000}, .it_value = {.tv_sec = 0, .tv_usec = 1000}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
    std::thread(churn).detach();
  }
  std::puts("ready");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const std::string command(line, std::strcspn(line, "\n"));
    if (command == "read") answer_read();
    if (command == "stats") answer_stats();
    if (command == "wait") answer_wait();
    if (command == "fork") answer_fork();
    if (command == "child") answer_child();
    if (command == "quit") return 0;
    if (command == "exec") ::execv("/proc/self/exe", argv);
    std::fflush(stdout);
  }
  return 0;
}
