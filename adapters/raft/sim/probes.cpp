#include "probes.hpp"

#include <faultline/assert.hpp>

namespace faultline::raft::sim {

std::string_view to_text(Probe probe) {
  switch (probe) {
    case Probe::boot_refused: return "node refused to start";
    case Probe::boot_from_snapshot: return "node started from a snapshot";
    case Probe::boot_with_torn_tail: return "node started with a torn tail";
    case Probe::boot_without_last_entries: return "node started without entries that were not yet synced";
    case Probe::crash_with_jobs_outstanding: return "node died with the disk behind";
    case Probe::disk_failed: return "disk failed and ended the node";
    case Probe::amnesia_refused: return "wiped node refused to take part";
    case Probe::two_believe_they_lead: return "two nodes believed they lead";
    case Probe::led_without_quorum: return "leader stepped down for want of a quorum";
    case Probe::leader_with_older_terms_uncommitted: return "leader elected with entries of older terms uncommitted";
    case Probe::older_term_committed_by_newer: return "entry of an older term committed through a newer one";
    case Probe::suffix_cut: return "log suffix cut";
    case Probe::suffix_of_several_terms_cut: return "log suffix of several terms cut";
    case Probe::term_changed_before_append_was_durable: return "term changed between append and its sync";
    case Probe::jobs_shared_a_sync: return "several jobs shared a sync";
    case Probe::stepped_down_with_reads_pending: return "leader stepped down with reads pending";
    case Probe::stepped_down_with_entries_uncommitted: return "leader stepped down with entries uncommitted";
    case Probe::read_answered_by_follower: return "read answered by a follower";
    case Probe::read_lease_answered: return "read answered by a leader under lease";
    case Probe::read_answered_by_leader: return "read answered by a leader after a round";
    case Probe::read_overtaken_by_commits: return "commits overtook a read";
    case Probe::command_forwarded: return "command forwarded to the leader";
    case Probe::snapshot_taken: return "snapshot taken";
    case Probe::snapshot_installed: return "snapshot installed";
    case Probe::snapshot_installed_with_jobs_outstanding: return "snapshot installed with the disk behind";
    case Probe::snapshot_sent_in_chunks: return "snapshot sent in several chunks";
    case Probe::segment_rotated: return "log segment begun";
    case Probe::joint_configuration: return "joint configuration entered";
    case Probe::leader_elected_in_joint_configuration: return "leader elected in a joint configuration";
    case Probe::configuration_cut: return "configuration cut from a log";
    case Probe::leader_removed: return "leader removed from its group";
    case Probe::session_command_repeated: return "command of a session repeated";
    case Probe::request_refused_for_space: return "write refused for want of space";
    case Probe::count_: break;
  }
  FL_ASSERT(false && "no such probe");
}

std::map<std::string, std::uint64_t> Probes::by_name() const {
  std::map<std::string, std::uint64_t> counts;
  for (std::size_t i = 0; i < probe_count; ++i) counts.emplace(to_text(static_cast<Probe>(i)), counts_[i]);
  return counts;
}

}  // namespace faultline::raft::sim
