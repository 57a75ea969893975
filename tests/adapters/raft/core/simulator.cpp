#include "simulator.hpp"

#include <faultline/assert.hpp>
#include <faultline/raft/codec.hpp>
#include <faultline/raft/core.hpp>
#include <faultline/rng.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>

#include "invariants.hpp"
#include "node.hpp"

namespace faultline::raft::test {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration T = milliseconds(100);
constexpr double drift_max = 0.05;
constexpr std::uint64_t nodes_max = 7;

class Simulator {
 public:
  explicit Simulator(const SimulatorOptions& options) : o_(options), rng_(Rng(options.seed).fork("simulator")) {
    draw_weather();
    const std::uint64_t n = 3 + rng_.below(3);
    std::vector<Member> initial;
    for (std::uint64_t id = 1; id <= n; ++id) initial.push_back({NodeId{id}, {}, ""});
    for (const Member& member : initial) add_node(member.id, initial);
  }

  SimulatorResult run() {
    schedule(milliseconds(1), [this] { client(); });
    schedule(milliseconds(20), [this] { fault(); });
    run_until(Instant{} + o_.chaos);
    heal();
    const Instant deadline = now_ + 20 * T;
    while (now_ < deadline && !settled()) run_until(now_ + T / 4);
    if (invariants_.violations().empty() && !settled()) result_.violations.push_back("L: " + why_);
    for (const std::string& v : invariants_.violations()) result_.violations.push_back(v);
    result_.trace_hash = invariants_.trace_hash();
    result_.checks = invariants_.checks();
    result_.committed = invariants_.ghost_commit().value;
    return result_;
  }

 private:
  struct Host {
    std::unique_ptr<Node> node;
    double rate = 1;
    Duration offset{};
    std::uint64_t life = 1;
    Instant paused_until{};
    bool writing = false;
  };
  struct Weather {
    double loss, duplicate, slow_message, slow_disk;
    bool partitions, crashes, pauses, membership, transfers, snapshots, leases;
  };
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const { return std::pair(other.at, other.order) < std::pair(at, order); }
  };
  struct PendingRead {
    ReadMode mode;
    LogIndex then;
  };

  void draw_weather() {
    const auto some = [&](double most) { return rng_.chance(.5) ? rng_.unit() * most : 0; };
    weather_ = {.loss = some(.3), .duplicate = some(.3), .slow_message = some(.4), .slow_disk = some(.3)};
    weather_.partitions = rng_.chance(.6);
    weather_.crashes = rng_.chance(.6);
    weather_.pauses = rng_.chance(.3);
    weather_.membership = rng_.chance(.5);
    weather_.transfers = rng_.chance(.4);
    weather_.snapshots = rng_.chance(.5);
    weather_.leases = o_.check_quorum && rng_.chance(.5);
  }

  void add_node(NodeId id, const std::vector<Member>& initial) {
    Options options{.id = id,
                    .boot = ++boots_,
                    .initial = initial,
                    .election_timeout = T,
                    .heartbeat = T / 10,
                    .pre_vote = o_.pre_vote,
                    .check_quorum = o_.check_quorum,
                    .lease_reads = weather_.leases,
                    .max_clock_drift = drift_max};
    options.batch_bytes = 256;
    options.window_messages = 8;
    options.window_bytes = 1024;
    options.uncommitted_bytes = 16384;
    options.snapshot_chunk_bytes = 64;
    options.compaction_tail = rng_.below(20);
    Host& host = hosts_[id];
    host.rate = 1 + (2 * rng_.unit() - 1) * drift_max * .99;
    host.offset = microseconds(static_cast<std::int64_t>(rng_.below(1'000'000)));
    host.node = std::make_unique<Node>(options, rng_.fork("node").fork(id.value), local(host), invariants_);
    tick_later(id);
  }

  // What this node's clock shows: it runs fast or slow, within the bound.
  [[nodiscard]] Instant local(const Host& host) const {
    return Instant{} + host.offset +
           Duration(static_cast<Duration::rep>(static_cast<double>(now_.time_since_epoch().count()) * host.rate));
  }

  void schedule(Duration after, std::function<void()> what) { events_.push({now_ + after, ++order_, std::move(what)}); }

