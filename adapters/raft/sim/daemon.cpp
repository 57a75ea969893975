#include "daemon.hpp"

#include <faultline/raft/sim/simulation.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace faultline::raft::sim {
namespace {

using faultline::sim::NodeIndex;

// The paper's names, as schedules and stories have them.
std::string_view kind_of(const Frame& frame) {
  struct Name {
    std::string_view operator()(const Message& message) const { return std::visit(*this, message.body); }
    std::string_view operator()(const Hello&) const { return "Hello"; }
    std::string_view operator()(const VoteRequest& m) const { return m.pre ? "PreVote" : "RequestVote"; }
    std::string_view operator()(const VoteReply& m) const { return m.pre ? "PreVoteReply" : "RequestVoteReply"; }
    std::string_view operator()(const Append& m) const { return m.entries.empty() ? "Heartbeat" : "AppendEntries"; }
    std::string_view operator()(const AppendReply&) const { return "AppendEntriesReply"; }
    std::string_view operator()(const SnapshotChunk&) const { return "InstallSnapshot"; }
    std::string_view operator()(const SnapshotReply&) const { return "InstallSnapshotReply"; }
    std::string_view operator()(const ReadRequest&) const { return "ReadIndex"; }
    std::string_view operator()(const ReadReply&) const { return "ReadIndexReply"; }
    std::string_view operator()(const TimeoutNow&) const { return "TimeoutNow"; }
    std::string_view operator()(const JoinRequest&) const { return "JoinRequest"; }
    std::string_view operator()(const JoinReply&) const { return "JoinReply"; }
    std::string_view operator()(const Forward&) const { return "Forward"; }
    std::string_view operator()(const Refused&) const { return "Refused"; }
    std::string_view operator()(const LeaseQuestion&) const { return "LeaseQuestion"; }
    std::string_view operator()(const LeaseReport&) const { return "LeaseReport"; }
  };
  return std::visit(Name{}, frame.word);
}

}  // namespace

std::span<const std::string_view> frame_names() {
  static constexpr std::array<std::string_view, 19> names{"AppendEntries",
                                                          "AppendEntriesReply",
                                                          "Forward",
                                                          "Heartbeat",
                                                          "Hello",
                                                          "InstallSnapshot",
                                                          "InstallSnapshotReply",
                                                          "JoinReply",
                                                          "JoinRequest",
                                                          "LeaseQuestion",
                                                          "LeaseReport",
                                                          "PreVote",
                                                          "PreVoteReply",
                                                          "ReadIndex",
                                                          "ReadIndexReply",
                                                          "Refused",
                                                          "RequestVote",
                                                          "RequestVoteReply",
                                                          "TimeoutNow"};
  return names;
}

RaftDaemon::RaftDaemon(faultline::sim::Surroundings& surroundings, const Setting& setting)
    : surroundings_(surroundings),
      setting_(setting),
      id_{surroundings.node() + 1},
      disk_(surroundings.disk()),
      pace_(surroundings.fork("pace")) {}

RaftDaemon::~RaftDaemon() = default;

