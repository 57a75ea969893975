#include "node_disk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine.hpp"

namespace faultline::sim {

namespace {

// What the calls are called in messages, as the real disk does.
constexpr std::array<std::string_view, call_count> verbs{
    "open", "read", "write", "reserve space for", "sync", "truncate", "rename", "remove", "create"};

Error failure(Call call, std::string_view path, std::string_view why) {
  return Error::environment(fmt::format("cannot {} {}: {}", verbs[static_cast<std::size_t>(call)], path, why),
                            "check the disk and the rights of the data directory, then start again");
}

constexpr std::string_view missing = "No such file or directory";

std::string describe(Call call, const std::string& path, bool after, std::uint64_t nth) {
  return fmt::format("crashed {} {} {} of {}", after ? "after" : "before", to_string(call), nth,
                     path.empty() ? "the data directory" : path);
}

// A failed write of several sectors may have done some of them.
constexpr double part_probability = 0.5;

}  // namespace

// --- the edges of calls ----------------------------------------------------------------------------------------------

// Why the call fails, if it does.
std::optional<std::string> Engine::before_call(NodeIndex index, Call call, const std::string& path) {
  Node& node = nodes[index];
  if (node.is_doomed) return "the node is down";
  hash.mix(static_cast<std::uint64_t>(call) << 32 | index);
  if (records_all) happen(Happening::Kind::disk_call, index, fmt::format("{} {}", to_string(call), path));
  if (!call_triggers.empty()) watch_call(index, call, path, false);
  std::optional<std::string> error;
  for (Active* fault : node.disk_faults) {
    auto on = std::find_if(fault->on.begin(), fault->on.end(), [&](const Active::On& o) { return o.node == index; });
    if (on == fault->on.end()) continue;
    if (const auto* crash = std::get_if<CrashPlan>(&fault->plan.what)) {
      if (crash->after || crash->call != call || on->fired || !matches(crash->file, path)) continue;
      if (++on->seen < crash->nth) continue;
      on->fired = true;
      doom(index, Happening::Kind::crashed, describe(call, path, false, on->seen), crash->loss, fault->id);
    } else if (const auto* io = std::get_if<IoErrorPlan>(&fault->plan.what)) {
      const bool hit = (call == Call::read && io->on_read) || (call == Call::write && io->on_write);
      if (!hit || !matches(io->file, path) || !fault->rng.chance(io->probability)) continue;
      ++fault->count;
      error = io->error;
    }
  }
  if (node.is_doomed) return "the node is down";
  return error;
}

std::optional<std::string> Engine::after_call(NodeIndex index, Call call, const std::string& path) {
  Node& node = nodes[index];
  if (call == Call::fsync) ++counters.syncs;
  if (!call_triggers.empty()) watch_call(index, call, path, true);
  for (Active* fault : node.disk_faults) {
    const auto* crash = std::get_if<CrashPlan>(&fault->plan.what);
    if (crash == nullptr || !crash->after || crash->call != call || !matches(crash->file, path)) continue;
    auto on = std::find_if(fault->on.begin(), fault->on.end(), [&](const Active::On& o) { return o.node == index; });
    if (on == fault->on.end() || on->fired || ++on->seen < crash->nth) continue;
    on->fired = true;
    doom(index, Happening::Kind::crashed, describe(call, path, true, on->seen), crash->loss, fault->id);
  }
  if (node.is_doomed) return "the node is down";
  return std::nullopt;
}

template <class Action>
Result<void> NodeDisk::call(Call call, const std::string& path, Action&& action) {
  if (const auto error = engine_.before_call(node_, call, path)) return failure(call, path, *error);
  if (const std::optional<std::string> error = action()) return failure(call, path, *error);
  if (const auto error = engine_.after_call(node_, call, path)) return failure(call, path, *error);
  return {};
}

// --- files --------------------------------------------------------------------------------------------------------------

class NodeFile final : public File {
 public:
  NodeFile(NodeDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) { ++inode_->open; }
  ~NodeFile() override { --inode_->open; }
  NodeFile(const NodeFile&) = delete;
  NodeFile& operator=(const NodeFile&) = delete;

  Result<std::string> read(std::uint64_t offset, std::uint64_t length) override {
    std::string bytes;
    auto done = disk_.call(Call::read, inode_->path, [&]() -> std::optional<std::string> {
      bytes = inode_->bytes().read(offset, length);
      return std::nullopt;
    });
    if (!done) return done.error();
    return bytes;
  }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override;
  Result<bool> preallocate(std::uint64_t length) override {
    bool granted = true;
    auto done = disk_.call(Call::allocate, inode_->path, [&]() -> std::optional<std::string> {
      const std::uint64_t size = inode_->bytes().size();
      if (length <= size) return std::nullopt;
      granted = disk_.take_space(length - size);
      if (granted) inode_->truncate(length);
      return std::nullopt;
    });
    if (!done) return done.error();
    return granted;
  }
  Result<void> sync() override;
  Result<std::uint64_t> size() override {
    if (disk_.engine_.nodes[disk_.node_].is_doomed) return failure(Call::read, inode_->path, "the node is down");
    return std::uint64_t{inode_->bytes().size()};
  }
  Result<void> truncate(std::uint64_t length) override {
    return disk_.call(Call::truncate, inode_->path, [&]() -> std::optional<std::string> {
      const std::uint64_t size = inode_->bytes().size();
      if (length > size && !disk_.take_space(length - size)) return "No space left on device (ENOSPC)";
      if (length < size) disk_.give_space(size - length);
      inode_->truncate(length);
      return std::nullopt;
    });
  }

