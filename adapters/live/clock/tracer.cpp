#include "tracer.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "process.hpp"
#include "stub.hpp"

namespace faultline::live::clock {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto stop_limit = std::chrono::seconds(5);
constexpr auto longest_moment = std::chrono::milliseconds(64);
constexpr int event_stop = PTRACE_EVENT_STOP;
constexpr int system_call_stop = SIGTRAP | 0x80;
constexpr std::uint64_t all_signals = ~std::uint64_t{0};
constexpr std::uint64_t plain_flags = 0x202;

long trace(int request, pid_t tid, std::uint64_t address = 0, std::uint64_t data = 0) {
  return ::syscall(SYS_ptrace, request, tid, address, data);
}
template <class T>
long trace_data(int request, pid_t tid, T& data, std::uint64_t address = 0) {
  return trace(request, tid, address, reinterpret_cast<std::uint64_t>(&data));
}

Error gone(pid_t tid) { return Error::environment("thread " + std::to_string(tid) + " ended meanwhile"); }
Error failed(const char* what, pid_t tid) {
  if (errno == ESRCH) return gone(tid);
  return Error::environment(std::string(what) + " of thread " + std::to_string(tid) +
                            " failed: " + errno_message(errno));
}

// A stop: the event, if it is one, and else the signal to be delivered (system_call_stop for those).
struct Stop {
  int event = 0;
  int signal = 0;
};

// What must be delivered when a thread resumes from a stop; 0: nothing.
std::uint64_t signal_of(Stop stop) {
  return stop.event == 0 && stop.signal != system_call_stop ? static_cast<std::uint64_t>(stop.signal) : 0;
}

// Looks without waiting, and reaps nothing. Outer nullopt: it is gone; inner: not stopped.
std::optional<std::optional<Stop>> look(pid_t tid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(tid), &info, WSTOPPED | WNOHANG | __WALL) != 0) return std::nullopt;
  if (info.si_pid == 0) return std::optional<Stop>();
  return std::optional<Stop>({.event = info.si_status >> 8, .signal = info.si_status & 0xff});
}

// Looks often at first, since a stop takes microseconds, then seldom.
class Patience {
 public:
  explicit Patience(Duration limit) : until_(Clock::now() + limit) {}
  // False: the limit has passed.
  bool wait() {
    constexpr int yields = 50;
    if (++looks_ < yields) {
      ::sched_yield();
      return true;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    return Clock::now() < until_;
  }

 private:
  Clock::time_point until_;
  int looks_ = 0;
};

Result<Stop> wait_for_stop(pid_t tid, Duration limit = stop_limit) {
  Patience patience(limit);
  do {
    const auto seen = look(tid);
    if (!seen) return gone(tid);
    if (*seen) return **seen;
  } while (patience.wait());
  return Error::environment("thread " + std::to_string(tid) + " does not stop", "see whether it hangs in the kernel");
}

// Resumes it with `request` until it stops for what is `wanted`; other stops are passed on.
Result<void> resume_until(int request, pid_t tid, const std::function<bool(Stop)>& wanted) {
  constexpr int most = 1000;
  for (int i = 0; i < most; ++i) {
    const auto stop = wait_for_stop(tid);
    if (!stop) return stop.error();
    if (wanted(stop.value())) return {};
    if (trace(request, tid, 0, signal_of(stop.value())) != 0) return failed("resuming", tid);
  }
  return Error::environment("thread " + std::to_string(tid) + " is flooded with signals");
}

bool is_in(std::span<const Range> ranges, std::uint64_t place) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) { return range.holds(place); });
}

