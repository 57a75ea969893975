// Rows of the checker's table of figures: what is checked, within which time and memory. A file of rows fills a Table; the
// printer measures each row in a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace faultline::bench {

// One measurement, made in the child: everything a check does once the history is in memory.
struct Measured {
  std::string verdict;
  std::string engine;
  std::size_t operations = 0;
  double seconds = 0;              // checking, the median where a row repeats itself
  std::uint64_t engine_bytes = 0;  // as the engine counts
};

struct Row {
  std::string name;
  double seconds_at_most = 0;  // 0: no figure is set
  std::uint64_t bytes_at_most = 0;
  std::string expected;  // verdict; empty: any
  // Prepares its history, calls `begin` and checks. Nothing before `begin` counts as memory or time.
  std::function<Measured(const std::function<void()>& begin)> run;
};

using Table = std::vector<Row>;

// checker_rows_register.cpp
void add_register_rows(Table& table);

// Seconds of processor time this process has used: other processes of a busy machine do not count.
double processor_seconds();

}  // namespace faultline::bench