 private:
  NodeDisk& disk_;
  std::shared_ptr<Inode> inode_;
};

Result<void> NodeFile::write(std::uint64_t offset, std::string_view bytes) {
  Engine& engine = disk_.engine_;
  if (const auto error = engine.before_call(disk_.node_, Call::write, inode_->path)) {
    Node& node = engine.nodes[disk_.node_];
    if (!node.is_doomed && node.disk_rng.chance(part_probability)) {
      const std::uint64_t sectors = node.disk_rng.below(bytes.size() / sector_size + 1);
      inode_->write(offset, bytes.substr(0, sectors * sector_size));
    }
    return failure(Call::write, inode_->path, *error);
  }
  const std::uint64_t size = inode_->bytes().size();
  const std::uint64_t end = offset + bytes.size();
  if (end > size && !disk_.take_space(end - size)) {
    return failure(Call::write, inode_->path, "No space left on device (ENOSPC)");
  }
  inode_->write(offset, bytes);
  engine.hash.mix(offset);
  if (const auto error = engine.after_call(disk_.node_, Call::write, inode_->path))
    return failure(Call::write, inode_->path, *error);
  return {};
}

Result<void> NodeFile::sync() {
  return disk_.call(Call::fsync, inode_->path, [&]() -> std::optional<std::string> {
    std::optional<std::string> error;
    for (Active* fault : disk_.engine_.nodes[disk_.node_].disk_faults) {
      const auto* plan = std::get_if<SyncErrorPlan>(&fault->plan.what);
      if (plan == nullptr || !matches(plan->file, inode_->path)) continue;
      for (Active::On& on : fault->on) {
        if (on.node != disk_.node_ || on.fired || ++on.seen < plan->nth) continue;
        on.fired = true;
        ++fault->count;
        if (plan->drop) fault->pages += inode_->drop_dirty();
        error = plan->error;
      }
    }
    if (!error) inode_->sync();
    return error;
  });
}

// --- the disk -------------------------------------------------------------------------------------------------------------

DiskImage& NodeDisk::image() const { return engine_.nodes[node_].image; }

bool NodeDisk::take_space(std::uint64_t bytes) {
  Active::On* tightest = nullptr;
  Active* owner = nullptr;
  for (Active* fault : engine_.nodes[node_].disk_faults) {
    if (!std::holds_alternative<SpacePlan>(fault->plan.what)) continue;
    for (Active::On& on : fault->on) {
      if (on.node != node_ || (tightest != nullptr && tightest->space <= on.space)) continue;
      tightest = &on;
      owner = fault;
    }
  }
  if (tightest == nullptr) return true;
  if (bytes > tightest->space) {
    ++owner->count;
    return false;
  }
  tightest->space -= bytes;
  return true;
}

void NodeDisk::give_space(std::uint64_t bytes) {
  for (Active* fault : engine_.nodes[node_].disk_faults) {
    if (!std::holds_alternative<SpacePlan>(fault->plan.what)) continue;
    for (Active::On& on : fault->on) {
      if (on.node == node_) on.space += bytes;
    }
  }
}

Result<std::unique_ptr<File>> NodeDisk::open(const std::string& path, Open how) {
  std::shared_ptr<Inode> inode;
  auto done = call(Call::open, path, [&]() -> std::optional<std::string> {
    if (!image().has_folder(folder_of(path))) return std::string(missing);
    inode = image().find(path);
    if (how == Open::existing) return inode ? std::nullopt : std::optional<std::string>(missing);
    if (inode) {
      give_space(inode->bytes().size());
      inode->truncate(0);
    } else {
      inode = image().create(path);
    }
    return std::nullopt;
  });
  if (!done) return done.error();
  return std::unique_ptr<File>(std::make_unique<NodeFile>(*this, std::move(inode)));
}

Result<std::vector<std::string>> NodeDisk::list(const std::string& folder) {
  if (engine_.nodes[node_].is_doomed) return failure(Call::read, folder, "the node is down");
  return image().list(folder);
}

Result<void> NodeDisk::make_folder(const std::string& folder) {
  return call(Call::mkdir, folder, [&]() -> std::optional<std::string> {
    image().make_folder(folder);
    return std::nullopt;
  });
}

Result<void> NodeDisk::rename(const std::string& from, const std::string& to) {
  return call(Call::rename, from, [&]() -> std::optional<std::string> {
    return image().rename(from, to) ? std::nullopt : std::optional<std::string>(missing);
  });
}

Result<void> NodeDisk::remove(const std::string& path) {
  return call(Call::unlink, path, [&]() -> std::optional<std::string> {
    if (const auto inode = image().find(path)) give_space(inode->bytes().size());
    return image().remove(path) ? std::nullopt : std::optional<std::string>(missing);
  });
}

Result<void> NodeDisk::sync_folder(const std::string& folder) {
  return call(Call::fsync, folder, [&]() -> std::optional<std::string> {
    image().sync_folder(folder);
    return std::nullopt;
  });
}

Duration NodeDisk::latency() {
  Node& node = engine_.nodes[node_];
  Ticks cost =
      engine_.draw_delay(node.disk_rng, engine_.options.disk.latency.count(), engine_.options.disk.jitter.count());
  for (Active* fault : node.disk_faults) {
    if (const auto* slow = std::get_if<SlowDiskPlan>(&fault->plan.what)) {
      cost += slow->latency / 2 + static_cast<Ticks>(fault->rng.below(static_cast<std::uint64_t>(slow->latency) + 1));
      ++fault->count;
    }
  }
  return Duration(cost);
}

}  // namespace faultline::sim
