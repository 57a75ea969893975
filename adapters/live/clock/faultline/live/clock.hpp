// ClockFault: the clocks of one running process, bent while it runs: jumped, slowed, frozen, strobed, and set right again.
//
// Linux on x86-64. The process may be any, also a static Go binary; nothing is preloaded, no other process and no clock of the machine is
// touched. attach() stops its threads once, for well under a millisecond where it can, and patches the three clock entries of its vDSO
// (clock_gettime, gettimeofday, time) to jump into three pages mapped nearby: code, parameters, counters. A change is then a store into the
// parameter page that the process shares with us: nothing stops, and a strobe beats by itself.
//
// *wall* is CLOCK_REALTIME, its COARSE and TAI, gettimeofday and time, which always agree; *mono* is CLOCK_MONOTONIC, RAW, COARSE and
// BOOTTIME. Other clocks pass. What the process cannot be made to see otherwise: raw system calls, rdtsc, times the kernel keeps: timeouts
// of poll, epoll and nanosleep run on; absolute waits compute their end by the bent clock and wait for it on the true one.
//
// A fork inherits the patch and follows later changes; an exec drops it: attach again (attach_at_exec() before the first instruction).
// What is patched stays so when the harness dies, so the undo record is handed out before the first entry is changed: keep it, and let
// undo_clock_patch() of another process end it. Being killed at any moment leaves a process that runs on unharmed,
// and takes another patch.
//
// Errors are of the environment and say what would help: no permission, a debugger in the way, another architecture, no vDSO, an entry that
// somebody else has patched, no room near it, a time namespace of its own.
//
// Thread rules: one owner, one call at a time; any thread. Every call is bounded (about 10 s at worst).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

enum class ClockGroup : std::uint8_t { wall, mono, both };

struct ClockChange {
  enum class Kind : std::uint8_t { jump, rate, strobe, freeze, reset };
  ClockGroup group = ClockGroup::wall;
  Kind kind = Kind::jump;
  Duration by{};      // jump: added to what the clock shows; strobe: added in every second period
  double rate = 1;    // rate: 0 <= rate <= 1000; of the true clock's speed
  Duration period{};  // strobe: >= 1 us
  bool slew =
      false;  // reset of wall: at half speed until it is right, instead of at once. Mono that is ahead always slews.
};
// Refuses values out of range, naming them.
Result<void> check_change(const ClockChange& change);

// How far ahead of the truth the process sees its clocks.
struct ClockSkew {
  Duration wall{};
  Duration mono{};
};

// How often the process read its clocks, not counting our own probes.
struct ClockReads {
  std::uint64_t wall = 0;
  std::uint64_t mono = 0;
};

// What another process needs to take the patch out again.
struct ClockUndo {
  struct Word {
    std::uint64_t address = 0;
    std::uint64_t original = 0;
    std::uint64_t patched = 0;
    friend bool operator==(const Word&, const Word&) = default;
  };
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot
  std::string boot_id;
  std::vector<Word> words;

  friend bool operator==(const ClockUndo&, const ClockUndo&) = default;
  // One line without tabs.
  [[nodiscard]] std::string to_string() const;
  static Result<ClockUndo> parse(std::string_view text);
};

// True: it was patched and is not any more. False: nothing to undo, the process is gone or its entries are as they were.
Result<bool> undo_clock_patch(const ClockUndo& undo);

// Whether clocks can be bent here at all, by doing it to a child that is made for that and ends at once.
Result<void> clock_faults_work();

class ClockFault {
 public:
  // Makes the record durable; an error leaves the process as it is.
  using Intend = std::function<Result<void>(const ClockUndo&)>;

  // Patches the process, with its clocks still right, and verifies in it that every entry reads right. A patch of ours that somebody left
  // is replaced.
  static Result<ClockFault> attach(pid_t pid, const Intend& intend);
  // The same for a child that has not executed its program yet: `release` makes it do so and returns when it has, or says why not. The
  // changes are in force from its first instruction on.
  static Result<ClockFault> attach_at_exec(pid_t pid, const std::function<Result<void>()>& release,
                                           const Intend& intend, const std::vector<ClockChange>& changes);
  // Restores, as far as it still can.
  ~ClockFault();
  ClockFault(ClockFault&&) noexcept;
  ClockFault& operator=(ClockFault&&) noexcept;

  // In force when it returns; nothing stops. REQUIRES: not restored.
  Result<void> set(const ClockChange& change);
  // Reads the clocks through every entry in a thread of the process: an error if one is not what the changes so far make it, by 1 ms or more.
  // REQUIRES: not restored.
  Result<ClockSkew> read_back();
  // Since it was attached.
  [[nodiscard]] ClockReads reads() const;
  // How long it takes until a clock that slews is right.
  [[nodiscard]] Duration settles_in() const;
  // Sets the clocks right at once (mono that is ahead steps back: let it settle first) and takes the patch out; the pages stay mapped.
  // Idempotent; no error if the process has ended.
  Result<void> restore();

  // After restore(): patches it again, with its clocks right, using the pages that are mapped already. On an error it stays restored.
  Result<void> reattach(const Intend& intend);

  [[nodiscard]] pid_t pid() const;
  // How long the threads of the process were stopped by the last attach or restore.
  [[nodiscard]] Duration stop_time() const;

 private:
  struct Impl;
  explicit ClockFault(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline::live
