// Disk and File: what a simulated daemon sees of its disk; the world keeps what is written apart from what is durable.
//
// Paths are relative to the node's data directory, with '/' between parts. A write survives a power loss only after sync() of the file; a
// file's name (created, renamed, removed) only after sync_folder() of its folder. A failed call may have done part of its work. Calls
// take no virtual time: a daemon makes them from background work (Surroundings::after) that it delays by latency().
//
// After a crash point has fired every call fails, and the boot is destroyed as soon as the daemon returns to the world. Handles belong to one
// boot and must not outlive it.
#pragma once

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::sim {

struct File {
  virtual ~File() = default;
  // Up to `length` bytes; fewer only at the end of the file.
  virtual Result<std::string> read(std::uint64_t offset, std::uint64_t length) = 0;
  // ENOSPC is an error here whose message says so.
  virtual Result<void> write(std::uint64_t offset, std::string_view bytes) = 0;
  // Reserves and zeroes [size, length). False: no space is left (no error).
  virtual Result<bool> preallocate(std::uint64_t length) = 0;
  virtual Result<void> sync() = 0;  // fdatasync
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<void> truncate(std::uint64_t length) = 0;
};

struct Disk {
  enum class Open : std::uint8_t { existing, create };  // create: must not exist yet, or is emptied
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;  // names, sorted; empty if no folder
  virtual Result<void> make_folder(const std::string& folder) = 0;  // and makes its name durable; fine if it exists
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> sync_folder(const std::string& folder) = 0;

  // Draws how long a batch of writes with its sync takes now, under a slow disk longer.
  virtual Duration latency() = 0;
};

}  // namespace faultline::sim
