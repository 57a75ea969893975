// Callers: what a call that waits for us means: the process behind its thread, its descriptors, its memory, the paths it names.
//
// A thread's process is remembered for a second: numbers of threads come round again, but not that fast. Whatever is read of a caller may be
// of a stranger that took over its number, until the notification is seen to be still valid; callers of this class look after reading.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "handle.hpp"

namespace faultline::live::disk {

class Callers {
 public:
  // A duplicate of the thread's descriptor; none if it has none of that number.
  Handle descriptor(pid_t thread, int number);
  // At most that many bytes; shorter if memory ends.
  static std::string memory(pid_t thread, std::uint64_t address, std::uint64_t length);
  // A string that ends with zero; none if it is longer than a path may be.
  static std::optional<std::string> text(pid_t thread, std::uint64_t address);
  // Where a relative path of the thread begins: its descriptor, or its working directory.
  Handle base(pid_t thread, int number);
  static mode_t umask_of(pid_t thread);

 private:
  struct Thread {
    pid_t process = 0;
    std::chrono::steady_clock::time_point seen;
  };
  pid_t process_of(pid_t thread);

  std::map<pid_t, Thread> threads_;
  std::map<pid_t, Handle> processes_;  // pidfds
};

// The path a descriptor of ours refers to, without " (deleted)".
std::string path_of(int descriptor);

}  // namespace faultline::live::disk