// Whether the stack near its top holds a signal frame that returns to such an address. What a frame holds around it, the flags and the code
// segment of user space, keeps most remnants of old frames from being taken for one.
bool returns_to(std::span<const Range> ranges, pid_t tid, std::uint64_t stack) {
  constexpr std::size_t words =
      1024;  // a signal frame with the largest register file, and a handler that calls a little
  constexpr std::uint64_t user_code_segment = 0x33;
  constexpr std::uint64_t no_flag = ~std::uint64_t{0x3fffff};
  constexpr std::uint64_t always_set_flag = 2;
  std::array<std::uint64_t, words> near{};
  const iovec local{.iov_base = near.data(), .iov_len = sizeof near};
  stack &= ~std::uint64_t{7};
  // In pages, since the stack may end before.
  const std::uint64_t middle = std::min(stack + sizeof near, (stack / page_size + 1) * page_size);
  const std::array remote = {iovec{.iov_base = reinterpret_cast<void*>(stack), .iov_len = middle - stack},
                             iovec{.iov_base = reinterpret_cast<void*>(middle), .iov_len = page_size}};
  const ssize_t n = ::process_vm_readv(tid, &local, 1, remote.data(), remote.size(), 0);
  const std::size_t read = static_cast<std::size_t>(std::max<ssize_t>(n, 0)) / sizeof near[0];
  for (std::size_t i = 0; i + 2 < read; ++i) {
    const std::uint64_t flags = near[i + 1];
    if (is_in(ranges, near[i]) && (flags & no_flag) == 0 && (flags & always_set_flag) != 0 &&
        (near[i + 2] & 0xffff) == user_code_segment)
      return true;
  }
  return false;
}

// Whether it is in an uninterruptible sleep and will go on elsewhere. (Other sleeps end when it is told to stop.)
bool sleeps_outside(pid_t pid, pid_t tid, const Avoid& avoid) {
  const auto at = thread_state(pid, tid) == 'D' ? sleeping_at(pid, tid) : std::nullopt;
  return at && !is_in(avoid.places, at->instruction) && !returns_to(avoid.returns, tid, at->stack);
}

bool is_event_stop(Stop stop) { return stop.event == event_stop; }
bool is_system_call_stop(Stop stop) { return stop.event == 0 && stop.signal == system_call_stop; }

}  // namespace

Error denied(pid_t pid, int error) {
  const std::string who = "process " + std::to_string(pid);
  if (error == ESRCH) return Error::environment(who + " does not exist");
  if (const std::string tracer = status_field(pid, "TracerPid"); !tracer.empty() && tracer != "0") {
    std::string name = read_text("/proc/" + tracer + "/comm");
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return Error::environment(who + " is traced by process " + tracer + " (" + name + ")", "end the debugger");
  }
  const std::string scope = read_text("/proc/sys/kernel/yama/ptrace_scope");
  if (!scope.empty() && scope.front() != '0') {
    return Error::environment(who + " may not be traced: ptrace_scope is " + scope.substr(0, 1),
                              scope.front() == '3' ? "boot with kernel.yama.ptrace_scope below 3"
                                                   : "run `sysctl kernel.yama.ptrace_scope=0`, or run as root");
  }
  return Error::environment(who + " may not be traced: " + errno_message(error),
                            "run as the same user or as root, in a container with --cap-add SYS_PTRACE");
}

Result<std::uint64_t> peek(pid_t tid, std::uint64_t address) {
  std::uint64_t word = 0;
  if (trace_data(PTRACE_PEEKTEXT, tid, word, address) != 0) return failed("reading memory", tid);
  return word;
}

Result<void> poke(pid_t tid, std::uint64_t address, std::uint64_t word) {
  if (trace(PTRACE_POKETEXT, tid, address, word) != 0) return failed("writing memory", tid);
  return {};
}

SavedRegisters resumable(const user_regs_struct& r, std::uint64_t signal_mask) {
  SavedRegisters saved{.r15 = r.r15,
                       .r14 = r.r14,
                       .r13 = r.r13,
                       .r12 = r.r12,
                       .rbp = r.rbp,
                       .rbx = r.rbx,
                       .r11 = r.r11,
                       .r10 = r.r10,
                       .r9 = r.r9,
                       .r8 = r.r8,
                       .rax = r.rax,
                       .rcx = r.rcx,
                       .rdx = r.rdx,
                       .rsi = r.rsi,
                       .rdi = r.rdi,
                       .rsp = r.rsp,
                       .flags = r.eflags,
                       .rip = r.rip,
                       .signal_mask = signal_mask};
  if (static_cast<std::int64_t>(r.orig_rax) < 0) return saved;
  // Results the kernel keeps for itself: restart the call (512 … 514), or what is left of it (516).
  constexpr std::int64_t restart = -512;
  constexpr std::int64_t restart_no_handler = -514;
  constexpr std::int64_t restart_block = -516;
  const auto result = static_cast<std::int64_t>(r.rax);
  if (result <= restart && result >= restart_no_handler) {
    saved.rax = r.orig_rax;
    saved.rip -= 2;
  } else if (result == restart_block) {
    saved.rax = SYS_restart_syscall;
    saved.rip -= 2;
  }
  return saved;
}

