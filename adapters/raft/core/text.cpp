// The words for transcripts, metrics and events.

#include <faultline/raft/core.hpp>

#include <faultline/raft/codec.hpp>

#include <array>

namespace faultline::raft {

namespace {

template <class Tag>
std::string text(Number<Tag> n) {
  return std::to_string(n.value);
}
std::string text(LogIndex n) { return std::to_string(n.value); }
std::string at(LogIndex index, Term term) { return text(index) + "/" + text(term); }

std::string ids(const std::vector<Member>& members) {
  std::string all;
  for (const Member& member : members) {
    all += " " + text(member.id);
    if (member.stay > StayId{1}) all += "@" + text(begin_of(member.stay));  // the entry that began it
  }
  return all;
}

std::string describe(const Hello& m) {
  constexpr std::array<std::string_view, 3> names{"empty", "founded", "seasoned"};
  return std::string(m.reply ? "reply " : "") + std::string(names.at(static_cast<std::size_t>(m.founding)));
}
std::string describe(const VoteRequest& m) {
  return "log " + at(m.last_index, m.last_term) + (m.transfer ? " transfer" : "");
}
std::string describe(const VoteReply& m) { return m.granted ? "granted" : "refused"; }
std::string describe(const Append& m) {
  std::string line =
      "prev " + at(m.prev_index, m.prev_term) + " commit " + text(m.commit) + " round " + std::to_string(m.round);
  if (m.entries.empty()) return line;
  line += " [";
  for (const Entry& entry : m.entries) {
    if (entry.index != m.entries.front().index) line += ", ";
    line += to_text(entry);
  }
  return line + "]";
}
std::string describe(const AppendReply& m) {
  const std::string round = " round " + std::to_string(m.round);
  if (m.accepted) return "match " + text(m.match) + round;
  return "refused prev " + text(m.prev_index) + " hint " + at(m.hint_index, m.hint_term) + round;
}
std::string describe(const SnapshotChunk& m) {
  return at(m.snapshot.index, m.snapshot.term) + " offset " + std::to_string(m.offset) + " length " +
         std::to_string(m.length) + " of " + std::to_string(m.snapshot.size);
}
std::string describe(const SnapshotReply& m) {
  return at(m.index, m.snapshot_term) + (m.installed ? " installed" : " wants " + std::to_string(m.wanted));
}
std::string describe(const ReadRequest& m) { return "#" + std::to_string(m.id.sequence); }
std::string describe(const ReadReply& m) {
  return "#" + std::to_string(m.id.sequence) + (m.index ? " index " + text(m.index) : " refused");
}
std::string describe(const TimeoutNow&) { return {}; }
std::string describe(const JoinRequest&) { return {}; }
std::string describe(const JoinReply& m) { return m.has_had_a_vote ? "refused" : "welcome"; }

}  // namespace

std::string to_text(const Config& config) {
  std::string line = "voters" + ids(config.voters);
  if (config.joint()) line += ", outgoing" + ids(config.outgoing);
  if (!config.learners.empty()) line += ", learners" + ids(config.learners);
  return line;
}

std::string to_text(const Entry& entry) {
  std::string line = at(entry.index, entry.term) + " ";
  if (entry.kind == EntryKind::no_op) return line + "no-op";
  if (entry.kind == EntryKind::command) return line + entry.data;
  const auto config = decode_config(entry.data);
  return line + "{" + (config ? to_text(config.value()) : "?") + "}";
}

std::string_view kind_of(const Message& message) {
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) return request->pre ? "pre-vote" : "vote";
  if (const auto* answer = std::get_if<VoteReply>(&message.body)) return answer->pre ? "pre-vote-reply" : "vote-reply";
  constexpr std::array<std::string_view, std::variant_size_v<Body>> names{
      "hello",          "vote", "vote-reply", "append",      "append-reply", "snapshot",
      "snapshot-reply", "read", "read-reply", "timeout-now", "join",         "join-reply"};
  return names.at(message.body.index());
}

std::string to_text(const Message& message) {
  std::string line =
      text(message.from) + "->" + text(message.to) + " " + std::string(kind_of(message)) + " t" + text(message.term);
  const std::string body = std::visit([](const auto& m) { return describe(m); }, message.body);
  return body.empty() ? line : line + " " + body;
}

std::string_view to_text(Outcome outcome) {
  constexpr std::array<std::string_view, 13> names{
      "accepted",    "not leader",     "no leader",        "transferring",  "too many requests",
      "too large",   "lease disabled", "change in flight", "no own commit", "not caught up",
      "not a voter", "invalid change", "unchanged"};
  return names.at(static_cast<std::size_t>(outcome));
}

std::string_view to_text(Role role) {
  constexpr std::array<std::string_view, 4> names{"follower", "pre-candidate", "candidate", "leader"};
  return names.at(static_cast<std::size_t>(role));
}

std::string_view to_text(Flow flow) {
  constexpr std::array<std::string_view, 3> names{"probe", "replicate", "snapshot"};
  return names.at(static_cast<std::size_t>(flow));
}

}  // namespace faultline::raft
