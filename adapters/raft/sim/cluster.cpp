#include "cluster.hpp"

#include <fmt/format.h>

namespace faultline::raft::sim {

using faultline::sim::MemberStep;
using faultline::sim::NodeIndex;

namespace {

constexpr std::uint64_t cluster_id = 1;

Member member_of(NodeIndex node) {
  return {.id = {std::uint64_t{node} + 1}, .stay = {1}, .address = fmt::format("n{}", node + 1)};
}

ChangeMembers::Kind kind_of(MemberStep step) {
  switch (step) {
    case MemberStep::remove: return ChangeMembers::Kind::remove;
    case MemberStep::add: return ChangeMembers::Kind::add_learner;
    case MemberStep::promote: return ChangeMembers::Kind::promote;
  }
  FL_ASSERT(false && "no such step");
}

}  // namespace

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {
  if (options_.watched) invariants_.emplace(probes_);
  if (options_.traced) chronicle_.emplace();
  setting_.host = options_.host;
  for (NodeIndex node = 0; node < options_.founders; ++node) setting_.founders.push_back(member_of(node));
  setting_.keeper = {.identity = {.cluster = cluster_id, .node = {}}, .wal = options_.wal};
  setting_.keep_revisions = options_.keep_revisions;
  setting_.probes = &probes_;
  setting_.invariants = invariants_ ? &*invariants_ : nullptr;
  setting_.chronicle = chronicle_ ? &*chronicle_ : nullptr;
  daemons_.resize(options_.founders + options_.spares, nullptr);
}

Result<std::unique_ptr<faultline::sim::Daemon>> Cluster::boot(faultline::sim::Surroundings& surroundings) {
  const NodeIndex node = surroundings.node();
  auto booted = RaftDaemon::boot(surroundings, setting_, options_.is_rotten && options_.is_rotten(node));
  if (!booted) return booted.error();
  daemons_[node] = booted.value().get();
  return std::unique_ptr<faultline::sim::Daemon>(std::move(booted).value());
}

std::unique_ptr<faultline::sim::Client> Cluster::client(Process, faultline::sim::ClientSurroundings& surroundings) {
  return std::make_unique<RaftClient>(surroundings, options_.client);
}

void Cluster::ended(NodeIndex node) {
  daemons_[node] = nullptr;
  if (attempt_ && attempt_->contact == node) attempt_.reset();
  if (invariants_) invariants_->ended({std::uint64_t{node} + 1});
}

std::optional<faultline::sim::Violation> Cluster::after_step(NodeIndex) {
  if (!invariants_ || reported_ == invariants_->findings().size()) return std::nullopt;
  return invariants_->findings()[reported_++];
}

Result<bool> Cluster::change_members(MemberStep step, NodeIndex contact, NodeIndex member) {
  RaftDaemon* daemon = daemons_[contact];
  if (daemon == nullptr || daemon->ended()) return false;
  const bool same = attempt_ && attempt_->step == step && attempt_->contact == contact && attempt_->member == member;
  if (same) {
    const std::optional<Answer>& answer = daemon->answer(attempt_->id);
    if (!answer) return false;
    const bool done = std::holds_alternative<Done>(answer->result);
    attempt_.reset();
    if (done) return true;
  } else if (!daemon->leads()) {
    return false;
  }
  const RequestId id = daemon->change_members({.kind = kind_of(step), .member = member_of(member)});
  const std::optional<Answer>& answer = daemon->answer(id);
  if (answer && std::holds_alternative<Done>(answer->result)) return true;
  attempt_ = Attempt{.step = step, .contact = contact, .member = member, .id = id};
  return false;
}

void Cluster::ask_write(NodeIndex node) {
  if (daemons_[node] != nullptr) daemons_[node]->ask_write();
}

bool Cluster::acknowledged(NodeIndex node) const { return daemons_[node] != nullptr && daemons_[node]->acknowledged(); }

void Cluster::mix(faultline::sim::Hash& hash) const {
  for (const RaftDaemon* daemon : daemons_) {
    if (daemon == nullptr) continue;
    const Host& host = daemon->host();
    hash.mix(host.raft().term().value);
    hash.mix(host.raft().commit().value);
    hash.mix(host.store().applied().value);
    hash.mix(host.store().hash().low);
  }
  if (invariants_) invariants_->mix(hash);
}

}  // namespace faultline::raft::sim