Borrowed::Borrowed(Borrowed&& other) noexcept
    : tid_(std::exchange(other.tid_, 0)),
      original_(other.original_),
      mask_(other.mask_),
      trampoline_(other.trampoline_),
      displaced_(other.displaced_) {}

Borrowed::~Borrowed() {
  if (tid_ == 0) return;
  (void)give_back().ok();
  trace(PTRACE_DETACH, tid_);
}

// REQUIRES: it is seized; `from` says whether it runs or is stopped elsewhere. Stops it where the kernel, when it resumes it, still decides
// about signals and restarts.
Result<void> Borrowed::hold(From from) {
  constexpr int most = 1000;
  std::uint64_t signal = 0;
  for (int i = 0; i < most; ++i) {
    // Each time, since any other stop cancels an interrupt that is pending.
    if (trace(PTRACE_INTERRUPT, tid_) != 0) return failed("stopping", tid_);
    if (from == From::stopped && trace(PTRACE_CONT, tid_, 0, signal) != 0) return failed("resuming", tid_);
    const auto stop = wait_for_stop(tid_);
    if (!stop) return stop.error();
    if (is_event_stop(stop.value())) return {};
    signal = signal_of(stop.value());
    from = From::stopped;
  }
  return Error::environment("thread " + std::to_string(tid_) + " is flooded with signals");
}

Result<void> Borrowed::take(From from) {
  if (auto held = hold(from); !held) return held;
  if (trace_data(PTRACE_GETREGS, tid_, original_) != 0) return failed("reading registers", tid_);
  if (trace_data(PTRACE_GETSIGMASK, tid_, mask_, sizeof mask_) != 0) return failed("reading the signal mask", tid_);
  return {};
}

Result<Borrowed> Borrowed::any_of(pid_t pid) {
  std::vector<pid_t> candidates;
  std::vector<pid_t> others;
  for (const pid_t tid : threads_of(pid)) {
    const char state = thread_state(pid, tid);
    if (state == 'Z' || state == 'X' || state == '?') continue;
    (state == 'S' && sleeping_at(pid, tid) ? candidates : others).push_back(tid);
  }
  candidates.insert(candidates.end(), others.begin(), others.end());
  Error last = Error::environment("process " + std::to_string(pid) + " does not exist");
  for (const pid_t tid : candidates) {
    if (trace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) != 0) {
      last = denied(pid, errno);
      continue;
    }
    Borrowed borrowed(tid);
    auto taken = borrowed.take(From::running);
    if (taken) return borrowed;
    last = taken.error();
  }
  return last;
}

Result<Borrowed> Borrowed::at_exec(pid_t pid, const std::function<Result<void>()>& release) {
  const auto is_exec = [](Stop stop) { return stop.event == PTRACE_EVENT_EXEC; };
  if (trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC) != 0) return denied(pid, errno);
  if (auto released = release(); !released) return released.error();
  if (auto stopped = resume_until(PTRACE_CONT, pid, is_exec); !stopped) return stopped.error();
  // The exec itself still sets registers; the next stop comes after it.
  Borrowed borrowed(pid);
  if (auto taken = borrowed.take(From::stopped); !taken) return taken.error();
  return borrowed;
}

// In this order: whoever dies in between leaves a thread that restores its registers and its mask.
Result<void> Borrowed::place_at(std::uint64_t instruction, std::uint64_t stack) {
  user_regs_struct registers = original_;
  registers.rip = instruction;
  registers.rsp = stack;
  registers.eflags = plain_flags;
  registers.orig_rax = all_signals;  // -1: no system call to restart
  if (trace_data(PTRACE_SETREGS, tid_, registers) != 0) return failed("setting registers", tid_);
  displaced_ = true;
  std::uint64_t none = all_signals;
  if (trace_data(PTRACE_SETSIGMASK, tid_, none, sizeof none) != 0) return failed("setting the signal mask", tid_);
  return {};
}

