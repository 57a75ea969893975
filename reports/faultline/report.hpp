// Reports: from a history and its verdict to bytes: terminal text, JSON, JUnit, Markdown and one self-contained HTML page.
//
// Everything here is pure: same input, same bytes; the caller writes files and knows the time. Every value, node name, error and log
// line comes from a system that may be broken or hostile; each format escapes it in its own way (see the .cpp of the format).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <faultline/history.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

// How a run or check ended; decides glyph, word and exit code together with the verdict.
enum class Ending : std::uint8_t {
  judged,           // the verdict counts
  not_checked_yet,  // written before the checker starts, so that a killed process leaves a page
  interrupted,      // Ctrl-C: the verdict counts for what was recorded, if there is one
  harness_failure   // the run broke before it could be judged; `failure` says how
};

// What a kind of fault did during a run.
struct FaultEffect {
  std::string kind;       // "partition"
  std::size_t count = 0;  // how often it was applied
  std::string effect;     // "812 packets dropped, 3 leader changes"; says so if it had none
  bool bit = true;        // false: it changed nothing
};

// What a node wrote while it was tested.
struct LogLine {
  Duration since{};  // the run's begin: the same clock as the times of the history
  std::string text;
};
struct NodeLog {
  std::string node;
  std::string file;
  std::vector<LogLine> lines;
  std::uint64_t bytes_left_out = 0;  // at the file's beginning, because it is too long
};
// How far a node's clock was off at a moment of the run, as the nemesis read it back; between two of them it moved evenly.
struct ClockOffset {
  std::string node;
  Instant time{};
  double seconds = 0;
  bool wall = true;  // false: only the monotonic clock, which stamps no log
};
// In order of time; empty for a history whose notes tell none, or without times.
std::vector<ClockOffset> clock_offsets(const History& history);

// How the stamps of a daemon's log relate to the clock of the run.
struct LogClock {
  std::int64_t began = 0;            // when the run's clock stood at 0, in nanoseconds since 1970
  Duration zone{};                   // what a stamp without an offset of its own is ahead of UTC
  std::vector<ClockOffset> offsets;  // of all nodes; a line stands where it was written, not where its bent clock says
};
// Lines of a daemon's log whose time of day is known: "2026-11-20T02:14:06.123456Z …", with a blank for the T, any number of decimals,
// an offset like +01:00, at the beginning of the line or in a JSON field "ts" or "time"; or nanoseconds since 1970 in a JSON field
// "wall". A line without a time belongs to the one before it; one with whole seconds stands at the earliest moment it may mean.
NodeLog parse_node_log(std::string node, std::string file, std::string_view bytes, const LogClock& clock);

struct RunInfo {          // absent for `check`
  std::string directory;  // as given to the user: "runs/register/20261120T021406Z"
  std::string target;     // "etcd"
  std::string workload;   // "register"
  std::vector<std::string> nemesis;
  std::uint64_t seed = 0;
  std::size_t nodes = 0;
  std::size_t concurrency = 0;
  std::vector<FaultEffect> faults;
  std::size_t leader_changes = 0;
  std::map<std::string, std::string> versions;                 // what the target says of itself
  std::vector<std::pair<std::string, std::string>> artefacts;  // file name, sha256
  std::string repeat;         // the command that repeats the run; empty: "faultline replay DIRECTORY"
  bool exact_repeat = false;  // the simulator repeats every step; a live run only its schedule
  std::vector<NodeLog> logs;  // what the nodes wrote, drawn on the time axis of the history
};

// What the check during a run saw, before the check after it.
struct OnlineFinding {
  Value key;
  EventIndex event = none;  // the completion no order explains any more
  Instant time = no_time;   // of that event
  Instant found = no_time;  // when the run knew
};
struct OnlineInfo {
  std::vector<OnlineFinding> violations;  // in order of finding; one per key
  Instant stopped = no_time;              // when the run stopped because of the first; no_time: it went on, or none
  std::size_t keys = 0;
  std::size_t keys_relaxed = 0;   // watched by a relaxation alone, which may miss violations
  std::size_t keys_given_up = 0;  // left to the check after the run
  std::string reason;             // why the first of them was
};

// What a watcher inside the system saw, beside the history: an invariant that did not hold, a healed group that did not converge.
struct Observation {
  std::string detector;  // "I:SMS", "L"
  std::string sentence;
};

struct ReportInput {
  const History* history = nullptr;  // never null
  std::optional<Verdict> verdict;    // absent when nothing was judged
  Ending ending = Ending::judged;
  std::string failure;  // for harness_failure: one sentence naming node, log and remedy
  std::string vacuous;  // not empty: no requested fault had an effect, for this reason; the verdict is then unknown
  std::optional<RunInfo> run;
  std::optional<OnlineInfo> online;  // of a run that was watched
  std::vector<Observation>
      observed;                    // of a simulated run, worst first; any of them is a violation, whatever the verdict
  std::vector<std::string> story;  // how it came to that, as numbered sentences; of a simulated run
  std::string source;              // the history's file as the user named it
  std::string model_options;       // extra flags of the check command to repeat: "--failed-cas observe"
  bool certificate_verified = false;
  std::string utc;                          // "2026-11-20 02:14:06 UTC", when the run or check began
  std::map<std::string, std::string> tool;  // "version", "commit", "compiler"
  Duration seconds_parse{};
  std::uint64_t peak_rss_bytes = 0;
  // Limits the search was given, so that an unknown verdict can name them; absent: none.
  std::optional<Duration> time_limit;
  std::optional<std::uint64_t> memory_limit;
  // Files as the user would name them. Of a run all are in its directory and may be left empty here; of a check an empty one was
  // not written.
  std::string report_path;
  std::string minimal_path;
  std::string certificate_path;
};

// 0 valid, 1 violation, 2 unknown, 3 harness failure, 130 interrupted.
int exit_code(const ReportInput& input);
// The first sentence of every format.
std::string headline(const ReportInput& input);  // "✗ Not linearizable"
std::string contradiction(const ReportInput& input);

struct TerminalStyle {
  bool colour = false;
  bool utf8 = true;
};
std::string render_terminal(const ReportInput& input, const TerminalStyle& style);
std::string render_verdict_json(const ReportInput& input);  // also what --json prints
std::string render_report_json(const ReportInput& input);   // what the page shows beside the verdict
std::string render_html(const ReportInput& input);
// The same page piece by piece, so that a long history needs no second copy in memory.
using ReportSink = std::function<void(std::string_view)>;
void write_html(const ReportInput& input, const ReportSink& sink);
std::string render_markdown(const ReportInput& input);
std::string render_junit(const ReportInput& input);
// Workflow commands of GitHub Actions: at most 10 `::error` lines, worst first, the tenth "and N more". Empty if the verdict is valid.
std::string render_annotations(const ReportInput& input);
// The page of `faultline serve`: the same bytes whatever runs there are, which its script asks for. `policy` goes into the header of the
// answer that carries it.
struct RunsPage {
  std::string html;
  std::string policy;
};
RunsPage render_runs_page();
// The core and its context of one anomaly as a native history: core operations as they were, context operations as `info`.
std::string render_minimal_jsonl(const History& history, const Anomaly& anomaly);

}  // namespace faultline
