#include "night_folder.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "system.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;

Error cannot(const fs::path& path, const char* what) {
  return Error::environment(fmt::format("{}: cannot {}: {}", path.string(), what, std::strerror(errno)),
                            "check that the folder exists, is writable and has room");
}

Result<ResultsHeader> read_header(const fs::path& path, const std::string& line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object() || object.value("schema", 0) != 1 || !object.contains("plan"))
    return Error::bad_input(fmt::format("{}:1: these are no results of a campaign", path.string()),
                            "name another folder");
  return ResultsHeader{object.value("plan", ""), object.value("shard", ""), object.value("began", "")};
}

Result<void> write_all(int file, const fs::path& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot(path, "write it");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0 && errno != EINVAL) return cannot(path, "write it to the disk");
  return {};
}

}  // namespace

std::string results_header(const ResultsHeader& header, const std::string& name) {
  const nlohmann::ordered_json object{
      {"schema", 1}, {"campaign", name}, {"plan", header.plan}, {"shard", header.shard}, {"began", header.began}};
  return object.dump() + "\n";
}

Result<ResultsIndex> index_results(const fs::path& path, const night::Plan& plan) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot(path, "read it");
  ResultsIndex index{.path = path, .header = {}, .entries = {}};
  std::vector<bool> seen(plan.runs.size(), false);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line) && !file.eof(); ++number) {
    const std::uint64_t size = line.size() + 1;
    if (number == 1) {
      auto header = read_header(path, line);
      if (!header) return header.error();
      index.header = std::move(header).value();
      if (index.header.plan != plan.hash) {
        return Error::bad_input(fmt::format("{}: these are results of another plan ({}, not {})", path.string(),
                                            index.header.plan, plan.hash),
                                "name another folder with --out, or give back the campaign file it began with");
      }
    } else {
      auto record = night::record_from(line);
      if (!record || record.value().index >= plan.runs.size() ||
          plan.runs[record.value().index].id != record.value().run)
        return Error::environment(fmt::format("{}:{}: this is no result of this plan", path.string(), number),
                                  "take the line away; its run is done again");
      if (seen[record.value().index])
        return Error::environment(fmt::format("{}:{}: run {} is here twice", path.string(), number, record.value().run),
                                  "take one of the lines away");
      seen[record.value().index] = true;
      index.entries.push_back({record.value().index, index.whole, size});
    }
    index.whole += size;
  }
  return index;
}

Result<std::string> line_at(const ResultsIndex& index, const ResultsIndex::Entry& entry) {
  std::ifstream file(index.path, std::ios::binary);
  std::string line(entry.size, '\0');
  file.seekg(static_cast<std::streamoff>(entry.offset));
  if (!file.read(line.data(), static_cast<std::streamsize>(entry.size))) return cannot(index.path, "read it");
  return line;
}

Result<NightFolder> NightFolder::open(const fs::path& path, const night::Plan& plan, std::string_view toml,
                                      const night::Shard& shard, const std::string& utc) {
  std::error_code error;
  fs::create_directories(path / "runs", error);
  if (error) {
    return Error::environment(fmt::format("{}: cannot create the folder: {}", path.string(), error.message()),
                              "choose a writable one with --out");
  }
  NightFolder folder;
  folder.path_ = path;
  folder.done_.assign(plan.runs.size(), false);
  const fs::path results = path / "results.jsonl";
  folder.file_ = ::open(results.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (folder.file_ < 0) return cannot(results, "open it");
  if (::flock(folder.file_, LOCK_EX | LOCK_NB) != 0)
    return Error::environment(fmt::format("{}: another campaign works in this folder", path.string()),
                              "wait for it, or name another folder with --out");
  auto index = index_results(results, plan);
  if (!index) return index.error();
  folder.size_ = index.value().whole;
  if (::ftruncate(folder.file_, static_cast<off_t>(folder.size_)) != 0) return cannot(results, "cut its torn end");
  if (folder.size_ == 0) {
    folder.header_ = {plan.hash, shard.text(), utc};
    if (auto copied = write_file(path / "campaign.toml", toml); !copied) return copied.error();
    const std::string line = results_header(folder.header_, plan.name);
    if (auto written = write_all(folder.file_, results, line); !written) {
      ::unlink(results.c_str());
      return written.error();
    }
    folder.size_ = line.size();
  } else {
    folder.header_ = index.value().header;
    if (folder.header_.shard != shard.text()) {
      const auto named = [](const std::string& text) {
        return text.empty() ? std::string("the whole campaign") : "shard " + text;
      };
      return Error::bad_input(fmt::format("{}: this folder is of {}, not of {}", path.string(),
                                          named(folder.header_.shard), named(shard.text())),
                              "name another folder with --out for each shard");
    }
  }
  for (const auto& entry : index.value().entries) folder.done_[entry.run] = true;
  folder.count_ = index.value().entries.size();
  return folder;
}

NightFolder::NightFolder(NightFolder&& other) noexcept
    : path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      done_(std::move(other.done_)),
      count_(other.count_),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_) {}

NightFolder::~NightFolder() {
  if (file_ >= 0) ::close(file_);
}

Result<void> NightFolder::append(const night::Record& record) {
  FL_ASSERT(!done_[record.index]);
  const std::string line = night::to_line(record, true);
  if (auto written = write_all(file_, path_ / "results.jsonl", line); !written) {
    // Best effort: a torn line is taken away by whoever opens the folder next, too.
    if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) return written;
    return written;
  }
  size_ += line.size();
  done_[record.index] = true;
  ++count_;
  return {};
}

std::uint64_t folder_bytes(const fs::path& folder) {
  std::error_code ignored;
  std::uint64_t bytes = 0;
  for (fs::recursive_directory_iterator at(folder, ignored), end; !ignored && at != end; at.increment(ignored)) {
    if (!at->is_regular_file(ignored) || at->is_symlink(ignored)) continue;
    const auto size = at->file_size(ignored);
    if (!ignored) bytes += size;
  }
  return bytes;
}

std::uint64_t free_bytes(const fs::path& folder) {
  struct statvfs found {};
  if (::statvfs(folder.c_str(), &found) != 0) return UINT64_MAX;
  return static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
}

}  // namespace faultline::cli
