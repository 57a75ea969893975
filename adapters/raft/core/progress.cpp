#include <faultline/raft/progress.hpp>

#include <faultline/assert.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft {

Progress::Progress(Member member, LogIndex leader_last, Instant now, std::uint64_t since)
    : member_(std::move(member)), since_(since), next_(leader_last + 1), heard_(now) {}

void Progress::heard_from(Instant now, std::uint64_t round) {
  heard_ = std::max(heard_, now);
  if (round <= acked_round_) return;
  if (flow_ == Flow::replicate && !is_careful()) window_ += std::min(window_, unbounded - window_);
  acked_round_ = round;
}

bool Progress::accepted(LogIndex match) {
  const bool news = match > match_;
  match_ = std::max(match_, match);
  next_ = std::max(next_, match_ + 1);
  while (!inflight_.empty() && inflight_.front().last <= match_) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  if (flow_ == Flow::probe && match_ + 1 == next_) {
    flow_ = Flow::replicate;
    clear_window();
  }
  return news;
}

bool Progress::refused(LogIndex prev, LogIndex candidate, std::uint64_t answered) {
  if (flow_ == Flow::snapshot || prev <= match_) return false;
  if (flow_ == Flow::probe && prev + 1 != next_) return false;  // about an older probe
  if (flow_ == Flow::replicate) {
    if (answered <= fell_back_round_) return false;
    fell_back_round_ = round_sent_;
    window_ = std::max<std::uint64_t>(1, std::min<std::uint64_t>(window_, inflight_.size()) / 2);
  }
  next_ = std::max(match_ + 1, std::min(prev, candidate + 1));
  flow_ = Flow::probe;
  waiting_ = false;
  clear_window();
  return true;
}

bool Progress::may_send(std::uint64_t window_messages, std::uint64_t window_bytes) const {
  if (flow_ != Flow::replicate) return !waiting_;
  return inflight_.size() < (is_careful() ? 1 : std::min(window_, window_messages)) && inflight_bytes_ < window_bytes;
}

void Progress::sent_entries(LogIndex last, std::uint64_t bytes) {
  FL_ASSERT(flow_ != Flow::snapshot);
  if (flow_ == Flow::probe) {
    waiting_ = true;
    return;
  }
  FL_ASSERT(last >= next_);
  next_ = last + 1;
  inflight_.push_back({last, bytes});
  inflight_bytes_ += bytes;
}

void Progress::sent_news(std::uint64_t round, LogIndex commit) {
  round_sent_ = std::max(round_sent_, round);
  commit_sent_ = std::max(commit_sent_, commit);
}

void Progress::begin_snapshot(const Snapshot& snapshot) {
  flow_ = Flow::snapshot;
  snapshot_ = snapshot;
  offset_ = 0;
  offset_round_ = round_sent_;
  waiting_ = false;
  clear_window();
}

void Progress::wants_chunk(std::uint64_t offset, std::uint64_t answered, std::uint64_t newest) {
  FL_ASSERT(flow_ == Flow::snapshot);
  // Less than it had is an old answer, unless what it answers was sent since: then it has lost some.
  const bool has_lost_some = offset < offset_ && answered > offset_round_;
  if (offset <= offset_ && !has_lost_some) return;
  offset_ = offset;
  offset_round_ = newest;
  waiting_ = false;
}

void Progress::installed() {
  FL_ASSERT(flow_ == Flow::snapshot);
  match_ = std::max(match_, snapshot_.index);
  next_ = match_ + 1;
  flow_ = Flow::probe;
  waiting_ = false;
}

void Progress::clear_window() {
  inflight_.clear();
  inflight_bytes_ = 0;
}

}  // namespace faultline::raft
