#include "run_directory.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <system_error>

namespace faultline::cli {

namespace {

Error cannot(const std::filesystem::path& path, const std::string& why) {
  return Error::environment(fmt::format("{}: cannot create the run directory: {}", path.string(), why),
                            "choose a writable folder with --out");
}

// Best effort: a filesystem without symbolic links only loses the shortcut.
void link_latest(const std::filesystem::path& out, const std::filesystem::path& target) {
  std::error_code ignored;
  const std::filesystem::path temporary = out / fmt::format(".latest.{}", ::getpid());
  std::filesystem::remove(temporary, ignored);
  std::filesystem::create_directory_symlink(target, temporary, ignored);
  std::filesystem::rename(temporary, out / "latest", ignored);
  if (ignored) std::filesystem::remove(temporary, ignored);
}

}  // namespace

Result<RunDirectory> RunDirectory::create(const std::filesystem::path& out, const std::string& name,
                                          const std::string& utc) {
  std::error_code error;
  std::filesystem::create_directories(out / name, error);
  if (error) return cannot(out / name, error.message());
  constexpr int most_in_one_second = 1000;
  for (int attempt = 1; attempt <= most_in_one_second; ++attempt) {
    const std::string leaf = attempt == 1 ? utc : fmt::format("{}-{}", utc, attempt);
    if (std::filesystem::create_directory(out / name / leaf, error)) {
      link_latest(out, std::filesystem::path(name) / leaf);
      return RunDirectory(out / name / leaf);
    }
    if (error) return cannot(out / name / leaf, error.message());
  }
  return cannot(out / name, "a thousand runs began in this second");
}

Result<RunDirectory> RunDirectory::open(const std::filesystem::path& path) {
  for (const char* needed : {"run.toml", "history.jsonl"}) {
    std::error_code error;
    if (!std::filesystem::exists(path / needed, error)) {
      return Error::bad_input(fmt::format("{}: no run directory: it has no {}", path.string(), needed),
                              "give the folder that `faultline run` printed first and last, e.g. runs/latest");
    }
  }
  return RunDirectory(path);
}

}  // namespace faultline::cli
