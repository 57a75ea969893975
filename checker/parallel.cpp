#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace faultline {

void for_each_in_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work,
                          const std::function<void()>& meanwhile) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) work(i);
    return;
  }
  constexpr auto tick = std::chrono::milliseconds(100);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable finished;
  std::size_t running = std::min<std::size_t>(threads, count);
  std::vector<std::jthread> pool;
  for (std::size_t worker = running; worker > 0; --worker) {
    pool.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) work(i);
      const std::lock_guard lock(mutex);
      --running;
      finished.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  while (!finished.wait_for(lock, tick, [&] { return running == 0; })) {
    lock.unlock();
    meanwhile();
    lock.lock();
  }
}

}  // namespace faultline
