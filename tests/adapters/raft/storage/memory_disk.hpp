// MemoryDisk: a Disk that keeps apart what was written and what would survive a power loss, and fails where it is told to.
//
// Unsynced writes may be lost or kept sector by sector (512 bytes), in any combination; unsynced names likewise, one by one. A sync
// that fails loses the writes it should have kept: a later one does not bring them back.
#pragma once

#include <faultline/raft/storage/disk.hpp>
#include <faultline/rng.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace faultline::raft::storage {

class MemoryDisk : public Disk {
 public:
  struct Change {  // unsynced
    std::uint64_t offset = 0;
    std::string bytes;
    std::optional<std::uint64_t> cut_to;
    bool stuck = false;  // its sync failed: no later one takes it to the disk
  };
  struct Inode {
    std::string now;
    std::string durable;
    std::vector<Change> unsynced;
  };
  struct Naming {  // unsynced: `path` is this, or nothing
    std::string path;
    std::shared_ptr<Inode> inode;
  };

  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<void> make_folder(const std::string& folder) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_folder(const std::string& folder) override;

  // From now on the k-th call (1: the next) fails, having done part of its work; 0: none.
  void fail_at(std::uint64_t k) { fail_in_ = k; }
  // Another process uses the same machine: what is written is there, and is not more durable than before.
  void revive() { fail_in_ = 0, failed_ = false; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
  // The bytes all files may have together.
  void set_space(std::uint64_t bytes) { space_ = bytes; }
  // What a power loss now could leave.
  [[nodiscard]] std::unique_ptr<MemoryDisk> after_power_loss(Rng& rng) const;
  [[nodiscard]] std::unique_ptr<MemoryDisk> copy() const;
  // The bytes of a file, to look at and to spoil.
  [[nodiscard]] std::string& bytes(const std::string& path) { return names_.at(path)->now; }
  [[nodiscard]] std::vector<std::string> paths() const;

 private:
  friend class MemoryFile;
  // Whether this call is the one to fail.
  bool fails();
  [[nodiscard]] std::uint64_t used() const;
  void name(const std::string& path, std::shared_ptr<Inode> inode);

  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::map<std::string, std::shared_ptr<Inode>> durable_names_;
  std::vector<Naming> unsynced_;
  std::uint64_t fail_in_ = 0;
  bool failed_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t space_ = ~0ULL;
};

}  // namespace faultline::raft::storage