Result<std::unique_ptr<RaftDaemon>> RaftDaemon::boot(faultline::sim::Surroundings& surroundings, const Setting& setting,
                                                     bool rotten) {
  std::unique_ptr<RaftDaemon> daemon(new RaftDaemon(surroundings, setting));
  Rng rng = surroundings.fork("raft");
  HostOptions options = setting.host;
  options.raft.id = daemon->id_;
  options.raft.boot = rng.next();
  if (!surroundings.joins()) options.raft.initial = setting.founders;
  KeeperOptions keeper_options = setting.keeper;
  keeper_options.identity.node = daemon->id_;
  auto opened = Keeper::open(daemon->disk_, keeper_options);
  if (!opened) {
    setting.probes->hit(Probe::boot_refused);
    return opened.error();
  }
  Restored& restored = opened.value().restored;
  if (restored.torn) {
    setting.probes->hit(Probe::boot_with_torn_tail);
    surroundings.note(fmt::format("torn tail of {} repaired from byte {}", restored.torn->file, restored.torn->offset));
  }
  if (setting.invariants != nullptr) {
    setting.invariants->booted(daemon->id_, options.raft.boot, restored.stored, restored.store,
                               {.fsync = keeper_options.wal.sync, .rotten = rotten, .joins = surroundings.joins()});
  }
  if (setting.chronicle != nullptr) {
    for (const std::string& note : setting.chronicle->booted(daemon->id_, restored.stored)) surroundings.note(note);
  }
  daemon->keeper_ = std::move(opened.value().keeper);
  daemon->files_.emplace(daemon->disk_, keeper_options);
  daemon->segments_ = daemon->keeper_->wal().segments();
  daemon->host_ = std::make_unique<Host>(std::move(options), std::move(restored.stored), std::move(restored.store),
                                         rng.fork("host"), surroundings.monotonic());
  daemon->turn([](Host&, Instant) {});
  return daemon;
}

// --- turns ----------------------------------------------------------------------------------------------------------------------

void RaftDaemon::finish_turn(Instant now) {
  deliver(host_->flush(now));
  if (ended_) return;
  if (const auto refusal = host_->raft().refusal()) {
    setting_.probes->hit(Probe::amnesia_refused);
    return give_up(fmt::format("refused: its disk is empty, but n{} knows of a past", refusal->witness.value));
  }
  compact_history(now);
  const Instant next = host_->next_tick();
  if (next != alarm_ || next <= now) {
    alarm_ = next;
    surroundings_.wake_at(next);
  }
}

void RaftDaemon::wake() {
  alarm_ = Instant::max();
  turn([](Host&, Instant) {});
}

void RaftDaemon::receive(NodeIndex from, std::string bytes) {
  Frame frame;
  // Damaged on the way, or it names another sender: raftd notes it and goes on.
  if (!decode_frame(bytes, frame) || frame.from.value != from + 1) return;
  keep_room(std::move(bytes));
  turn([&](Host& host, Instant now) { host.receive(now, std::move(frame)); });
}

void RaftDaemon::keep_room(std::string bytes) {
  constexpr std::size_t most_rooms = 8;
  if (rooms_.size() < most_rooms) rooms_.push_back(std::move(bytes));
}

void RaftDaemon::send(const Frame& frame) {
  std::string room;
  if (!rooms_.empty()) {
    room = std::move(rooms_.back());
    rooms_.pop_back();
  }
  surroundings_.send(static_cast<NodeIndex>(frame.to.value - 1), kind_of(frame), encode(frame, std::move(room)));
}

void RaftDaemon::deliver(Output& output) {
  if (setting_.invariants != nullptr) {
    for (const DiskJob& job : output.jobs) setting_.invariants->emitted(id_, state_of(host_->raft()), job);
    for (const Frame& frame : output.frames) {
      if (const auto* message = std::get_if<Message>(&frame.word)) setting_.invariants->sent(*message);
    }
    setting_.invariants->stepped(id_, state_of(host_->raft()), host_->store());
  }
  if (setting_.chronicle != nullptr) {
    for (const std::string& note : setting_.chronicle->stepped(id_, host_->raft(), output)) surroundings_.note(note);
  }
  for (const Frame& frame : output.frames) {
    if (std::holds_alternative<Forward>(frame.word)) setting_.probes->hit(Probe::command_forwarded);
    send(frame);
  }
  for (DiskJob& job : output.jobs) disk_tasks_.emplace_back(std::move(job));
  if (output.retire) disk_tasks_.emplace_back(Retire{std::move(*output.retire)});
  for (Frame& chunk : output.chunks) queue_chunk(std::move(chunk));
  if (output.export_to) file_tasks_.push_back({.write = std::move(output.export_to), .chunk = {}});
  for (const HostEvent& event : output.events) note(event);
  for (Answer& answer : output.answers) {
    if (const auto change = changes_.find(answer.id); change != changes_.end()) {
      change->second = std::move(answer);
      continue;
    }
    if (const auto own = own_writes_.find(answer.id); own != own_writes_.end()) {
      finish_own_write(own->second, answer);
      own_writes_.erase(own);
      continue;
    }
    const auto found = waiting_.find(answer.id);
    if (found == waiting_.end()) continue;
    Waiting waiting = std::move(found->second);
    waiting_.erase(found);
    complete(std::move(waiting), answer);
  }
  start_disk();
  start_files();
}

