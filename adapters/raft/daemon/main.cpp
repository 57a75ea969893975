// raftd's main: settings in, exit code out.
#include <fmt/format.h>

#include <csignal>

#include "raftd.hpp"

int main(int argc, char** argv) {
  using namespace faultline::raft::daemon;
  std::signal(SIGPIPE, SIG_IGN);
  auto settings = read_settings(argc, argv);
  if (const auto* ending = std::get_if<Ending>(&settings)) {
    fmt::print(ending->exit_code == 0 ? stdout : stderr, "{}", ending->text);
    return ending->exit_code;
  }
  auto& read = std::get<Settings>(settings);
  return read.dump.empty() ? run(std::move(read)) : dump(read.dump);
}
