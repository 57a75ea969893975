// Disk and File: all the log and snapshot files ask of the outside, so that raftd, the simulator's lossy disk and the tests that fail
// the k-th call run the same format code.
//
// Paths are relative to the disk's root, with '/' between parts. A write is certain to survive a power loss only after sync() of the
// file; a file's name (created, renamed, removed) only after sync_directory() of its folder. A failed call may have done part of its
// work. Nothing retries.
//
// Thread rules: a File is used by one thread at a time; the Disk itself from any.
#pragma once

#include <faultline/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::raft::storage {

enum class Space { granted, exhausted };

struct File {
  virtual ~File() = default;
  // Up to `length` bytes; fewer only at the end of the file.
  virtual Result<std::string> read(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<void> write(std::uint64_t offset, std::string_view bytes) = 0;
  // Reserves and zeroes [size, length), so that later writes within need no space. `exhausted` (ENOSPC, EDQUOT) is no error.
  virtual Result<Space> preallocate(std::uint64_t length) = 0;
  virtual Result<void> sync() = 0;  // fdatasync
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<void> truncate(std::uint64_t length) = 0;
};

struct Disk {
  enum class Open { existing, create };  // create: must not exist yet, or is emptied
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  virtual Result<std::vector<std::string>> list(
      const std::string& folder) = 0;                               // names, sorted; empty if there is no folder
  virtual Result<void> make_folder(const std::string& folder) = 0;  // and makes its name durable; fine if it exists
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> sync_folder(const std::string& folder) = 0;
};

// The real one. Errors name the path and errno's text.
std::unique_ptr<Disk> posix_disk(std::filesystem::path root);

}  // namespace faultline::raft::storage
