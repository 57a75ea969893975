#include "story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "faults.hpp"
#include "words.hpp"

namespace faultline {

namespace reports {

namespace {

bool is_invalid(const ReportInput& input) { return input.verdict && input.verdict->kind == VerdictKind::invalid; }
bool is_wrong(const ReportInput& input) { return is_invalid(input) || (input.verdict && !input.observed.empty()); }
// A file of fault notes alone holds nothing that could be wrong; a run without operations, or a file without events, failed to record.
bool is_empty(const ReportInput& input) {
  if (input.verdict && !input.verdict->unfinished.empty()) return false;
  return input.history->operation_count() == 0 && (input.history->empty() || input.run.has_value());
}

std::string without_full_stop(std::string text) {
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  return text;
}

// "The search stopped at the time limit (30 s; raise it with --time-limit)".
std::string stop_text(const ReportInput& input) {
  std::string reason = input.verdict->unfinished;
  for (const KeyVerdict& key : input.verdict->by_key) {
    if (key.kind == VerdictKind::unknown && reason.empty()) reason = key.reason;
  }
  const auto at_limit = [](std::string_view name, const std::string& amount) {
    return fmt::format("The search stopped at the {} limit ({}raise it with --{}-limit)", name,
                       amount.empty() ? "" : amount + "; ", name);
  };
  if (reason == "time limit") return at_limit("time", input.time_limit ? to_text(*input.time_limit) : "");
  if (reason == "memory limit") return at_limit("memory", input.memory_limit ? bytes_text(*input.memory_limit) : "");
  return "The search stopped (" + spoken(reason) + ")";
}

std::string valid_sentence(const ReportInput& input) {
  const Coverage c = coverage(*input.history);
  const std::size_t keys = input.verdict->keys;
  const std::string where = keys > 1 ? fmt::format(" on {} keys", keys) : std::string();
  return fmt::format("{}{}{} a legal order; {} ran under a fault, {} ended info.",
                     c.operations == 1 ? "The only operation" : fmt::format("All {} operations", c.operations), where,
                     c.operations == 1 ? " fits" : " fit", percent(c.under_fault, c.operations),
                     percent(c.open, c.operations));
}

std::string unknown_sentence(const ReportInput& input) {
  const Verdict& verdict = *input.verdict;
  const KeyCounts keys = key_counts(input);
  const bool limited = std::any_of(verdict.by_key.begin(), verdict.by_key.end(), [](const KeyVerdict& key) {
    return key.kind == VerdictKind::unknown && !key.reason.empty();
  });
  if (!verdict.unfinished.empty()) return stop_text(input) + " before it had begun. Nothing is proved.";
  if (!limited && !verdict.reason.empty()) return spoken(verdict.reason);
  return fmt::format("{}: {} of {} valid, {} undecided. Nothing is proved about {}.", stop_text(input), keys.valid,
                     keys.total == 1 ? "1 key is" : fmt::format("{} keys are", keys.total),
                     keys.unknown == 1 ? "1 is" : fmt::format("{} are", keys.unknown),
                     keys.unknown == 1 ? "it" : "those");
}

std::string invalid_sentence(const ReportInput& input) {
  const std::vector<Finding> found = findings(input);
  return found.empty() || found.front().sentence.empty() ? "No legal order of the operations exists."
                                                         : found.front().sentence;
}

std::string judged_sentence(const ReportInput& input) {
  if (is_wrong(input)) return invalid_sentence(input);
  if (is_empty(input)) return "Nothing to judge: the history holds no client operations.";
  if (!input.vacuous.empty() && key_counts(input).unknown == 0) {
    return fmt::format("No requested fault had an effect ({}); {} prove nothing about it.",
                       without_full_stop(spoken(input.vacuous)),
                       counted(input.history->operation_count(), "valid operation"));
  }
  return input.verdict->kind == VerdictKind::valid ? valid_sentence(input) : unknown_sentence(input);
}

std::string interrupted_sentence(const ReportInput& input) {
  const History& history = *input.history;
  const bool timed =
      !history.empty() && history.has_times() && history.time(static_cast<EventIndex>(history.size() - 1)) != no_time;
  std::string text = "Interrupted";
  if (timed) text += " after " + to_text(history.time(static_cast<EventIndex>(history.size() - 1)).time_since_epoch());
  text += "; over the " + counted(history.operation_count(), "recorded operation") + ": ";
  if (!input.verdict) return text + "not checked.";
  if (is_invalid(input)) return text + "not linearizable. " + invalid_sentence(input);
  if (is_wrong(input)) return text + "a violation. " + invalid_sentence(input);
  if (is_empty(input)) return text + "nothing to judge.";
  return text + (input.verdict->kind == VerdictKind::valid ? "valid so far." : "undecided.");
}

bool broke(const ReportInput& input) { return input.ending == Ending::harness_failure && !is_wrong(input); }
bool unchecked(const ReportInput& input) { return input.ending == Ending::not_checked_yet || !input.verdict; }

}  // namespace

VerdictKind effective_verdict(const ReportInput& input) {
  if (input.ending == Ending::not_checked_yet || !input.verdict) return VerdictKind::unknown;
  if (is_wrong(input)) return VerdictKind::invalid;
  const bool proves_nothing = input.ending == Ending::harness_failure || is_empty(input) || !input.vacuous.empty();
  return proves_nothing ? VerdictKind::unknown : input.verdict->kind;
}

Tone tone(const ReportInput& input) {
  if (broke(input)) return Tone::broken;
  switch (effective_verdict(input)) {
    case VerdictKind::valid: return Tone::good;
    case VerdictKind::unknown: return Tone::unknown;
    case VerdictKind::invalid: return Tone::bad;
  }
  FL_ASSERT(false && "unknown verdict");
}

std::string_view glyph(Tone tone) {
  switch (tone) {
    case Tone::good: return "✓";
    case Tone::bad: return "✗";
    case Tone::unknown: return "?";
    case Tone::broken: return "!";
  }
  FL_ASSERT(false && "unknown tone");
}

std::string property(const ReportInput& input) {
  if (!is_invalid(input) && is_wrong(input))
    return input.observed.front().detector == "L" ? "convergence" : "invariant";
  const bool converges = is_invalid(input) && !input.verdict->anomalies.empty() &&
                         input.verdict->anomalies.front().name == "no-convergence";
  return converges ? "convergence" : "linearizability";
}

KeyCounts key_counts(const ReportInput& input) {
  KeyCounts counts;
  if (!input.verdict) return counts;
  for (const KeyVerdict& key : input.verdict->by_key) {
    (key.kind == VerdictKind::valid     ? counts.valid
     : key.kind == VerdictKind::invalid ? counts.invalid
                                        : counts.unknown) += 1;
  }
  counts.total = std::max(input.verdict->keys, input.verdict->by_key.size());
  return counts;
}

std::vector<Finding> findings(const ReportInput& input) {
  std::vector<Finding> found;
  const auto add_observed = [&] {
    for (const Observation& seen : input.observed)
      found.push_back({seen.detector, spoken(seen.sentence), {}, nullptr, 1});
  };
  if (!is_invalid(input)) {
    if (is_wrong(input)) add_observed();
    return found;
  }
  for (const Anomaly& anomaly : input.verdict->anomalies) {
    const auto same =
        std::find_if(found.begin(), found.end(), [&](const Finding& f) { return f.name == anomaly.name; });
    if (same == found.end()) {
      found.push_back({anomaly.name, spoken(anomaly.sentence), anomaly.key, &anomaly, 1});
    } else {
      ++same->count;
    }
  }
  if (found.empty()) {
    const auto& keys = input.verdict->by_key;
    const auto invalid = static_cast<std::size_t>(
        std::count_if(keys.begin(), keys.end(), [](const KeyVerdict& k) { return k.kind == VerdictKind::invalid; }));
    const Value key = invalid > 0 && keys.front().kind == VerdictKind::invalid ? keys.front().key : Value();
    found.push_back({"no-legal-order", spoken(input.verdict->reason), key, nullptr, std::max<std::size_t>(invalid, 1)});
  }
  add_observed();
  return found;
}

Coverage coverage(const History& history) {
  Coverage c;
  c.operations = history.operation_count();
  // Bands joined to disjoint intervals of events, so that one binary search decides each operation.
  std::vector<std::pair<EventIndex, EventIndex>> joined;
  for (const FaultBand& band : fault_bands(history)) {
    if (!joined.empty() && band.from <= joined.back().second) {
      joined.back().second = std::max(joined.back().second, band.to);
    } else {
      joined.emplace_back(band.from, band.to);
    }
  }
  for (OperationIndex o = 0; o < c.operations; ++o) {
    const Outcome outcome = history.outcome(o);
    (outcome == Outcome::ok ? c.ok : outcome == Outcome::fail ? c.fail : c.open) += 1;
    const EventIndex began = history.invoked(o);
    const EventIndex ended = history.completed(o) == none ? began : history.completed(o);
    const auto after = std::upper_bound(joined.begin(), joined.end(), ended,
                                        [](EventIndex e, const auto& band) { return e < band.first; });
    if (after != joined.begin() && std::prev(after)->second >= began) ++c.under_fault;
  }
  return c;
}

std::string report_file(const ReportInput& input) {
  return input.run && input.report_path.empty() ? input.run->directory + "/report.html" : input.report_path;
}

std::string minimal_file(const ReportInput& input) {
  return input.run && input.minimal_path.empty() ? input.run->directory + "/minimal.jsonl" : input.minimal_path;
}

std::string certificate_file(const ReportInput& input) {
  return input.run && input.certificate_path.empty() ? input.run->directory + "/certificate.json"
                                                     : input.certificate_path;
}

std::string history_file(const ReportInput& input) {
  return input.run && input.source.empty() ? input.run->directory + "/history.jsonl" : input.source;
}

std::vector<Command> commands(const ReportInput& input) {
  std::vector<Command> list;
  if (input.run) {
    const std::string repeat = input.run->repeat.empty() ? "faultline replay " + shell_quoted(input.run->directory)
                                                         : spoken(input.run->repeat);
    list.push_back({repeat, input.run->exact_repeat ? "exact: every step the same"
                                                    : "same schedule only: a live system may answer otherwise"});
  }
  const bool unjudged = unchecked(input);
  if (input.run && unjudged)
    list.push_back({"faultline report " + shell_quoted(input.run->directory), "judges what is recorded"});
  const std::string model =
      input.verdict && !input.verdict->model.empty() ? " --model " + shell_quoted(input.verdict->model) : std::string();
  const std::string options = input.model_options.empty() ? std::string() : " " + spoken(input.model_options);
  const bool shrunk = is_invalid(input) && !input.verdict->anomalies.empty() && !minimal_file(input).empty();
  if (shrunk) {
    list.push_back({"faultline check " + shell_quoted(minimal_file(input)) + model + options, "exit 1"});
  } else if (!input.run || !unjudged) {
    list.push_back({"faultline check " + shell_quoted(history_file(input)) + model + options,
                    unjudged ? ""
                             : fmt::format("exit {}", is_invalid(input)                           ? 1
                                                      : input.verdict->kind == VerdictKind::valid ? 0
                                                                                                  : 2)});
  }
  const bool decided = !unjudged && input.verdict->kind != VerdictKind::unknown;
  if (decided && !certificate_file(input).empty()) {
    list.push_back(
        {"faultline verify " + shell_quoted(history_file(input)) + " " + shell_quoted(certificate_file(input)),
         "by independent code"});
  }
  for (Command& command : list) command.line = spoken(command.line);
  return list;
}

}  // namespace reports

using namespace reports;

int exit_code(const ReportInput& input) {
  if (input.ending == Ending::interrupted) return 130;
  if (broke(input)) return 3;
  const VerdictKind kind = effective_verdict(input);
  return kind == VerdictKind::invalid ? 1 : kind == VerdictKind::unknown ? 2 : 0;
}

std::string headline(const ReportInput& input) {
  const std::string mark = std::string(glyph(tone(input))) + " ";
  if (broke(input)) return mark + "Harness error";
  if (unchecked(input)) return mark + (input.ending == Ending::not_checked_yet ? "Not checked yet" : "Not checked");
  switch (effective_verdict(input)) {
    case VerdictKind::valid:
      return mark + (input.ending == Ending::interrupted ? "Linearizable so far" : "Linearizable");
    case VerdictKind::unknown: return mark + "Unknown";
    case VerdictKind::invalid:
      return mark + (property(input) == "convergence" ? "Did not converge"
                     : property(input) == "invariant" ? "An invariant does not hold"
                                                      : "Not linearizable");
  }
  FL_ASSERT(false && "unknown verdict");
}

std::string contradiction(const ReportInput& input) {
  const std::string recorded = counted(input.history->operation_count(), "operation");
  if (broke(input)) {
    return fmt::format("The run broke before it could be judged: {}. {} {} recorded.",
                       without_full_stop(spoken(input.failure)), recorded,
                       input.history->operation_count() == 1 ? "was" : "were");
  }
  if (input.ending == Ending::interrupted) return interrupted_sentence(input);
  if (unchecked(input))
    return "The verdict is still open: " + recorded + " recorded so far, and the checker has not judged them yet.";
  return judged_sentence(input);
}

}  // namespace faultline
