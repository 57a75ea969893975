// The run directory: runs/<name>/<utc time>/, made for one run and left for people; `runs/latest` links to the newest.
#pragma once

#include <filesystem>
#include <string>

#include <faultline/result.hpp>

namespace faultline::cli {

class RunDirectory {
 public:
  // Creates OUT/NAME/UTC; a second run in the same second gets a suffix. The error names the path and what is missing.
  static Result<RunDirectory> create(const std::filesystem::path& out, const std::string& name, const std::string& utc);
  // An existing one; the error says what it lacks to be one.
  static Result<RunDirectory> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path file(const char* name) const { return path_ / name; }

 private:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace faultline::cli
