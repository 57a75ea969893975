#include "network.hpp"

#include <faultline/assert.hpp>
#include <faultline/raft/codec.hpp>

#include <algorithm>
#include <utility>

namespace faultline::raft::test {

Network::Network(std::uint64_t nodes, Options options, bool founded) : options_(std::move(options)) {
  options_.election_timeout = T;
  options_.heartbeat = T / 10;
  std::vector<Member> initial;
  for (std::uint64_t id = 1; id <= nodes; ++id) initial.push_back({NodeId{id}, {}, ""});
  for (const Member& member : initial) {
    Options mine = options_;
    mine.id = member.id;
    mine.boot = ++boots_;
    mine.initial = initial;
    nodes_[member.id] = std::make_unique<Node>(mine, Rng(member.id.value), now_, invariants_);
  }
  if (!founded) return;
  for (int round = 0; round < 3; ++round) {
    for (auto& [id, node] : nodes_) tick(id.value);
    FL_ASSERT(settle());
    now_ += options_.heartbeat;
  }
  for (auto& [id, node] : nodes_) FL_ASSERT(node->raft().status().founding == Founding::founded);
  transcript_.clear();
}

void Network::add(std::uint64_t id) {
  Options mine = options_;
  mine.id = NodeId{id};
  mine.boot = ++boots_;
  mine.initial.clear();
  nodes_[mine.id] = std::make_unique<Node>(mine, Rng(id), now_, invariants_);
}

std::uint64_t Network::leader() {
  std::uint64_t found = 0;
  Term term;
  for (auto& [id, node] : nodes_) {
    if (!node->running() || !node->raft().is_leader() || node->raft().term() < term) continue;
    found = id.value;
    term = node->raft().term();
  }
  return found;
}

void Network::after_step(Node& node) {
  std::vector<Message> outbox;
  node.collect(outbox);
  while (!slow_.contains(node.id()) && node.finish_write(outbox)) node.collect(outbox);
  for (const auto& [read, answered] : node.take_answers()) {
    answers_.push_back({read.id, answered});
    tell("node " + std::to_string(node.id().value) + " answers read #" + std::to_string(read.id.sequence) + " at " +
         std::to_string(answered.value));
  }
  for (const ReadId id : node.take_lost()) {
    lost_.push_back(id);
    tell("node " + std::to_string(node.id().value) + " loses read #" + std::to_string(id.sequence));
  }
  invariants_.check_state(node.raft().status());
  wire_.insert(wire_.end(), outbox.begin(), outbox.end());
}

void Network::run(Duration duration) {
  const Instant end = now_ + duration;
  while (now_ < end) {
    now_ += options_.heartbeat / 10;
    for (auto& [id, node] : nodes_) {
      if (node->running()) tick(id.value);
    }
    settle();
  }
}

void Network::tick(std::uint64_t id) {
  raft(id).tick(now_);
  after_step(node(id));
}

void Network::campaign(std::uint64_t id) {
  now_ += 2 * T;
  tick(id);
}

void Network::elect(std::uint64_t id) {
  campaign(id);
  FL_ASSERT(settle());
  FL_ASSERT(raft(id).is_leader());
}

void Network::heartbeat(std::uint64_t id) {
  now_ += options_.heartbeat;
  tick(id);
}

Proposal Network::propose(std::uint64_t id, const std::string& command) {
  const Proposal proposal = raft(id).propose(command);
  after_step(node(id));
  return proposal;
}

ReadTicket Network::read(std::uint64_t id, ReadMode mode) {
  const ReadTicket ticket = raft(id).read(now_, mode);
  after_step(node(id));
  return ticket;
}

Outcome Network::transfer(std::uint64_t id, std::uint64_t target) {
  const Outcome outcome = raft(id).transfer(now_, NodeId{target});
  after_step(node(id));
  return outcome;
}

Outcome Network::change(std::uint64_t id, const std::vector<std::uint64_t>& voters,
                        const std::vector<std::uint64_t>& learners) {
  Membership target;
  for (const std::uint64_t voter : voters) target.voters.push_back({NodeId{voter}, {}, ""});
  for (const std::uint64_t learner : learners) target.learners.push_back({NodeId{learner}, {}, ""});
  const Outcome outcome = raft(id).change(target);
  after_step(node(id));
  return outcome;
}

void Network::inject(const Message& message) {
  raft(message.to.value).step(now_, message);
  after_step(node(message.to.value));
}

void Network::arrive(const Message& message) {
  const auto to = nodes_.find(message.to);
  if (cut_.contains({message.from, message.to}) || to == nodes_.end() || !to->second->running()) {
    tell(to_text(message) + " (lost)");
    return;
  }
  tell(to_text(message));
  auto decoded = decode_message(encode(message));
  FL_ASSERT(decoded.ok());
  inject(decoded.value());
}

void Network::deliver(std::uint64_t from, std::uint64_t to, const std::set<std::string>& drop) {
  std::deque<Message> now;
  std::deque<Message> later;
  for (Message& message : wire_) {
    const bool chosen = (from == 0 || message.from == NodeId{from}) && (to == 0 || message.to == NodeId{to});
    (chosen ? now : later).push_back(std::move(message));
  }
  wire_ = std::move(later);
  for (const Message& message : now) {
    if (drop.contains(std::string(kind_of(message)))) {
      tell(to_text(message) + " (dropped)");
    } else {
      arrive(message);
    }
  }
}

bool Network::settle() {
  for (int steps = 0; steps < 100'000; ++steps) {
    if (wire_.empty()) return true;
    const Message message = std::move(wire_.front());
    wire_.pop_front();
    arrive(message);
  }
  return false;
}

void Network::isolate(std::uint64_t id) {
  for (auto& [other, node] : nodes_) {
    cut(id, other.value);
    cut(other.value, id);
  }
}

void Network::partition(const std::vector<std::vector<std::uint64_t>>& sides) {
  cut_.clear();
  for (const auto& a : sides) {
    for (const auto& b : sides) {
      if (&a == &b) continue;
      for (const std::uint64_t x : a) {
        for (const std::uint64_t y : b) cut(x, y);
      }
    }
  }
}

void Network::fast_disk(std::uint64_t id) {
  slow_.erase(NodeId{id});
  after_step(node(id));
}

void Network::persist(std::uint64_t id) {
  std::vector<Message> outbox;
  node(id).finish_write(outbox);
  wire_.insert(wire_.end(), outbox.begin(), outbox.end());
  after_step(node(id));
}

void Network::power_loss(std::uint64_t id) { node(id).lose_power(0); }

void Network::restart(std::uint64_t id) {
  ++boots_;
  node(id).restart(now_, Rng(id + 100 * boots_), boots_);
  tick(id);
}

void Network::wipe(std::uint64_t id) {
  if (node(id).running()) node(id).lose_power(0);
  node(id).wipe();
}

void Network::snapshot(std::uint64_t id, std::size_t padding) {
  node(id).take_snapshot(padding);
  after_step(node(id));
}

std::string Network::log(std::uint64_t id) {
  std::string line;
  const Disk& disk = node(id).disk();
  if (disk.snapshot)
    line = "snapshot " + std::to_string(disk.snapshot->index.value) + "/" + std::to_string(disk.snapshot->term.value);
  for (const Entry& entry : disk.log) line += (line.empty() ? "" : ", ") + to_text(entry);
  return line;
}

std::string Network::state(std::uint64_t id) {
  if (!node(id).running()) return "down";
  const Status status = raft(id).status();
  std::string line = std::string(to_text(status.role)) + " t" + std::to_string(status.term.value) + " leader " +
                     std::to_string(status.leader.value) + " commit " + std::to_string(status.commit.value) + " last " +
                     std::to_string(status.last.value) + ", " + to_text(status.config);
  for (const FollowerStatus& follower : status.followers) {
    line += "\n  " + std::to_string(follower.member.id.value) + ": " + std::string(to_text(follower.flow)) + " match " +
            std::to_string(follower.match.value) + " next " + std::to_string(follower.next.value);
  }
  return line;
}

std::string Network::applied(std::uint64_t id) {
  std::string all;
  for (const Entry& entry : node(id).history()) {
    if (entry.kind == EntryKind::command) all += (all.empty() ? "" : " ") + entry.data;
  }
  return all;
}

}  // namespace faultline::raft::test
