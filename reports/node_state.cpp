#include "node_state.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>

#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_points = 20'000;
constexpr std::size_t name_limit = 40;

struct Sighting {
  Moment at;
  std::int64_t term = 0;
  std::string node, leader, role;
};

std::optional<std::int64_t> number_after(std::string_view text, std::string_view words) {
  const std::size_t found = text.find(words);
  if (found == std::string_view::npos) return std::nullopt;
  text.remove_prefix(found + words.size());
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end == text.data() || n < 0) return std::nullopt;
  return n;
}

bool is_role(std::string_view word) {
  return word == "leader" || word == "follower" || word == "candidate" || word == "pre-candidate";
}

// "… became leader at term 3", or {…,"event":"role","text":"leader in term 3, leader 1"}.
std::optional<Sighting> role_told(std::string_view line) {
  for (const auto& [before, between] :
       {std::pair{std::string_view(" became "), std::string_view(" at term ")},
        std::pair{std::string_view(R"("event":"role","text":")"), std::string_view(" in term ")}}) {
    const std::size_t found = line.find(before);
    if (found == std::string_view::npos) continue;
    const std::string_view rest = line.substr(found + before.size());
    const std::size_t end = rest.find(between);
    const auto term = number_after(rest, between);
    if (!term || !is_role(rest.substr(0, end))) continue;
    return Sighting{.at = {}, .term = *term, .node = {}, .leader = {}, .role = std::string(rest.substr(0, end))};
  }
  return std::nullopt;
}

std::vector<Sighting> seen_by_clients(const History& history) {
  std::vector<Sighting> seen;
  for (EventIndex e = 0; e < history.size(); ++e) {
    const Value& extra = history.extra(e);
    if (extra.is_null() || history.process(e) == nemesis_process) continue;
    const Value& term = extra.get("raft_term");
    if (!term.is_integer() || (history.has_times() && history.time(e) == no_time)) continue;
    const auto name = [&](std::string_view field) {
      const Value& value = extra.get(field);
      return value.is_null() ? std::string() : show_key(value, name_limit);
    };
    seen.push_back(
        {.at = {.event = e}, .term = term.as_integer(), .node = name("node"), .leader = name("leader"), .role = {}});
  }
  return seen;
}

std::vector<Sighting> told_by_logs(const RunInfo& run) {
  std::vector<Sighting> told;
  for (const NodeLog& log : run.logs) {
    for (const LogLine& line : log.lines) {
      auto role = role_told(line.text);
      if (!role) continue;
      role->at.since = line.since;
      role->node = outside(log.node, name_limit);
      if (role->role == "leader") role->leader = role->node;
      told.push_back(std::move(*role));
    }
  }
  return told;
}

std::vector<Sighting> all_sightings(const ReportInput& input) {
  const History& history = *input.history;
  std::vector<Sighting> all = seen_by_clients(history);
  if (!input.run || !history.has_times()) return all;
  const auto time = [&history](const Sighting& s) {
    return s.at.event == none ? s.at.since : history.time(s.at.event).time_since_epoch();
  };
  for (Sighting& told : told_by_logs(*input.run)) all.push_back(std::move(told));
  std::stable_sort(all.begin(), all.end(), [&](const Sighting& a, const Sighting& b) { return time(a) < time(b); });
  return all;
}

}  // namespace

Terms terms_seen(const ReportInput& input) {
  struct Known {
    std::int64_t term = -1;
    std::string role;
  };
  Terms terms;
  std::map<std::string, Known> known;
  std::int64_t highest = std::numeric_limits<std::int64_t>::min();
  std::string leader;
  for (const Sighting& s : all_sightings(input)) {
    const bool other_leader = !s.leader.empty() && s.leader != leader && s.term == highest;
    if ((s.term > highest || other_leader) && terms.overall.size() < max_points) {
      highest = s.term;
      leader = s.leader;
      terms.overall.push_back({s.at, s.term, s.leader});
    }
    if (s.node.empty() || terms.by_node.size() >= max_points) continue;
    // A client that sees the term a node is known to be in learns nothing of its role; an answer from an older term is late.
    Known& node = known[s.node];
    const bool news = s.role.empty() ? s.term > node.term : s.term != node.term || s.role != node.role;
    if (!news) continue;
    node = {s.term, s.role};
    terms.by_node.push_back({s.node, s.at, s.term, s.role});
  }
  return terms;
}

}  // namespace faultline::reports
