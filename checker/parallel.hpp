// Threads, for the one thing the checker uses them for: independent keys. Private to checker/; the only place with threads.
#pragma once

#include <cstddef>
#include <functional>

namespace faultline {

// Calls work(i) once for each i below `count`, on up to `threads` threads that take the next index when they are free. `meanwhile` is
// called from the calling thread some ten times a second until all are done; with one thread everything runs in the calling thread and
// `meanwhile` is never called.
void for_each_in_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work,
                          const std::function<void()>& meanwhile);

}  // namespace faultline
