// RoleLog: the roles a raftd takes, read from its log of events as it grows (adapters/raft/daemon/events.hpp).
#pragma once

#include <filesystem>
#include <memory>

#include <faultline/live/events.hpp>

namespace faultline::raft {

// The file need not be there yet.
std::unique_ptr<live::RoleSource> make_role_log(std::filesystem::path file);

}  // namespace faultline::raft
