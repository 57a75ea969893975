// What the tests of the clock fault share: a target process they can talk to, and looks at it from outside. One thread.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <faultline/live/clock.hpp>

namespace faultline::live::test {

using namespace std::chrono_literals;

inline std::int64_t true_clock(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Opened at once: an ordinary user may not be able to reach it where it was built.
inline const int target_program = ::open(FL_CLOCK_TARGET, O_RDONLY | O_CLOEXEC);

// A child of this test, killed and reaped at the end.
class Target {
 public:
  // `start` runs in the child instead of the program, and then executes it by calling its argument.
  explicit Target(std::vector<std::string> arguments = {"0"},
                  const std::function<void(const std::function<void()>&)>& start = {}) {
    int to[2], from[2];
    EXPECT_EQ(::pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(from, O_CLOEXEC), 0);
    arguments.insert(arguments.begin(), FL_CLOCK_TARGET);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      const auto execute = [&] {
        ::fexecve(target_program, argv.data(), environ);
        ::_exit(127);
      };
      start ? start(execute) : execute();
      ::_exit(126);
    }
    ::close(to[0]);
    ::close(from[1]);
    in_ = ::fdopen(to[1], "w");
    out_ = ::fdopen(from[0], "r");
  }
  ~Target() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::fclose(in_);
    std::fclose(out_);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  std::string line() {
    char text[512] = "";
    if (std::fgets(text, sizeof text, out_) == nullptr) return "(ended)";
    const std::string all = text;
    return all.substr(0, all.find('\n'));
  }
  std::string ask(const std::string& command) {
    std::fprintf(in_, "%s\n", command.c_str());
    std::fflush(in_);
    return line();
  }
  void expect_ready() { ASSERT_EQ(line(), "ready"); }

  // How far ahead of the truth it sees each clock, in milliseconds, in the order of the answer to `read`.
  std::vector<double> skews(const std::string& command = "read") {
    static constexpr clockid_t clocks[] = {CLOCK_REALTIME,      CLOCK_MONOTONIC,       CLOCK_REALTIME,
                                           CLOCK_REALTIME,      CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                                           CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,        CLOCK_TAI};
    std::istringstream numbers(ask(command));
    std::vector<double> skews;
    std::size_t i = 0;
    for (std::int64_t seen = 0; numbers >> seen && i < std::size(clocks); ++i)
      skews.push_back(static_cast<double>(seen - true_clock(clocks[i])) / 1e6);
    return skews;
  }
  std::map<std::string, std::uint64_t> stats() {
    std::map<std::string, std::uint64_t> found;
    std::istringstream words(ask("stats"));
    for (std::string word; words >> word;) {
      const auto equals = word.find('=');
      if (equals != std::string::npos) found[word.substr(0, equals)] = std::stoull(word.substr(equals + 1));
    }
    return found;
  }

 private:
  pid_t pid_ = 0;
  std::FILE* in_ = nullptr;
  std::FILE* out_ = nullptr;
};

inline Result<void> no_journal(const ClockUndo&) { return {}; }

inline ClockFault attached(pid_t pid) {
  auto fault = ClockFault::attach(pid, no_journal);
  EXPECT_TRUE(fault.ok()) << (fault ? "" : fault.error().to_string());
  FL_ASSERT(fault.ok());
  return std::move(fault).value();
}

inline double milliseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace faultline::live::test
