// What a simulated run costs: the rows of tests/bench/simulator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace faultline::bench {

struct Cost {
  std::size_t operations = 0;  // completed, whatever their result
  std::uint64_t events = 0;
  double simulated = 0;  // seconds of virtual time
  double seconds = 0;    // of processor time
};

// The world alone, until so many operations are done.
Cost cost_of_world(std::size_t operations);

}  // namespace faultline::bench
