// Rules: which faults are on the disk, and what they say to a call. One owner; the supervisor's lock guards it.
#pragma once

#include <faultline/live/disk.hpp>

#include <map>
#include <optional>
#include <string>

namespace faultline::live::disk {

class Rules {
 public:
  explicit Rules(std::uint64_t seed) : rng_(seed) {}

  DiskSupervisor::RuleId add(DiskRule rule);
  DiskRuleEffect remove(DiskSupervisor::RuleId id);
  [[nodiscard]] DiskRuleEffect effect(DiskSupervisor::RuleId id) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }

  // How much longer the call takes; counts it.
  Duration delay();
  // The crash point this call reaches, at this edge; counts it. At most once each.
  std::function<void()> crash(DiskCall call, std::string_view path, bool after);
  // The watch that this call meets, at this edge; tells of it. At most once each.
  const WatchRule* watch(DiskCall call, std::string_view path, bool after);
  // The error that this read, or write, gets; 0: none.
  int error(DiskCall call, std::string_view path);
  struct FailedSync {
    int error = 0;  // 0: it does not fail
    bool drops_pages = false;
    DiskSupervisor::RuleId rule = 0;
  };
  FailedSync sync(std::string_view path);
  void dropped(DiskSupervisor::RuleId rule, std::uint64_t pages);
  // How many of `wanted` further bytes still fit; takes them. Counts a refusal if not all do.
  std::uint64_t take_space(std::uint64_t wanted);
  void give_space(std::uint64_t bytes);

 private:
  struct Active {
    DiskRule rule;
    DiskRuleEffect effect;
    std::uint64_t seen = 0;
    bool fired = false;
  };
  std::map<DiskSupervisor::RuleId, Active> rules_;
  DiskSupervisor::RuleId next_ = 1;
  Rng rng_;
};

}  // namespace faultline::live::disk
