// Calls: what the supervisor does with one call of the daemon that waits for it.
//
// Whatever is not about the data directory goes on. Where a rule of the disk says so, the call fails, waits or never returns. Else writes,
// truncations, renames and removals are made here and answered with their outcome; syncs are noted and go on; files and folders are made by
// the daemon itself, with its own rights, and noted at the next call.
#pragma once

#include <linux/seccomp.h>
#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "caller.hpp"
#include "state.hpp"

namespace faultline::live::disk {

struct GoOn {};
struct Failed {
  int error = 0;
};
struct Done {
  std::int64_t value = 0;
};
struct Later {  // answer it after this long
  Duration delay{};
};
// Never answer it, nor any other; first, should the change be expected, let the call go on and wait until it has happened.
struct Freeze {
  std::function<void()> crash;
  std::optional<std::uint64_t> change;
};
// Answer it once nothing holds it: with `then`, or, if that is none, as it is then decided.
struct Held {
  std::function<bool()> holds;
  std::optional<std::variant<GoOn, Failed, Done>> then;
};
using Answer = std::variant<GoOn, Failed, Done, Later, Freeze, Held>;

// How far a call has come that is answered again: what made it wait is not asked again.
enum class Progress : std::uint8_t { fresh, was_held, was_slowed };

class Calls {
 public:
  // Whether the call still waits.
  using IsValid = std::function<bool()>;

  Calls(State& state, bool performs) : state_(state), performs_(performs) {}

  // REQUIRES: the state's lock is held.
  Answer answer(const seccomp_notif& call, Progress progress, const IsValid& is_valid);

 private:
  struct File {  // of the data directory
    Handle handle;
    struct stat status {};
    FileId id;
    std::string path;
  };
  struct Place {  // where a path leads
    Handle parent;
    FileId parent_id;
    std::string name;
    std::string path;  // below the data directory
    std::optional<struct stat> status;
    [[nodiscard]] FileId id() const { return status ? id_of(*status) : no_file; }
  };
  struct Write {
    int descriptor = -1;
    std::string bytes;
    std::optional<std::uint64_t> offset;
    int flags = 0;  // of pwritev2
  };

  [[nodiscard]] std::uint64_t arg(std::size_t index) const { return call_->data.args[index]; }
  [[nodiscard]] int fd(std::size_t index) const { return static_cast<int>(arg(index)); }
  [[nodiscard]] pid_t thread() const { return static_cast<pid_t>(call_->pid); }
  std::optional<File> data_file(int descriptor, bool may_be_folder = false);
  std::optional<Place> place(int base, std::uint64_t text, bool follows = false);
  std::optional<Place> place_of(int base, const std::string& path, bool follows);

  // What the rules say before the call is made, if anything.
  std::optional<Answer> before(DiskCall call, const std::string& path);
  // And after it.
  Answer after(DiskCall call, const std::string& path, Answer answer, std::optional<std::uint64_t> change = {});

  std::optional<Answer> answer_files();
  std::optional<Answer> answer_folders();
  Answer write(Write asked);
  Answer write_to(const File& file, const Write& asked, int status_flags);
  Answer gather(std::uint64_t vectors, std::uint64_t count, std::optional<std::uint64_t> offset, int flags);
  Answer copy(int to);
  Answer read(int descriptor);
  Answer resize(std::optional<File> file, std::uint64_t size);
  Answer resize_at(std::uint64_t text, std::uint64_t size);
  Answer allocate(int descriptor, int mode, std::uint64_t offset, std::uint64_t length);
  Answer sync(int descriptor);
  Answer sync_range(int descriptor, unsigned flags);
  Answer map(int descriptor);
  Answer set_flags(int descriptor, int flags);
  Answer open(int base, std::uint64_t text, std::uint64_t flags);
  Answer truncate_open(const Place& at);
  Answer rename(int from_base, std::uint64_t from, int to_base, std::uint64_t to, unsigned flags);
  Answer remove(int base, std::uint64_t text, bool folder);
  Answer make(DiskCall call, int base, std::uint64_t text);

  State& state_;
  const bool performs_;
  Callers callers_;
  const seccomp_notif* call_ = nullptr;
  const IsValid* is_valid_ = nullptr;
  Progress progress_ = Progress::fresh;
};

}  // namespace faultline::live::disk
