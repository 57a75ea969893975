#include "liveness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <faultline/raft/quorum.hpp>

namespace faultline::raft::sim {

using faultline::sim::NodeIndex;
using faultline::sim::SimWorld;

namespace {

bool contains(const std::vector<NodeIndex>& core, NodeId id) {
  return std::find(core.begin(), core.end(), static_cast<NodeIndex>(id.value - 1)) != core.end();
}

bool has_majority(const std::vector<NodeIndex>& core, const std::vector<Member>& voters) {
  const auto inside = static_cast<std::size_t>(
      std::count_if(voters.begin(), voters.end(), [&](const Member& voter) { return contains(core, voter.id); }));
  return voters.empty() || inside >= majority(voters.size());
}

bool is_quorum(const std::vector<NodeIndex>& core, const Config& config) {
  return config.empty() || (has_majority(core, config.voters) && has_majority(core, config.outgoing));
}

Liveness excused(Liveness liveness, std::string why) {
  liveness.kind = Liveness::Kind::excused;
  liveness.text = std::move(why);
  return liveness;
}

class Phase {
 public:
  Phase(SimWorld& world, Cluster& cluster, const SimRun& run, Rng rng)
      : world_(world), cluster_(cluster), run_(run), rng_(std::move(rng)) {}

  Liveness go() {
    Liveness liveness;
    if (!*run_.pre_vote || *run_.reads == "local") {
      return excused(liveness, "without pre-vote and CheckQuorum a node outside may depose leaders for ever");
    }
    if (!*run_.fsync) return excused(liveness, "without fsync a restart may have lost what others count on");
    if (!draw_core()) return excused(liveness, "no quorum is left of members whose disks are clean");
    for (const NodeIndex node : core_) liveness.core.push_back(world_.name(node));
    const Instant begun = world_.now();
    if (auto healed = world_.heal_core(core_); !healed) return excused(liveness, healed.error().message);
    note_leftovers();
    const LogIndex came_from = applied_by_all();
    Instant end = begun + liveness_bound(run_);
    for (bool once_more = true; world_.now() < end;) {
      // The bound counts from when the healed faults have no after-effect in the core.
      if (still_left_over() && world_.now() < begun + leftovers_limit) end = world_.now() + liveness_bound(run_);
      if (!world_.run_until(std::min(end, world_.now() + *run_.heartbeat))) return liveness;  // a violation
      if (const std::string why = excuse(); !why.empty()) return excused(liveness, why);
      look_for_haste();
      if (!outside_excuse().empty()) held_up_ = world_.now();
      if (converged()) {
        liveness.kind = Liveness::Kind::converged;
        liveness.took = world_.now() - begun;
        return liveness;
      }
      if (world_.now() < end || !once_more) continue;
      // Nor could the core do better while it was led, or called to elections, from outside, or while a founder outside had not been heard,
      // without whom no group begins. But who comes back again and again is what must not be. And who is only slow has the time it needs at
      // its pace.
      const bool freed_late = held_up_ && *held_up_ < world_.now() && *held_up_ > begun;
      const auto behind = outside_excuse().empty() ? time_behind(came_from, world_.now() - begun) : std::nullopt;
      if (!freed_late && !behind) continue;
      once_more = false;
      end = (freed_late ? *held_up_ : world_.now() + *behind) + liveness_bound(run_);
    }
    liveness.took = world_.now() - begun;
    if (const std::string why = outside_excuse(); !why.empty()) return excused(liveness, why);
    liveness.kind = Liveness::Kind::failed;
    liveness.text =
        fmt::format("{} did not converge within {}: {}", joined(), faultline::to_text(liveness_bound(run_)), state());
    return liveness;
  }

 private:
  // Every configuration that some node works with now.
  [[nodiscard]] std::vector<Config> configs() const {
    std::vector<Config> configs;
    for (NodeIndex node = 0; node < nodes(); ++node) {
      if (const RaftDaemon* daemon = cluster_.daemon(node)) configs.push_back(daemon->host().raft().config());
    }
    return configs;
  }
  [[nodiscard]] NodeIndex nodes() const { return static_cast<NodeIndex>(*run_.nodes + *run_.spares); }

  bool draw_core() {
    const std::vector<Config> in_force = configs();
    std::vector<NodeIndex> order;
    for (NodeIndex node = 0; node < nodes(); ++node) {
      const NodeId id{std::uint64_t{node} + 1};
      // Where nobody runs, the founders are all that is known.
      const bool votes = in_force.empty() ? node < *run_.nodes
                                          : std::any_of(in_force.begin(), in_force.end(),
                                                        [&](const Config& config) { return config.is_voter(id); });
      if (votes && world_.is_member(node) && !world_.is_rotten(node)) order.push_back(node);
    }
    rng_.shuffle(std::span(order));
    const auto enough = [&] {
      const bool founders = !in_force.empty() || core_.size() >= majority(*run_.nodes);
      return !core_.empty() && founders &&
             std::all_of(in_force.begin(), in_force.end(), [&](const Config& c) { return is_quorum(core_, c); });
    };
    for (const NodeIndex node : order) {
      if (enough()) break;
      core_.push_back(node);
    }
    std::sort(core_.begin(), core_.end());
    return enough();
  }

