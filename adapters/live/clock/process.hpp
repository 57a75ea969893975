// What the clock fault reads about a process from /proc: its mappings, threads, memory, and why it may not be touched.
//
// Everything may be out of date when it returns. Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <faultline/result.hpp>

namespace faultline::live::clock {

// Owns one file descriptor.
class File {
 public:
  explicit File(int number = -1) : number_(number) {}
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

struct Mapping {
  std::uint64_t begin = 0, end = 0;
  std::string name;  // "[vdso]", a path, or empty

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

// The lines of /proc/PID/maps; pure.
std::vector<Mapping> parse_mappings(std::string_view text);
// Empty if the process is gone or may not be seen.
std::vector<Mapping> mappings_of(pid_t pid);

// A free range of `size` bytes whose every byte is within a 32-bit jump of every byte of `near`, and which no stack grows into.
// Pure; nullopt if there is none. REQUIRES: mappings in ascending order, as the kernel lists them.
std::optional<std::uint64_t> find_hole(std::span<const Mapping> mappings, const Mapping& near, std::uint64_t size);

std::string read_text(const std::string& path);
std::string errno_message(int error);
// A field of /proc/PID/status, e.g. "TracerPid"; empty if there is none.
std::string status_field(pid_t pid, std::string_view name);

// In ascending order; empty if it is gone.
std::vector<pid_t> threads_of(pid_t pid);
// The state of one thread: R, S, D, T, t, Z, X; '?' if it is gone.
char thread_state(pid_t pid, pid_t tid);
// Where a thread that sleeps in the kernel will go on; nullopt if it runs.
struct Sleep {
  std::uint64_t stack = 0, instruction = 0;
};
std::optional<Sleep> sleeping_at(pid_t pid, pid_t tid);

// Start time in clock ticks since boot, which with the pid names a process for good.
std::optional<std::uint64_t> start_time(pid_t pid);
std::string boot_identity();

std::optional<std::vector<std::byte>> read_memory(pid_t pid, std::uint64_t address, std::size_t size);

}  // namespace faultline::live::clock
