#include "disk_image.hpp"

#include <faultline/assert.hpp>

#include <algorithm>

namespace faultline::sim {

namespace {

std::uint64_t pages_of(std::uint64_t bytes) { return (bytes + page_size - 1) / page_size; }

std::uint64_t different_pages(const SparseBytes& a, const SparseBytes& b) {
  std::uint64_t count = 0;
  const std::uint64_t pages = pages_of(std::max(a.size(), b.size()));
  for (std::uint64_t page = 0; page < pages; ++page) {
    const std::uint64_t at = page * page_size;
    if (at >= std::max(a.held(), b.held()) && at + page_size <= std::min(a.size(), b.size())) continue;  // zeros both
    count += a.read(at, page_size) != b.read(at, page_size) ? 1 : 0;
  }
  return count;
}

}  // namespace

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// --- a file ----------------------------------------------------------------------------------------------------------

void Inode::write(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  if (offset > cache_.size()) truncate(offset);
  cache_.write(offset, bytes);
  log_.push_back({Record::Kind::write, offset, bytes.size(), log_bytes_.size()});
  log_bytes_ += bytes;
  if (log_bytes_.size() > most_unsynced_bytes) sync();
}

void Inode::truncate(std::uint64_t length) {
  if (length == cache_.size()) return;
  log_.push_back({Record::Kind::resize, length, cache_.size(), 0});
  cache_.resize(length);
}

void Inode::sync() {
  if (log_.empty()) return;
  durable_.resize(cache_.size());
  for (const Record& record : log_) {
    std::uint64_t from = record.first_byte();
    std::uint64_t to = std::min<std::uint64_t>(record.end_byte(), cache_.size());
    if (!ghosts_.empty()) {
      // The whole page is written, with what was not durable in it.
      from = from / page_size * page_size;
      to = std::min<std::uint64_t>(pages_of(to) * page_size, cache_.size());
      ghosts_.erase(ghosts_.lower_bound(record.first_page()), ghosts_.lower_bound(pages_of(record.end_byte())));
    }
    if (from < to) durable_.copy(cache_, from, to);
  }
  log_.clear();
  log_bytes_.clear();
}

std::set<std::uint64_t> Inode::dirty_pages() const {
  std::set<std::uint64_t> pages;
  for (const Record& record : log_) {
    const std::uint64_t end = pages_of(std::min<std::uint64_t>(record.end_byte(), cache_.size()));
    for (std::uint64_t page = record.first_page(); page < end; ++page) pages.insert(page);
  }
  return pages;
}

std::uint64_t Inode::drop_dirty() {
  const auto pages = dirty_pages();
  for (const std::uint64_t page : pages) {
    std::string& ghost = ghosts_[page] = cache_.read(page * page_size, page_size);
    ghost.resize(page_size, '\0');
  }
  log_.clear();
  log_bytes_.clear();
  return pages.size();
}

void Inode::evict_dropped() {
  for (const auto& [page, as_read] : ghosts_) {
    const std::uint64_t from = page * page_size;
    const std::uint64_t to = std::min<std::uint64_t>(from + page_size, cache_.size());
    if (from >= to) continue;
    std::string on_disk = durable_.read(from, to - from);
    on_disk.resize(to - from, '\0');
    cache_.write(from, on_disk);
  }
  ghosts_.clear();
}

void Inode::flip_bit(std::uint64_t offset, unsigned bit) {
  for (SparseBytes* bytes : {&cache_, &durable_}) {
    if (offset < bytes->size()) bytes->flip(offset, bit);
  }
}

void Inode::cut(std::uint64_t length) {
  sync();
  cache_.resize(std::min<std::uint64_t>(length, cache_.size()));
  durable_ = cache_;
  ghosts_.clear();
}

// --- power loss of a file ---------------------------------------------------------------------------------------------

std::uint64_t Inode::lose(PowerLoss loss, Rng& rng) {
  if (loss == PowerLoss::keep || is_clean()) return 0;
  SparseBytes image = loss == PowerLoss::torn ? torn(rng) : loss == PowerLoss::reordered ? reordered(rng) : durable_;
  const std::uint64_t pages = different_pages(image, cache_);
  durable_ = image;
  cache_ = std::move(image);
  log_.clear();
  log_bytes_.clear();
  ghosts_.clear();
  return pages;
}

// What the record does to [from, to) of the image, which is long enough.
void Inode::redo(const Record& record, std::uint64_t from, std::uint64_t to, SparseBytes& image) const {
  from = std::max(from, record.first_byte());
  to = std::min<std::uint64_t>({to, record.end_byte(), image.size()});
  if (from >= to) return;
  if (record.kind == Record::Kind::resize) {
    image.zero(from, to);
  } else {
    image.write(from, std::string_view(log_bytes_).substr(record.at + (from - record.offset), to - from));
  }
}

// A page that was dropped comes back as it read when it is written again.
void Inode::wake_ghosts(const Record& record, SparseBytes& image) const {
  for (auto ghost = ghosts_.lower_bound(record.first_page());
       ghost != ghosts_.end() && ghost->first * page_size < record.end_byte(); ++ghost) {
    const std::uint64_t at = ghost->first * page_size;
    if (at < image.size()) image.write(at, std::string_view(ghost->second).substr(0, image.size() - at));
  }
}

SparseBytes Inode::torn(Rng& rng) const {
  const std::size_t whole = rng.below(log_.size() + 1);
  SparseBytes image = durable_;
  std::set<std::uint64_t> awake;
  for (std::size_t i = 0; i < whole; ++i) {
    const Record& record = log_[i];
    if (record.kind == Record::Kind::resize) {
      image.resize(record.offset);
      continue;
    }
    if (record.end_byte() > image.size()) image.resize(record.end_byte());
    if (!ghosts_.empty() && awake.insert(record.first_page()).second) wake_ghosts(record, image);
    redo(record, 0, image.size(), image);
  }
  if (whole == log_.size() || log_[whole].kind == Record::Kind::resize) return image;
  const Record& next = log_[whole];
  for (std::uint64_t at = next.offset / sector_size * sector_size; at < next.end_byte(); at += sector_size) {
    if (!rng.chance(0.5)) continue;
    const std::uint64_t end = std::min(at + sector_size, next.end_byte());
    if (end > image.size()) image.resize(end);
    redo(next, at, end, image);
  }
  return image;
}

SparseBytes Inode::reordered(Rng& rng) const {
  const std::size_t version = rng.below(log_.size() + 1);  // of the size
  std::uint64_t size = durable_.size();
  std::uint64_t longest = size;
  for (std::size_t i = 0; i < log_.size(); ++i) {
    const Record& record = log_[i];
    const std::uint64_t now = record.kind == Record::Kind::resize
                                  ? record.offset
                                  : std::max(record.end_byte(), i < version ? size : std::uint64_t{0});
    if (i < version) size = now;
    longest = std::max({longest, now, record.end_byte()});
  }
  SparseBytes image = durable_;
  image.resize(longest);
  for (std::uint64_t page = 0; page < pages_of(longest); ++page) reorder_page(page, rng, image);
  image.resize(size);
  return image;
}

void Inode::reorder_page(std::uint64_t page, Rng& rng, SparseBytes& image) const {
  const std::uint64_t from = page * page_size;
  const std::uint64_t to = from + page_size;
  std::vector<const Record*> versions;
  for (const Record& record : log_) {
    if (record.first_byte() < to && record.end_byte() > from) versions.push_back(&record);
  }
  if (versions.empty()) return;
  const std::size_t kept = rng.below(versions.size() + 1);
  for (std::size_t i = 0; i < kept; ++i) {
    if (i == 0) {
      if (const auto ghost = ghosts_.find(page); ghost != ghosts_.end())
        image.write(from, std::string_view(ghost->second).substr(0, image.size() - from));
    }
    redo(*versions[i], from, to, image);
  }
  if (kept == versions.size() || !rng.chance(0.25)) return;
  for (std::uint64_t at = from; at < to; at += sector_size) {
    if (rng.chance(0.5)) redo(*versions[kept], at, at + sector_size, image);
  }
}

// --- folders ----------------------------------------------------------------------------------------------------------

std::shared_ptr<Inode> DiskImage::find(const Name& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second;
}

std::shared_ptr<Inode> DiskImage::create(const Name& path) {
  FL_ASSERT(!entries_.contains(path));
  auto inode = std::make_shared<Inode>();
  inode->path = path;
  changes_.push_back({{}, path, inode});
  redo(changes_.back(), entries_);
  return inode;
}

bool DiskImage::rename(const Name& from, const Name& to) {
  const auto inode = find(from);
  if (!inode) return false;
  if (from == to) return true;
  changes_.push_back({from, to, inode});
  redo(changes_.back(), entries_);
  inode->path = to;
  return true;
}

bool DiskImage::remove(const Name& path) {
  const auto inode = find(path);
  if (!inode) return false;
  changes_.push_back({path, {}, inode});
  redo(changes_.back(), entries_);
  return true;
}

// False if it builds on a change that did not survive.
bool DiskImage::redo(const Change& change, Entries& entries) {
  if (!change.from.empty()) {
    const auto found = entries.find(change.from);
    if (found == entries.end() || found->second != change.inode) return false;
    entries.erase(found);
  }
  if (!change.to.empty()) entries[change.to] = change.inode;
  return true;
}

void DiskImage::make_folder(const Name& folder) {
  folders_.insert(folder);
  sync_folder(folder_of(folder));
}

bool DiskImage::has_folder(std::string_view folder) const { return folder.empty() || folders_.contains(Name(folder)); }

std::vector<DiskImage::Name> DiskImage::list(std::string_view folder) const {
  std::set<Name> names;
  const auto add = [&](const Name& path) {
    if (folder_of(path) == folder) names.insert(path.substr(folder.empty() ? 0 : folder.size() + 1));
  };
  for (const Name& path : folders_) add(path);
  for (const auto& [path, inode] : entries_) add(path);
  return {names.begin(), names.end()};
}

// What a file's change builds on becomes durable with it, as in a journal.
void DiskImage::sync_folder(std::string_view folder) {
  const auto is_here = [&](const Change& change) {
    return (!change.from.empty() && folder_of(change.from) == folder) ||
           (!change.to.empty() && folder_of(change.to) == folder);
  };
  std::vector<const Inode*> touched;
  for (const Change& change : changes_) {
    if (is_here(change)) touched.push_back(change.inode.get());
  }
  std::erase_if(changes_, [&](const Change& change) {
    const bool goes = std::find(touched.begin(), touched.end(), change.inode.get()) != touched.end();
    if (goes) redo(change, durable_);
    return goes;
  });
}

LossReport DiskImage::lose(PowerLoss loss, Rng& rng) {
  LossReport report;
  if (loss == PowerLoss::keep) return report;
  const std::size_t prefix = loss == PowerLoss::torn ? rng.below(changes_.size() + 1) : 0;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const bool survives = loss == PowerLoss::reordered ? rng.chance(0.5) : i < prefix;
    if (!survives || !redo(changes_[i], durable_)) ++report.entries;
  }
  changes_.clear();
  entries_ = durable_;
  for (const auto& [path, inode] : entries_) {
    inode->path = path;
    report.pages += inode->lose(loss, rng);
  }
  return report;
}

void DiskImage::wipe() { *this = DiskImage(); }

}  // namespace faultline::sim
