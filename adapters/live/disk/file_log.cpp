#include "file_log.hpp"

#include <algorithm>
#include <cstring>

namespace faultline::live::disk {

void Pages::put(std::uint64_t offset, std::string_view bytes) {
  for (auto at = pages.lower_bound(offset / page_size); at != pages.end(); ++at) {
    const std::uint64_t begin = at->first * page_size;
    if (begin >= offset + bytes.size()) break;
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min<std::uint64_t>(begin + page_size, offset + bytes.size());
    std::memcpy(at->second.data() + (from - begin), bytes.data() + (from - offset), to - from);
  }
}

void Pages::zero(std::uint64_t from, std::uint64_t to) {
  for (auto at = pages.lower_bound(from / page_size); at != pages.end() && at->first * page_size < to; ++at) {
    const std::uint64_t begin = at->first * page_size;
    const std::uint64_t first = std::max(begin, from);
    const std::uint64_t last = std::min(begin + page_size, to);
    if (first < last) std::memset(at->second.data() + (first - begin), 0, last - first);
  }
}

void Pages::resize(std::uint64_t to) {
  if (to < size) zero(to, UINT64_MAX - page_size);
  size = to;
}

void FileLog::add(Record record) {
  bytes_ += record.old.size() + record.bytes.size() + sizeof(Record);
  log_.push_back(std::move(record));
}

void FileLog::write(std::uint64_t offset, std::uint64_t old_size, std::string old, std::string bytes) {
  if (bytes.empty()) return;
  add({.resizes = false, .offset = offset, .old_size = old_size, .old = std::move(old), .bytes = std::move(bytes)});
}

void FileLog::resize(std::uint64_t old_size, std::uint64_t size, std::string cut) {
  if (size == old_size) return;
  add({.resizes = true, .offset = size, .old_size = old_size, .old = std::move(cut), .bytes = {}});
}

void FileLog::sync() {
  // The whole page is written, with what was not durable in it.
  for (const Record& record : log_)
    ghosts_.erase(ghosts_.lower_bound(record.first_page()), ghosts_.lower_bound(record.end_page()));
  log_.clear();
  bytes_ = 0;
}

void FileLog::forget_dropped() {
  const std::set<std::uint64_t> kept = dirty();
  std::erase_if(ghosts_, [&](const auto& ghost) { return !kept.contains(ghost.first); });
}

std::set<std::uint64_t> FileLog::dirty() const {
  std::set<std::uint64_t> pages;
  for (const Record& record : log_) {
    for (std::uint64_t page = record.first_page(); page < record.end_page(); ++page) {
      // What a file gained by growing alone is a hole, before and after, unless something is written there.
      if (record.resizes && record.offset > record.old_size && page > record.first_page()) break;
      pages.insert(page);
    }
  }
  return pages;
}

std::set<std::uint64_t> FileLog::touched() const {
  std::set<std::uint64_t> pages = dirty();
  for (const auto& [page, ghost] : ghosts_) pages.insert(page);
  return pages;
}

std::uint64_t FileLog::drop_dirty(const Pages& now) {
  const Pages was = durable(now);
  std::uint64_t dropped = 0;
  for (const std::uint64_t page : dirty()) {
    const auto read = now.pages.find(page);
    if (read == now.pages.end() || page * page_size >= now.size) continue;
    ghosts_[page] = {was.pages.at(page), read->second};
    ++dropped;
  }
  log_.clear();
  bytes_ = 0;
  return dropped;
}

void FileLog::undo(const Record& record, Pages& image) {
  if (!record.resizes) image.zero(record.offset, record.end_byte());
  image.put(record.offset, record.old);
  image.resize(record.old_size);
}

// What the record did to [from, to), in a file that is long enough.
void FileLog::redo(const Record& record, std::uint64_t from, std::uint64_t to, Pages& image) {
  from = std::max(from, record.first_byte());
  to = std::min(to, record.end_byte());
  if (from >= to) return;
  if (record.resizes) return image.zero(from, to);
  image.put(from, std::string_view(record.bytes).substr(from - record.offset, to - from));
}

// A page that was dropped comes back as it read when it is written again.
void FileLog::wake(std::uint64_t page, Pages& image) const {
  if (const auto ghost = ghosts_.find(page); ghost != ghosts_.end()) image.put(page * page_size, ghost->second.as_read);
}

Pages FileLog::before_log(const Pages& now) const {
  Pages image = now;
  for (auto record = log_.rbegin(); record != log_.rend(); ++record) undo(*record, image);
  return image;
}

Pages FileLog::durable(const Pages& now) const {
  Pages image = before_log(now);
  for (const auto& [page, ghost] : ghosts_) image.put(page * page_size, ghost.durable);
  return image;
}

Pages FileLog::evict_dropped(const Pages& now) const {
  Pages image = now;
  const std::set<std::uint64_t> kept = dirty();
  for (const auto& [page, ghost] : ghosts_) {
    if (!kept.contains(page)) image.put(page * page_size, ghost.durable);
  }
  image.zero(image.size, UINT64_MAX - page_size);
  return image;
}

Pages FileLog::lose(DiskLoss loss, const Pages& now, Rng& rng) const {
  if (loss == DiskLoss::keep) return now;
  Pages image = durable(now);
  if (loss == DiskLoss::torn) tear(image, rng);
  if (loss == DiskLoss::reordered) reorder(image, rng);
  image.zero(image.size, UINT64_MAX - page_size);
  return image;
}

void FileLog::tear(Pages& image, Rng& rng) const {
  const std::size_t whole = rng.below(log_.size() + 1);
  std::set<std::uint64_t> awake;
  for (std::size_t i = 0; i < whole; ++i) {
    const Record& record = log_[i];
    for (auto ghost = ghosts_.lower_bound(record.first_page());
         ghost != ghosts_.end() && ghost->first < record.end_page(); ++ghost) {
      if (awake.insert(ghost->first).second) wake(ghost->first, image);
    }
    redo(record, 0, UINT64_MAX, image);
    image.resize(record.size_after(image.size));
  }
  if (whole == log_.size() || log_[whole].resizes) return;
  const Record& next = log_[whole];
  for (std::uint64_t at = next.offset / sector_size * sector_size; at < next.end_byte(); at += sector_size) {
    if (!rng.chance(0.5)) continue;
    const std::uint64_t end = std::min(at + sector_size, next.end_byte());
    redo(next, at, end, image);
    image.size = std::max(image.size, end);
  }
}

void FileLog::reorder(Pages& image, Rng& rng) const {
  const std::size_t version = rng.below(log_.size() + 1);
  std::uint64_t size = image.size;
  for (std::size_t i = 0; i < version; ++i) size = log_[i].size_after(size);
  for (const std::uint64_t page : touched()) reorder_page(page, image, rng);
  image.size = size;
}

void FileLog::reorder_page(std::uint64_t page, Pages& image, Rng& rng) const {
  const std::uint64_t from = page * page_size;
  const std::uint64_t to = from + page_size;
  std::vector<const Record*> versions;
  for (const Record& record : log_) {
    if (record.first_byte() < to && record.end_byte() > from) versions.push_back(&record);
  }
  if (versions.empty()) return;
  const std::size_t kept = rng.below(versions.size() + 1);
  for (std::size_t i = 0; i < kept; ++i) {
    if (i == 0) wake(page, image);
    redo(*versions[i], from, to, image);
  }
  constexpr double is_torn = 0.25;
  if (kept == versions.size() || !rng.chance(is_torn)) return;
  for (std::uint64_t at = from; at < to; at += sector_size) {
    if (rng.chance(0.5)) redo(*versions[kept], at, at + sector_size, image);
  }
}

}  // namespace faultline::live::disk
