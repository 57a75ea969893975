// The host's loop: inputs from network, disk and time; the core's Readys.
#include <faultline/raft/codec.hpp>
#include <faultline/raft/host.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "lessor.hpp"
#include "origin.hpp"

namespace faultline::raft {

Host::Host(HostOptions options, Stored stored, kv::Store store, Rng rng, Instant now)
    : options_(std::move(options)),
      raft_(options_.raft, stored, std::move(rng), now),
      store_(std::move(store)),
      lessor_(std::make_unique<Lessor>(options_.session_idle)),
      unpark_at_(now) {
  FL_ASSERT(store_.applied() == (stored.snapshot ? stored.snapshot->index : LogIndex{0}));
  if (stored.snapshot) snapshots_.push_back(*stored.snapshot);
  exported_at_ = store_.applied();
  locks_seen_ = store_.revision();
}

Host::~Host() = default;

std::string describe(const Entry& entry) {
  if (entry.kind == EntryKind::no_op) return "no-op";
  if (entry.kind == EntryKind::config) {
    const auto config = decode_config(entry.data);
    return config ? to_text(config.value()) : "ERROR " + config.error().message;
  }
  const auto origin = origin_of(entry.data);
  if (!origin) return "ERROR the entry is too short to say who asked for it";
  const auto command = kv::decode_command(std::string_view(entry.data).substr(origin_bytes));
  if (!command) return "ERROR " + command.error().message;
  return fmt::format("{} (asked of node {})", kv::to_text(command.value()), origin->node.value);
}

// --- Inputs -------------------------------------------------------------------------------------------------------------------------

void Host::tick(Instant now) {
  raft_.tick(now);
  expire(now);
  if (led_) {
    for (const kv::Command& command : lessor_->due(now)) launch(0, command);
  }
  unpark(now);
}

Instant Host::next_tick() const {
  Instant next = std::min(raft_.next_tick(), lessor_->next());
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  const bool waiting = !parked_.empty() || !parked_questions_.empty() || !fresh_reads_.empty();
  if (waiting && raft_.leader()) next = std::min(next, unpark_at_);
  return next;
}

void Host::receive(Instant now, Frame&& frame) {
  if (frame.to != options_.raft.id) return;
  if (auto* message = std::get_if<Message>(&frame.word)) {
    raft_.step(now, std::move(*message));
  } else if (const auto* forward = std::get_if<Forward>(&frame.word)) {
    arrive(now, frame.from, *forward);
  } else if (const auto* refused = std::get_if<Refused>(&frame.word)) {
    arrive(*refused);
  } else if (const auto* question = std::get_if<LeaseQuestion>(&frame.word)) {
    arrive(frame.from, now, *question);
  } else {
    arrive(std::get<LeaseReport>(frame.word));
  }
}

void Host::persisted(Instant now, std::uint64_t number, std::optional<kv::Store> installed) {
  FL_ASSERT(number > durable_);
  durable_ = number;
  raft_.advance(number);
  while (!after_disk_.empty() && after_disk_.front().number <= number) {
    send(std::move(after_disk_.front().message));
    after_disk_.pop_front();
  }
  if (installed) installed_ = std::move(installed);
  drain_held(now);
}

void Host::exported(const std::optional<Snapshot>& snapshot) {
  FL_ASSERT(exporting_);
  exporting_ = false;
  if (!snapshot) return;
  // One received from the leader meanwhile may be newer.
  if (!snapshots_.empty() && snapshots_.back().index >= snapshot->index) return;
  snapshots_.push_back(*snapshot);
  raft_.snapshot_taken(*snapshot);
  out_->events.push_back({"snapshot", fmt::format("taken at {} of term {}, {} bytes", snapshot->index.value,
                                                  snapshot->term.value, snapshot->size)});
}

void Output::clear() {
  frames.clear();
  chunks.clear();
  jobs.clear();
  export_to.reset();
  retire.reset();
  answers.clear();
  events.clear();
}

Output& Host::flush(Instant now) {
  follow_leadership(now);
  if (!fresh_reads_.empty()) issue_reads(now);
  obey(now);
  follow_leadership(now);
  settle_reads(now);
  // Those that waited for a ticket to come back.
  if (!fresh_reads_.empty() && issue_reads(now)) {
    obey(now);
    settle_reads(now);
  }
  if (!lease_reports_.empty()) settle_lease_reports();
  if (!locks_.empty()) settle_locks();
  if (!changes_.empty()) settle_members();
  settle_snapshots();
  follow_config();
  Output& done = *out_;
  out_ = out_ == &outputs_[0] ? &outputs_[1] : &outputs_[0];
  out_->clear();
  return done;
}

// --- Readys -------------------------------------------------------------------------------------------------------------------------

void Host::send(Word word, NodeId to) {
  out_->frames.push_back({.from = options_.raft.id, .to = to, .word = std::move(word)});
}

void Host::send(Message&& message) {
  const bool needs_bytes = std::holds_alternative<SnapshotChunk>(message.body);
  Frame& frame = (needs_bytes ? out_->chunks : out_->frames).emplace_back();
  frame.from = options_.raft.id;
  frame.to = message.to;
  frame.word.emplace<Message>(std::move(message));
}

void Host::obey(Instant now) {
  while (raft_.has_ready()) {
    // A full disk is asked again by every job.
    if (has_space_ && raft_.take_messages(ready_.messages_now)) {
      for (Message& message : ready_.messages_now) send(std::move(message));
      continue;
    }
    raft_.ready(ready_);
    take(now, ready_);
  }
}

void Host::take(Instant now, Ready& ready) {
  out_->frames.reserve(out_->frames.size() + ready.messages_now.size() + ready.messages_after_persist.size());
  for (Message& message : ready.messages_now) send(std::move(message));
  if (ready.snapshot) {
    snapshots_.push_back(*ready.snapshot);
    out_->events.push_back({"snapshot", fmt::format("received at {} of term {}", ready.snapshot->index.value,
                                                    ready.snapshot->term.value)});
  }
  for (Message& message : ready.messages_after_persist) after_disk_.emplace_back(ready.number, std::move(message));
  const bool installs = ready.snapshot.has_value();
  // Nothing to write, and nothing on its way to the disk: as good as durable. But a full disk is asked again by every job.
  const bool is_durable = has_space_ && durable_ + 1 == ready.number && ready.chunks.empty() && !ready.snapshot &&
                          ready.entries.empty() && !ready.hard_state;
  if (!is_durable) {
    out_->jobs.push_back({.number = ready.number,
                          .chunks = std::move(ready.chunks),
                          .snapshot = std::move(ready.snapshot),
                          .entries = std::move(ready.entries),
                          .hard_state = ready.hard_state,
                          .must_sync = ready.must_sync});
  }
  // Asked again with a new ticket: a read has no effect.
  for (const ReadId& lost : ready.lost_reads) {
    const auto found = asked_reads_.find(lost);
    if (found == asked_reads_.end()) continue;
    fresh_reads_.insert(fresh_reads_.end(), found->second.begin(), found->second.end());
    asked_reads_.erase(found);
  }
  if (installs || !ready.committed.empty() || !ready.reads.empty()) {
    held_.push_back({.number = ready.number,
                     .installs = installs,
                     .committed = std::move(ready.committed),
                     .reads = std::move(ready.reads)});
  }
  if (is_durable) return persisted(now, ready.number);
  drain_held(now);
}

// Entries behind a snapshot wait until it is the state machine. Several snapshots may have become durable at once: the state machine is then
// the last one, which holds whatever was to be applied before it.
void Host::drain_held(Instant now) {
  std::uint64_t installed = 0;
  for (const Held& held : held_) {
    if (held.installs && held.number <= durable_) installed = held.number;
  }
  while (!held_.empty()) {
    Held& first = held_.front();
    if (first.installs && first.number > durable_) return;
    if (first.number < installed) first.committed.clear();
    if (first.number == installed) {
      FL_ASSERT(installed_.has_value());
      store_ = std::move(*installed_);
      installed_.reset();
      exported_at_ = store_.applied();
      bytes_since_ = 0;
    }
    for (const Entry& entry : first.committed) apply(now, entry);
    for (const ReadState& read : first.reads) confirmed_reads_.emplace(read.index, read);
    held_.pop_front();
  }
}

void Host::apply(Instant now, const Entry& entry) {
  if (entry.kind != EntryKind::command) {
    store_.skip(entry.index);
    return;
  }
  ++counters_.applied_commands;
  bytes_since_ += entry.data.size();
  const auto origin = origin_of(entry.data);
  const std::string_view bytes = std::string_view(entry.data).substr(std::min(origin_bytes, entry.data.size()));
  const auto command = kv::decode_command(bytes);
  kv::Reply reply = command ? store_.apply(entry.index, command.value()) : store_.apply(entry.index, bytes);
  if (const auto* lease = std::get_if<kv::LeaseReply>(&reply.response)) {
    lessor_->note(now, *lease);
    if (command && std::holds_alternative<kv::LeaseExpire>(command.value().request) && lease->ttl == 0) {
      ++counters_.leases_expired;
      out_->events.push_back({"lease", fmt::format("{} expired", static_cast<std::int64_t>(lease->id))});
    }
  }
  if (const auto* session = std::get_if<kv::SessionReply>(&reply.response)) {
    lessor_->note(now, *session, entry.index.value);
  }
  if (command && command.value().client) {
    lessor_->note_use(now, command.value().client->session, entry.index.value);
  }
  if (!origin || origin->node != options_.raft.id || origin->boot != options_.raft.boot) return;
  const auto flight = flights_.find(origin->sequence);
  if (flight == flights_.end()) return;
  Flight landing = std::move(flight->second);
  flights_.erase(flight);
  landed(now, std::move(landing), std::move(reply));
}

// --- Leadership ---------------------------------------------------------------------------------------------------------------------

void Host::follow_leadership(Instant now) {
  if (raft_.is_leader() != led_) {
    led_ = raft_.is_leader();
    if (led_) {
      lessor_->start(now, store_);
    } else {
      lessor_->stop();
    }
  }
  if (raft_.leader() != leader_seen_) unpark_at_ = now;
  if (raft_.term() == term_seen_ && raft_.leader() == leader_seen_) return;
  const Status status = raft_.status();
  out_->events.push_back({"role", fmt::format("{} in term {}, leader {}", to_text(status.role), status.term.value,
                                              status.leader ? std::to_string(status.leader.value) : "unknown")});
  term_seen_ = status.term;
  leader_seen_ = status.leader;
}

// Appended, undone, or come with a snapshot: from now on messages go to its members.
void Host::follow_config() {
  if (raft_.config_version() == config_version_seen_) return;
  config_version_seen_ = raft_.config_version();
  if (raft_.config() == config_seen_) return;
  config_seen_ = raft_.config();
  out_->events.push_back({"config", to_text(config_seen_)});
}

// --- Snapshots ----------------------------------------------------------------------------------------------------------------------

void Host::settle_snapshots() {
  while (snapshots_.size() > 1 && !raft_.needs(snapshots_.front())) {
    snapshots_.erase(snapshots_.begin());
    out_->retire = snapshots_.front();
  }
  if (exporting_ || options_.snapshot_entries == 0 || !held_.empty()) return;
  const LogIndex applied = store_.applied();
  if (applied.value < exported_at_.value + options_.snapshot_entries) return;
  if (!snapshots_.empty() && bytes_since_ < snapshots_.back().size) return;
  exporting_ = true;
  exported_at_ = applied;
  bytes_since_ = 0;
  out_->export_to.emplace(Export{raft_.describe(applied), store_.view()});
}

}  // namespace faultline::raft