void RaftDaemon::note(const HostEvent& event) {
  surroundings_.note(fmt::format("{}: {}", event.kind, event.text));
  if (event.kind != "role") return;
  const Raft& raft = host_->raft();
  const Status status = raft.status();
  surroundings_.took_role(to_text(status.role));
  const bool leads = status.role == Role::leader;
  if (leads && !led_) {
    // Its own no-op is the last one.
    if (status.last > status.commit + 1) setting_.probes->hit(Probe::leader_with_older_terms_uncommitted);
  }
  if (led_ && !leads) {
    if (!waiting_.empty()) setting_.probes->hit(Probe::stepped_down_with_reads_pending);
    if (status.last > status.commit) setting_.probes->hit(Probe::stepped_down_with_entries_uncommitted);
    if (!status.leader && status.term == led_term_) setting_.probes->hit(Probe::led_without_quorum);
    if (status.config.find(id_) == nullptr) setting_.probes->hit(Probe::leader_removed);
  }
  led_ = leads;
  if (leads) led_term_ = status.term;
}

void RaftDaemon::give_up(std::string why) {
  if (ended_) return;
  ended_ = true;
  surroundings_.exit(std::move(why));
}

// --- the simulator's own writes ---------------------------------------------------------------------------------------------------

void RaftDaemon::ask_write() {
  turn([&](Host&, Instant now) {
    submit_own(now, {.client = {}, .request = kv::Put{.key = "alive", .value = std::to_string(id_.value)}});
  });
}

// Without it snapshots, and what a restart reads, would grow with all that ever happened.
void RaftDaemon::compact_history(Instant now) {
  const auto keep = static_cast<kv::Revision>(setting_.keep_revisions);
  if (keep == 0 || !leads()) return;
  const kv::Revision until = host_->store().revision() - keep;
  if (until < std::max(host_->store().compacted(), compaction_asked_) + keep) return;
  compaction_asked_ = until;
  submit_own(now, {.client = {}, .request = kv::Compaction{until}});
}

void RaftDaemon::submit_own(Instant now, kv::Command command) {
  if (setting_.invariants != nullptr) setting_.invariants->asked(id_, command);
  const RequestId id = host_->submit(now, raft::Write{command});
  own_writes_.emplace(id, std::move(command));
}

void RaftDaemon::finish_own_write(const kv::Command& command, const Answer& answer) {
  const auto* written = std::get_if<kv::Reply>(&answer.result);
  if (written == nullptr) return;
  if (setting_.invariants != nullptr) setting_.invariants->answered(id_, command, *written);
  const bool is_write = std::holds_alternative<kv::Put>(command.request);
  acknowledged_ = acknowledged_ || (is_write && !std::holds_alternative<kv::Failure>(written->response));
}

// --- members --------------------------------------------------------------------------------------------------------------------

RequestId RaftDaemon::change_members(const ChangeMembers& change) {
  RequestId id = 0;
  turn([&](Host& host, Instant now) {
    id = host.submit(now, change);
    changes_.emplace(id, std::nullopt);
  });
  return id;
}

const std::optional<Answer>& RaftDaemon::answer(RequestId id) const {
  static const std::optional<Answer> no_answer;
  const auto found = changes_.find(id);
  return found == changes_.end() ? no_answer : found->second;
}

}  // namespace faultline::raft::sim
