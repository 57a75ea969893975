// The three pages a patched process shares with the harness, and the arithmetic of a warped clock.
//
// Page 0 holds code and is mapped r-x in the target, page 1 the parameters (r--), page 2 counters and scratch (rw-); the harness maps all
// three read-write. Both sides include this file: the stub's arithmetic and the harness's expectation are the same function.
//
// A clock is a list of segments in order of time. From its base on, a segment says what the process sees at the true time t:
//   t + offset + (t - base) * slope / 2^32, rounded down, plus `amplitude` in every odd period.
// Slope is (rate - 1) * 2^32, so -2^32 freezes. A change is a segment whose base lies a little ahead, with the offset that keeps the clock
// continuous there: readers switch by the time they read, not by when they see the change.
//
// The parameters are a latch, not a lock: two tables, of which `version` names the valid one by its last bit. The writer fills the other
// one and then counts up, so a writer that dies anywhere leaves a table that can be read.
//
// All times in nanoseconds. This header is freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace faultline::live::clock {

inline constexpr std::size_t page_size = 4096;
inline constexpr int clock_count = 12;  // by clockid_t, CLOCK_REALTIME … CLOCK_TAI
inline constexpr int segment_count = 4;
inline constexpr std::int64_t never = INT64_MAX;  // the base of a segment that is not used

__extension__ typedef __int128 Wide;

struct Segment {
  std::int64_t base = never;
  std::int64_t offset = 0;
  std::int64_t slope = 0;
  std::int64_t amplitude = 0;
  std::int64_t period = 0;

  friend bool operator==(const Segment&, const Segment&) = default;
};

// The first segment also holds before its base.
struct Warp {
  Segment segments[segment_count];

  friend bool operator==(const Warp&, const Warp&) = default;
};

struct Table {
  Warp clocks[clock_count];
};

struct Parameters {
  std::uint64_t version;
  std::uint64_t unused[7];
  Table tables[2];
};
static_assert(sizeof(Parameters) <= page_size);

// Never negative, as the kernel's clocks never are.
[[gnu::always_inline]] inline std::int64_t warped(const Segment& s, std::int64_t t) {
  const std::int64_t elapsed = t - s.base;
  std::int64_t seen = t + s.offset + static_cast<std::int64_t>((static_cast<Wide>(elapsed) * s.slope) >> 32);
  if (s.period > 0 && elapsed >= 0 && elapsed / s.period % 2 == 1) seen += s.amplitude;
  return seen < 0 ? 0 : seen;
}

// Every register of a borrowed thread, at the offsets that the resuming code reads them from.
struct SavedRegisters {
  std::uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rsp, flags, rip, signal_mask;
};

enum Entry : int { entry_clock_gettime, entry_gettimeofday, entry_time, entry_count };

// One reading of an entry between two true readings of the same clock.
struct Sample {
  std::int64_t before, seen, after;
};

inline constexpr int sample_count = 5;
enum Probe : int { probe_wall, probe_mono, probe_gettimeofday, probe_time, probe_count };

struct Scratch {
  std::uint64_t reads[16];  // by clockid_t; gettimeofday and time count as CLOCK_REALTIME
  std::uint64_t entries[entry_count];
  std::uint64_t generation;  // of the samples, counted up when they are complete
  Sample samples[probe_count][sample_count];
  std::byte stack[page_size - 16 * 8 - (entry_count + 1) * 8 - sizeof(Sample) * probe_count * sample_count];
};
static_assert(sizeof(Scratch) == page_size);

// What the last bytes of the code page hold: how a patch that is found later is recognised as ours, and undone.
struct Origin {
  std::uint64_t magic;
  std::uint64_t originals[entry_count];
};
inline constexpr std::uint64_t origin_magic = 0x314b434f4c434c46;  // "FLCLOCK1"

// After the stub, the code page holds resuming parts for borrowed threads. One that is not certainly left is never used again.
struct Pages {
  std::byte code[page_size - sizeof(Origin)];
  Origin origin;
  union {
    Parameters parameters;
    std::byte parameter_page[page_size];
  };
  Scratch scratch;
};
static_assert(sizeof(Pages) == 3 * page_size);

}  // namespace faultline::live::clock
