// The ptrace side of the clock fault: stopping all threads of a process for a moment, and borrowing one to act on its behalf.
//
// ptrace belongs to threads: whoever seizes a thread must make all further calls about it. So each operation runs from seizing to
// detaching in one thread of its own (on_tracer_thread), whose end lets go of everything, stopped or not.
//
// Being killed here must not harm the target. The kernel then resumes what was stopped with the registers it has at that moment, so
// these are always safe to resume with: a borrowed thread stands at code that restores its signal mask and registers by itself. Nothing
// single-steps: a pending SIGTRAP would be delivered, and fatal, when its tracer dies; and forcing one resets a disposition of the target.
//
// Errors are of the environment: no permission, process gone, not stopping in time. Every wait is bounded.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <thread>

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include "pages.hpp"
#include "vdso.hpp"

namespace faultline::live::clock {

// Runs the work in a thread of its own, to its end.
template <class T>
Result<T> on_tracer_thread(const std::function<Result<T>()>& work) {
  std::optional<Result<T>> outcome;
  try {
    std::thread([&] { outcome = work(); }).join();
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return *outcome;
}

// Why seizing a process failed with this errno, and what would allow it.
Error denied(pid_t pid, int error);

// Aligned words of a process of which this thread has stopped `tid`.
Result<std::uint64_t> peek(pid_t tid, std::uint64_t address);
Result<void> poke(pid_t tid, std::uint64_t address, std::uint64_t word);

// The registers a thread continues with when its tracer is not there to let the kernel restart its system call.
SavedRegisters resumable(const user_regs_struct& registers, std::uint64_t signal_mask);

// One thread, stopped, with all its signals held back, at code that lets it resume by itself. Destruction gives it back: it then continues
// exactly as if it had never been stopped.
class Borrowed {
 public:
  // A thread of the process, if possible one that sleeps in a system call.
  static Result<Borrowed> any_of(pid_t pid);
  // The process has not executed its program yet; `release` makes it do so and returns when it has. The thread stands at the first
  // instruction of the new image.
  static Result<Borrowed> at_exec(pid_t pid, const std::function<Result<void>()>& release);
  ~Borrowed();
  Borrowed(Borrowed&& other) noexcept;
  Borrowed& operator=(Borrowed&&) = delete;

  [[nodiscard]] pid_t tid() const { return tid_; }
  [[nodiscard]] SavedRegisters saved() const { return resumable(original_, mask_); }

  // Puts the trampoline of the stub at `place`, which must be executable and unused, and the thread at its end. Needed before call().
  Result<void> settle(std::uint64_t place);
  // Makes a system call: its result, negative errno included.
  Result<std::int64_t> call(long number, std::span<const std::uint64_t> arguments);
  // Puts the thread at an instruction, runs it until `done` says so, and stops it again. REQUIRES: the code there resumes saved() in the end.
  // False: it came to that before it could be stopped, and may still need what it resumes from.
  Result<bool> run(std::uint64_t instruction, std::uint64_t stack, const std::function<bool()>& done, Duration limit);
  // Back to its own registers and signal mask, still stopped.
  Result<void> give_back();

 private:
  explicit Borrowed(pid_t tid) : tid_(tid) {}
  enum class From { running, stopped };
  Result<void> take(From from);
  Result<void> hold(From from);
  Result<void> place_at(std::uint64_t instruction, std::uint64_t stack);

  pid_t tid_ = 0;  // 0: moved from, or let go
  user_regs_struct original_{};
  std::uint64_t mask_ = 0;
  std::uint64_t trampoline_ = 0;
  bool displaced_ = false;  // its registers are not its own
};

// All threads of a process, stopped or asleep in the kernel and certain to stop before they run another instruction, none of them inside
// `avoid` or in a signal handler that would return there; an error if that does not come about. Destruction resumes them.
class Halt {
 public:
  static Result<Halt> all_of(pid_t pid, const Avoid& avoid);
  ~Halt() { release(); }
  Halt(Halt&& other) noexcept : threads_(std::move(other.threads_)), since_(other.since_) { other.threads_.clear(); }
  Halt& operator=(Halt&&) = delete;

  // One that is stopped, for peek and poke; there always is one.
  [[nodiscard]] pid_t tid() const;
  // Resumes everything; how long the first was stopped.
  Duration release();

 private:
  struct Thread {
    bool stopped = false;
    bool asleep = false;                // in the kernel, outside `avoid`
    std::uint64_t signal = 0;           // to be delivered when it resumes
    std::optional<std::uint64_t> mask;  // of its signals, while they are held back
  };
  Halt() = default;
  Result<bool> seize_new(pid_t pid);
  Result<void> wait_for_all(pid_t pid, const Avoid& avoid);
  Result<bool> drive_out(const Avoid& avoid);
  static void hold_signals_back(pid_t tid, Thread& thread);
  static void let_signals_in(pid_t tid, Thread& thread);

  std::map<pid_t, Thread> threads_;
  std::chrono::steady_clock::time_point since_{};
  Duration moment_ = std::chrono::microseconds(5);  // for which drive_out() lets threads run
};

}  // namespace faultline::live::clock