Result<void> Borrowed::settle(std::uint64_t place) {
  const StubOffsets offsets = stub_offsets();
  const auto code = stub_code().subspan(offsets.trampoline, offsets.trampoline_end - offsets.trampoline);
  FL_ASSERT(code.size() <= page_size);
  std::vector<std::uint64_t> words((code.size() + 7) / 8);
  std::memcpy(words.data(), code.data(), code.size());
  const SavedRegisters registers = saved();
  std::memcpy(reinterpret_cast<std::byte*>(words.data()) + (offsets.saved - offsets.trampoline), &registers,
              sizeof registers);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (auto done = poke(tid_, place + i * 8, words[i]); !done) return done;
  }
  trampoline_ = place;
  return place_at(place + (offsets.resume - offsets.trampoline), original_.rsp);
}

Result<std::int64_t> Borrowed::call(long number, std::span<const std::uint64_t> arguments) {
  FL_ASSERT(trampoline_ != 0);
  user_regs_struct registers = original_;
  registers.rip = trampoline_;
  registers.eflags = plain_flags;
  registers.orig_rax = all_signals;
  registers.rax = static_cast<std::uint64_t>(number);
  const std::array slots = {&registers.rdi, &registers.rsi, &registers.rdx,
                            &registers.r10, &registers.r8,  &registers.r9};
  FL_ASSERT(arguments.size() <= slots.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) *slots[i] = arguments[i];
  if (trace_data(PTRACE_SETREGS, tid_, registers) != 0) return failed("setting registers", tid_);
  for (int edge = 0; edge < 2; ++edge) {  // its entry and its exit
    if (trace(PTRACE_SYSCALL, tid_) != 0) return failed("resuming", tid_);
    if (auto stopped = resume_until(PTRACE_SYSCALL, tid_, is_system_call_stop); !stopped) return stopped.error();
  }
  if (trace_data(PTRACE_GETREGS, tid_, registers) != 0) return failed("reading registers", tid_);
  return static_cast<std::int64_t>(registers.rax);
}

Result<bool> Borrowed::run(std::uint64_t instruction, std::uint64_t stack, const std::function<bool()>& done,
                           Duration limit) {
  if (auto placed = place_at(instruction, stack); !placed) return placed.error();
  if (trace(PTRACE_CONT, tid_) != 0) return failed("resuming", tid_);
  Patience patience(limit);
  while (!done()) {
    const auto seen = look(tid_);
    if (!seen) return gone(tid_);
    if (*seen && trace(PTRACE_CONT, tid_) != 0) return failed("resuming", tid_);
    if (!patience.wait()) return Error::environment("thread " + std::to_string(tid_) + " does not run");
  }
  if (auto held = hold(From::running); !held) return held.error();
  // If this came late, the thread has gone back by itself.
  user_regs_struct registers{};
  if (trace_data(PTRACE_GETREGS, tid_, registers) != 0) return failed("reading registers", tid_);
  displaced_ = registers.rip / page_size == instruction / page_size;
  return displaced_;
}

Result<void> Borrowed::give_back() {
  if (!displaced_) return {};
  displaced_ = false;
  // From the exit of a system call to where the kernel decides about signals and restarts.
  if (trampoline_ != 0) {
    if (auto held = hold(From::stopped); !held) return held;
  }
  if (trace_data(PTRACE_SETSIGMASK, tid_, mask_, sizeof mask_) != 0) return failed("setting the signal mask", tid_);
  if (trace_data(PTRACE_SETREGS, tid_, original_) != 0) return failed("setting registers", tid_);
  return {};
}

Result<bool> Halt::seize_new(pid_t pid) {
  bool any = false;
  for (const pid_t tid : threads_of(pid)) {
    if (threads_.contains(tid)) continue;
    if (trace(PTRACE_SEIZE, tid) != 0) {
      const int error = errno;
      const char state = thread_state(pid, tid);
      if (error == ESRCH || state == 'Z' || state == 'X' || state == '?') continue;
      return denied(pid, error);
    }
    if (trace(PTRACE_INTERRUPT, tid) != 0 && errno != ESRCH) return failed("stopping", tid);
    threads_[tid];
    any = true;
  }
  if (threads_.empty()) return Error::environment("process " + std::to_string(pid) + " does not exist");
  return any;
}

