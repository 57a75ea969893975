// FileLog: what was done to one file since its last sync, and so what it may read as after a power loss. Pure: it neither reads nor writes
// files, but computes on the pages that were touched.
//
// The records hold the old bytes and the new ones, so that the durable pages are those of now, undone record by record. The model is that of
// the simulator's disk (adapters/sim/disk_image.hpp), which holds both states instead.
#pragma once

#include <faultline/live/disk.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::live::disk {

inline constexpr std::uint64_t page_size = 4096;
inline constexpr std::uint64_t sector_size = 512;

// The touched pages of a file, each a whole one, with zeros behind the end of the file.
struct Pages {
  std::uint64_t size = 0;
  std::map<std::uint64_t, std::string> pages;

  // Of untouched pages nothing is known, so nothing is changed there.
  void put(std::uint64_t offset, std::string_view bytes);
  void zero(std::uint64_t from, std::uint64_t to);
  void resize(std::uint64_t to);
};

class FileLog {
 public:
  // `old`: what was in [offset, offset + old.size()), up to the old end of the file.
  void write(std::uint64_t offset, std::uint64_t old_size, std::string old, std::string bytes);
  // `cut`: what was behind the new end, empty if the file grew.
  void resize(std::uint64_t old_size, std::uint64_t size, std::string cut);
  void sync();
  // The write-back failed: what was dirty is clean now, and not durable. `now`: of touched(). Returns how many pages.
  std::uint64_t drop_dirty(const Pages& now);
  // They have left the cache; those that were written again since stay what they are.
  void forget_dropped();

  [[nodiscard]] bool is_clean() const { return log_.empty() && ghosts_.empty(); }
  [[nodiscard]] bool has_dropped() const { return !ghosts_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // held by the records
  // The pages to read for the calls below.
  [[nodiscard]] std::set<std::uint64_t> touched() const;
  // As it is after the power loss, of the pages that are touched. `now`: the file as it reads now.
  [[nodiscard]] Pages lose(DiskLoss loss, const Pages& now, Rng& rng) const;
  // As it reads once the pages that were dropped have left the cache.
  [[nodiscard]] Pages evict_dropped(const Pages& now) const;

 private:
  struct Record {
    bool resizes = false;
    std::uint64_t offset = 0;  // resizes: the new size
    std::uint64_t old_size = 0;
    std::string old;
    std::string bytes;
    [[nodiscard]] std::uint64_t first_byte() const { return resizes ? std::min(offset, old_size) : offset; }
    [[nodiscard]] std::uint64_t end_byte() const {
      return resizes ? std::max(offset, old_size) : offset + bytes.size();
    }
    [[nodiscard]] std::uint64_t first_page() const { return first_byte() / page_size; }
    [[nodiscard]] std::uint64_t end_page() const { return (end_byte() + page_size - 1) / page_size; }
    [[nodiscard]] std::uint64_t size_after(std::uint64_t before) const {
      return resizes ? offset : std::max(before, end_byte());
    }
  };
  struct Ghost {
    std::string durable;
    std::string as_read;
  };

  void add(Record record);
  [[nodiscard]] std::set<std::uint64_t> dirty() const;
  static void undo(const Record& record, Pages& image);
  static void redo(const Record& record, std::uint64_t from, std::uint64_t to, Pages& image);
  void wake(std::uint64_t page, Pages& image) const;
  [[nodiscard]] Pages before_log(const Pages& now) const;
  [[nodiscard]] Pages durable(const Pages& now) const;
  void tear(Pages& image, Rng& rng) const;
  void reorder(Pages& image, Rng& rng) const;
  void reorder_page(std::uint64_t page, Pages& image, Rng& rng) const;

  std::vector<Record> log_;
  std::uint64_t bytes_ = 0;
  std::map<std::uint64_t, Ghost> ghosts_;  // clean pages that are not durable
};

}  // namespace faultline::live::disk
