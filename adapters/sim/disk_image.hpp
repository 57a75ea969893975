// DiskImage: a node's disk: what its files read as now, and what of that is durable.
//
// The model: faults of disks as in the paper of Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), reduced to what a power
// loss may do. Since the last sync a file has a log of writes. Each 4 KiB page may come back in any of the versions it had since then, and
// each 512 B sector of it perhaps in the next one. Sizes and directory entries likewise. A page whose write-back failed is clean and reads as
// before, but is not durable until it is written again (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
//
// Nothing of it takes time, and it knows no faults but the loss itself.
#pragma once

#include <faultline/rng.hpp>

#include "sparse_bytes.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::sim {

inline constexpr std::uint64_t page_size = 4096;
inline constexpr std::uint64_t sector_size = 512;

// What becomes of what is not durable.
//   keep           a process was killed, the machine lives: all of it stays, still not durable
//   lose_unsynced  all of it is gone
//   torn           of each file's writes, and of the entries, only those up to one survive; of the next write some sectors
//   reordered      each page, size and entry in a version of its own; some pages with sectors of the next
enum class PowerLoss : std::uint8_t { keep, lose_unsynced, torn, reordered };

struct LossReport {
  std::uint64_t pages = 0;    // that read differently afterwards
  std::uint64_t entries = 0;  // creations, renames and removals undone
};

class Inode {
 public:
  [[nodiscard]] const SparseBytes& bytes() const { return cache_; }
  [[nodiscard]] const SparseBytes& durable() const { return durable_; }
  [[nodiscard]] bool is_clean() const { return log_.empty() && ghosts_.empty(); }

  void write(std::uint64_t offset, std::string_view bytes);
  void truncate(std::uint64_t length);  // or extends it with zeros
  void sync();
  // The write-back failed: what was dirty is clean now. Returns the pages.
  std::uint64_t drop_dirty();
  // Clean pages leave the cache, as they may at any time: those that were dropped now read as they are on the disk.
  void evict_dropped();
  // Returns the pages that read differently.
  std::uint64_t lose(PowerLoss loss, Rng& rng);
  // Rot, in what is durable and what is read.
  void flip_bit(std::uint64_t offset, unsigned bit);
  void cut(std::uint64_t length);

  std::string path;        // its name now; for messages and globs
  std::uint32_t open = 0;  // handles of this boot
  bool was_open = false;   // when the last boot ended

 private:
  struct Record {
    enum class Kind : std::uint8_t { write, resize } kind = Kind::write;
    std::uint64_t offset = 0;  // resize: the new size
    std::uint64_t length = 0;  // resize: the old size
    std::uint64_t at = 0;      // write: of its bytes in log_bytes_
    [[nodiscard]] std::uint64_t first_page() const { return first_byte() / page_size; }
    [[nodiscard]] std::uint64_t first_byte() const { return kind == Kind::write || offset < length ? offset : length; }
    [[nodiscard]] std::uint64_t end_byte() const {
      return kind == Kind::write ? offset + length : (offset < length ? length : offset);
    }
  };
  // Beyond this the kernel would have written back long ago.
  static constexpr std::uint64_t most_unsynced_bytes = 4 << 20;

  void redo(const Record& record, std::uint64_t from, std::uint64_t to, SparseBytes& image) const;
  void wake_ghosts(const Record& record, SparseBytes& image) const;
  [[nodiscard]] SparseBytes torn(Rng& rng) const;
  [[nodiscard]] SparseBytes reordered(Rng& rng) const;
  void reorder_page(std::uint64_t page, Rng& rng, SparseBytes& image) const;
  [[nodiscard]] std::set<std::uint64_t> dirty_pages() const;

  SparseBytes cache_;
  SparseBytes durable_;
  std::vector<Record> log_;
  std::string log_bytes_;
  std::map<std::uint64_t, std::string> ghosts_;  // clean pages that are not durable, as they read when they became so
};

class DiskImage {
 public:
  using Name = std::string;

  [[nodiscard]] std::shared_ptr<Inode> find(const Name& path) const;
  std::shared_ptr<Inode> create(const Name& path);  // REQUIRES: !find(path)
  bool rename(const Name& from, const Name& to);    // false: there is no `from`
  bool remove(const Name& path);
  void make_folder(const Name& folder);
  [[nodiscard]] bool has_folder(std::string_view folder) const;
  [[nodiscard]] std::vector<Name> list(std::string_view folder) const;
  void sync_folder(std::string_view folder);
  [[nodiscard]] const std::map<Name, std::shared_ptr<Inode>>& files() const { return entries_; }

  // REQUIRES: no handle is open.
  LossReport lose(PowerLoss loss, Rng& rng);
  void wipe();

 private:
  using Entries = std::map<Name, std::shared_ptr<Inode>>;
  // A change of a folder that is not durable yet. create: `to`; remove: `from`; rename: both.
  struct Change {
    Name from, to;
    std::shared_ptr<Inode> inode;
  };
  static bool redo(const Change& change, Entries& entries);

  Entries entries_;
  Entries durable_;
  std::vector<Change> changes_;
  std::set<Name> folders_;
};

// "wal/3" -> "wal"; "" for what lies at the top.
[[nodiscard]] std::string_view folder_of(std::string_view path);

}  // namespace faultline::sim