// A thread may sleep in the kernel for long, waiting for a disk. It has been told to stop, so it will before it runs any instruction of
// its own; if that lies outside the range, it need not be waited for.
Result<void> Halt::wait_for_all(pid_t pid, const Avoid& avoid) {
  Patience patience(stop_limit);
  int looks = 0;
  for (;;) {
    bool all = true;
    bool any_stopped = false;
    for (auto it = threads_.begin(); it != threads_.end();) {
      auto& [tid, thread] = *it;
      if (!thread.stopped) {
        const auto seen = look(tid);
        if (!seen) {
          it = threads_.erase(it);
          continue;
        }
        if (*seen) {
          thread.stopped = true;
          thread.asleep = false;
          thread.signal = signal_of(**seen);
        } else if (!thread.asleep) {
          constexpr int patient_looks = 20;
          thread.asleep = looks >= patient_looks && sleeps_outside(pid, tid, avoid);
          all = all && thread.asleep;
        }
      }
      any_stopped = any_stopped || thread.stopped;
      ++it;
    }
    if (all && any_stopped) return {};
    ++looks;
    if (!patience.wait()) {
      return Error::environment("a thread of process " + std::to_string(pid) + " does not stop",
                                "see whether it hangs in the kernel");
    }
  }
}

// A signal that came now would be handled first, and the next one after that, so that a thread might never get on. The kernel keeps the one
// that is being delivered for later, too.
void Halt::hold_signals_back(pid_t tid, Thread& thread) {
  if (thread.mask) return;
  std::uint64_t mask = 0;
  std::uint64_t all = all_signals;
  if (trace_data(PTRACE_GETSIGMASK, tid, mask, sizeof mask) != 0) return;
  if (trace_data(PTRACE_SETSIGMASK, tid, all, sizeof all) == 0) thread.mask = mask;
}
void Halt::let_signals_in(pid_t tid, Thread& thread) {
  if (thread.mask) trace_data(PTRACE_SETSIGMASK, tid, *thread.mask, sizeof *thread.mask);
  thread.mask.reset();
}

// Lets the threads that are inside run on for a moment; where they are interrupted next is chance. True: there were some.
Result<bool> Halt::drive_out(const Avoid& avoid) {
  std::vector<pid_t> inside;
  for (auto& [tid, thread] : threads_) {
    if (!thread.stopped) continue;
    user_regs_struct registers{};
    if (trace_data(PTRACE_GETREGS, tid, registers) != 0) {
      if (errno == ESRCH) continue;
      return failed("reading registers", tid);
    }
    const bool is_inside = is_in(avoid.places, registers.rip);
    if (is_inside) hold_signals_back(tid, thread);
    if (!is_inside) let_signals_in(tid, thread);
    if (!is_inside && !returns_to(avoid.returns, tid, registers.rsp)) continue;
    inside.push_back(tid);
    trace(PTRACE_CONT, tid, 0, thread.signal);
    thread = {.mask = thread.mask};
  }
  if (inside.empty()) return false;
  std::this_thread::sleep_for(moment_);
  // Longer each time: they may not have been given a processor, or only for the next signal.
  moment_ = std::min<Duration>(2 * moment_, longest_moment);
  for (const pid_t tid : inside) trace(PTRACE_INTERRUPT, tid);
  return true;
}

Result<Halt> Halt::all_of(pid_t pid, const Avoid& avoid) {
  constexpr auto limit = std::chrono::seconds(2);
  Halt halt;
  halt.since_ = Clock::now();
  for (;;) {
    const auto found = halt.seize_new(pid);
    if (!found) return found.error();
    if (auto waited = halt.wait_for_all(pid, avoid); !waited) return waited.error();
    const auto driven = halt.drive_out(avoid);
    if (!driven) return driven.error();
    if (!found.value() && !driven.value()) break;
    if (Clock::now() - halt.since_ > limit) {
      return Error::environment(
          "process " + std::to_string(pid) + " does not come to rest outside the clock entries of its vDSO",
          "try again when it is less busy");
    }
  }
  return halt;
}

pid_t Halt::tid() const {
  for (const auto& [tid, thread] : threads_) {
    if (thread.stopped) return tid;
  }
  FL_ASSERT(false);
}

Duration Halt::release() {
  if (threads_.empty()) return {};
  for (auto& [tid, thread] : threads_) {
    if (thread.stopped) let_signals_in(tid, thread);
    if (thread.stopped) trace(PTRACE_DETACH, tid, 0, thread.signal);
  }
  threads_.clear();
  return Clock::now() - since_;
}

}  // namespace faultline::live::clock
