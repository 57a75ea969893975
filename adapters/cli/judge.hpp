// Judging: from a recorded history to a verdict, its certificate, and every file that follows from them.
//
// Shared by `run`, `check` and `report`, so that the same history always gets the same words.
#pragma once

#include <faultline/certificate.hpp>
#include <faultline/checker.hpp>
#include <faultline/report.hpp>

#include <filesystem>
#include <optional>
#include <string>

#include "console.hpp"
#include "settings.hpp"
#include "system.hpp"

namespace faultline::cli {

struct Limits {
  std::optional<Duration> time;  // since `since`
  std::uint64_t memory = 0;      // of the whole process
  unsigned threads = 1;
  Stopwatch since;                                             // when the budget began: before the history was parsed
  std::function<void(const CheckProgress&)> on_progress = {};  // who else wants to know how far the search is
};
// Bytes that this process holds now.
std::uint64_t rss_now();

// From --threads, --memory-limit and the named time limit.
Limits limits_of(const Settings& settings, std::string_view time_limit, Stopwatch since);

struct Judgement {
  Verdict verdict;
  std::optional<Certificate> certificate;  // of a decided verdict
  bool certificate_verified = false;       // the independent verifier confirmed it
};

// Judges within the limits, showing progress; `certify` also makes and verifies the certificate.
// Ctrl-C ends the search: the verdict is then unknown for what was not decided.
Result<Judgement> judge(const History& history, const std::string& model, CheckOptions options, const Limits& limits,
                        bool certify, Console& console);

// The model of the catalogue that knows every operation of the history: the first of register, cas-register, kv, mutex (fenced-mutex if
// acquisitions return integers), set, counter, fifo-queue, stack,
// unique-ids, append-list. The error lists what the history does and which models there are.
Result<std::string> choose_model(const History& history);

// Fills in what every report says of the tool and the machine.
void describe_tool(ReportInput& input);

// minimal.jsonl, certificate.json, verdict.json, report.json, summary.md, junit.xml and report.html in a run directory, whatever the
// outcome; files that do not apply are removed. Fills in the artefacts of input.run, once there is a verdict to go with them.
Result<void> write_run_files(const std::filesystem::path& directory, ReportInput& input,
                             const std::optional<Certificate>& certificate);
// The page, piece by piece.
Result<void> write_page(const std::filesystem::path& file, const ReportInput& input);

// Under GitHub Actions: what is wrong, as annotations on stderr.
void annotate(const ReportInput& input, Console& console);
// The last words on stdout: the terminal report, or the JSON object under --json; and the annotations.
void print_result(const ReportInput& input, Console& console);

// Starts the desktop's opener on a file or an address, if there is one; failure is only logged.
void open_in_browser(const std::string& what, Console& console);

}  // namespace faultline::cli
