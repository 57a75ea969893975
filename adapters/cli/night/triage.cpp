#include "night/triage.hpp"

#include <faultline/rng.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

#include "units.hpp"

namespace faultline::cli::night {

namespace {

constexpr std::size_t most_ids = 20, most_notes = 200, most_slow = 10;

void remember(std::vector<std::string>& list, const std::string& text, std::size_t most) {
  if (list.size() < most && std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

// The earlier of two versions, in the order of the target's list.
std::string earlier_version(const Target& target, const std::string& a, const std::string& b) {
  for (const Version& version : target.versions) {
    if (version.name == a || version.name == b) return version.name;
  }
  return a.empty() ? b : a;
}

int rank(FindingState state) {
  switch (state) {
    case FindingState::fresh: return 0;
    case FindingState::again: return 1;
    case FindingState::overdue: return 2;
    case FindingState::known: return 3;
  }
  FL_ASSERT(false && "unknown state");
}

}  // namespace

std::string signature_id(std::string_view target, std::string_view workload, std::string_view anomaly,
                         std::string_view shape) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const std::string_view part : {target, workload, anomaly, shape}) {
    for (const char c : part) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    h = (h ^ 0xff) * 0x100000001b3ULL;
  }
  return fmt::format("{:08x}", mix64(h) >> 32);
}

Triage::Triage(const Plan& plan, const Shard& shard, std::string today, std::string folder)
    : plan_(plan),
      today_(std::move(today)),
      folder_(std::move(folder)),
      done_(plan.cells.size(), 0),
      shard_whole_(shard.whole()) {
  for (const Cell& cell : plan.cells) {
    const Target& target = plan.targets[cell.target];
    report_.cells.push_back({.target = target.name,
                             .workload = cell.workload,
                             .nemesis = cell.nemesis,
                             .simulated = target.simulated,
                             .canary = cell.canary != none});
  }
  for (const RunSpec& run : plan.runs) report_.cells[run.cell].runs += shard.takes(run.index) ? 1 : 0;
  for (const Canary& canary : plan.canaries)
    report_.canaries.push_back({.name = canary.name, .expected = join(canary.expect, ", "), .otherwise = {}});
  for (const RunSpec& run : plan.runs) {
    if (run.canary != none && shard.takes(run.index)) ++report_.canaries[run.canary].runs;
  }
}

void Triage::add_note(std::vector<CampaignRunNote>& notes, const Record& record, const std::string& text) const {
  if (notes.size() < most_notes) notes.push_back({record.run, text, record.measured.seconds});
}

void Triage::add_slow(const Record& record) {
  if (record.measured.seconds_check <= 0) return;
  auto& slow = report_.slowest;
  const auto faster = std::find_if(slow.begin(), slow.end(),
                                   [&](const CampaignRunNote& n) { return n.seconds < record.measured.seconds_check; });
  slow.insert(faster, {record.run, fmt::format("{} operations", record.operations), record.measured.seconds_check});
  if (slow.size() > most_slow) slow.pop_back();
}

void Triage::add_coverage(const Record& record, bool simulated) {
  CampaignCoverage& c = report_.coverage;
  ++(simulated ? c.simulated_runs : c.live_runs);
  c.vacuous += record.vacuous ? 1 : 0;
  c.operations += record.operations;
  c.ok += record.ok;
  c.info += record.info;
  c.under_fault += record.under_fault;
  c.leader_changes += record.leader_changes;
  std::map<std::string, bool> kinds;
  for (const FaultSeen& fault : record.faults) kinds[fault.kind] = kinds[fault.kind] || fault.bit;
  for (const auto& [kind, bit] : kinds) {
    ++c.faults[kind].runs;
    c.faults[kind].bit += bit ? 1 : 0;
  }
  for (const auto& [name, hits] : record.probes) c.probes[name] += hits;
  const auto begin = static_cast<double>(record.measured.began_ms), end = static_cast<double>(record.measured.ended_ms);
  if (begin > 0 && (begin_ms_ <= 0 || begin < begin_ms_)) begin_ms_ = begin;
  end_ms_ = std::max(end_ms_, end);
}

void Triage::add(const Record& record) {
  FL_ASSERT(record.index < plan_.runs.size());
  const RunSpec& run = plan_.runs[record.index];
  CampaignCell& cell = report_.cells[run.cell];
  ++done_[run.cell];
  add_coverage(record, plan_.simulated(run));
  add_slow(record);
  if (record.measured.attempts > 1) add_note(report_.retried, record, record.measured.earlier);
  switch (record.outcome) {
    case Outcome::valid: ++cell.valid; break;
    case Outcome::unknown:
      if (record.vacuous) {
        ++cell.idle;
        break;
      }
      ++cell.unknown;
      add_note(report_.unknowns, record, record.sentence);
      break;
    case Outcome::broken:
      ++cell.broken;
      add_note(report_.broken, record, record.sentence);
      break;
    case Outcome::invalid:
      if (run.canary == none) add_finding(record, run);
      break;
  }
  if (run.canary == none) return;
  CampaignCanary& canary = report_.canaries[run.canary];
  const auto& expect = plan_.canaries[run.canary].expect;
  const bool found = std::any_of(record.classes.begin(), record.classes.end(), [&](const std::string& seen) {
    return std::any_of(expect.begin(), expect.end(),
                       [&](const std::string& wanted) { return same_class(seen, wanted); });
  });
  ++canary.done;
  canary.found += found ? 1 : 0;
  if (record.outcome == Outcome::invalid) ++cell.violated;
  if (!found && record.outcome != Outcome::valid && canary.otherwise.empty())
    canary.otherwise = record.classes.empty() ? record.sentence : join(record.classes, ", ");
}

void Triage::add_finding(const Record& record, const RunSpec& run) {
  const Cell& cell = plan_.cells[run.cell];
  const Target& target = plan_.targets[run.target];
  const std::string shape = record.shape.empty() ? "not shrunk" : record.shape;
  const std::string id = signature_id(target.name, cell.workload, record.anomaly(), shape);
  const Known* known = known_for(plan_, cell, record.anomaly());
  const bool accepted = known != nullptr && today_ <= known->until;
  ++(accepted ? report_.cells[run.cell].known : report_.cells[run.cell].violated);
  // A failure that is known under one mix of faults alone is another finding under the others.
  const auto [found, added] = findings_.try_emplace(id + (accepted ? "k" : ""));
  CampaignFinding& finding = found->second;
  if (added) {
    finding.id = id;
    finding.target = target.name;
    finding.workload = cell.workload;
    finding.anomaly = record.anomaly();
    finding.shape = shape;
    finding.state = accepted ? FindingState::known : known != nullptr ? FindingState::overdue : FindingState::fresh;
    if (known != nullptr) finding.why = known->why, finding.until = known->until;
    finding.sentence = record.sentence;
    finding.story = record.story;
    finding.shrunk = record.shrunk;
    finding.repro = repro_of(plan_, run, record, folder_);
    if (!record.measured.directory.empty()) finding.page = record.measured.directory + "/report.html";
  }
  ++finding.failed;
  cells_of_[found->first].insert(run.cell);
  remember(finding.mixes, cell.nemesis, most_ids);
  remember(finding.run_ids, run.id, most_ids);
  finding.first_failing = earlier_version(target, finding.first_failing, record.first_failing);
}

CampaignReport Triage::report() const {
  CampaignReport report = report_;
  for (std::size_t c = 0; c < report.cells.size(); ++c) {
    CampaignCell& cell = report.cells[c];
    cell.not_run = cell.runs - done_[c];
    // A run whose faults did nothing is made up for by another of its cell that they hit; a cell without one has tested nothing.
    if (cell.idle == 0 || cell.idle < done_[c] || !shard_whole_) continue;
    cell.unknown = std::exchange(cell.idle, 0);
    if (!cell.canary)
      report.unknowns.push_back(
          {cell.target + " × " + cell.workload + " × " + cell.nemesis, "no fault had an effect in any of its runs", 0});
  }
  for (const auto& [key, kept] : findings_) {
    CampaignFinding finding = kept;
    for (const std::size_t cell : cells_of_.at(key)) {
      finding.runs += done_[cell];
      finding.flaky = !report.cells[cell].simulated;
    }
    finding.flaky = finding.flaky && finding.failed < finding.runs;
    report.findings.push_back(std::move(finding));
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const CampaignFinding& a, const CampaignFinding& b) {
                     return std::tuple(rank(a.state), a.run_ids.front()) < std::tuple(rank(b.state), b.run_ids.front());
                   });
  for (const Known& known : plan_.known) {
    const bool seen = std::any_of(report.findings.begin(), report.findings.end(), [&](const CampaignFinding& f) {
      return !f.why.empty() && f.target == known.target && (known.workload.empty() || f.workload == known.workload) &&
             std::any_of(known.classes.begin(), known.classes.end(),
                         [&](const std::string& c) { return same_class(c, f.anomaly); });
    });
    if (!seen)
      report.known_unseen.push_back({known.target, known.workload, join(known.classes, ", "), known.until, known.why});
  }
  report.seconds = std::max(0.0, end_ms_ - begin_ms_) / 1000;
  report.name = plan_.name;
  return report;
}

