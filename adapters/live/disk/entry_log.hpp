// EntryLog: changes of folders that are not durable yet: which depend on which, and which a sync makes durable. Pure.
//
// Each change knows the paths it was made by, relative to the data directory, so that undoing all of them from the last to the first finds
// each path as it was. A change builds on an earlier one if it is about the same name or file, happens in a folder that the earlier one
// made or moved, or moves or removes a folder the earlier one happened in. One that is made durable takes with it what it builds on, and one that
// survives a power loss, too: so no file is ever without any of the names it had.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/live/disk.hpp>

namespace faultline::live::disk {

// A file, folder or link: device and number.
using FileId = std::pair<std::uint64_t, std::uint64_t>;
inline constexpr FileId no_file{0, 0};

struct EntryChange {
  enum class Kind : std::uint8_t {
    create,         // of a file, folder or link at `to`
    remove,         // of `from`; kept in the shadow
    rename,         // from -> to; what was at `to` is kept in the shadow
    remove_folder,  // of `from`, which was empty
  };
  Kind kind = Kind::create;
  std::string from, to;             // paths
  FileId from_folder, to_folder;    // where those names are
  FileId file = no_file;            // what is created, removed, renamed
  FileId replaced = no_file;        // rename: what was at `to`
  bool is_folder = false;           // what is renamed
  bool replaced_is_folder = false;  // an empty one
  std::uint32_t mode = 0;           // of the folder that was removed or replaced
  std::uint64_t number = 0;         // in the order of time; of its names in the shadow
};

class EntryLog {
 public:
  // Its number is given by the caller and larger than any before.
  void add(EntryChange change) { changes_.push_back(std::move(change)); }
  [[nodiscard]] const std::vector<EntryChange>& changes() const { return changes_; }
  [[nodiscard]] bool empty() const { return changes_.empty(); }
  void clear() { changes_.clear(); }

  // Make durable, and take out of the log: the names of this file (not its removals); everything in this folder; the oldest.
  std::vector<EntryChange> settle_file(const FileId& file);
  std::vector<EntryChange> settle_folder(const FileId& folder);
  std::vector<EntryChange> settle_oldest(std::size_t count);

  // Which survive the power loss, by position.
  [[nodiscard]] std::vector<bool> survivors(DiskLoss loss, Rng& rng) const;

 private:
  static bool builds_on(const EntryChange& later, const EntryChange& earlier);
  std::vector<EntryChange> settle(std::vector<bool> durable);

  std::vector<EntryChange> changes_;
};

}  // namespace faultline::live::disk
