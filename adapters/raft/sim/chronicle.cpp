#include "chronicle.hpp"

#include <fmt/format.h>

namespace faultline::raft::sim {
namespace {

std::string name(NodeId id) { return fmt::format("n{}", id.value); }
std::string at(LogIndex index, Term term) { return fmt::format("{}/{}", index.value, term.value); }

// "n1", "n1 and n2", "n1, n2 and n3".
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return text;
}

// "17/3", or "17/3 to 19/4".
template <class Map>
std::string from_to(const Map& log, typename Map::const_iterator first) {
  const auto last = std::prev(log.end());
  const std::string begin = at(first->first, first->second);
  return first == last ? begin : begin + " to " + at(last->first, last->second);
}

}  // namespace

std::vector<std::string> Chronicle::booted(NodeId id, const Stored& stored) {
  Node& node = nodes_[id];
  std::map<LogIndex, Term> log;
  if (stored.snapshot) log.emplace(stored.snapshot->index, stored.snapshot->term);
  for (const Entry& entry : stored.entries) log.emplace(entry.index, entry.term);
  const LogIndex last = log.empty() ? LogIndex{} : log.rbegin()->first;
  std::vector<std::string> notes;
  if (const auto lost = node.log.upper_bound(last); lost != node.log.end())
    notes.push_back(
        fmt::format("log: {} is back without {}, which its disk has lost", name(id), from_to(node.log, lost)));
  node = {.log = std::move(log), .commit = {}, .led = {}};
  return notes;
}

void Chronicle::note_votes(const Output& output) {
  for (const Frame& frame : output.frames) {
    const auto* message = std::get_if<Message>(&frame.word);
    if (message == nullptr) continue;
    const auto* reply = std::get_if<VoteReply>(&message->body);
    if (reply != nullptr && reply->granted && !reply->pre) votes_[{message->term, message->to}].insert(message->from);
  }
}

std::string Chronicle::elected(NodeId id, const Node& node, const Raft& raft) {
  std::vector<std::string> voters;
  if (const auto votes = votes_.find({raft.term(), id}); votes != votes_.end()) {
    for (const NodeId voter : votes->second) voters.push_back(name(voter));
  }
  std::string text = fmt::format("elected: {} is leader in term {}", name(id), raft.term().value);
  if (!voters.empty()) text += fmt::format("; {} voted for it", listed(voters));
  if (node.log.empty()) return text;
  return text + fmt::format("; its log ends at {}{}", at(node.log.rbegin()->first, node.log.rbegin()->second),
                            std::exchange(told_notation_, true) ? "" : " (index/term)");
}

void Chronicle::note_log(NodeId id, Node& node, const Output& output, bool leads, std::vector<std::string>& notes) {
  for (const DiskJob& job : output.jobs) {
    if (job.snapshot) {
      node.log.erase(node.log.begin(), node.log.lower_bound(job.snapshot->index));
      node.log[job.snapshot->index] = job.snapshot->term;
    }
    if (job.entries.empty()) continue;
    const Entry& first = job.entries.front();
    const std::string begin = at(first.index, first.term);
    if (const auto cut = node.log.lower_bound(first.index); cut != node.log.end()) {
      notes.push_back(fmt::format("log: {} overwrites {} with {}", name(id), from_to(node.log, cut), begin));
      node.log.erase(cut, node.log.end());
    }
    for (const Entry& entry : job.entries) node.log.insert_or_assign(entry.index, entry.term);
    if (leads && first.term == node.led && !std::exchange(node.told_append, true))
      notes.push_back(fmt::format("log: {} appends {}, the first entry of its term", name(id), begin));
  }
}

// The first commit of a leader, and the first that ends with an entry of an earlier term (Raft §5.4.2: no leader may do that).
void Chronicle::note_commit(NodeId id, Node& node, const Raft& raft, std::vector<std::string>& notes) const {
  const auto entry = node.log.find(raft.commit());
  const bool is_older = entry != node.log.end() && entry->second < node.led;
  if (std::exchange(is_older ? node.told_older_commit : node.told_commit, true)) return;
  std::vector<std::string> others;
  for (const FollowerStatus& follower : raft.status().followers) {
    if (follower.match >= raft.commit() && !follower.learner) others.push_back(name(follower.member.id));
  }
  const std::string what =
      entry == node.log.end() ? std::to_string(raft.commit().value) : at(entry->first, entry->second);
  notes.push_back(fmt::format(
      "commit: {}, leader of term {}, takes {}{} for committed{}", name(id), node.led.value, what,
      is_older ? ", an entry of an earlier term," : "",
      others.empty() ? "" : fmt::format("; {} {} it, too", listed(others), others.size() == 1 ? "has" : "have")));
}

std::vector<std::string> Chronicle::stepped(NodeId id, const Raft& raft, const Output& output) {
  std::vector<std::string> notes;
  Node& node = nodes_[id];
  note_votes(output);
  const bool leads = raft.is_leader();
  if (leads && node.led != raft.term()) {
    notes.push_back(elected(id, node, raft));
    node.led = raft.term();
    node.told_commit = node.told_older_commit = node.told_append = false;
  }
  note_log(id, node, output, leads, notes);
  if (leads && raft.commit() > node.commit) note_commit(id, node, raft, notes);
  node.commit = raft.commit();
  return notes;
}

}  // namespace faultline::raft::sim
