// Volume: a file system of a node's own, ext4 on a file, whose power can go: what was not durable is lost by the kernel itself, however it was
// written: through mappings, io_uring, AIO or O_DIRECT, which the disk supervisor cannot follow. Needs root, and costs the node nothing.
//
// Losing power is the shutdown of the file system without a flush of its log (FS_IOC_SHUTDOWN, as the crash tests of XFS and ext4 use it),
// unmounting it and mounting it again, which replays the log: a file comes back as far as it was synced or written back. There is no choice
// of what survives, and nothing is torn. What the kernel writes back by itself counts as durable, so losses reach back 30 s at most.
//
// How much was lost is counted by looking: every page of every file before and after.
//
// Owner: LocalCluster, under its lock; one call at a time. The mount is journaled before it exists; its loop device goes with it. Every call
// is bounded (10 s a command).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <faultline/live/disk.hpp>
#include <faultline/live/leftovers.hpp>

namespace faultline::live {

class Volume {
 public:
  // Makes the file system in a new file and mounts it on `folder`, which exists and is empty.
  static Result<std::unique_ptr<Volume>> make(const std::filesystem::path& image, const std::filesystem::path& folder,
                                              Leftovers& journal);
  ~Volume();  // unmounts, if it still can
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  // The power goes, and comes back. REQUIRES: nothing uses the folder. The error: something does.
  Result<LossReport> lose();
  Result<void> unmount();

 private:
  Volume(std::filesystem::path image, std::filesystem::path folder, Leftovers& journal, Leftovers::Id id)
      : image_(std::move(image)), folder_(std::move(folder)), journal_(journal), id_(id) {}
  Result<void> mount();

  std::filesystem::path image_, folder_;
  Leftovers& journal_;
  Leftovers::Id id_;
  bool is_mounted_ = false;
};

// Whether such file systems can be made here, by losing the power of one. The error says what is missing.
Result<void> volumes_work();

}  // namespace faultline::live
