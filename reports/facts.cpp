#include "facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "faults.hpp"
#include "story.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

void add(std::vector<Fact>& list, std::string label, std::string value) {
  if (!value.empty()) list.push_back({std::move(label), std::move(value)});
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!part.empty()) text += (text.empty() ? std::string() : std::string(separator)) + part;
  }
  return text;
}

std::string lookup(const std::map<std::string, std::string>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? std::string() : outside(found->second);
}

std::string target_text(const RunInfo& run) {
  const std::string name = outside(run.target);
  const std::string version = lookup(run.versions, run.target);
  return version.empty() ? name : name + " " + version;
}

std::string search_text(const ReportInput& input) {
  if (!input.verdict || input.history->operation_count() == 0) return {};
  const Verdict& verdict = *input.verdict;
  std::vector<std::string> parts{verdict.kind == VerdictKind::unknown ? "stopped" : "exhaustive"};
  if (verdict.kind == VerdictKind::valid) parts[0] = "order found";
  if (verdict.cost.time > Duration::zero()) parts.push_back(to_text(verdict.cost.time));
  if (verdict.cost.peak_bytes > 0) parts.push_back(bytes_text(verdict.cost.peak_bytes));
  if (input.certificate_verified) parts.emplace_back("certificate verified");
  return joined(parts, " · ");
}

// How far the search came on the first key it left undecided.
std::string undecided_prefix(const ReportInput& input) {
  if (!input.verdict || effective_verdict(input) != VerdictKind::unknown) return {};
  for (const KeyVerdict& key : input.verdict->by_key) {
    if (key.kind != VerdictKind::unknown) continue;
    const std::string where = key.key.is_null() ? "" : ", key " + show_key(key.key, 40);
    return fmt::format("{} of {}{}", grouped(key.longest_prefix), grouped(key.operations), where);
  }
  return {};
}

std::string operations_text(const ReportInput& input, const Anomaly* anomaly) {
  const std::string total = grouped(input.history->operation_count());
  if (anomaly == nullptr) return total;
  return fmt::format("{} of {}", anomaly->core.size(), total);
}

}  // namespace

std::vector<Fact> facts(const ReportInput& input) {
  std::vector<Fact> list;
  const std::vector<Finding> found =
      effective_verdict(input) == VerdictKind::invalid ? findings(input) : std::vector<Finding>();
  const Anomaly* anomaly = found.empty() ? nullptr : found.front().first;
  if (!found.empty()) {
    add(list, "class", outside(found.front().name));
    add(list, "key", found.front().key.is_null() ? "" : show_key(found.front().key, 40));
  }
  add(list, "operations", operations_text(input, anomaly));
  if (anomaly != nullptr)
    add(list, "fault", fault_phase(*input.history, fault_bands(*input.history), anomaly->culprit));
  add(list, "search", search_text(input));
  add(list, "longest legal prefix", undecided_prefix(input));
  if (input.run) add(list, "seed", fmt::format("{}", input.run->seed));
  add(list, "started", outside(input.utc));
  const std::string version = lookup(input.tool, "version");
  add(list, "faultline", version);
  return list;
}

std::vector<Fact> configuration(const ReportInput& input) {
  std::vector<Fact> list;
  if (input.run) {
    const RunInfo& run = *input.run;
    std::vector<std::string> nemesis;
    for (const std::string& name : run.nemesis) nemesis.push_back(outside(name, 40));
    add(list, "run", outside(run.directory));
    add(list, "target", target_text(run));
    add(list, "workload", outside(run.workload));
    add(list, "nemesis", nemesis.empty() ? "none" : joined(nemesis, ", "));
    add(list, "nodes", run.nodes > 0 ? fmt::format("{}", run.nodes) : "");
    add(list, "concurrency", run.concurrency > 0 ? fmt::format("{}", run.concurrency) : "");
    add(list, "leader changes", fmt::format("{}", run.leader_changes));
    for (const auto& [name, version] : run.versions) {
      if (name != run.target) add(list, outside(name, 40), outside(version));
    }
  }
  add(list, "history", outside(history_file(input)));
  if (input.verdict) {
    add(list, "model", outside(input.verdict->model));
    add(list, "model options", spoken(input.model_options));
    add(list, "engine", outside(input.verdict->engine));
    const std::uint64_t configurations = input.verdict->cost.configurations;
    add(list, "configurations searched", configurations > 0 ? grouped(configurations) : "");
  }
  add(list, "time limit", input.time_limit ? to_text(*input.time_limit) : "");
  add(list, "memory limit", input.memory_limit ? bytes_text(*input.memory_limit) : "");
  add(list, "parsed in", input.seconds_parse > Duration::zero() ? to_text(input.seconds_parse) : "");
  add(list, "peak memory", input.peak_rss_bytes > 0 ? bytes_text(input.peak_rss_bytes) : "");
  for (const auto& [name, text] : input.tool) add(list, "tool " + outside(name, 40), outside(text));
  return list;
}

std::string scope(const ReportInput& input) {
  std::vector<std::string> parts;
  if (input.verdict) {
    const KeyCounts keys = key_counts(input);
    const std::size_t bad = effective_verdict(input) == VerdictKind::invalid ? keys.invalid : keys.unknown;
    if (keys.total > 1)
      parts.push_back(bad > 0 ? fmt::format("{} of {} keys", bad, keys.total) : fmt::format("{} keys", keys.total));
    if (!input.verdict->model.empty()) parts.push_back(outside(input.verdict->model) + " model");
  }
  if (input.run) {
    parts.push_back(target_text(*input.run));
    if (input.run->nodes > 0) parts.push_back(counted(input.run->nodes, "node"));
    std::vector<std::string> nemesis;
    for (const std::string& name : input.run->nemesis) nemesis.push_back(outside(name, 40));
    parts.push_back(joined(nemesis, " + "));
  } else {
    parts.push_back(outside(input.source, 80));
  }
  return joined(parts, " · ");
}

std::string minimality(const Anomaly& anomaly) {
  const std::string what = counted(anomaly.core.size(), "operation");
  if (!anomaly.one_minimal) return what + " without a legal order; perhaps fewer would do";
  return anomaly.core.size() == 1 ? what + " that no order allows"
                                  : what + " without a legal order; relax any one, and there is one";
}

}  // namespace faultline::reports
