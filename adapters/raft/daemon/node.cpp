#include "node.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace faultline::raft::daemon {
namespace {

struct SteadyClock final : Clock {
  Instant now() const override {
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
  }
};

}  // namespace

std::unique_ptr<Clock> steady_clock() { return std::make_unique<SteadyClock>(); }

// What others hand to a thread: it takes all there is at once.
template <class Item>
class Node::Queue {
 public:
  void push(Item item) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      items_.push_back(std::move(item));
    }
    changed_.notify_one();
  }
  // The same, in the place of one that it makes superfluous.
  template <class IsSame>
  void push_over(Item item, const IsSame& is_same) {
    {
      const std::lock_guard lock(mutex_);
      const auto old = std::find_if(items_.begin(), items_.end(), is_same);
      if (old != items_.end()) {
        *old = std::move(item);
        return;
      }
    }
    push(std::move(item));
  }
  // Waits until there is something, the limit has passed, or it is closed.
  std::vector<Item> take(Duration limit) {
    std::unique_lock lock(mutex_);
    // Waits are relative, and short enough to add up whatever the limit.
    constexpr Duration longest = std::chrono::seconds(1);
    changed_.wait_for(lock, std::clamp(limit, Duration::zero(), longest), [&] { return !items_.empty() || closed_; });
    return std::exchange(items_, {});
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      items_.clear();
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> items_;
  bool closed_ = false;
};

Node::Node(std::unique_ptr<Host> host, std::unique_ptr<Keeper> keeper, SnapshotFiles files, const Clock& clock,
           NodePorts ports)
    : host_(std::move(host)),
      keeper_(std::move(keeper)),
      files_(std::move(files)),
      clock_(clock),
      ports_(std::move(ports)),
      inbox_(std::make_unique<Queue<Work>>()),
      disk_tasks_(std::make_unique<Queue<DiskTask>>()),
      file_tasks_(std::make_unique<Queue<FileTask>>()) {}

Node::~Node() { stop(); }

void Node::start() {
  threads_.emplace_back([this] { own(); });
  threads_.emplace_back([this] { keep_disk(); });
  threads_.emplace_back([this] { keep_files(); });
}

void Node::post(Work work) { inbox_->push(std::move(work)); }

void Node::stop() {
  inbox_->close();
  disk_tasks_->close();
  file_tasks_->close();
  threads_.clear();
}

// --- The owner ----------------------------------------------------------------------------------------------------------------------

void Node::own() {
  while (!inbox_->is_closed()) {
    const Instant next = host_->next_tick();
    const Instant before = clock_.now();
    const std::vector<Work> works = inbox_->take(next <= before ? Duration::zero() : next - before);
    const Instant now = clock_.now();
    host_->tick(now);
    for (const Work& work : works) work(*host_, now);
    Output& output = host_->flush(now);
    std::vector<Answer> answers = std::move(output.answers);
    deliver(output);
    ports_.turn(*host_, std::move(answers));
  }
}

void Node::send_all(std::vector<Frame> frames) {
  if (frames.empty()) return;
  std::vector<std::pair<NodeId, std::string>> encoded;
  encoded.reserve(frames.size());
  for (const Frame& frame : frames) encoded.emplace_back(frame.to, encode(frame));
  ports_.send(std::move(encoded));
}

void Node::deliver(Output& output) {
  send_all(std::move(output.frames));
  for (DiskJob& job : output.jobs) disk_tasks_->push({.job = std::move(job), .mark = {}, .retire = {}});
  if (output.retire) disk_tasks_->push({.job = {}, .mark = {}, .retire = std::move(output.retire)});
  // One for a follower at a time, the newest: what a slow disk has not read by the next heartbeat is sent anew.
  for (Frame& chunk : output.chunks) {
    const NodeId to = chunk.to;
    file_tasks_->push_over({.write = {}, .chunk = std::move(chunk)},
                           [to](const FileTask& task) { return task.chunk && task.chunk->to == to; });
  }
  if (output.export_to) file_tasks_->push({.write = std::move(output.export_to), .chunk = {}});
  for (const HostEvent& event : output.events) ports_.event(event);
}

// --- The disk -----------------------------------------------------------------------------------------------------------------------

void Node::note_disk(std::size_t jobs, Duration took) {
  const std::lock_guard lock(stats_mutex_);
  ++stats_.batches;
  stats_.jobs += jobs;
  stats_.busy += took;
  stats_.slowest = std::max(stats_.slowest, took);
  stats_.syncs = keeper_->wal().syncs();
  stats_.bytes = keeper_->wal().bytes_written();
  stats_.segments = keeper_->wal().segments();
  stats_.first = keeper_->wal().first_index();
  stats_.last = keeper_->wal().last_index();
}

DiskStats Node::disk_stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

void Node::keep_disk() {
  const auto run = [&](std::vector<DiskJob>& jobs) {
    if (jobs.empty()) return;
    const Instant began = clock_.now();
    auto done = keeper_->run(jobs);
    if (!done) ports_.disk_failed(done.error());
    note_disk(jobs.size(), clock_.now() - began);
    // A Work is copyable and a store is not.
    auto installed = std::make_shared<std::optional<kv::Store>>(std::move(done.value().installed));
    post([number = done.value().number, has_space = done.value().has_space, installed](Host& host, Instant now) {
      host.set_space(has_space);
      host.persisted(now, number, std::move(*installed));
    });
    jobs.clear();
  };
  while (!disk_tasks_->is_closed()) {
    std::vector<DiskJob> jobs;
    for (DiskTask& task : disk_tasks_->take(Duration::max())) {
      if (task.job) {
        jobs.push_back(std::move(*task.job));
        continue;
      }
      run(jobs);
      if (task.mark) {
        if (auto marked = keeper_->mark(*task.mark); !marked) ports_.disk_failed(marked.error());
        post([snapshot = *task.mark](Host& host, Instant) { host.exported(snapshot); });
      }
      if (task.retire) {
        if (auto retired = keeper_->retire(*task.retire); !retired) ports_.disk_failed(retired.error());
      }
    }
    run(jobs);
  }
}

// --- Snapshot files -----------------------------------------------------------------------------------------------------------------

void Node::keep_files() {
  while (!file_tasks_->is_closed()) {
    for (FileTask& task : file_tasks_->take(Duration::max())) {
      if (task.write) {
        auto written = files_.write(std::move(*task.write));
        if (!written) ports_.disk_failed(written.error());
        if (written.value()) {
          disk_tasks_->push({.job = {}, .mark = std::move(written.value()), .retire = {}});
        } else {
          ports_.event({"warning", "no space is left for a snapshot: the log goes on growing"});
          post([](Host& host, Instant) { host.exported(std::nullopt); });
        }
        continue;
      }
      auto& chunk = std::get<SnapshotChunk>(std::get<Message>(task.chunk->word).body);
      auto filled = files_.fill(chunk);
      if (!filled) ports_.disk_failed(filled.error());
      if (filled.value()) {
        std::vector<Frame> frames;
        frames.push_back(std::move(*task.chunk));
        send_all(std::move(frames));
      }
    }
  }
}

}  // namespace faultline::raft::daemon
