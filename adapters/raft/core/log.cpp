#include <faultline/raft/log.hpp>

#include <faultline/assert.hpp>
#include <faultline/raft/codec.hpp>

#include <iterator>
#include <utility>

namespace faultline::raft {

Log::Log(std::optional<Snapshot> snapshot, std::vector<Entry> entries, LogIndex commit) {
  configs_.push_back({});
  if (snapshot) {
    snapshot_ = std::move(*snapshot);
    configs_.back() = {snapshot_.index, snapshot_.config};
    base_ = snapshot_.index;
    base_term_ = snapshot_.term;
  }
  for (Entry& entry : entries) {
    // A snapshot that was durable before the entries that led to it: what the disk holds instead of them is another
    // history.
    if (entry.index == base_ && entry.term != base_term_) break;
    if (entry.index <= base_) continue;  // covered; the configuration in force among them is unknown
    FL_ASSERT(entry.index == last() + 1);
    note_config(entry);
    entries_.push_back(std::move(entry));
  }
  commit_ = std::max(commit, base_);
  FL_ASSERT(commit_ <= last());
  stable_ = emitted_ = last();
  handed_ = base_;
}

std::optional<Term> Log::term_at(LogIndex index) const {
  if (index == base_) return base_term_;
  if (index < base_ || index > last()) return std::nullopt;
  return at(index).term;
}

bool Log::matches(LogIndex index, Term term) const {
  if (index < base_) return true;  // compacted, so committed, so the leader has the same (Leader Completeness)
  return term_at(index) == term;
}

bool Log::is_up_to_date(LogIndex last_index, Term last_term) const {
  if (last_term != this->last_term()) return last_term > this->last_term();
  return last_index >= last();
}

LogIndex Log::last_not_after(LogIndex index, Term term) const {
  index = std::min(index, last());
  while (index > base_ && *term_at(index) > term) index = index - 1;
  return std::max(index, base_);
}

std::vector<Entry> Log::slice(LogIndex from, std::uint64_t bytes) const {
  std::uint64_t used = 0;
  LogIndex end = from;
  for (; end <= last(); ++end) {
    used += at(end).bytes();
    if (end != from && used > bytes) break;
  }
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(from - base_ - 1);
  return {first, first + static_cast<std::ptrdiff_t>(end - from)};
}

const Entry& Log::at(LogIndex index) const {
  FL_ASSERT(index > base_);
  FL_ASSERT(index <= last());
  return entries_[index - base_ - 1];
}

std::uint64_t Log::bytes_between(LogIndex after, LogIndex through) const {
  std::uint64_t sum = 0;
  for (LogIndex i = after + 1; i <= through; ++i) sum += at(i).bytes();
  return sum;
}

void Log::append(Entry entry) {
  FL_ASSERT(entry.index == last() + 1);
  FL_ASSERT(entry.term >= last_term());
  note_config(entry);
  entries_.push_back(std::move(entry));
}

void Log::merge(std::vector<Entry> entries) {
  for (Entry& entry : entries) {
    if (matches(entry.index, entry.term)) continue;  // here already: a late, short append cuts nothing
    if (entry.index <= last()) truncate(entry.index);
    append(std::move(entry));
  }
}

void Log::truncate(LogIndex from) {
  FL_ASSERT(from > commit_);  // State Machine Safety: what is committed is never cut
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(from - base_ - 1), entries_.end());
  while (configs_.back().index >= from) configs_.pop_back();
  stable_ = std::min(stable_, last());
  emitted_ = std::min(emitted_, last());
  // A Ready still under way wrote entries that a later one will cut: its being durable proves nothing about their
  // successors.
  for (Outstanding& ready : outstanding_) ready.through = std::min(ready.through, last());
  ++config_version_;
}

void Log::commit_to(LogIndex index) {
  FL_ASSERT(index <= last());
  commit_ = std::max(commit_, index);
}

std::vector<Entry> Log::emit(std::uint64_t number) {
  std::vector<Entry> fresh;
  if (emitted_ < last()) fresh.assign(entries_.begin() + static_cast<std::ptrdiff_t>(emitted_ - base_), entries_.end());
  emitted_ = last();
  outstanding_.push_back({number, emitted_});
  return fresh;
}

void Log::persisted(std::uint64_t number) {
  while (!outstanding_.empty() && outstanding_.front().number <= number) {
    stable_ = std::max(stable_, outstanding_.front().through);
    outstanding_.pop_front();
  }
}

std::vector<Entry> Log::hand_out(std::uint64_t bytes) {
  if (!has_unapplied()) return {};
  const LogIndex end = std::min(commit_, emitted_);
  LogIndex through = handed_ + 1;
  std::uint64_t used = at(through).bytes();
  while (through < end && (used += at(through + 1).bytes()) <= bytes) ++through;
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(handed_ - base_);
  std::vector<Entry> found(first, first + static_cast<std::ptrdiff_t>(through - handed_));
  handed_ = through;
  return found;
}

void Log::restore(const Snapshot& snapshot) {
  FL_ASSERT(snapshot.index > commit_);
  FL_ASSERT(snapshot.index > handed_);
  snapshot_ = snapshot;
  entries_.clear();
  configs_.assign(1, {snapshot.index, snapshot.config});
  ++config_version_;
  base_ = commit_ = emitted_ = handed_ = snapshot.index;
  base_term_ = snapshot.term;
  stable_ = LogIndex{};
  for (Outstanding& ready : outstanding_) ready.through = LogIndex{};
}

void Log::compact(const Snapshot& snapshot, std::uint64_t tail) {
  FL_ASSERT(snapshot.index <= commit_);
  if (snapshot.index <= snapshot_.index) return;
  snapshot_ = snapshot;
  if (snapshot.index.value <= tail) return;
  const LogIndex base = std::min({snapshot.index - tail, handed_, emitted_});
  if (base <= base_) return;
  base_term_ = *term_at(base);
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(base - base_));
  base_ = base;
  while (configs_.size() > 1 && configs_[1].index <= base_) configs_.erase(configs_.begin());
}

const Config& Log::config_at(LogIndex index) const {
  FL_ASSERT(index >= base_);
  const Placed* found = &configs_.front();
  for (const Placed& placed : configs_) {
    if (placed.index <= index) found = &placed;
  }
  return found->config;
}

void Log::note_config(const Entry& entry) {
  if (entry.kind != EntryKind::config) return;
  auto config = decode_config(entry.data);
  FL_ASSERT(config.ok());  // written here, or checked when the message was taken
  configs_.push_back({entry.index, std::move(config).value()});
  ++config_version_;
}

}  // namespace faultline::raft
