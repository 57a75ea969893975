#include "metrics.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace faultline::raft::daemon {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

class Text {
 public:
  template <class Number>
  Text& add(std::string_view type, std::string_view name, std::string_view help, Number value) {
    text_ += fmt::format("# HELP raftd_{0} {1}\n# TYPE raftd_{0} {2}\nraftd_{0} {3}\n", name, help, type, value);
    return *this;
  }
  template <class Number>
  Text& gauge(std::string_view name, std::string_view help, Number value) {
    return add("gauge", name, help, value);
  }
  template <class Number>
  Text& counter(std::string_view name, std::string_view help, Number value) {
    return add("counter", name, help, value);
  }
  Text& line(std::string_view text) {
    text_ += text;
    return *this;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string metrics_text(const Host& host, const DiskStats& disk) {
  const Status status = host.raft().status();
  const HostCounters& counters = host.counters();
  Text text;
  text.gauge("term", "Current term.", status.term.value)
      .gauge("is_leader", "1 if this node leads.", status.role == Role::leader ? 1 : 0)
      .gauge("leader_id", "The leader known, 0 if none.", status.leader.value)
      .gauge("commit_index", "Last committed entry.", status.commit.value)
      .gauge("applied_index", "Last applied entry.", host.store().applied().value)
      .gauge("log_first_index", "Oldest entry in memory.", status.first.value)
      .gauge("log_last_index", "Newest entry.", status.last.value)
      .gauge("snapshot_index", "Entry of the newest snapshot.", status.snapshot.index.value)
      .counter("elections_total", "Campaigns with a term of their own.", status.counters.campaigns)
      .counter("elections_won_total", "Elections won.", status.counters.elections_won)
      .counter("pre_votes_refused_total", "Pre-votes refused.", status.counters.pre_votes_refused)
      .counter("snapshots_sent_total", "Snapshots sent in full.", status.counters.snapshots_sent)
      .counter("snapshots_installed_total", "Snapshots installed.", status.counters.snapshots_installed)
      .counter("commands_applied_total", "Commands applied.", counters.applied_commands)
      .counter("forwards_total", "Commands handed to the leader.", counters.forwards)
      .counter("requests_timed_out_total", "Requests of unknown fate.", counters.requests_timed_out)
      .counter("leases_expired_total", "Leases that expired.", counters.leases_expired)
      .gauge("uncommitted_bytes", "Bytes proposed and not committed.", status.uncommitted_bytes)
      .gauge("pending_reads", "Reads waiting for their index.", status.pending_reads);
  text.line("# HELP raftd_reads_total Linearizable reads by mode.\n# TYPE raftd_reads_total counter\n")
      .line(fmt::format("raftd_reads_total{{mode=\"index\"}} {}\n", counters.reads_index))
      .line(fmt::format("raftd_reads_total{{mode=\"lease\"}} {}\n", counters.reads_lease))
      .line(fmt::format("raftd_reads_total{{mode=\"local\"}} {}\n", counters.reads_local));
  text.line("# HELP raftd_window_bytes Bytes of appends unanswered.\n# TYPE raftd_window_bytes gauge\n");
  for (const FollowerStatus& follower : status.followers) {
    text.line(fmt::format("raftd_window_bytes{{node=\"{}\"}} {}\n", follower.member.id.value, follower.inflight_bytes));
  }
  text.counter("disk_syncs_total", "fdatasync calls of the log.", disk.syncs)
      .counter("disk_batches_total", "Batches made durable.", disk.batches)
      .counter("disk_batch_jobs_total", "Jobs in those batches.", disk.jobs)
      .counter("disk_bytes_total", "Bytes written to the log.", disk.bytes)
      .counter("disk_seconds_total", "Time spent in batches.", seconds(disk.busy))
      .gauge("disk_slowest_seconds", "The slowest batch.", seconds(disk.slowest))
      .gauge("disk_segments", "Segments of the log.", disk.segments)
      .gauge("store_revision", "Revision of the store.", host.store().revision())
      .gauge("store_bytes", "Bytes of the store's records.", host.store().record_bytes());
  return text.take();
}

std::string debug_text(const Host& host, const DiskStats& disk) {
  const Status status = host.raft().status();
  const kv::StateHash hash = host.store().hash();
  nlohmann::ordered_json followers = nlohmann::ordered_json::array();
  for (const FollowerStatus& follower : status.followers) {
    followers.push_back({{"id", follower.member.id.value},
                         {"stay", follower.member.stay.value},
                         {"flow", to_text(follower.flow)},
                         {"match", follower.match.value},
                         {"next", follower.next.value},
                         {"inflight_messages", follower.inflight_messages},
                         {"inflight_bytes", follower.inflight_bytes},
                         {"snapshot_offset", follower.snapshot_offset},
                         {"learner", follower.learner},
                         {"heard", follower.heard}});
  }
  const nlohmann::ordered_json object{
      {"id", status.id.value},
      {"role", to_text(status.role)},
      {"term", status.term.value},
      {"vote", status.vote.value},
      {"leader", status.leader.value},
      {"first", status.first.value},
      {"stable", status.stable.value},
      {"last", status.last.value},
      {"commit", status.commit.value},
      {"applied", host.store().applied().value},
      {"state_hash", fmt::format("{:016x}{:016x}", hash.high, hash.low)},
      {"snapshot", status.snapshot.index.value},
      {"config", to_text(status.config)},
      {"config_index", status.config_index.value},
      {"lease", status.lease},
      {"transferee", status.transferee.value},
      {"followers", std::move(followers)},
      {"disk", {{"first", disk.first.value}, {"last", disk.last.value}, {"segments", disk.segments}}}};
  return object.dump() + "\n";
}

}  // namespace faultline::raft::daemon
