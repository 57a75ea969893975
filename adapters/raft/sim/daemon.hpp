// RaftDaemon: one boot of one node: what raftd does with a Host, in the simulated world.
//
// The same parts as raftd: Keeper on the node's disk, SnapshotFiles, Host, the gateway's codec. What raftd does with threads happens here as
// background work: one batch of disk jobs at a time, all that came meanwhile share the next one and its sync; one snapshot file at a time.
// When in its latency a batch reaches the disk is drawn: at its begin, its answer still to come, or at its end.
//
// A disk call that fails ends the daemon, and so does the discovery that its disk was wiped. Every event is one turn: time, the input, flush,
// and what the Output asks for; then the invariants look at it.
#pragma once

#include <faultline/raft/gateway/request.hpp>
#include <faultline/raft/keeper.hpp>
#include <faultline/sim/system.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "chronicle.hpp"
#include "disk.hpp"
#include "invariants.hpp"
#include "probes.hpp"

namespace faultline::raft::sim {

// What all daemons of a run share.
struct Setting {
  HostOptions host;  // but for id, boot and initial
  std::vector<Member> founders;
  KeeperOptions keeper;  // but for the node
  std::uint64_t keep_revisions = 0;
  Probes* probes = nullptr;
  Invariants* invariants = nullptr;  // null: nobody looks
  Chronicle* chronicle = nullptr;    // null: the run is not traced
};

class RaftDaemon final : public faultline::sim::Daemon {
 public:
  // `rotten`: the disk was damaged before this boot. The error is why it refuses to start.
  static Result<std::unique_ptr<RaftDaemon>> boot(faultline::sim::Surroundings& surroundings, const Setting& setting,
                                                  bool rotten);
  ~RaftDaemon() override;

  void wake() override;
  void receive(faultline::sim::NodeIndex from, std::string bytes) override;
  void request(faultline::sim::Connection from, std::string bytes) override;
  void closed(faultline::sim::Connection connection) override;
  [[nodiscard]] bool leads() const override { return host_->raft().is_leader(); }

  // Asks this node to change the members; answer() of that number is set once there is one.
  RequestId change_members(const ChangeMembers& change);
  [[nodiscard]] const std::optional<Answer>& answer(RequestId id) const;

  // A write of the simulator's own, to see whether this node serves; and whether one was acknowledged in this life.
  void ask_write();
  [[nodiscard]] bool acknowledged() const { return acknowledged_; }

  // The piece of background work under way, by number; 0: none. A slow disk may hold one for long after it was healed.
  [[nodiscard]] std::uint64_t disk_work() const { return disk_busy_ ? disk_work_ : 0; }
  [[nodiscard]] std::uint64_t file_work() const { return files_busy_ ? file_work_ : 0; }

  [[nodiscard]] const Host& host() const { return *host_; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  struct Mark {
    Snapshot snapshot;
  };
  struct Retire {
    Snapshot oldest;
  };
  using DiskTask = std::variant<DiskJob, Mark, Retire>;
  struct FileTask {
    std::optional<Export> write;
    std::optional<Frame> chunk;
  };
  // A request whose answer is the host's to give.
  struct Waiting {
    faultline::sim::Connection connection;
    gateway::Request request;
    std::optional<kv::Command> command;  // of a write
    LogIndex committed_when_asked;       // of a read, by anybody
  };
  // What a batch of the disk has to tell once its time is over.
  struct DiskNews {
    std::uint64_t number = 0;
    bool has_space = true;
    bool synced = false;
    std::optional<kv::Store> installed;
    std::vector<Snapshot> marked;
  };

  RaftDaemon(faultline::sim::Surroundings& surroundings, const Setting& setting);

  // One turn: input(host, now) between tick and flush.
  template <class Input>
  void turn(const Input& input) {
    if (ended_) return;
    const Instant now = surroundings_.monotonic();
    host_->tick(now);
    input(*host_, now);
    finish_turn(now);
  }
  void finish_turn(Instant now);
  void deliver(Output& output);
  void send(const Frame& frame);
  void keep_room(std::string bytes);
  void look(const std::vector<DiskJob>& jobs);
  void note(const HostEvent& event);
  void give_up(std::string why);
  void compact_history(Instant now);
  void submit_own(Instant now, kv::Command command);
  void finish_own_write(const kv::Command& command, const Answer& answer);

  // daemon_disk.cpp
  void start_disk();
  void finish_disk(DiskNews news);
  Result<DiskNews> run_disk(std::vector<DiskTask> tasks);
  Result<void> run_jobs(std::vector<DiskJob>& jobs, DiskNews& news);
  void queue_chunk(Frame chunk);
  void start_files();
  Result<void> run_file(FileTask task);

  // daemon_requests.cpp
  void ask(faultline::sim::Connection from, Instant now, gateway::Request request);
  void submit(Instant now, Request request, Waiting waiting);
  void complete(Waiting waiting, const Answer& answer);
  void answer_read(const Waiting& waiting);
  void reply(faultline::sim::Connection to, const gateway::HttpReply& reply);

  faultline::sim::Surroundings& surroundings_;
  const Setting& setting_;
  NodeId id_;
  SimDisk disk_;
  std::unique_ptr<Keeper> keeper_;
  std::optional<SnapshotFiles> files_;
  std::unique_ptr<Host> host_;
  gateway::Decoder decoder_;
  Rng pace_;
  std::vector<std::string> rooms_;  // of frames that were read, for those that leave
  bool ended_ = false;
  Instant alarm_ = Instant::max();

  std::vector<DiskTask> disk_tasks_;
  bool disk_busy_ = false;
  std::uint64_t disk_work_ = 0;
  std::deque<FileTask> file_tasks_;
  bool files_busy_ = false;
  std::uint64_t file_work_ = 0;

  std::map<RequestId, Waiting> waiting_;
  std::map<RequestId, std::optional<Answer>> changes_;
  std::map<RequestId, kv::Command> own_writes_;
  bool acknowledged_ = false;
  kv::Revision compaction_asked_ = 0;
  // For probes: as of the end of the last turn.
  bool led_ = false;
  Term led_term_;
  std::uint64_t segments_ = 0;
};

}  // namespace faultline::raft::sim
