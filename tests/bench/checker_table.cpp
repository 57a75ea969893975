// Prints the checker's table of figures: for each row, check time and memory, and whether the figure set for it is met.
//
//   checker_table [--json FILE] [--only TEXT]
//
// Each row runs in a process of its own, so that its peak of resident memory is its own: what the process grew by from the moment
// the history was in memory. Time is processor time of one thread. With --json the same as one array of objects, to compare runs by.
#include "checker_table.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

namespace faultline::bench {

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

namespace {

// In bytes; a field of /proc/self/status, which tells kilobytes.
std::uint64_t status(std::string_view field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field)) return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

struct Outcome {
  char verdict[16] = "crashed";
  char engine[32] = "";
  std::size_t operations = 0;
  double seconds = 0;
  std::uint64_t engine_bytes = 0;
  std::uint64_t grown_bytes = 0;
};

Outcome measure_here(const Row& row) {
  std::uint64_t before = 0;
  const Measured measured = row.run([&] {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    before = status("VmRSS:");
  });
  Outcome outcome;
  std::snprintf(outcome.verdict, sizeof outcome.verdict, "%s", measured.verdict.c_str());
  std::snprintf(outcome.engine, sizeof outcome.engine, "%s", measured.engine.c_str());
  outcome.operations = measured.operations;
  outcome.seconds = measured.seconds;
  outcome.engine_bytes = measured.engine_bytes;
  outcome.grown_bytes = status("VmHWM:") - before;
  return outcome;
}

Outcome measure(const Row& row) {
  int ends[2];
  Outcome outcome;
  if (pipe(ends) != 0) return outcome;
  const pid_t child = fork();
  if (child == 0) {
    const Outcome mine = measure_here(row);
    const bool sent = write(ends[1], &mine, sizeof mine) == static_cast<ssize_t>(sizeof mine);
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  Outcome theirs;
  if (child > 0 && read(ends[0], &theirs, sizeof theirs) == static_cast<ssize_t>(sizeof theirs)) outcome = theirs;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return outcome;
}

std::string_view met(const Row& row, const Outcome& outcome) {
  if (!row.expected.empty() && row.expected != outcome.verdict) return "WRONG";
  if (std::strcmp(outcome.verdict, "crashed") == 0) return "CRASHED";
  if (row.seconds_at_most > 0 && outcome.seconds > row.seconds_at_most) return "slow";
  if (row.bytes_at_most > 0 && outcome.grown_bytes > row.bytes_at_most) return "large";
  return row.seconds_at_most > 0 ? "met" : "-";
}

std::string json(const Row& row, const Outcome& o) {
  return fmt::format(
      R"({{"row":"{}","verdict":"{}","engine":"{}","operations":{},"seconds_check":{:.6f},"seconds_at_most":{},)"
      R"("bytes_grown":{},"bytes_engine":{},"bytes_at_most":{},"met":"{}"}})",
      row.name, o.verdict, o.engine, o.operations, o.seconds, row.seconds_at_most, o.grown_bytes, o.engine_bytes,
      row.bytes_at_most, met(row, o));
}

int run(int argc, char** argv) {
  std::string json_file;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if ((flag != "--json" && flag != "--only") || i + 1 == argc) {
      fmt::print(stderr, "usage: checker_table [--json FILE] [--only TEXT]\n");
      return 64;
    }
    (flag == "--json" ? json_file : only) = argv[++i];
  }
  Table table;
  add_register_rows(table);
  fmt::print("{:58} {:>8} {:>12} {:>10} {:>8} {:>8} {:>8} {:>7}  {}\n", "history", "verdict", "engine", "check s",
             "at most", "MB", "engine", "at most", "");
  std::string objects;
  bool all = true;
  for (const Row& row : table) {
    if (row.name.find(only) == std::string::npos) continue;
    const Outcome o = measure(row);
    const auto figure = [](double x) { return x > 0 ? fmt::format("{:g}", x) : std::string("-"); };
    fmt::print("{:58} {:>8} {:>12} {:>10.4f} {:>8} {:>8.1f} {:>8.1f} {:>7}  {}\n", row.name, o.verdict, o.engine,
               o.seconds, figure(row.seconds_at_most), static_cast<double>(o.grown_bytes) / 1e6,
               static_cast<double>(o.engine_bytes) / 1e6, figure(static_cast<double>(row.bytes_at_most) / 1e6),
               met(row, o));
    std::fflush(stdout);
    objects += (objects.empty() ? "[\n" : ",\n") + json(row, o);
    all = all && (met(row, o) == "met" || met(row, o) == "-");
  }
  if (!json_file.empty()) std::ofstream(json_file) << (objects.empty() ? "[" : objects) << "\n]\n";
  return all ? 0 : 1;
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) { return faultline::bench::run(argc, argv); }
