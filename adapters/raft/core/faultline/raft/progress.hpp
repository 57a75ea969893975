// Progress: what a leader knows about one follower, and how much it may send it.
//
//   probe      it is not known where the logs part: one append at a time, again after each heartbeat
//   replicate  they agree up to `match`: appends follow each other without waiting, inside a window; after a refusal one at a time
//              until it answers a heartbeat round begun since, then half as many as were under way, twice as many with each round answered
//   snapshot   what it needs is compacted away: a snapshot goes out chunk by chunk, each when the last was answered
//
// Pure bookkeeping; replication.cpp decides.
#pragma once

#include <cstdint>
#include <deque>

#include <faultline/raft/types.hpp>
#include <faultline/time.hpp>

namespace faultline::raft {

enum class Flow : std::uint8_t { probe, replicate, snapshot };
std::string_view to_text(Flow flow);

class Progress {
 public:
  // A leader begins by assuming that the follower's log is as long as its own, and knows nothing of it (Raft Figure 2).
  // It answers for nothing that was sent before heartbeat round `since`.
  Progress(Member member, LogIndex leader_last, Instant now, std::uint64_t since = 0);

  [[nodiscard]] const Member& member() const { return member_; }
  [[nodiscard]] std::uint64_t since() const { return since_; }
  [[nodiscard]] Flow flow() const { return flow_; }
  [[nodiscard]] LogIndex match() const { return match_; }
  [[nodiscard]] LogIndex next() const { return next_; }
  [[nodiscard]] Instant heard() const { return heard_; }
  [[nodiscard]] std::uint64_t acked_round() const { return acked_round_; }
  [[nodiscard]] LogIndex commit_sent() const { return commit_sent_; }
  [[nodiscard]] std::uint64_t inflight_messages() const { return inflight_.size(); }
  [[nodiscard]] std::uint64_t inflight_bytes() const { return inflight_bytes_; }
  // Meaningful while flow() is snapshot.
  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  [[nodiscard]] std::uint64_t snapshot_offset() const { return offset_; }

  // It answered something of this term, up to this heartbeat round.
  void heard_from(Instant now, std::uint64_t round);
  // It holds the log up to `match`; whether that is news.
  bool accepted(LogIndex match);
  // It refused an append after `prev` of heartbeat round `answered`; the logs agree nowhere beyond `candidate`. Whether that is news.
  // While it replicates, one refusal a round counts. Appends that overtake each other are refused by the dozen, and were each of them a
  // reason to send the window again, between two answers that accept, every window would beget several: a storm that lasts as long as
  // there is something to send. Nothing is lost by it: an append of this round that is missing is missed by the next heartbeat, too.
  bool refused(LogIndex prev, LogIndex candidate, std::uint64_t answered);
  // A heartbeat is due: what was lost may be sent again.
  void allow_again() { waiting_ = false; }

  // Whether it was sent everything there is, so that there is nothing to do for it.
  [[nodiscard]] bool has_all(LogIndex last, LogIndex commit, std::uint64_t round) const {
    return flow_ == Flow::replicate && next_ > last && round_sent_ >= round && commit_sent_ >= commit;
  }
  // Whether another append or chunk may leave.
  [[nodiscard]] bool may_send(std::uint64_t window_messages, std::uint64_t window_bytes) const;
  void sent_entries(LogIndex last, std::uint64_t bytes);
  // The newest heartbeat round and commit index that some append has carried to it.
  void sent_news(std::uint64_t round, LogIndex commit);
  [[nodiscard]] std::uint64_t round_sent() const { return round_sent_; }

  void begin_snapshot(const Snapshot& snapshot);
  void sent_chunk() { waiting_ = true; }
  // It holds `offset` bytes, said in answer to a chunk of heartbeat round `answered`; `newest`: the round now. Only news
  // makes another chunk leave: were every answer a reason to send, a copy of a chunk would beget a copy of each chunk
  // that follows, and every heartbeat of a slow transfer would add one.
  void wants_chunk(std::uint64_t offset, std::uint64_t answered, std::uint64_t newest);
  void installed();

 private:
  struct Inflight {
    LogIndex last;
    std::uint64_t bytes;
  };
  static constexpr std::uint64_t unbounded = ~std::uint64_t{0};
  void clear_window();
  // Answers to what was sent before it fell back may still arrive: the window stays shut to all but one append.
  [[nodiscard]] bool is_careful() const { return acked_round_ <= fell_back_round_; }

  Member member_;
  std::uint64_t since_;
  Flow flow_ = Flow::probe;
  LogIndex match_, next_;
  bool waiting_ = false;  // probe, snapshot: one is under way
  std::deque<Inflight> inflight_;
  std::uint64_t window_ = unbounded;  // appends, where the caller's is not narrower
  std::uint64_t inflight_bytes_ = 0;
  Instant heard_;
  std::uint64_t acked_round_ = 0;
  LogIndex commit_sent_;
  std::uint64_t round_sent_ = 0;
  std::uint64_t fell_back_round_ = 0;  // the newest one sent when last it fell back from replicate to probe
  Snapshot snapshot_;
  std::uint64_t offset_ = 0;
  std::uint64_t offset_round_ = 0;  // when that offset became known
};

}  // namespace faultline::raft
