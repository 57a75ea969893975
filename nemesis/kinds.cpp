// The kinds: what can be done to a system, and what shows that it bit.
#include <faultline/nemesis.hpp>

#include <algorithm>
#include <array>

namespace faultline {

namespace {

constexpr std::array<Evidence, 3> partition{{{"dropped_packets", "packets dropped"},
                                             {"held_bytes", "bytes held back"},
                                             {"cut_connections", "connections cut"}}};
constexpr std::array<Evidence, 3> kill{{{"killed", "daemons killed"},
                                        {"rolled_back_pages", "unsynced pages lost"},
                                        {"undone_entries", "unsynced directory entries lost"}}};
constexpr std::array<Evidence, 1> restart{{{"restarted", "daemons restarted in turn"}}};
constexpr std::array<Evidence, 1> upgrade{{{"upgraded", "daemons of another version"}}};
constexpr std::array<Evidence, 1> pause{{{"paused", "daemons paused"}}};
constexpr std::array<Evidence, 2> membership{{{"removed", "members removed"}, {"added", "members added"}}};
constexpr std::array<Evidence, 1> clog{{{"held_packets", "packets held back"}}};
constexpr std::array<Evidence, 6> packet{{{"delayed_packets", "packets delayed"},
                                          {"lost_packets", "packets lost"},
                                          {"duplicated_packets", "packets doubled"},
                                          {"reordered_packets", "packets reordered"},
                                          {"corrupted_packets", "packets corrupted"},
                                          {"throttled_packets", "packets throttled"}}};
constexpr std::array<Evidence, 3> crash_point{{{"crashed", "daemons crashed at the call"},
                                               {"rolled_back_pages", "unsynced pages lost"},
                                               {"undone_entries", "unsynced directory entries lost"}}};
constexpr std::array<Evidence, 1> clock_reads{{{"clock_reads", "reads of a false clock"}}};
constexpr std::array<Evidence, 1> io_error{{{"io_errors", "calls failed"}}};
constexpr std::array<Evidence, 2> fsync_error{
    {{"failed_syncs", "syncs failed"}, {"dropped_pages", "pages dropped by a failed sync"}}};
constexpr std::array<Evidence, 1> enospc{{{"refused_writes", "writes refused for want of space"}}};
constexpr std::array<Evidence, 1> slow_disk{{{"slowed_calls", "disk calls slowed down"}}};
constexpr std::array<Evidence, 1> bit_flip{{{"flipped_bits", "bits flipped"}}};
constexpr std::array<Evidence, 1> truncated{{{"truncated_bytes", "bytes cut off"}}};
constexpr std::array<Evidence, 1> wipe{{{"wiped", "data directories removed"}}};
constexpr std::array<Evidence, 1> pressure{{{"slowed_events", "events slowed down"}}};

constexpr std::array<Kind, 19> all{{
    {"partition", "orange", "cuts the network between nodes, in all shapes", partition},
    {"kill", "vermillion", "kills daemons (SIGKILL, or a power loss) and starts them again", kill},
    {"restart", "vermillion", "stops daemons and starts them again, each once the one before is ready", restart},
    {"upgrade", "bluish-green", "goes on with another version of the daemon, node by node", upgrade},
    {"pause", "sky-blue", "stops daemons (SIGSTOP) and lets them go on", pause},
    {"membership", "bluish-green", "removes a member or adds a new one, then brings the old ones back", membership},
    {"clog", "orange", "holds what a link carries and delivers it late", clog},
    {"swizzle_clog", "orange", "clogs nodes one after the other, and unclogs them in another order", clog},
    {"packet", "yellow", "delays, loses, doubles, reorders, corrupts packets, or limits their rate", packet},
    {"crash_point", "vermillion", "kills a daemon before or after its n-th call of the disk", crash_point},
    {"clock", "reddish-purple", "sets, bends or stops the clocks of nodes", clock_reads},
    {"io_error", "blue", "lets calls of the disk fail", io_error},
    {"fsync_error", "blue", "lets a sync fail, its pages dropped or kept", fsync_error},
    {"enospc", "blue", "fills the disk", enospc},
    {"slow_disk", "blue", "slows the disk down", slow_disk},
    {"bit_flip", "black", "flips bits on the disk", bit_flip},
    {"truncate", "black", "cuts off the ends of files", truncated},
    {"wipe", "black", "removes the data directory of a node", wipe},
    {"pressure", "yellow", "lets nodes run slowly", pressure},
}};

}  // namespace

std::span<const Kind> kinds() { return all; }

const Kind* find_kind(std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Kind& kind) { return kind.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace faultline
