#include "memory_disk.hpp"

#include <algorithm>

namespace faultline::raft::storage {
namespace {

constexpr std::uint64_t sector = 512;

Error failure() { return Error::environment("the disk failed, as told"); }

void put(std::string& file, std::uint64_t offset, std::string_view bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size(), '\0');
  file.replace(offset, bytes.size(), bytes);
}

void play(std::string& file, const MemoryDisk::Change& change) {
  if (change.cut_to) {
    file.resize(*change.cut_to, '\0');
  } else {
    put(file, change.offset, change.bytes);
  }
}

// Sector by sector: with `kept` = 1 all of it, with 0 nothing.
void play_some(std::string& file, const MemoryDisk::Change& change, Rng& rng, double kept) {
  if (change.cut_to) {
    if (rng.chance(kept)) play(file, change);
    return;
  }
  for (std::uint64_t at = 0; at < change.bytes.size();) {
    const std::uint64_t end =
        std::min<std::uint64_t>(change.bytes.size(), ((change.offset + at) / sector + 1) * sector - change.offset);
    if (rng.chance(kept)) put(file, change.offset + at, std::string_view(change.bytes).substr(at, end - at));
    at = end;
  }
}

}  // namespace

class MemoryFile : public File {
 public:
  MemoryFile(MemoryDisk& disk, std::shared_ptr<MemoryDisk::Inode> inode) : disk_(disk), inode_(std::move(inode)) {}

  Result<std::string> read(std::uint64_t offset, std::uint64_t length) override {
    if (disk_.fails()) return failure();
    return offset < inode_->now.size() ? inode_->now.substr(offset, length) : std::string();
  }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    ++disk_.writes_;
    const bool fails = disk_.fails();
    add({.offset = offset, .bytes = std::string(bytes)});
    return fails ? failure() : Result<void>();
  }
  Result<Space> preallocate(std::uint64_t length) override {
    const bool fails = disk_.fails();
    const std::uint64_t size = inode_->now.size();
    if (size < length && !fails) {
      if (disk_.used() + length - size > disk_.space_) return Space::exhausted;
      add({.offset = size, .bytes = std::string(length - size, '\0')});
    }
    if (fails) return failure();
    return Space::granted;
  }
  Result<void> sync() override {
    ++disk_.syncs_;
    const bool fails = disk_.fails();
    for (auto& change : inode_->unsynced) {
      if (fails) change.stuck = true;
      if (!change.stuck) play(inode_->durable, change);
    }
    if (fails) return failure();
    std::erase_if(inode_->unsynced, [](const MemoryDisk::Change& change) { return !change.stuck; });
    return {};
  }
  Result<std::uint64_t> size() override {
    if (disk_.fails()) return failure();
    return inode_->now.size();
  }
  Result<void> truncate(std::uint64_t length) override {
    const bool fails = disk_.fails();
    add({.cut_to = length});
    return fails ? failure() : Result<void>();
  }

 private:
  void add(MemoryDisk::Change change) {
    play(inode_->now, change);
    inode_->unsynced.push_back(std::move(change));
  }

  MemoryDisk& disk_;
  std::shared_ptr<MemoryDisk::Inode> inode_;
};

bool MemoryDisk::fails() {
  ++calls_;
  if (fail_in_ == 0 || --fail_in_ > 0) return false;
  failed_ = true;
  return true;
}

std::uint64_t MemoryDisk::used() const {
  std::uint64_t sum = 0;
  for (const auto& [path, inode] : names_) sum += inode->now.size();
  return sum;
}

void MemoryDisk::name(const std::string& path, std::shared_ptr<Inode> inode) {
  if (inode) {
    names_[path] = inode;
  } else {
    names_.erase(path);
  }
  unsynced_.push_back({path, std::move(inode)});
}

Result<std::unique_ptr<File>> MemoryDisk::open(const std::string& path, Open how) {
  const bool fails_now = fails();
  const auto found = names_.find(path);
  if (how == Open::existing) {
    if (fails_now || found == names_.end()) return Error::environment("cannot open " + path);
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(*this, found->second));
  }
  if (found == names_.end()) {
    name(path, std::make_shared<Inode>());
  } else {
    found->second->now.clear();
    found->second->unsynced.push_back({.cut_to = 0});
  }
  if (fails_now) return failure();
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(*this, names_.at(path)));
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& folder) {
  if (fails()) return failure();
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (path.starts_with(folder + "/")) names.push_back(path.substr(folder.size() + 1));
  }
  return names;
}

Result<void> MemoryDisk::make_folder(const std::string&) { return fails() ? failure() : Result<void>(); }

Result<void> MemoryDisk::rename(const std::string& from, const std::string& to) {
  const bool fails_now = fails();
  const auto inode = names_.at(from);
  name(to, inode);
  name(from, nullptr);
  return fails_now ? failure() : Result<void>();
}

Result<void> MemoryDisk::remove(const std::string& path) {
  const bool fails_now = fails();
  name(path, nullptr);
  return fails_now ? failure() : Result<void>();
}

Result<void> MemoryDisk::sync_folder(const std::string& folder) {
  if (fails()) return failure();
  std::vector<Naming> others;
  for (Naming& naming : unsynced_) {
    if (!naming.path.starts_with(folder + "/")) {
      others.push_back(std::move(naming));
    } else if (naming.inode) {
      durable_names_[naming.path] = naming.inode;
    } else {
      durable_names_.erase(naming.path);
    }
  }
  unsynced_ = std::move(others);
  return {};
}

std::unique_ptr<MemoryDisk> MemoryDisk::after_power_loss(Rng& rng) const {
  constexpr double shares[] = {0, 0.2, 0.5, 0.9, 1};
  const double kept = shares[rng.below(5)];
  auto names = durable_names_;
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    if (!rng.chance(kept)) continue;
    const Naming& naming = unsynced_[i];
    if (naming.inode) {
      names[naming.path] = naming.inode;
    } else {
      names.erase(naming.path);
    }
  }
  auto image = std::make_unique<MemoryDisk>();
  for (const auto& [path, inode] : names) {
    auto survivor = std::make_shared<Inode>();
    survivor->durable = inode->durable;
    const double kept_here = shares[rng.below(5)];
    for (const Change& change : inode->unsynced) play_some(survivor->durable, change, rng, kept_here);
    survivor->now = survivor->durable;
    image->names_[path] = survivor;
    image->durable_names_[path] = survivor;
  }
  return image;
}

std::unique_ptr<MemoryDisk> MemoryDisk::copy() const {
  auto image = std::make_unique<MemoryDisk>();
  for (const auto& [path, inode] : names_) {
    auto twin = std::make_shared<Inode>(Inode{.now = inode->now, .durable = inode->now, .unsynced = {}});
    image->names_[path] = twin;
    image->durable_names_[path] = twin;
  }
  return image;
}

std::vector<std::string> MemoryDisk::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, inode] : names_) paths.push_back(path);
  return paths;
}

}  // namespace faultline::raft::storage
