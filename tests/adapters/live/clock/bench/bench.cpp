// Measures for how long the threads of a busy process stop when its clocks are patched and restored.
//
//   live_clock_bench CYCLES etcd|busy [CLIENTS|THREADS]
//
// Starts the process itself (etcd under load of CLIENTS writers, or a program whose THREADS threads do nothing but read clocks), patches
// and restores it CYCLES times, every fifth with the clock jumped in between, and prints the stops in milliseconds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "tests/adapters/live/clock/etcd.hpp"
#include "tests/adapters/live/clock/support.hpp"

namespace {

using namespace faultline;
using namespace faultline::live;
using namespace std::chrono_literals;

struct Stops {
  std::vector<double> attach, restore, whole;
};

void print(const char* name, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double part) {
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
  };
  std::printf("%-24s p50 %8.3f   p99 %8.3f   max %8.3f   (%zu)\n", name, at(0.5), at(0.99), values.back(),
              values.size());
}

Result<Stops> cycle(pid_t pid, int cycles) {
  Stops stops;
  auto fault = ClockFault::attach(pid, test::no_journal);
  if (!fault) return fault.error();
  for (int i = 0; i < cycles; ++i) {
    if (i > 0) {
      const auto before = std::chrono::steady_clock::now();
      if (auto again = fault.value().reattach(test::no_journal); !again) return again.error();
      stops.whole.push_back(test::milliseconds(std::chrono::steady_clock::now() - before));
    }
    stops.attach.push_back(test::milliseconds(fault.value().stop_time()));
    if (i % 5 == 0) {
      if (auto set = fault.value().set({.kind = ClockChange::Kind::jump, .by = 60s}); !set) return set.error();
      if (auto read = fault.value().read_back(); !read) return read.error();
    }
    if (auto restored = fault.value().restore(); !restored) return restored.error();
    stops.restore.push_back(test::milliseconds(fault.value().stop_time()));
  }
  return stops;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const int cycles = std::max(2, std::atoi(argv[1]));
  const std::string what = argv[2];
  const int many = argc > 3 ? std::atoi(argv[3]) : 4;
  std::unique_ptr<test::Etcd> etcd;
  std::unique_ptr<test::Load> load;
  std::unique_ptr<test::Target> busy;
  if (what == "etcd") {
    etcd = std::make_unique<test::Etcd>();
    if (!etcd->becomes_ready()) return 3;
    load = std::make_unique<test::Load>(*etcd, many);
  } else {
    busy = std::make_unique<test::Target>(std::vector<std::string>{std::to_string(many)});
    if (busy->line() != "ready") return 3;
  }
  const auto stops = cycle(etcd ? etcd->pid() : busy->pid(), cycles);
  if (!stops) {
    std::fprintf(stderr, "%s\n", stops.error().to_string().c_str());
    return 3;
  }
  print("stopped by patching, ms", stops.value().attach);
  print("stopped by restoring, ms", stops.value().restore);
  print("patching in all, ms", stops.value().whole);
  if (load) std::printf("meanwhile %ld writes, %ld failed\n", load->done(), load->failed());
  if (etcd) std::printf("etcd %s\n", etcd->is_running() && etcd->puts() ? "serves" : "does not serve");
  if (busy) {
    for (const auto& [name, count] : busy->stats()) std::printf("%s %lu\n", name.c_str(), count);
  }
  return 0;
}
