// What `raftd dump FILE` prints: a log segment or a snapshot, record by record, with everything that is wrong marked `ERROR`.
//
// Goes on after an error at the next record that is consistent in itself. Reads only.
#pragma once

#include <faultline/raft/storage/disk.hpp>
#include <faultline/raft/types.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace faultline::raft::storage {

struct DumpOptions {
  std::function<void(std::string_view line)> line;  // one call per line, without its newline
  std::function<std::string(const Entry& entry)>
      describe;  // what an entry's bytes mean; none: their length and first bytes
};

// The number of errors found. An environment error if the file cannot be read or is neither.
Result<std::uint64_t> dump(Disk& disk, const std::string& path, const DumpOptions& options);

}  // namespace faultline::raft::storage
