// A run of a campaign is a process of its own: it may crash, swell or hang, and the campaign goes on.
//
// A child has its own process group, so that Ctrl-C reaches it only through the campaign, and is told when the campaign dies, even of
// kill -9: a live run then ends in order (SIGTERM: its daemons, namespaces and rules go), a simulated one at once. Its stdout and stderr
// are files. One thread, the one that started it, must outlive it.
#pragma once

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace faultline::cli {

struct ChildCommand {
  std::string program;
  std::vector<std::string> words;  // behind the program's name
  std::string path_first;          // searched before PATH; empty: nothing
  std::filesystem::path out, err;  // files for stdout and stderr
  bool ends_at_once = false;       // SIGKILL instead of SIGTERM when this process dies
};

struct ChildEnd {
  int exit_code = 0;  // 128 + signal if one ended it
  int signal = 0;     // 0: it ended by itself
};

class Child {
 public:
  static Result<Child> start(const ChildCommand& command);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // A child that still runs is killed and waited for.
  ~Child();

  [[nodiscard]] std::optional<ChildEnd> ended();  // does not wait
  void signal(int number) const;                  // to its whole group
  [[nodiscard]] int watched() const {
    return pidfd_;
  }  // readable when it has ended; -1 if the kernel has no such thing

 private:
  Child(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
  void drop();

  pid_t pid_ = -1;
  int pidfd_ = -1;
};

// Waits until one of them has ended, a signal came or the time is over.
void wait_for_any(const std::vector<const Child*>& children, Duration most);

// The program that runs now.
std::string own_program();

}  // namespace faultline::cli
