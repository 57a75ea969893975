// Probes: situations that a campaign must have seen to be worth its name, counted per run. The observer of a run notes them from outside;
// nothing in the Raft knows of them. One that no run of a campaign ever hits is a gap.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::raft::sim {

enum class Probe : std::uint8_t {
  boot_refused,
  boot_from_snapshot,
  boot_with_torn_tail,
  boot_without_last_entries,
  crash_with_jobs_outstanding,
  disk_failed,
  amnesia_refused,
  two_believe_they_lead,
  led_without_quorum,
  leader_with_older_terms_uncommitted,
  older_term_committed_by_newer,
  suffix_cut,
  suffix_of_several_terms_cut,
  term_changed_before_append_was_durable,
  jobs_shared_a_sync,
  stepped_down_with_reads_pending,
  stepped_down_with_entries_uncommitted,
  read_answered_by_follower,
  read_lease_answered,
  read_answered_by_leader,
  read_overtaken_by_commits,
  command_forwarded,
  snapshot_taken,
  snapshot_installed,
  snapshot_installed_with_jobs_outstanding,
  snapshot_sent_in_chunks,
  segment_rotated,
  joint_configuration,
  leader_elected_in_joint_configuration,
  configuration_cut,
  leader_removed,
  session_command_repeated,
  request_refused_for_space,
  count_  // not a probe
};

inline constexpr std::size_t probe_count = static_cast<std::size_t>(Probe::count_);

// "snapshot installed while jobs were outstanding"
std::string_view to_text(Probe probe);

class Probes {
 public:
  void hit(Probe probe) { ++counts_[static_cast<std::size_t>(probe)]; }
  [[nodiscard]] std::uint64_t count(Probe probe) const { return counts_[static_cast<std::size_t>(probe)]; }
  [[nodiscard]] std::map<std::string, std::uint64_t> by_name() const;

 private:
  std::array<std::uint64_t, probe_count> counts_{};
};

}  // namespace faultline::raft::sim
