// A node's background work: its disk, and its snapshot files.
#include "daemon.hpp"

namespace faultline::raft::sim {

// One batch at a time; what comes meanwhile forms the next.
void RaftDaemon::start_disk() {
  if (disk_busy_ || disk_tasks_.empty() || ended_) return;
  disk_busy_ = true;
  ++disk_work_;
  const Duration latency = surroundings_.disk().latency();
  const bool early = pace_.chance(0.5);
  surroundings_.after(early ? latency / 8 : latency, [this, early, latency] {
    if (ended_) return;
    auto done = run_disk(std::exchange(disk_tasks_, {}));
    if (!done) {
      setting_.probes->hit(Probe::disk_failed);
      return give_up("disk failed: " + done.error().message);
    }
    if (!early) return finish_disk(std::move(done).value());
    auto news = std::make_unique<DiskNews>(std::move(done).value());
    surroundings_.after(latency - latency / 8, [this, held = std::move(news)] { finish_disk(std::move(*held)); });
  });
}

void RaftDaemon::finish_disk(DiskNews news) {
  if (ended_) return;
  disk_busy_ = false;
  if (keeper_->wal().segments() > segments_) setting_.probes->hit(Probe::segment_rotated);
  segments_ = keeper_->wal().segments();
  turn([&](Host& host, Instant now) {
    if (news.number != 0) {
      if (setting_.invariants != nullptr) setting_.invariants->persisted(id_, news.number, news.synced);
      host.set_space(news.has_space);
      host.persisted(now, news.number, std::move(news.installed));
    }
    for (const Snapshot& snapshot : news.marked) {
      setting_.probes->hit(Probe::snapshot_taken);
      host.exported(snapshot);
    }
  });
}

Result<RaftDaemon::DiskNews> RaftDaemon::run_disk(std::vector<DiskTask> tasks) {
  DiskNews news;
  std::vector<DiskJob> jobs;
  for (DiskTask& task : tasks) {
    if (auto* job = std::get_if<DiskJob>(&task)) {
      jobs.push_back(std::move(*job));
      continue;
    }
    if (auto ran = run_jobs(jobs, news); !ran) return ran.error();
    if (auto* mark = std::get_if<Mark>(&task)) {
      if (auto marked = keeper_->mark(mark->snapshot); !marked) return marked.error();
      news.marked.push_back(std::move(mark->snapshot));
    } else if (auto retired = keeper_->retire(std::get<Retire>(task).oldest); !retired) {
      return retired.error();
    }
  }
  if (auto ran = run_jobs(jobs, news); !ran) return ran.error();
  return news;
}

Result<void> RaftDaemon::run_jobs(std::vector<DiskJob>& jobs, DiskNews& news) {
  if (jobs.empty()) return {};
  auto done = keeper_->run(jobs);
  if (!done) return done.error();
  news.number = done.value().number;
  news.has_space = done.value().has_space;
  // Two snapshots in one batch: the host takes the last, as raftd's reports would follow each other.
  if (done.value().installed) news.installed = std::move(done.value().installed);
  for (const DiskJob& job : jobs) news.synced = news.synced || job.must_sync;
  jobs.clear();
  return {};
}

// One for a follower at a time, the newest: what a slow disk has not read by the next heartbeat is sent anew.
void RaftDaemon::queue_chunk(Frame chunk) {
  for (FileTask& task : file_tasks_) {
    if (!task.chunk || task.chunk->to != chunk.to) continue;
    task.chunk = std::move(chunk);
    return;
  }
  file_tasks_.push_back({.write = {}, .chunk = std::move(chunk)});
}

void RaftDaemon::start_files() {
  if (files_busy_ || file_tasks_.empty() || ended_) return;
  files_busy_ = true;
  ++file_work_;
  surroundings_.after(surroundings_.disk().latency(), [this] {
    if (ended_) return;
    FileTask task = std::move(file_tasks_.front());
    file_tasks_.pop_front();
    if (auto ran = run_file(std::move(task)); !ran) {
      setting_.probes->hit(Probe::disk_failed);
      return give_up("disk failed: " + ran.error().message);
    }
    files_busy_ = false;
    start_files();
    start_disk();
  });
}

Result<void> RaftDaemon::run_file(FileTask task) {
  if (task.write) {
    auto written = files_->write(std::move(*task.write));
    if (!written) return written.error();
    if (written.value()) {
      disk_tasks_.emplace_back(Mark{std::move(*written.value())});
    } else {
      surroundings_.note("no space is left for a snapshot: the log goes on growing");
      turn([](Host& host, Instant) { host.exported(std::nullopt); });
    }
    return {};
  }
  auto& chunk = std::get<SnapshotChunk>(std::get<Message>(task.chunk->word).body);
  auto filled = files_->fill(chunk);
  if (!filled) return filled.error();
  if (!filled.value()) return {};
  if (chunk.offset > 0) setting_.probes->hit(Probe::snapshot_sent_in_chunks);
  send(*task.chunk);
  return {};
}

}  // namespace faultline::raft::sim
