// report_page OPERATIONS FILE: writes the page of a long history, and says what that took: one line for the table of README.md.
//
// The history is the one that the browser tests open (tests/reports/page_samples.cpp): 50 workers, 20 keys, faults, one read that nobody
// explains. What is timed is writing alone, by the wall and by the processor; memory is the peak of the process, history included.
#include <sys/resource.h>

#include <faultline/report.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/reports/samples.hpp"

namespace {

constexpr double megabyte = 1e6;

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / megabyte;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / megabyte;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t operations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (operations < 10 || argc != 3) {
    std::fputs("usage: report_page OPERATIONS FILE     at least 10 operations\n", stderr);
    return 64;
  }
  const auto sample = faultline::samples::sized(operations);
  const double before = peak_megabytes();
  std::ofstream file(argv[2], std::ios::binary);
  const auto began = std::chrono::steady_clock::now();
  const double used = processor_seconds();
  faultline::write_html(sample.input, [&file](std::string_view piece) {
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
  });
  file.flush();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
  if (!file) {
    std::fprintf(stderr, "%s: cannot write it\n", argv[2]);
    return 3;
  }
  std::printf("%zu operations: %.2f s wall, %.2f s processor, page %.1f MB, peak %.0f MB (history alone %.0f MB)\n",
              operations, wall.count(), processor_seconds() - used, static_cast<double>(file.tellp()) / megabyte,
              peak_megabytes(), before);
  return 0;
}