std::string repro_of(const Plan& plan, const RunSpec& run, const Record& record, std::string_view folder) {
  const std::string& kept = record.measured.directory;
  if (!kept.empty())
    return fmt::format("faultline replay {}", shell_word(folder.empty() ? kept : fmt::format("{}/{}", folder, kept)));
  std::string command = "faultline";
  for (const std::string& word : command_of(plan, run)) command += " " + shell_word(word);
  return command;
}

std::string result_json(const Plan& plan, const CampaignReport& report, const std::vector<std::string>& runs) {
  using Json = nlohmann::ordered_json;
  const CampaignCounts counts = campaign_counts(report);
  Json object{{"schema", 1},
              {"campaign", plan.name},
              {"plan", plan.hash},
              {"verdict", campaign_verdict(report)},
              {"exit_code", campaign_exit_code(report)},
              {"runs", counts.runs},
              {"done", counts.done},
              {"valid", counts.valid},
              {"violated", counts.violated},
              {"known", counts.known},
              {"unknown", counts.unknown},
              {"idle", counts.idle},
              {"broken", counts.broken},
              {"canaries_missed", counts.canaries_missed}};
  const auto list = [&](const char* name) -> Json& { return object[name] = Json::array(); };
  Json& findings = list("findings");
  for (const CampaignFinding& f : report.findings) {
    Json one{{"id", f.id}, {"target", f.target}, {"workload", f.workload}, {"class", f.anomaly}, {"shape", f.shape}};
    one["known"] = f.state == FindingState::known;
    one["failed"] = f.failed;
    one["runs"] = f.runs;
    one["nemesis"] = f.mixes;
    one["sentence"] = f.sentence;
    if (!f.shrunk.empty()) one["shrunk"] = f.shrunk;
    if (!f.first_failing.empty()) one["first_failing"] = f.first_failing;
    one["examples"] = f.run_ids;
    findings.push_back(std::move(one));
  }
  Json& canaries = list("canaries");
  for (const CampaignCanary& c : report.canaries)
    canaries.push_back(
        {{"name", c.name}, {"expect", c.expected}, {"runs", c.runs}, {"done", c.done}, {"found", c.found}});
  Json& cells = list("cells");
  for (const CampaignCell& c : report.cells) {
    cells.push_back({{"target", c.target},
                     {"workload", c.workload},
                     {"nemesis", c.nemesis},
                     {"runs", c.runs},
                     {"valid", c.valid},
                     {"violated", c.violated},
                     {"known", c.known},
                     {"unknown", c.unknown},
                     {"idle", c.idle},
                     {"broken", c.broken},
                     {"not_run", c.not_run}});
  }
  const CampaignCoverage& c = report.coverage;
  Json faults = Json::object();
  for (const auto& [kind, seen] : c.faults) faults[kind] = {{"runs", seen.runs}, {"bit", seen.bit}};
  object["coverage"] = {
      {"operations", c.operations},         {"ok", c.ok},           {"info", c.info},   {"under_fault", c.under_fault},
      {"leader_changes", c.leader_changes}, {"vacuous", c.vacuous}, {"faults", faults}, {"probes", c.probes}};
  std::string text = object.dump(1, ' ', false, Json::error_handler_t::replace);
  // The lines are JSON already: they are put in their place as they are.
  text.resize(text.rfind('\n'));
  text += ",\n \"results\": [";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    text += i == 0 ? "\n  " : ",\n  ";
    text += std::string_view(runs[i]).substr(0, runs[i].find_last_not_of('\n') + 1);
  }
  return text + "\n ]\n}\n";
}

}  // namespace faultline::cli::night
