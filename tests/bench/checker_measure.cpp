// One row, measured in the process it has for itself: read, decide, then explain.
#include <faultline/assert.hpp>
#include <faultline/checker.hpp>
#include <faultline/formats.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "checker_table.hpp"

namespace faultline::bench {

namespace {

// Other processes of a busy machine do not count.
double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// In bytes; a field of /proc/self/status, which tells kilobytes.
std::uint64_t status(std::string_view field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field)) return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

Verdict checked(const History& history, const Row& row, const CheckOptions& options) {
  auto verdict = check(history, row.model, options);
  if (!verdict) std::fprintf(stderr, "%s\n", verdict.error().to_string().c_str());
  FL_ASSERT(verdict.ok());
  return std::move(verdict).value();
}

Duration since_start() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
}

CheckOptions options_for(Format format) {
  return {.initial = {},
          .failed_cas = FailedCas::observe,
          .nil_read = format == Format::jepsen_edn ? NilRead::unknown : NilRead::value,
          .elapsed = since_start,
          .explain = false};
}

double seconds_of(const std::function<void()>& work) {
  const double begun = processor_seconds();
  work();
  return processor_seconds() - begun;
}

// By the wall, the best of three: the machine may have other work.
double wall_seconds(const History& history, const Row& row, CheckOptions options, unsigned threads) {
  options.threads = threads;
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    checked(history, row, options);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  return best;
}

void note(Outcome& outcome, const Verdict& verdict, bool many) {
  std::snprintf(outcome.verdict, sizeof outcome.verdict, "%s",
                many ? "-" : std::string(to_string(verdict.kind)).c_str());
  std::snprintf(outcome.engine, sizeof outcome.engine, "%s", many ? "-" : verdict.engine.c_str());
}

}  // namespace

Outcome measure_here(const Row& row, const std::vector<std::string>& files) {
  Outcome outcome;
  outcome.baseline_bytes = status("VmRSS:");
  const bool many = files.size() > 1;
  for (const std::string& file : files) {
    ReadResult read;
    outcome.seconds_parse += seconds_of([&] {
      auto result = read_history_file(file);
      FL_ASSERT(result.ok());
      read = std::move(result).value();
    });
    const CheckOptions options = options_for(read.format);
    outcome.operations += read.history.operation_count();
    std::vector<double> times;
    for (double total = 0; times.empty() || (times.size() < 15 && total < 0.5); total += times.back()) {
      Verdict verdict;
      times.push_back(seconds_of([&] { verdict = checked(read.history, row, options); }));
      note(outcome, verdict, many);
      if (times.size() == 1 && !many) outcome.peak_bytes = status("VmHWM:");
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    outcome.seconds_check += times[times.size() / 2];
    if (row.expected == "invalid") {
      CheckOptions explaining = options;
      explaining.explain = true;
      outcome.seconds_explain = seconds_of([&] { checked(read.history, row, explaining); }) - outcome.seconds_check;
    }
    if (row.speedup_at_least > 0) {
      outcome.speedup = wall_seconds(read.history, row, options, 1) / wall_seconds(read.history, row, options, 4);
    }
  }
  if (many) outcome.peak_bytes = status("VmHWM:");
  return outcome;
}

}  // namespace faultline::bench
