// Redis as Debian has it, unmodified, over power losses: with `appendfsync no` it loses what it acknowledged, with `always` nothing.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <thread>

#include "support.hpp"

namespace faultline::live::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* program = "/usr/bin/redis-server";
constexpr int writes = 300;

pid_t start_redis(DiskSupervisor& supervisor, const DiskFolder& folder, const char* appendfsync) {
  const std::string data = folder.data().string(), socket = (folder.path() / "socket").string();
  const int log = ::open((folder.path() / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  ::unlink(socket.c_str());
  const pid_t pid = start_child(supervisor, [&] {
    ::dup2(log, 1);
    ::execl(program, program, "--port", "0", "--unixsocket", socket.c_str(), "--dir", data.c_str(), "--appendonly",
            "yes", "--appendfsync", appendfsync, "--save", "", static_cast<char*>(nullptr));
    return 1;
  });
  ::close(log);
  return pid;
}

int connect_to(const DiskFolder& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder.path() / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < until) {
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return client;
    ::close(client);
    std::this_thread::sleep_for(20ms);
  }
  return -1;
}

// Asked again as long as it is still reading its files.
std::string ask(int client, const std::string& command) {
  const auto until = std::chrono::steady_clock::now() + 30s;
  for (;;) {
    EXPECT_EQ(::write(client, command.data(), command.size()), static_cast<ssize_t>(command.size()));
    char reply[256];
    const ssize_t n = ::read(client, reply, sizeof reply);
    std::string text(reply, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (!text.starts_with("-LOADING") || std::chrono::steady_clock::now() > until) return text;
    std::this_thread::sleep_for(5ms);
  }
}

// How many of the acknowledged writes are there after a power loss.
int kept(const char* appendfsync, DiskLoss loss) {
  DiskFolder folder;
  auto supervisor = supervise(folder);
  const pid_t first = start_redis(*supervisor, folder, appendfsync);
  int client = connect_to(folder);
  for (int i = 0; i < writes; ++i) EXPECT_EQ(ask(client, "SADD set " + std::to_string(i) + "\r\n"), ":1\r\n");
  ::kill(first, SIGKILL);
  wait_for_child(first);
  ::close(client);
  Rng rng(1);
  const auto lost = supervisor->lose(loss, rng);
  EXPECT_TRUE(lost.ok()) << lost.error().to_string();
  const pid_t second = start_redis(*supervisor, folder, appendfsync);
  client = connect_to(folder);
  const std::string size = ask(client, "SCARD set\r\n");
  ::close(client);
  ::kill(second, SIGKILL);
  wait_for_child(second);
  EXPECT_EQ(size.substr(0, 1), ":") << size << bytes_of(folder.path() / "log");
  return size.size() > 1 ? std::atoi(size.c_str() + 1) : -1;
}

TEST(DiskRedis, LosesAcknowledgedWritesWithoutSyncAndNoneWithIt) {
  if (::access(program, X_OK) != 0) {
    std::puts("not present: redis-server");
    return;
  }
  EXPECT_EQ(kept("no", DiskLoss::lose_unsynced), 0);
  EXPECT_EQ(kept("always", DiskLoss::lose_unsynced), writes);
  EXPECT_EQ(kept("always", DiskLoss::torn), writes);
}

}  // namespace
}  // namespace faultline::live::test