  // For an event of one life of one node: later while it is paused, never if that life has ended.
  void schedule_at(NodeId id, Duration after, std::function<void(Host&)> what) {
    const std::uint64_t life = hosts_[id].life;
    schedule(after, [this, id, life, what = std::move(what)]() mutable {
      Host& host = hosts_[id];
      if (host.life != life || !host.node->running()) return;
      if (now_ < host.paused_until) {
        schedule_at(id, host.paused_until - now_ + microseconds(1), std::move(what));
        return;
      }
      what(host);
    });
  }

  void tick_later(NodeId id) {
    schedule_at(id, milliseconds(2) + microseconds(rng_.between(0, 4000)), [this, id](Host& host) {
      host.node->raft().tick(local(host));
      after_step(host);
      tick_later(id);
    });
  }

  void run_until(Instant end) {
    while (!events_.empty() && events_.top().at <= end && invariants_.violations().empty()) {
      Event event = events_.top();
      events_.pop();
      now_ = event.at;
      event.what();
    }
    now_ = std::max(now_, end);
  }

  // Whatever a node wants after an input.
  void after_step(Host& host) {
    std::vector<Message> outbox;
    host.node->collect(outbox);
    send(outbox);
    start_writing(host);
    answer_reads(host);
    invariants_.check_state(host.node->raft().status());
    FL_ASSERT(!host.node->raft().refusal());  // a node is never wiped while it is a member
  }

