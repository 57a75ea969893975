// What of a history a page carries, and in which lane each process is drawn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::reports {

struct PageSelection {
  std::vector<bool> carried;   // per operation
  std::size_t operations = 0;  // that are carried
  std::size_t stride = 1;      // of the rest every stride-th is; 1: all are
};
PageSelection select_operations(const ReportInput& input, std::size_t max_operations);

// Per operation, the lane it is drawn in. Up to 40 processes have one each. Of more a process keeps its lane while it lives, and a lane is given to the next process once the last
// one's final operation has ended, or has begun if it never ends. So a retired process and its successor share a lane, and there are as
// many lanes as processes were alive at once.
std::vector<std::uint32_t> lanes_of(const History& history);

}  // namespace faultline::reports
