// Crash images: what a power loss leaves of a folder, from the log of what was done in it.
//
// First the touched pages and sizes of files get their version. Then every change of a folder is undone, last one first, and those that
// survive are done again in order; what vanishes meanwhile waits in the shadow.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include "entry_log.hpp"
#include "file_log.hpp"

namespace faultline::live::disk {

struct Log {
  std::map<FileId, FileLog> files;
  EntryLog entries;
};

// Where the files of a log are.
struct Tree {
  std::filesystem::path data, shadow;
  std::map<FileId, std::filesystem::path> files;
};
Result<Tree> tree_of(const std::filesystem::path& data, const std::filesystem::path& shadow);
// The same files, hard links kept, in two new folders.
Result<Tree> copy_of(const Tree& tree, const std::filesystem::path& data, const std::filesystem::path& shadow);

// Names in the shadow: of what was removed or replaced by this change, and of what it created, while that is undone.
std::string kept_name(const EntryChange& change);

Result<LossReport> lose(const Log& log, DiskLoss loss, const Rng& rng, const Tree& tree);
// The pages that a failed sync dropped leave the cache.
Result<void> evict_dropped(const Log& log, const Tree& tree);

// Of an open file.
Result<Pages> read_pages(int file, const std::set<std::uint64_t>& pages);
FileId id_of(const struct stat& status);

}  // namespace faultline::live::disk
