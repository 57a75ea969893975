#include "entry_log.hpp"

#include <algorithm>

namespace faultline::live::disk {

namespace {

bool is_in(const EntryChange& change, const FileId& folder) {
  return (!change.from.empty() && change.from_folder == folder) || (!change.to.empty() && change.to_folder == folder);
}

bool is_about(const EntryChange& change, const FileId& file) {
  return file != no_file && (change.file == file || change.replaced == file);
}

bool share_name(const EntryChange& a, const EntryChange& b) {
  const auto same = [](const std::string& x, const std::string& y) { return !x.empty() && x == y; };
  return same(a.from, b.from) || same(a.from, b.to) || same(a.to, b.from) || same(a.to, b.to);
}

bool moves_folder(const EntryChange& change) {
  return change.kind == EntryChange::Kind::remove_folder ||
         (change.kind == EntryChange::Kind::rename && change.is_folder);
}

}  // namespace

bool EntryLog::builds_on(const EntryChange& later, const EntryChange& earlier) {
  if (share_name(later, earlier) || is_about(later, earlier.file) || is_about(later, earlier.replaced)) return true;
  if (is_in(later, earlier.file)) return true;
  if (later.replaced_is_folder && is_in(earlier, later.replaced)) return true;
  return moves_folder(later) && is_in(earlier, later.file);
}

std::vector<EntryChange> EntryLog::settle(std::vector<bool> durable) {
  for (std::size_t i = changes_.size(); i-- > 0;) {
    if (!durable[i]) continue;
    for (std::size_t j = 0; j < i; ++j) durable[j] = durable[j] || builds_on(changes_[i], changes_[j]);
  }
  std::vector<EntryChange> settled, rest;
  for (std::size_t i = 0; i < changes_.size(); ++i) (durable[i] ? settled : rest).push_back(std::move(changes_[i]));
  changes_ = std::move(rest);
  return settled;
}

std::vector<EntryChange> EntryLog::settle_file(const FileId& file) {
  std::vector<bool> durable(changes_.size());
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const EntryChange& change = changes_[i];
    durable[i] =
        change.file == file && (change.kind == EntryChange::Kind::create || change.kind == EntryChange::Kind::rename);
  }
  return settle(std::move(durable));
}

std::vector<EntryChange> EntryLog::settle_folder(const FileId& folder) {
  std::vector<bool> durable(changes_.size());
  for (std::size_t i = 0; i < changes_.size(); ++i) durable[i] = is_in(changes_[i], folder);
  return settle(std::move(durable));
}

std::vector<EntryChange> EntryLog::settle_oldest(std::size_t count) {
  std::vector<bool> durable(changes_.size());
  std::fill_n(durable.begin(), std::min(count, durable.size()), true);
  return settle(std::move(durable));
}

std::vector<bool> EntryLog::survivors(DiskLoss loss, Rng& rng) const {
  std::vector<bool> kept(changes_.size(), loss == DiskLoss::keep);
  if (loss == DiskLoss::torn) {
    std::fill_n(kept.begin(), rng.below(changes_.size() + 1), true);
  } else if (loss == DiskLoss::reordered) {
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      kept[i] = rng.chance(0.5);
      for (std::size_t j = 0; j < i && kept[i]; ++j) kept[i] = kept[j] || !builds_on(changes_[i], changes_[j]);
    }
  }
  return kept;
}

}  // namespace faultline::live::disk
