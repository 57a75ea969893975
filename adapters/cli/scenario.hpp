// Scenarios: a simulated run as a file that people read: what it shows, how it came to that, and every option and decision it takes to
// repeat it to the last bit.
//
//   {"scenario":1,
//    "name":"stale-read-under-partition",
//    "shows":"H:stale-read: Process 4 read …",
//    "story":["1. n1 is leader of term 2. (300 ms)", …],
//    "expect":{"signature":"H:stale-read","hash":"5f1c…"},
//    "run":{"seed":17,"nodes":3,…,"schedule":{…}}}
//
// Only `scenario` and `run` must be there. `expect` without a hash repeats the signature alone; `signature` "" expects no failure. The
// script of a planted bug (tests/mutants) expects no failure of the tree as it is, and says in `expect.bugs` what finds the bug in it:
//
//    "expect":{"signature":"","bugs":{"M04-old-term-commit":["I:LC"]}}
#pragma once

#include <faultline/raft/sim/simulation.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace faultline::cli {

struct ScenarioFile {
  std::string name, shows;
  std::vector<std::string> story;
  std::optional<std::string> signature;
  std::optional<std::uint64_t> hash;
  std::map<std::string, std::vector<std::string>> bugs;  // planted ones that this run finds, and the detectors that do
  raft::sim::SimRun run;
};

// One line for each option and decision.
std::string to_json(const ScenarioFile& scenario);
// Bad input names the file, and what is wrong in it.
Result<ScenarioFile> read_scenario(const std::filesystem::path& path);

// The scenario that this result is: its run with nothing left open, its signature, hash and story.
ScenarioFile scenario_of(const raft::sim::SimResult& result, std::string name);

// What failed, worst first: "n2 applied 17/4 …". Empty: nothing did.
std::string sentence_of(const raft::sim::SimResult& result);
// What was done and what happened, from a result with its trace.
std::vector<std::string> story_of(const raft::sim::SimResult& result);

}  // namespace faultline::cli
