#include "state.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace faultline::live::disk {
namespace {

// More changes of folders than a file system keeps back for long.
constexpr std::size_t most_changes = 2000;

std::optional<struct stat> look_at(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

std::optional<std::string> State::inside(const std::string& path) const {
  const std::string& root = options.data.native();
  if (!path.starts_with(root)) return std::nullopt;
  if (path.size() == root.size()) return "";
  if (path[root.size()] != '/') return std::nullopt;
  return path.substr(root.size() + 1);
}

// What was kept for a change that is durable now is not needed any more; a file that lost its last name by that takes its log along.
void State::let_go(const std::vector<EntryChange>& settled) {
  for (const EntryChange& change : settled) {
    const auto path = kept(change);
    const auto status = look_at(path);
    if (!status) continue;
    if (status->st_nlink <= 1) {
      log.files.erase(id_of(*status));
      blind.erase(id_of(*status));
    }
    ::unlink(path.c_str());
  }
}

void State::settle_above(const std::string& path) {
  for (std::string folder = path; !folder.empty() && !log.entries.empty();) {
    const std::size_t slash = folder.rfind('/');
    folder.resize(slash == std::string::npos ? 0 : slash);
    if (folder.empty()) return;
    if (const auto status = look_at(options.data / folder)) let_go(log.entries.settle_file(id_of(*status)));
  }
}

void State::sync_file(const FileId& id, const std::string& path) {
  if (const auto found = log.files.find(id); found != log.files.end()) found->second.sync();
  if (log.entries.empty()) return;
  let_go(log.entries.settle_file(id));
  settle_above(path);
}

void State::sync_folder(const FileId& id, const std::string& path) {
  if (log.entries.empty()) return;
  let_go(log.entries.settle_folder(id));
  let_go(log.entries.settle_file(id));
  settle_above(path);
}

void State::sync_all() {
  for (auto& [id, file] : log.files) file.sync();
  let_go(log.entries.settle_oldest(log.entries.changes().size()));
}

void State::bound(const FileId& id, const std::string& path) {
  const auto found = log.files.find(id);
  if (found != log.files.end() && found->second.bytes() > options.unsynced_limit) sync_file(id, path);
}

void State::add_change(EntryChange change) {
  log.entries.add(std::move(change));
  if (log.entries.changes().size() > most_changes) let_go(log.entries.settle_oldest(most_changes / 2));
}

void State::expect_change(EntryChange change, pid_t thread, bool makes_file) {
  expected_.push_back({std::move(change), thread, makes_file});
}

bool State::has_happened(Expected& expected) const {
  EntryChange& change = expected.change;
  const auto from = change.from.empty() ? std::nullopt : look_at(options.data / change.from);
  const auto to = change.to.empty() ? std::nullopt : look_at(options.data / change.to);
  switch (change.kind) {
    case EntryChange::Kind::create:
      if (to) change.file = id_of(*to);
      return to.has_value();
    case EntryChange::Kind::rename: return to && id_of(*to) == change.file;
    case EntryChange::Kind::remove:
    case EntryChange::Kind::remove_folder: return !from || id_of(*from) != change.file;
  }
  return false;
}

void State::note_changes(pid_t thread) {
  for (auto at = expected_.begin(); at != expected_.end();) {
    const bool happened = has_happened(*at);
    if (!happened && at->thread != thread) {
      ++at;
      continue;
    }
    if (happened) {
      // A number of a file that is gone, given out again: nothing that was logged is about this one.
      if (at->makes_file) log.files.erase(at->change.file);
      add_change(std::move(at->change));
    } else {
      ::unlink(kept(at->change).c_str());
    }
    at = expected_.erase(at);
  }
}

bool State::is_expected(std::uint64_t number) const {
  return std::any_of(expected_.begin(), expected_.end(),
                     [&](const Expected& expected) { return expected.change.number == number; });
}

void State::mark_blind(const FileId& id, const std::string& path, const std::string& reason) {
  blind.emplace(id, path + " " + reason);
}

void State::forget() {
  log = {};
  blind.clear();
  expected_.clear();
  std::error_code ignored;
  for (auto at = std::filesystem::directory_iterator(options.shadow, ignored);
       !ignored && at != std::filesystem::directory_iterator(); at.increment(ignored)) {
    std::error_code failed;
    std::filesystem::remove_all(at->path(), failed);
  }
}

}  // namespace faultline::live::disk
