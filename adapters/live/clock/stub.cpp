#include "stub.hpp"

#include <linux/time.h>
#include <sys/syscall.h>

#define FL_STUB extern "C" [[gnu::section("fl_clock_stub"), gnu::used, gnu::noinline, gnu::visibility("hidden")]]

namespace faultline::live::clock {
namespace {

struct Timespec {
  std::int64_t seconds, nanoseconds;
};
struct Timeval {
  std::int64_t seconds, microseconds;
};

constexpr std::int64_t second = 1'000'000'000;

[[gnu::always_inline]] inline long system_call(long number, long first, void* second_argument) {
  long result = 0;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second_argument) : "rcx", "r11", "memory", "cc");
  return result;
}

[[gnu::always_inline]] inline std::int64_t true_time(int clock) {
  Timespec now{};
  system_call(SYS_clock_gettime, clock, &now);
  return now.seconds * second + now.nanoseconds;
}

// The block starts at a page and is no longer than one.
[[gnu::always_inline]] inline Pages* own_pages() {
  std::uint64_t here = 0;
  asm("lea 0(%%rip), %0" : "=r"(here));
  return reinterpret_cast<Pages*>(here & ~(page_size - 1));
}

[[gnu::always_inline]] inline Segment load(const Segment& from) {
  return {.base = __atomic_load_n(&from.base, __ATOMIC_RELAXED),
          .offset = __atomic_load_n(&from.offset, __ATOMIC_RELAXED),
          .slope = __atomic_load_n(&from.slope, __ATOMIC_RELAXED),
          .amplitude = __atomic_load_n(&from.amplitude, __ATOMIC_RELAXED),
          .period = __atomic_load_n(&from.period, __ATOMIC_RELAXED)};
}

[[gnu::always_inline]] inline Segment segment_at(const Warp& warp, std::int64_t t) {
  int i = segment_count - 1;
  while (i > 0 && t < __atomic_load_n(&warp.segments[i].base, __ATOMIC_RELAXED)) --i;
  return load(warp.segments[i]);
}

// What the process sees at the time that `read` says. The table must not change while the time is read and looked up, or a thread held up in
// between would see an old time by a new table, and so step back. Bounded: whoever writes cannot hold a reader up, only make it look again.
template <class Read>
[[gnu::always_inline]] inline std::int64_t seen_now(Pages* pages, unsigned clock, Read read) {
  constexpr int looks = 1000;
  Parameters& p = pages->parameters;
  Segment segment;
  std::int64_t t = 0;
  for (int look = 0; look < looks; ++look) {
    const std::uint64_t version = __atomic_load_n(&p.version, __ATOMIC_ACQUIRE);
    t = read();
    segment = segment_at(p.tables[version & 1].clocks[clock], t);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&p.version, __ATOMIC_RELAXED) == version) break;
  }
  return warped(segment, t);
}

[[gnu::always_inline]] inline void count(Pages* pages, unsigned clock) {
  __atomic_fetch_add(&pages->scratch.reads[clock], 1, __ATOMIC_RELAXED);
}

using ClockGettime = long (*)(int, Timespec*);
using Gettimeofday = long (*)(Timeval*, void*);
using Time = long (*)(std::int64_t*);

[[gnu::always_inline]] inline std::int64_t read_entry(const Scratch& scratch, int probe) {
  if (probe == probe_gettimeofday) {
    Timeval now{};
    reinterpret_cast<Gettimeofday>(scratch.entries[entry_gettimeofday])(&now, nullptr);
    return now.seconds * second + now.microseconds * 1000;
  }
  if (probe == probe_time) return reinterpret_cast<Time>(scratch.entries[entry_time])(nullptr) * second;
  Timespec now{};
  const int clock = probe == probe_mono ? CLOCK_MONOTONIC : CLOCK_REALTIME;
  reinterpret_cast<ClockGettime>(scratch.entries[entry_clock_gettime])(clock, &now);
  return now.seconds * second + now.nanoseconds;
}

}  // namespace

FL_STUB long fl_clock_gettime(long clock, void* result) {
  Pages* pages = own_pages();
  const auto number = static_cast<unsigned>(clock);
  if (number >= clock_count) return system_call(SYS_clock_gettime, clock, result);
  count(pages, number);
  auto* time = static_cast<Timespec*>(result);
  long status = 0;
  const std::int64_t seen = seen_now(pages, number, [&]() -> std::int64_t {
    status = system_call(SYS_clock_gettime, clock, result);
    return status == 0 ? time->seconds * second + time->nanoseconds : 0;
  });
  if (status != 0) return status;
  time->seconds = seen / second;
  time->nanoseconds = seen % second;
  return 0;
}

FL_STUB long fl_gettimeofday(void* result, void* zone) {
  Pages* pages = own_pages();
  count(pages, CLOCK_REALTIME);
  auto* time = static_cast<Timeval*>(result);
  long status = 0;
  const std::int64_t seen = seen_now(pages, CLOCK_REALTIME, [&]() -> std::int64_t {
    status = system_call(SYS_gettimeofday, reinterpret_cast<long>(result), zone);
    return status == 0 && time != nullptr ? time->seconds * second + time->microseconds * 1000 : 0;
  });
  if (status != 0 || time == nullptr) return status;
  time->seconds = seen / second;
  time->microseconds = seen % second / 1000;
  return 0;
}

