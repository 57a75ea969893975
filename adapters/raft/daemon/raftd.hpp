// raftd: everything put together and run until a signal ends it.
#pragma once

#include "settings.hpp"

namespace faultline::raft::daemon {

// The exit code: 0 after SIGTERM or SIGINT, 3 if the disk fails, refuses, or must not be used (with the reason on stderr).
int run(Settings settings);
// `raftd dump FILE`: 0, 1 if something in the file is wrong, 3 if it cannot be read.
int dump(const std::filesystem::path& file);

}  // namespace faultline::raft::daemon
