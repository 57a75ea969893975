// progress.json of a run directory: how far a run has come, for `faultline serve` and whoever else looks on.
//
// Replaced as a whole at most twice a second and at each change of phase, so a reader always sees one whole object; removed when
// verdict.json is there. A run that was killed leaves it behind: `updated` grows old, and `pid` is nobody's.
//
//   {"schema":1,"pid":N,"phase":"run","updated":NS since 1970,"seed":N,"target":T,"workload":W,
//    "time":NS since the run began,"limit":NS,"operations":N,"ok":N,"fail":N,"info":N,"rate":operations a second, of late,
//    "faults":["partition"],"online":violations or null,"check":null or {"keys":N,"decided":N,"invalid":N,"states":N}}
//
// Best effort: a full disk costs the progress, never the run. One thread.
#pragma once

#include <faultline/checker.hpp>
#include <faultline/event.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "settings.hpp"
#include "system.hpp"

namespace faultline::cli {

class ProgressFile {
 public:
  ProgressFile(const std::filesystem::path& directory, const Settings& settings);
  ~ProgressFile();  // removes the file
  ProgressFile(const ProgressFile&) = delete;
  ProgressFile& operator=(const ProgressFile&) = delete;

  void phase(std::string_view name);
  void record(const Event& event);
  void tick(Instant now, std::optional<std::size_t> violations);
  void checked(const CheckProgress& progress);

 private:
  void write_if_due();
  void write();
  void follow_fault(const Event& event);

  std::filesystem::path file_;
  std::string seed_, target_, workload_;
  Duration limit_{};
  Stopwatch watch_;
  Duration written_ = -std::chrono::hours(1);
  std::string phase_ = "setup";
  Instant now_{};
  std::uint64_t begun_ = 0, ok_ = 0, failed_ = 0, info_ = 0;
  std::uint64_t counted_ = 0;  // completions when the rate was last taken
  Duration rated_{};
  double rate_ = 0;
  std::map<std::string, int> faults_;  // kind to how many are on
  std::optional<std::size_t> violations_;
  std::optional<CheckProgress> check_;
};

}  // namespace faultline::cli