FL_STUB long fl_time(std::int64_t* result) {
  Pages* pages = own_pages();
  count(pages, CLOCK_REALTIME);
  const std::int64_t seconds = seen_now(pages, CLOCK_REALTIME, [] { return true_time(CLOCK_REALTIME); }) / second;
  if (result != nullptr) *result = seconds;
  return seconds;
}

// In a borrowed thread, on the scratch stack, with all signals blocked; returns to a resuming part.
FL_STUB void fl_clock_probe() {
  Scratch& scratch = own_pages()->scratch;
  for (int probe = 0; probe < probe_count; ++probe) {
    const int clock = probe == probe_mono ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    for (int i = 0; i < sample_count; ++i) {
      Sample& sample = scratch.samples[probe][i];
      sample.before = true_time(clock);
      sample.seen = read_entry(scratch, probe);
      sample.after = true_time(clock);
    }
  }
  __atomic_fetch_add(&scratch.generation, 1, __ATOMIC_RELEASE);
  // Whoever waits for this takes the thread from here; if nobody does, it goes back by itself.
  constexpr std::int64_t patience = second / 5;
  for (const std::int64_t until = true_time(CLOCK_MONOTONIC) + patience; true_time(CLOCK_MONOTONIC) < until;)
    asm volatile("pause");
}

// `popfq` only reads below the saved flags. The signal mask is restored with the thread's own stack pointer in place, since a signal that
// was held back is delivered at once; `mov` and `syscall` leave the flags alone.
asm(R"(
  .pushsection fl_clock_stub, "ax", @progbits
  .hidden fl_clock_trampoline, fl_clock_resume, fl_clock_saved, fl_clock_trampoline_end
  .globl fl_clock_trampoline, fl_clock_resume, fl_clock_saved, fl_clock_trampoline_end
  .balign 16
fl_clock_trampoline:
  syscall
fl_clock_resume:
  lea 3f+128(%rip), %rsp
  popfq
  mov 3f+120(%rip), %rsp
  mov $14, %eax
  mov $2, %edi
  lea 3f+144(%rip), %rsi
  mov $0, %edx
  mov $8, %r10d
  syscall
  mov 3f(%rip), %r15
  mov 3f+8(%rip), %r14
  mov 3f+16(%rip), %r13
  mov 3f+24(%rip), %r12
  mov 3f+32(%rip), %rbp
  mov 3f+40(%rip), %rbx
  mov 3f+48(%rip), %r11
  mov 3f+56(%rip), %r10
  mov 3f+64(%rip), %r9
  mov 3f+72(%rip), %r8
  mov 3f+80(%rip), %rax
  mov 3f+88(%rip), %rcx
  mov 3f+96(%rip), %rdx
  mov 3f+104(%rip), %rsi
  mov 3f+112(%rip), %rdi
  jmp *3f+136(%rip)
  .balign 8
fl_clock_saved:
3:
  .zero 152
fl_clock_trampoline_end:
  .popsection
)");

static_assert(offsetof(SavedRegisters, rdi) == 112 && offsetof(SavedRegisters, rsp) == 120 &&
              offsetof(SavedRegisters, flags) == 128 && offsetof(SavedRegisters, rip) == 136 &&
              offsetof(SavedRegisters, signal_mask) == 144 && sizeof(SavedRegisters) == 152);

extern "C" {
[[gnu::visibility("hidden")]] extern const std::byte __start_fl_clock_stub[];
[[gnu::visibility("hidden")]] extern const std::byte __stop_fl_clock_stub[];
[[gnu::visibility("hidden")]] extern const std::byte fl_clock_trampoline[];
[[gnu::visibility("hidden")]] extern const std::byte fl_clock_resume[];
[[gnu::visibility("hidden")]] extern const std::byte fl_clock_saved[];
[[gnu::visibility("hidden")]] extern const std::byte fl_clock_trampoline_end[];
}

std::span<const std::byte> stub_code() { return {__start_fl_clock_stub, __stop_fl_clock_stub}; }

StubOffsets stub_offsets() {
  const auto offset = [](const void* place) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(place) - __start_fl_clock_stub);
  };
  return {.entries = {offset(reinterpret_cast<const void*>(&fl_clock_gettime)),
                      offset(reinterpret_cast<const void*>(&fl_gettimeofday)),
                      offset(reinterpret_cast<const void*>(&fl_time))},
          .probe = offset(reinterpret_cast<const void*>(&fl_clock_probe)),
          .trampoline = offset(fl_clock_trampoline),
          .resume = offset(fl_clock_resume),
          .saved = offset(fl_clock_saved),
          .trampoline_end = offset(fl_clock_trampoline_end)};
}

}  // namespace faultline::live::clock