  static std::uint64_t boot_of(const RaftDaemon& daemon) { return daemon.host().options().raft.boot; }

  // Background work that began under a slow disk or under pressure keeps the time it was given then.
  void note_leftovers() {
    for (const NodeIndex node : core_) {
      if (const RaftDaemon* daemon = cluster_.daemon(node)) {
        leftovers_.push_back({node, boot_of(*daemon), daemon->disk_work(), daemon->file_work()});
      }
    }
  }
  bool still_left_over() {
    std::erase_if(leftovers_, [&](const Leftover& each) {
      const RaftDaemon* daemon = cluster_.daemon(each.node);
      if (daemon == nullptr || boot_of(*daemon) != each.boot) return true;
      const bool disk = each.disk_work != 0 && daemon->disk_work() == each.disk_work;
      const bool files = each.file_work != 0 && daemon->file_work() == each.file_work;
      return !disk && !files;
    });
    return !leftovers_.empty();
  }

  // What shows only once the core's nodes run.
  std::string excuse() {
    for (const NodeIndex node : core_) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon == nullptr) {
        if (world_.is_running(node)) continue;
        // It refuses to start, or the administrator was just taking it out of the group.
        return fmt::format("{} does not run: {}", world_.name(node), world_.end_of(node));
      }
      const Config& config = daemon->host().raft().config();
      if (is_quorum(core_, config)) continue;
      return fmt::format("{} works with {}, of which the core is no quorum", world_.name(node), to_text(config));
    }
    return {};
  }