  void start_writing(Host& host) {
    if (host.writing || host.node->writes_under_way() == 0) return;
    host.writing = true;
    const bool slow = rng_.chance(weather_.slow_disk);
    const Duration takes = microseconds(slow ? rng_.between(1000, 60'000) : rng_.between(50, 1000));
    schedule_at(host.node->id(), takes, [this](Host& h) {
      h.writing = false;
      std::vector<Message> outbox;
      h.node->finish_write(outbox);
      send(outbox);
      after_step(h);
    });
  }

  void send(std::vector<Message>& outbox) {
    for (const Message& message : outbox) {
      if (o_.trace) std::fprintf(stderr, "%9.3f %s\n", milliseconds_now(), to_text(message).c_str());
      if (cut_.contains({message.from, message.to}) || rng_.chance(weather_.loss)) continue;
      const int copies = rng_.chance(weather_.duplicate) ? 2 : 1;
      for (int i = 0; i < copies; ++i) deliver_later(message);
    }
  }

  void deliver_later(const Message& message) {
    const bool slow = rng_.chance(weather_.slow_message);
    const Duration takes =
        microseconds(slow ? rng_.between(1000, rng_.chance(.1) ? 500'000 : 50'000) : rng_.between(100, 1000));
    schedule(takes, [this, wire = encode(message), to = message.to] {
      if (!hosts_.contains(to)) return;
      schedule_at(to, Duration{}, [this, wire](Host& host) {
        auto decoded = decode_message(wire);
        FL_ASSERT(decoded.ok());
        host.node->raft().step(local(host), std::move(decoded).value());
        if (!rng_.chance(.2)) after_step(host);  // sometimes several inputs share a Ready
      });
    });
  }

  void answer_reads(Host& host) {
    for (const auto& [read, answered] : host.node->take_answers()) {
      const auto pending = reads_.find(read.id);
      if (pending == reads_.end()) continue;
      const bool lease_over = read.lease && !host.node->raft().lease_holds(local(host));
      if (pending->second.mode != ReadMode::local && !lease_over) {
        invariants_.check_read(host.node->id(), pending->second.then, answered);
        ++result_.reads;
        if (read.lease) ++result_.lease_reads;
        if (!host.node->raft().is_leader()) ++result_.follower_reads;
      }
      reads_.erase(pending);
    }
    for (const ReadId id : host.node->take_lost()) reads_.erase(id);
  }

  Host* random_host(const std::function<bool(Host&)>& suits) {
    std::vector<Host*> found;
    for (auto& [id, host] : hosts_) {
      if (host.node->running() && now_ >= host.paused_until && suits(host)) found.push_back(&host);
    }
    return found.empty() ? nullptr : rng_.pick(found);
  }
  Host* leader() {
    return random_host([](Host& host) { return host.node->raft().is_leader(); });
  }

  void client() {
    schedule(microseconds(rng_.between(200, 6000)), [this] { client(); });
    Host* host = rng_.chance(.7) ? leader() : random_host([](Host&) { return true; });
    if (!host) return;
    Raft& raft = host->node->raft();
    if (rng_.chance(.5)) {
      std::string command = "c";
      command += std::to_string(++commands_);
      command.append(rng_.below(40), '.');
      for (std::uint64_t i = rng_.chance(.1) ? 20 : 1; i > 0; --i) (void)raft.propose(command);
    } else {
      constexpr std::array<ReadMode, 4> modes{ReadMode::index, ReadMode::index, ReadMode::lease, ReadMode::local};
      const ReadMode mode = rng_.pick(modes);
      const ReadTicket ticket = raft.read(local(*host), mode);
      if (ticket.outcome == Outcome::accepted) reads_[ticket.id] = {mode, invariants_.ghost_commit()};
    }
    after_step(*host);
  }

  void say(const std::string& what) const {
    if (o_.trace) std::fprintf(stderr, "%9.3f # %s\n", milliseconds_now(), what.c_str());
  }
  [[nodiscard]] double milliseconds_now() const { return static_cast<double>(now_.time_since_epoch().count()) / 1e6; }

  void fault() {
    schedule(milliseconds(rng_.between(5, 150)), [this] { fault(); });
    switch (rng_.below(10)) {
      case 0: return weather_.partitions ? partition() : void();
      case 1: return cut_.clear();
      case 2: return weather_.crashes ? crash() : void();
      case 3: return weather_.pauses ? pause() : void();
      case 4: return weather_.transfers ? transfer() : void();
      case 5: return weather_.snapshots ? snapshot() : void();
      default: return weather_.membership ? change() : void();
    }
  }

  void partition() {
    cut_.clear();
    const std::uint64_t shape = rng_.below(3);
    std::set<NodeId> apart;
    Host* chief = leader();
    for (const auto& [id, host] : hosts_) {
      if (rng_.chance(.4)) apart.insert(id);
    }
    if (shape == 0 && chief) apart = {chief->node->id()};
    for (const auto& [a, x] : hosts_) {
      for (const auto& [b, y] : hosts_) {
        if (apart.contains(a) == apart.contains(b)) continue;
        if (shape < 2 || apart.contains(a)) cut_.insert({a, b});
      }
    }
    say("partition");
  }

  void crash() {
    Host* host = rng_.chance(.4) ? leader() : random_host([](Host&) { return true; });
    if (host) crash(*host);
  }

  void crash(Host& host) {
    const NodeId id = host.node->id();
    say("power loss " + std::to_string(id.value));
    host.node->lose_power(rng_.below(6));
    ++host.life;
    host.writing = false;
    ++result_.crashes;
    const std::uint64_t life = host.life;
    schedule(milliseconds(rng_.between(1, 300)), [this, id, life] {
      if (hosts_[id].life == life) restart(id);
    });
  }

  void restart(NodeId id) {
    Host& host = hosts_[id];
    if (host.node->running()) return;
    say("restart " + std::to_string(id.value));
    ++host.life;
    ++boots_;
    host.node->restart(local(host), rng_.fork("life").fork(boots_), boots_);
    const Status status = host.node->raft().status();
    say("  first " + std::to_string(status.first.value) + " commit " + std::to_string(status.commit.value) + " last " +
        std::to_string(status.last.value) + " term " + std::to_string(status.term.value) + ", " +
        to_text(status.config));
    tick_later(id);
  }

  void pause() {
    if (Host* host = random_host([](Host&) { return true; }))
      host->paused_until = now_ + milliseconds(rng_.between(10, 300));
  }

  void transfer() {
    Host* host = leader();
    if (!host) return;
    const Config config = host->node->raft().status().config;
    if (host->node->raft().transfer(local(*host), rng_.pick(config.voters).id) == Outcome::accepted)
      ++result_.transfers;
    after_step(*host);
  }

  void snapshot() {
    Host* host = random_host([](Host&) { return true; });
    if (!host) return;
    host->node->take_snapshot(rng_.below(400));
    after_step(*host);
  }

  void change() {
    Host* host = leader();
    if (!host) return;
    const Config config = host->node->raft().status().config;
    Membership target{config.voters, config.learners};
    const auto move_one = [&](std::vector<Member>& from, std::vector<Member>* to) {
      if (from.empty()) return;
      const auto which = from.begin() + static_cast<std::ptrdiff_t>(rng_.below(from.size()));
      if (to) to->push_back(*which);
      from.erase(which);
    };
    const std::uint64_t die = rng_.below(10);
    if (die < 3) {
      add_somebody(config, target);
    } else if (die < 7 && !target.learners.empty()) {
      move_one(target.learners, &target.voters);
    } else if (die < 8) {
      move_one(target.voters, &target.learners);
    } else {
      move_one(die < 9 ? target.voters : target.learners, nullptr);
    }
    if (rng_.chance(.3)) move_one(target.learners, &target.voters);
    if (target.voters.size() < 2 && config.voters.size() > 1) return;
    if (host->node->raft().change(target) == Outcome::accepted) {
      say("change to " + to_text(host->node->raft().status().config));
      ++result_.changes;
    }
    after_step(*host);
  }

  // A node nobody knows any more, with its disk or without it; or one that never was.
  void add_somebody(const Config& config, Membership& target) {
    const NodeId id{1 + rng_.below(nodes_max)};
    if (config.find(id)) return;
    const auto host = hosts_.find(id);
    if (host == hosts_.end()) {
      add_node(id, {});
    } else if (rng_.chance(.5)) {
      if (known_to_anybody(id)) return;
      if (host->second.node->running()) crash(host->second);
      host->second.node->wipe();
      restart(id);
      ++result_.rejoined;
    }
    target.learners.push_back({id, {}, ""});
  }

  // Whether the newest committed configuration, or any leader's, has it.
  bool known_to_anybody(NodeId id) {
    LogIndex newest;
    Config committed;
    for (auto& [other, host] : hosts_) {
      if (!host.node->running()) continue;
      const Status status = host.node->raft().status();
      if (status.role == Role::leader && status.config.find(id)) return true;
      if (status.config_index <= status.commit && status.config_index > newest) {
        newest = status.config_index;
        committed = status.config;
      }
    }
    return committed.empty() || committed.find(id) != nullptr;
  }

  void heal() {
    say("heal");
    cut_.clear();
    weather_ = {};
    for (auto& [id, host] : hosts_) {
      host.paused_until = {};
      restart(id);
    }
    final_command_ = "final";
  }

  // One leader, and every member of its configuration has applied a command proposed after the healing.
  bool settled() {
    Host* chief = leader();
    why_ = "no leader";
    if (!chief) return false;
    Raft& raft = chief->node->raft();
    if (proposed_in_ != raft.term() && raft.propose(final_command_).outcome == Outcome::accepted) {
      proposed_in_ = raft.term();
      after_step(*chief);
    }
    const auto& history = chief->node->history();
    why_ = "the last command is not committed";
    const auto done =
        std::find_if(history.rbegin(), history.rend(), [&](const Entry& e) { return e.data == final_command_; });
    if (done == history.rend()) return false;
    const Status status = raft.status();
    if (status.config.joint()) {
      why_ = "the configuration is still joint";
      return false;
    }
    for (const Member& member : status.config.members()) {
      if (hosts_[member.id].node->applied() >= done->index) continue;
      why_ = "node " + std::to_string(member.id.value) + " stays behind";
      return false;
    }
    return true;
  }

  SimulatorOptions o_;
  Rng rng_;
  Weather weather_{};
  Instant now_{};
  std::uint64_t order_ = 0, boots_ = 0, commands_ = 0;
  std::priority_queue<Event> events_;
  Invariants invariants_;
  std::map<NodeId, Host> hosts_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::map<ReadId, PendingRead> reads_;
  SimulatorResult result_;
  std::string final_command_, why_;
  Term proposed_in_;
};

}  // namespace

SimulatorResult simulate(const SimulatorOptions& options) {
  set_assert_context("seed " + std::to_string(options.seed));
  const SimulatorResult result = Simulator(options).run();
  set_assert_context({});
  return result;
}

}  // namespace faultline::raft::test
