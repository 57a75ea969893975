// Plays: decisions that belong together, aimed at the moments when a consensus protocol is weakest. What independent faults meet by chance
// once in thousands of runs, a play brings about in most: it names its nodes, and its decisions follow each other by events, or within a
// few election timeouts.
//
//   churn   each new leader, soon after its election, is cut off, deaf or mute, paused, killed or without power for a while   Raft Figure 8
//   lease   clocks are bent as far as was promised, or walls jump; each new leader is cut off while its clients still ask it  D §6.4.1
//   bounce  two nodes lose sight of each other, and the nodes between them restart again and again                            D §6.4.1
//   rot     a file rots on a disk whose node is down; a failed fsync is followed by a power loss                              Figure 2
//   change  members come and go while leaders are cut off                                                                     §6, D §4
//   deaf    one node is heard and hears nothing, or the other way round, to the end of the run and beyond                     D §6.2, §9.6
//   tails   a leader goes on with a minority until they have a tail of their own; it is back, and leads again with others   Figure 7
//   late    a leader gets all answers at once and late, when another may lead already                                        §8
//
// Only for worlds that know events: without frames of ScheduleOptions there are no plays.
#pragma once

#include <faultline/swarm.hpp>

namespace faultline {

struct Drawn {
  Duration at;  // where it stands among the others; decisions at events have no time of their own
  Decision decision;
};

// Appends the plays of one run. Each draws from a stream of its own.
void draw_plays(const ScheduleOptions& options, const Taste* taste, std::vector<Drawn>& all);

}  // namespace faultline
