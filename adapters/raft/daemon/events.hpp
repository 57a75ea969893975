// The log of events: one JSON line each, {"wall":…,"mono":…,"node":1,"term":3,"event":"role","text":"leader in term 3, …"}; both times in ns.
// Written at once, so that a killed daemon's last words are there. Any thread.
#pragma once

#include <faultline/raft/types.hpp>
#include <faultline/result.hpp>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string_view>

namespace faultline::raft::daemon {

class Events {
 public:
  explicit Events(NodeId node) : node_(node) {}
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // Empty: stdout.
  Result<void> open(const std::filesystem::path& file);
  void write(std::string_view kind, std::string_view text);
  void set_term(Term term) { term_ = term.value; }

 private:
  NodeId node_;
  std::atomic<std::uint64_t> term_{0};
  std::mutex mutex_;
  int file_ = 1;
};

}  // namespace faultline::raft::daemon
