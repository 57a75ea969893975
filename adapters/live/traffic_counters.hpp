// The counters of packet faults by the names that evidence has (nemesis/kinds.cpp).
#pragma once

#include <faultline/live/network.hpp>

namespace faultline::live {

void add_counters(NetworkCounters& counters, const TrafficCounters& traffic);

}  // namespace faultline::live
