// The folder of a campaign, which is its memory: what is done is what results.jsonl says.
//
//   campaign.toml   the plan, as it was given          results.jsonl   a line about the campaign, then one per finished run, synced
//   runs/ID/…       run directories, of failures whole, of live runs that passed verdict and summary
//   index.html  campaign.json  junit.xml  summary.md  annotations.txt    written at every end, and anew by `merge`
//
// The same command again goes on: what is done stays, whatever else is in runs/ is of a run that did not finish and is run anew. A last
// line without end was cut by a crash and is taken away. One campaign at a time may work in a folder (a lock on results.jsonl).
#pragma once

#include <faultline/result.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "night/plan.hpp"
#include "night/record.hpp"
#include "night/shard.hpp"

namespace faultline::cli {

struct ResultsHeader {
  std::string plan, shard, began;  // hash; "2/4" or empty; "2026-11-20 02:14:06 UTC"
};

std::string results_header(const ResultsHeader& header, const std::string& name);  // the first line

// Where each run's line stands.
struct ResultsIndex {
  struct Entry {
    std::size_t run = 0;
    std::uint64_t offset = 0, size = 0;
  };
  std::filesystem::path path;
  ResultsHeader header;
  std::vector<Entry> entries;  // in the order of the file
  std::uint64_t whole = 0;     // bytes up to the end of the last whole line
};

// Reads headers and places of all lines; the error names file and line. Bad input: results of another plan.
Result<ResultsIndex> index_results(const std::filesystem::path& path, const night::Plan& plan);
Result<std::string> line_at(const ResultsIndex& index, const ResultsIndex::Entry& entry);

class NightFolder {
 public:
  // Makes the folder or goes on in it. Bad input: it is another campaign's, or another shard's. Environment: another process works in
  // it, or it cannot be written.
  static Result<NightFolder> open(const std::filesystem::path& path, const night::Plan& plan, std::string_view toml,
                                  const night::Shard& shard, const std::string& utc);
  NightFolder(NightFolder&& other) noexcept;
  NightFolder(const NightFolder&) = delete;
  NightFolder& operator=(const NightFolder&) = delete;
  ~NightFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const ResultsHeader& header() const { return header_; }
  [[nodiscard]] bool done(std::size_t run) const { return done_[run]; }
  [[nodiscard]] std::size_t done_count() const { return count_; }

  // On the disk when it returns. After a failure (a full disk) the file is as it was before.
  Result<void> append(const night::Record& record);

 private:
  NightFolder() = default;

  std::filesystem::path path_;
  ResultsHeader header_;
  std::vector<bool> done_;
  std::size_t count_ = 0;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

std::uint64_t folder_bytes(const std::filesystem::path& folder);
std::uint64_t free_bytes(const std::filesystem::path& folder);

}  // namespace faultline::cli
