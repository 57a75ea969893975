// Keeper: a node's disk. Opens log and newest snapshot, does the host's DiskJobs, and writes and reads snapshot files.
//
// After a failed call the disk's state is not known any more: the node must end, and may start again from what is there.
// Thread rules: the Keeper belongs to one thread (the host's disk thread); SnapshotFiles may be used by another at the same time.
#pragma once

#include <faultline/raft/host.hpp>
#include <faultline/raft/storage/disk.hpp>
#include <faultline/raft/storage/snapshots.hpp>
#include <faultline/raft/storage/wal.hpp>

#include <memory>
#include <optional>
#include <span>

namespace faultline::raft {

struct KeeperOptions {
  storage::Identity identity;
  storage::WalOptions wal;
};

// What the disk gave back at start.
struct Restored {
  Stored stored;
  kv::Store store;
  std::optional<storage::TornTail> torn;
};

// The snapshot files, without the log.
class SnapshotFiles {
 public:
  SnapshotFiles(storage::Disk& disk, const KeeperOptions& options);

  // Writes the view, durable when it returns; the label comes back with size and checksum. Nothing: no space.
  Result<std::optional<Snapshot>> write(Export job);
  // Fills in the bytes of a chunk that leaves; false if the snapshot is not here any more.
  Result<bool> fill(SnapshotChunk& chunk);

 private:
  storage::SnapshotPlace place_;
  std::optional<storage::SnapshotReader> reader_;  // of the last chunk
  storage::Mark reading_;
};

class Keeper {
 public:
  struct Opened {
    std::unique_ptr<Keeper> keeper;
    Restored restored;
  };
  // `disk` outlives the Keeper. The error names file and remedy.
  static Result<Opened> open(storage::Disk& disk, KeeperOptions options);

  struct DoneJobs {
    std::uint64_t number = 0;  // of the last
    std::optional<kv::Store> installed;
    bool has_space = true;
  };
  // Makes all of them durable, with one sync where they are plain entries. REQUIRES: not empty; the jobs follow those before.
  Result<DoneJobs> run(std::span<const DiskJob> jobs);
  // The exported snapshot is durable: the log notes it.
  Result<void> mark(const Snapshot& snapshot);
  // Removes files below the oldest snapshot that is still needed, and log segments below the newest.
  Result<void> retire(const Snapshot& oldest);

  [[nodiscard]] const storage::Wal& wal() const { return *wal_; }

 private:
  Keeper(storage::Disk& disk, KeeperOptions options);
  Result<void> receive(const SnapshotChunk& chunk);
  Result<kv::Store> install(const Snapshot& snapshot);
  [[nodiscard]] storage::SnapshotPlace place() const;

  storage::Disk& disk_;
  KeeperOptions options_;
  std::unique_ptr<storage::Wal> wal_;
  std::optional<storage::SnapshotWriter> part_;
  Snapshot part_label_;
  LogIndex marked_;
};

}  // namespace faultline::raft
