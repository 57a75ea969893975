// Rows of the checker's table of figures: what is checked, within which time and memory. A file of rows fills a Table;
// the printer measures each row in a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace faultline::bench {

// Every figure is optional: 0 sets none.
struct Row {
  std::string name;
  std::string model;
  std::string expected;          // verdict; empty: any
  double seconds_at_most = 0;    // of checking
  double megabytes_at_most = 0;  // of 10^6 bytes: peak resident memory of the process that reads and checks
  double operations_per_second_at_least = 0;          // of reading and checking together
  double speedup_at_least = 0;                        // of four threads over one, by the wall
  std::function<void(const std::string& path)> make;  // writes a native history; empty: `files` are there
  std::vector<std::string> files;                     // recorded ones; none: not present
};

using Table = std::vector<Row>;

void add_register_rows(Table& table);  // checker_rows_register.cpp
void add_object_rows(Table& table);    // checker_rows_objects.cpp

// What was measured. Plain bytes: it comes through a pipe.
struct Outcome {
  char verdict[16] = "crashed";
  char engine[32] = "-";
  std::uint64_t operations = 0;
  double seconds_parse = 0;    // processor time
  double seconds_check = 0;    // processor time of deciding; the median of several where one is short
  double seconds_explain = 0;  // processor time to a core and its sentence, of an invalid one
  double speedup = 0;
  std::uint64_t peak_bytes = 0;      // resident, of the whole process, history included, until the verdict
  std::uint64_t baseline_bytes = 0;  // resident before it read anything
};

// Makes, reads and checks a row's histories, in this process.
Outcome measure_here(const Row& row, const std::vector<std::string>& files);

}  // namespace faultline::bench
