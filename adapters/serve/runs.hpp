// The runs below a folder, as a list: what verdict.json says of each, and of those that go on how far they are.
//
// A folder is a run if it holds run.toml, simulation.json or verdict.json; runs are looked for four folders deep, links are not followed.
// What a run says is remembered until its verdict.json or history.jsonl changes, so a list of thousands costs one look at each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace faultline::serve {

class Runs {
 public:
  explicit Runs(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // {"schema":1,"dir":…,"left_out":N,"runs":[{path, utc, verdict, ending, headline, reason, target, workload, nemesis, faults, seed,
  //  operations, seconds, files, progress}]}, newest first; what a run does not say is null.
  nlohmann::json list();
  // [{path, …progress.json}] of runs that go on; those known from the last list() alone.
  [[nodiscard]] nlohmann::json live() const;

 private:
  struct Remembered {
    std::uint64_t stamp = 0;
    nlohmann::json summary;
  };
  using Parts = std::vector<std::string>;

  void look(const Parts& folder, std::vector<Parts>& found) const;
  [[nodiscard]] nlohmann::json summary_of(const Parts& run) const;
  [[nodiscard]] nlohmann::json progress_of(const Parts& run) const;

  std::filesystem::path directory_;
  std::map<std::string, Remembered> known_;
};

}  // namespace faultline::serve