  // Who leads from outside with the consent of a quorum, does as well as the faults frozen there allow: a core node that cannot hear it
  // lags behind, a leader whose disk is full refuses writes. One that hears no quorum must make way.
  [[nodiscard]] std::optional<NodeIndex> leader_outside() const {
    for (NodeIndex node = 0; node < nodes(); ++node) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon == nullptr || !daemon->leads() || std::find(core_.begin(), core_.end(), node) != core_.end()) continue;
      const Status status = daemon->host().raft().status();
      std::vector<NodeIndex> heard{node};
      for (const FollowerStatus& follower : status.followers) {
        if (follower.heard) heard.push_back(static_cast<NodeIndex>(follower.member.id.value - 1));
      }
      if (is_quorum(heard, status.config)) return node;
    }
    return std::nullopt;
  }

  // Who stands for election there with the promises of a quorum, and again before the votes can reach it: pre-votes do not keep it from that
  // while nobody leads, and the timeouts of others never end before its own (Raft §5.6).
  void look_for_haste() {
    for (NodeIndex node = 0; node < nodes(); ++node) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      const bool is_outside = std::find(core_.begin(), core_.end(), node) == core_.end();
      if (daemon == nullptr || !is_outside || !world_.runs_fast(node)) continue;
      if (daemon->host().raft().status().role == Role::candidate) hasty_ = {node, world_.now()};
    }
  }

  [[nodiscard]] std::string outside_excuse() const {
    if (hasty_ && world_.now() < hasty_->at + 2 * *run_.election_timeout) {
      return fmt::format(
          "{}, outside the core, whose clock runs too fast, stands for election again and again with the consent of a "
          "quorum",
          world_.name(hasty_->node));
    }
    if (const auto leader = leader_outside()) {
      return fmt::format("{}, outside the core, leads with the consent of a quorum, under the faults frozen there",
                         world_.name(*leader));
    }
    return is_founded() ? "" : "the group was never founded: each founder must have heard all others once";
  }

  // Whether some node has more than the configuration that each founder begins with.
  [[nodiscard]] bool is_founded() const {
    for (NodeIndex node = 0; node < nodes(); ++node) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon != nullptr && daemon->host().raft().last().value > 1) return true;
    }
    return false;
  }

  // All have what the first of them had when a write was acknowledged. Not the same index at the same time: a leader may go on to append
  // entries of its own, and be looked at whenever it has just done so.
  bool converged() {
    if (!acknowledged_) ask();
    std::vector<const kv::Store*> stores;
    const Config* config = config_of_leader();
    for (const NodeIndex node : core_) {
      // A removal that was under way may have been committed meanwhile; whom it removed need not learn of it.
      if (config != nullptr && config->find({std::uint64_t{node} + 1}) == nullptr) continue;
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon == nullptr) return false;
      acknowledged_ = acknowledged_ || cluster_.acknowledged(node);
      stores.push_back(&daemon->host().store());
    }
    if (!acknowledged_) return false;
    for (const kv::Store* store : stores) {
      if (!has_mark_) mark_ = std::max(mark_, store->applied());
    }
    has_mark_ = true;
    const auto behind = [&](const kv::Store* store) {
      return store->applied() < mark_ || std::any_of(stores.begin(), stores.end(), [&](const kv::Store* other) {
               return other->applied() == store->applied() && other->hash() != store->hash();
             });
    };
    return std::none_of(stores.begin(), stores.end(), behind) && is_stable();
  }

  // In the core; 0 while one of it is down.
  [[nodiscard]] LogIndex applied_by_all() const {
    LogIndex least{std::numeric_limits<std::uint64_t>::max()};
    for (const NodeIndex node : core_) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      least = std::min(least, daemon == nullptr ? LogIndex{} : daemon->host().store().applied());
    }
    return least;
  }
  // How long the last one needs to the end of the longest log, if it goes on as fast as it came from there.
  [[nodiscard]] std::optional<Duration> time_behind(LogIndex from, Duration took) const {
    LogIndex end;
    for (const NodeIndex node : core_) {
      if (const RaftDaemon* daemon = cluster_.daemon(node)) end = std::max(end, daemon->host().raft().last());
    }
    const LogIndex here = applied_by_all();
    constexpr std::uint64_t slowest = 8;  // bounds
    if (here <= from || end < here || end - here > slowest * (here - from)) return std::nullopt;
    return took / static_cast<Duration::rep>(here - from) * static_cast<Duration::rep>(end - here);
  }

  // A leader that is deposed again and again serves now and then: only one that stays counts (D §9.6).
  bool is_stable() {
    Term newest;
    for (const NodeIndex node : core_) {
      if (const RaftDaemon* daemon = cluster_.daemon(node)) newest = std::max(newest, daemon->host().raft().term());
    }
    if (newest != term_) {
      term_ = newest;
      term_since_ = world_.now();
    }
    return world_.now() - term_since_ >= stable_for * *run_.election_timeout;
  }

  // Of the one with the highest term; null: nobody leads.
  [[nodiscard]] const Config* config_of_leader() const {
    const RaftDaemon* leader = nullptr;
    for (NodeIndex node = 0; node < nodes(); ++node) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon == nullptr || !daemon->leads()) continue;
      if (leader == nullptr || daemon->host().raft().term() > leader->host().raft().term()) leader = daemon;
    }
    return leader == nullptr ? nullptr : &leader->host().raft().config();
  }

  // Of every core node in turn, again and again: a question may fall into an election.
  void ask() {
    const Instant now = world_.now();
    if (now < ask_again_) return;
    ask_again_ = now + 2 * *run_.election_timeout;
    for (const NodeIndex node : core_) cluster_.ask_write(node);
  }

  [[nodiscard]] std::string joined() const {
    std::string text;
    for (const NodeIndex node : core_) text += (text.empty() ? "" : ", ") + world_.name(node);
    return text;
  }

  [[nodiscard]] std::string state() const {
    std::string text = acknowledged_ ? "a write was acknowledged" : "no write was acknowledged";
    for (const NodeIndex node : core_) {
      const RaftDaemon* daemon = cluster_.daemon(node);
      if (daemon == nullptr) {
        text += fmt::format("; {} is down ({})", world_.name(node), world_.end_of(node));
        continue;
      }
      const Status status = daemon->host().raft().status();
      text += fmt::format("; {} is {} in term {}, applied {} of {}", world_.name(node), to_text(status.role),
                          status.term.value, daemon->host().store().applied().value, status.commit.value);
    }
    return text;
  }

  SimWorld& world_;
  Cluster& cluster_;
  const SimRun& run_;
  Rng rng_;
  struct Leftover {
    NodeIndex node;
    std::uint64_t boot, disk_work, file_work;
  };
  static constexpr Duration leftovers_limit = std::chrono::minutes(10);
  std::vector<NodeIndex> core_;
  std::vector<Leftover> leftovers_;
  struct Hasty {
    NodeIndex node;
    Instant at;  // when last seen
  };
  std::optional<Hasty> hasty_;
  std::optional<Instant> held_up_;      // by somebody outside the core: when last seen
  static constexpr int stable_for = 5;  // election timeouts
  bool acknowledged_ = false;
  bool has_mark_ = false;
  LogIndex mark_;  // to be applied by all
  Instant ask_again_;
  Term term_;  // the newest in the core, and since when
  Instant term_since_;
};

}  // namespace

Duration liveness_bound(const SimRun& run) { return 40 * *run.election_timeout + std::chrono::seconds(10); }

Liveness check_liveness(SimWorld& world, Cluster& cluster, const SimRun& run, Rng rng) {
  return Phase(world, cluster, run, std::move(rng)).go();
}

}  // namespace faultline::raft::sim
