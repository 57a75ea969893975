#include "group.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace faultline::raft {
namespace {

constexpr Duration tick = std::chrono::milliseconds(1);

std::string label_of(const Snapshot& snapshot) {
  return std::to_string(snapshot.index.value) + "-" + std::to_string(snapshot.term.value);
}

std::vector<Member> founders(std::size_t count) {
  std::vector<Member> members;
  for (std::size_t i = 1; i <= count; ++i) members.push_back({{i}, {1}, "node-" + std::to_string(i)});
  return members;
}

kv::Store store_from(const std::string& bytes) {
  kv::Importer importer;
  EXPECT_TRUE(importer.feed(bytes).ok());
  auto store = importer.finish();
  EXPECT_TRUE(store.ok());
  return std::move(store).value();
}

}  // namespace

Group::Group(Options options) : options_(options) {
  for (std::uint64_t i = 1; i <= options_.nodes; ++i) start({i}, false);
}

void Group::start(NodeId id, bool joins) {
  Node& node = nodes_[id.value];
  HostOptions options;
  options.raft.id = id;
  options.raft.boot = ++node.boots;
  if (!joins) options.raft.initial = founders(options_.nodes);
  options.raft.lease_reads = options_.reads == ReadMode::lease;
  if (options.raft.lease_reads) options.raft.max_clock_drift = 0.01;
  options.raft.compaction_tail = 10;
  options.reads = options_.reads;
  options.snapshot_entries = options_.snapshot_entries;
  kv::Store store;
  if (node.disk.snapshot) store = store_from(node.snapshots.at(label_of(*node.disk.snapshot)));
  node.host = std::make_unique<Host>(options, node.disk, std::move(store),
                                     Rng(options_.seed).fork(id.value * 1000 + node.boots), now_);
}

void Group::restart(NodeId node) {
  nodes_.at(node.value).answers.clear();
  start(node, node.value > options_.nodes);
}
void Group::add(NodeId node) { start(node, true); }

NodeId Group::leader() const {
  std::map<NodeId, std::size_t> followers;
  for (const auto& [id, node] : nodes_) ++followers[node.host->raft().leader()];
  for (const auto& [id, count] : followers) {
    if (id && count > nodes_.size() / 2 && nodes_.at(id.value).host->raft().is_leader()) return id;
  }
  return {};
}

NodeId Group::await_leader() {
  EXPECT_TRUE(until([&] { return static_cast<bool>(leader()); }));
  return leader();
}

void Group::persist(Node& node, const DiskJob& job) {
  ++node.jobs;
  for (const SnapshotChunk& chunk : job.chunks) {
    if (chunk.offset == 0) node.part.clear();
    EXPECT_EQ(node.part.size(), chunk.offset);
    node.part += chunk.bytes;
  }
  if (job.snapshot) {
    EXPECT_EQ(crc32c(node.part), job.snapshot->checksum);
    node.snapshots[label_of(*job.snapshot)] = std::exchange(node.part, {});
    const LogIndex at = job.snapshot->index;
    const bool keeps = std::any_of(node.disk.entries.begin(), node.disk.entries.end(), [&](const Entry& entry) {
      return entry.index == at && entry.term == job.snapshot->term;
    });
    std::erase_if(node.disk.entries, [&](const Entry& entry) { return !keeps || entry.index <= at; });
    node.disk.snapshot = job.snapshot;
  }
  if (!job.entries.empty()) {
    const LogIndex first = job.entries.front().index;
    std::erase_if(node.disk.entries, [&](const Entry& entry) { return entry.index >= first; });
    node.disk.entries.insert(node.disk.entries.end(), job.entries.begin(), job.entries.end());
  }
  if (job.hard_state) node.disk.hard_state = *job.hard_state;
}

// In the order of arrival.
void Group::fly(Flight flight) {
  const auto later = std::find_if(flights_.rbegin(), flights_.rend(),
                                  [&](const Flight& other) { return other.arrives <= flight.arrives; });
  flights_.insert(later.base(), std::move(flight));
}

void Group::turn(NodeId id) {
  Node& node = nodes_.at(id.value);
  for (bool again = true; again;) {
    Output& output = node.host->flush(now_);
    again = !output.jobs.empty();
    for (Frame& chunk : output.chunks) {
      auto& body = std::get<SnapshotChunk>(std::get<Message>(chunk.word).body);
      const std::string& bytes = node.snapshots.at(label_of(body.snapshot));
      body.bytes = bytes.substr(body.offset, body.length);
      body.crc = crc32c(body.bytes);
      output.frames.push_back(std::move(chunk));
    }
    for (Frame& frame : output.frames) {
      // What travels is bytes.
      auto decoded = decode_frame(encode(frame));
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      ASSERT_EQ(decoded.value(), frame);
      if (frame.word.index() == lost_kind_) continue;
      if (frame.word.index() == repeated_kind_) fly({now_ + tick + repeated_later_, frame});
      fly({now_ + tick, std::move(frame)});
    }
    for (const DiskJob& job : output.jobs) {
      persist(node, job);
      std::optional<kv::Store> installed;
      if (job.snapshot) installed = store_from(node.snapshots.at(label_of(*job.snapshot)));
      node.host->persisted(now_, job.number, std::move(installed));
    }
    if (output.export_to) {
      Snapshot snapshot = output.export_to->label;
      kv::Exporter exporter(std::move(output.export_to->view));
      std::string bytes;
      for (std::string piece = exporter.next(1000); !piece.empty(); piece = exporter.next(1000)) bytes += piece;
      snapshot.size = bytes.size();
      snapshot.checksum = crc32c(bytes);
      node.snapshots[label_of(snapshot)] = std::move(bytes);
      node.disk.snapshot = snapshot;
      std::erase_if(node.disk.entries, [&](const Entry& entry) { return entry.index <= snapshot.index; });
      node.host->exported(snapshot);
      again = true;
    }
    for (HostEvent& event : output.events) node.told[event.kind] = std::move(event.text);
    for (Answer& answer : output.answers) {
      const RequestId request = answer.id;
      EXPECT_TRUE(node.answers.emplace(request, std::move(answer)).second) << "answered twice";
    }
  }
}

void Group::step() {
  now_ += tick;
  while (!flights_.empty() && flights_.front().arrives <= now_) {
    Frame frame = std::move(flights_.front().frame);
    flights_.pop_front();
    if (cut_.contains(frame.from.value) || cut_.contains(frame.to.value) || !nodes_.contains(frame.to.value)) continue;
    nodes_.at(frame.to.value).host->receive(now_, std::move(frame));
  }
  for (auto& [id, node] : nodes_) {
    node.host->tick(now_);
    turn({id});
  }
}

RequestId Group::submit(NodeId node, Request request) {
  const RequestId id = host(node).submit(now_, std::move(request));
  turn(node);
  return id;
}

const Answer* Group::answer(NodeId node, RequestId id) const {
  const auto& answers = nodes_.at(node.value).answers;
  const auto found = answers.find(id);
  return found == answers.end() ? nullptr : &found->second;
}

Answer Group::ask(NodeId node, Request request, Duration limit) {
  const RequestId id = submit(node, std::move(request));
  EXPECT_TRUE(until([&] { return answer(node, id) != nullptr; }, limit)) << "no answer";
  const Answer* found = answer(node, id);
  return found == nullptr ? Answer{} : *found;
}

}  // namespace faultline::raft
