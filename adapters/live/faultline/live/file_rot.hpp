// Rot: bytes of a file that change, or are cut off, while its daemon is down; and how to take that back.
//
// Functions over the files of one data directory; no state. An edit is planned first, so that it can be written down before it is made.
// Errors name the file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/rng.hpp>

namespace faultline::live {

struct RotPlan {
  bool cuts = false;
  std::uint64_t amount = 1;  // bits to flip, bytes to cut off
  std::string file;
};

// One change of a file.
struct FileEdit {
  std::filesystem::path file;
  std::string name;  // below the data directory
  std::uint64_t offset = 0;
  std::string before, after;      // flips: one byte each
  std::uint64_t size_before = 0;  // cuts
  bool cuts = false;

  friend bool operator==(const FileEdit&, const FileEdit&) = default;
};

// A file of the data directory that may rot: its name fits the glob, it is not empty, and the process does not have it open. Drawn; none
// if there is none.
std::optional<std::filesystem::path> rotting_file(const std::filesystem::path& data, const std::string& glob,
                                                  pid_t process, Rng& rng);
// What is to be done to the file, in this order; nothing is changed.
Result<std::vector<FileEdit>> plan_rot(const std::filesystem::path& data, const RotPlan& plan,
                                       const std::filesystem::path& file, Rng& rng);
// REQUIRES for these: the daemon is down.
Result<void> make_edits(const std::vector<FileEdit>& edits);
// Takes an edit back where the file still has it; one that was never made is none. False: the file was changed since, or is gone.
Result<bool> take_back(const FileEdit& edit);

}  // namespace faultline::live
