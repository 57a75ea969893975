// Story: what the nemesis did and what happened then, as numbered sentences for a reader who has never seen the run.
//
//   1. n1 is leader of term 2. (300 ms)
//   2. n1 is cut off from n2 and n3, for 1.5 s. (800 ms)
//   3. n3 loses power; each disk loses what it had not synced. (2.1 s)
#pragma once

#include <faultline/schedule.hpp>

#include <span>
#include <string>
#include <vector>

namespace faultline {

// A line of a recorded trace. Kinds a story tells: role, elected, commit, log, boot, crash, refused, snapshot, config, violation; others
// are left out.
struct Moment {
  Instant time{};
  NodeName node;  // empty: none in particular
  std::string kind;
  std::string text;  // "n1 is leader of term 2"
};

struct StoryOptions {
  std::size_t sentences = 60;  // at most: of more, followers, candidates and boots are left out first, then
                               // the quieter events, at last the middle
};

// "n1 is cut off from n2 and n3": what the fault does, without when. Resolved or not.
std::string sentence(const Fault& fault);
// "at 2.5 s", "at the third AppendEntries from n2 to n3", "20 ms after decision 4 has ended".
std::string sentence_when(const Decision& decision);

// Decisions at times and moments, merged in order of time; decisions at events stand before everything else, as conditions.
std::vector<std::string> story(const Schedule& schedule, std::span<const Moment> moments,
                               const StoryOptions& options = {});

}  // namespace faultline
