// Node: the host with its threads. One owner thread holds host and state machine and alone decides; a disk thread makes its jobs durable, in
// order, many with one sync; a file thread writes and reads snapshots meanwhile.
//
// Work reaches the owner as functions; they run in order of arrival, each turn with one time read after they arrived. After every turn the
// driver is told the answers, on the owner thread. A disk error ends the process: nothing more is sent or answered.
#pragma once

#include <faultline/raft/keeper.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace faultline::raft::daemon {

// Where time comes from; one for all of the daemon.
struct Clock {
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
};
std::unique_ptr<Clock> steady_clock();

struct DiskStats {
  std::uint64_t syncs = 0;
  std::uint64_t batches = 0;
  std::uint64_t jobs = 0;
  std::uint64_t bytes = 0;
  Duration busy{};  // in all batches together
  Duration slowest{};
  std::uint64_t segments = 0;
  LogIndex first, last;  // of the log on disk
};

struct NodePorts {
  std::function<void(std::vector<std::pair<NodeId, std::string>> frames)> send;  // any thread
  std::function<void(const HostEvent& event)> event;                  // the owner's thread, or the file thread
  std::function<void(Host& host, std::vector<Answer> answers)> turn;  // the owner's thread, after each turn
  std::function<void(const Error& error)> disk_failed;                // does not return
};

class Node {
 public:
  using Work = std::function<void(Host& host, Instant now)>;

  // `keeper` and `disk` are where `host` came from.
  Node(std::unique_ptr<Host> host, std::unique_ptr<Keeper> keeper, SnapshotFiles files, const Clock& clock,
       NodePorts ports);
  ~Node();  // stops

  void start();
  void post(Work work);
  // Lets the turn under way end; nothing is answered afterwards.
  void stop();

  [[nodiscard]] DiskStats disk_stats() const;

 private:
  template <class Item>
  class Queue;

  void own();
  void keep_disk();
  void keep_files();
  void deliver(Output& output);
  void send_all(std::vector<Frame> frames);
  void note_disk(std::size_t jobs, Duration took);

  struct DiskTask {
    std::optional<DiskJob> job;
    std::optional<Snapshot> mark;
    std::optional<Snapshot> retire;
  };
  struct FileTask {
    std::optional<Export> write;
    std::optional<Frame> chunk;
  };

  std::unique_ptr<Host> host_;  // the owner's
  std::unique_ptr<Keeper> keeper_;
  SnapshotFiles files_;
  const Clock& clock_;
  NodePorts ports_;

  std::unique_ptr<Queue<Work>> inbox_;
  std::unique_ptr<Queue<DiskTask>> disk_tasks_;
  std::unique_ptr<Queue<FileTask>> file_tasks_;

  mutable std::mutex stats_mutex_;
  DiskStats stats_;

  std::vector<std::jthread> threads_;
};

}  // namespace faultline::raft::daemon
