// The roles of a raftd are read from its log of events, each once, however the log grows.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "adapters/raft/control/role_log.hpp"

namespace faultline::raft {
namespace {

using Roles = std::vector<std::string>;

TEST(RoleLog, TellsOfEachRoleOnceAndWaitsForTheEndOfALine) {
  const auto file = std::filesystem::temp_directory_path() / ("fl-roles-" + std::to_string(::getpid()));
  const auto log = make_role_log(file);
  EXPECT_EQ(log->taken(), Roles()) << "there is no file yet";
  std::ofstream out(file, std::ios::binary);
  const std::string head = R"({"wall":1,"mono":1,"node":1,"term":2,"event":"role","text":")";
  out << R"({"wall":1,"mono":1,"node":1,"term":2,"event":"start","text":"the role of a leader"})"
      << "\n";
  out << head << R"(candidate in term 2, leader unknown"})"
      << "\n"
      << head << std::flush;
  EXPECT_EQ(log->taken(), Roles{"candidate"});
  EXPECT_EQ(log->taken(), Roles());
  out << R"(leader in term 2, leader 1"})"
      << "\n"
      << head << R"(follower in term 3, leader 2"})"
      << "\n"
      << std::flush;
  EXPECT_EQ(log->taken(), (Roles{"leader", "follower"}));
  EXPECT_EQ(log->taken(), Roles());
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace faultline::raft
