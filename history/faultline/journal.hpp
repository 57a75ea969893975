// Journal: the history of a run, on disk as it happens.
//
// Only whole lines reach the file, by one write at a time: what a killed run leaves is a readable history, at worst
// with one torn last line that the reader names and drops. append() only buffers; the buffer is written once a second
// has passed since the last time, or when it holds a megabyte. There is no clock in here: times are handed in, so an
// owner with nothing to append calls flush_if_due(). When writing fails (disk full) the file is cut back to its last
// whole line, the error names the file, and the lines stay in the buffer, so that a later flush may still bring them
// out; beyond 64 MiB of them append() refuses. Lines reach the operating system, not the platter: they survive the
// death of this program, not that of the machine.
//
// Movable, not copyable; one thread at a time. The destructor flushes, but can tell nobody of an error: call flush()
// first.
#pragma once

#include <cstdint>
#include <string>

#include <faultline/event.hpp>
#include <faultline/result.hpp>

namespace faultline {

class Journal {
 public:
  static constexpr Duration flush_interval = std::chrono::seconds(1);

  // Creates the file, or takes an empty one. One that already holds something is an error: a journal never continues
  // another run's.
  static Result<Journal> open(std::string path);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  // Adds one event as the next line; flushes if that is due.
  Result<void> append(const Event& event, Instant now);
  Result<void> flush_if_due(Instant now);
  Result<void> flush(Instant now);

  [[nodiscard]] EventIndex events() const { return events_; }             // appended so far
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }  // in the file
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Journal() = default;
  Result<void> write_out();
  Error failed(int error);

  std::string path_;
  int fd_ = -1;
  std::string buffer_;
  std::uint64_t written_ = 0;  // bytes of whole lines in the file
  EventIndex events_ = 0;
  Instant last_flush_{};
};

}  // namespace faultline
