#include "relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "keeper.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;

// Relative to the folder, which is entered first: the path of a socket must be short.
sockaddr_un socket_address() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_name, sizeof address.sun_path - 1);
  return address;
}

Error failed(const std::string& what, const fs::path& folder) {
  const int error = errno;
  return Error::environment("cannot " + what + " " + folder.string() + ": " + errno_text(error),
                            error == ENOSPC ? "make room on the node" : "choose another state folder in the inventory");
}

Result<Descriptor> listen_in(const fs::path& folder) {
  if (::chdir(folder.c_str()) != 0) return failed("enter", folder);
  Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = socket_address();
  const mode_t before = ::umask(077);
  const bool bound = listener &&
                     ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::listen(listener.get(), 8) == 0;
  ::umask(before);
  if (!bound) return failed("listen in", folder);
  return listener;
}

Result<void> make_folder(const NodeService::Options& options) {
  std::error_code error;
  fs::create_directories(options.folder.parent_path(), error);
  if (::mkdir(options.folder.c_str(), 0755) != 0) return failed("create", options.folder);
  std::ofstream info(options.folder / info_name);
  info << Json{{"run", options.run_id}, {"node", options.node}}.dump() << "\n";
  info.close();
  if (!info) return failed("write in", options.folder);
  return {};
}

// Held by a keeper as long as it lives, so that two harnesses that start at once do not share a node.
Result<Descriptor> lock_node(const NodeService::Options& options) {
  const fs::path file = options.folder.parent_path() / "bin" / (options.node + ".lock");
  Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return failed("create", file);
  constexpr auto patience = std::chrono::seconds(5);  // the last keeper has answered and may not have ended
  const auto until = std::chrono::steady_clock::now() + patience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > until)
      return Error::environment("another run is using the node", "wait until it has ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return lock;
}

// In the child: never returns.
[[noreturn]] void become_keeper(const NodeService::Options& options, std::chrono::milliseconds time_to_live,
                                Descriptor listener, Descriptor ready) {
  ::setsid();
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int stream : {0, 1, 2}) ::dup2(nothing, stream);
  if (nothing > 2) ::close(nothing);
  ::setenv("FAULTLINE_STATE", options.folder.c_str(), 1);
  auto lock = lock_node(options);
  auto service = lock ? NodeService::open(options) : Result<std::unique_ptr<NodeService>>(lock.error());
  const std::string word = service ? "ok" : service.error().to_string();
  [[maybe_unused]] const auto n = ::write(ready.get(), word.data(), word.size());
  ready.reset();
  if (!service) ::_exit(1);
  Keeper(options.folder, time_to_live, std::move(service).value(), std::move(listener)).run();
  ::_exit(0);
}

bool copy(int from, int to) {
  std::array<char, 1 << 14> chunk{};
  const auto n = ::read(from, chunk.data(), chunk.size());
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  for (ssize_t done = 0; done < n;) {
    const auto written = ::write(to, chunk.data() + done, static_cast<std::size_t>(n - done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += written;
  }
  return true;
}

}  // namespace

Result<Descriptor> connect_to_keeper(const fs::path& folder) {
  if (::chdir(folder.c_str()) != 0) return failed("enter", folder);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = socket_address();
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed("reach the keeper in", folder);
  return socket;
}

Result<void> start_keeper(const NodeService::Options& options, std::chrono::milliseconds time_to_live) {
  if (auto made = make_folder(options); !made) return made;
  auto listener = listen_in(options.folder);
  if (!listener) return listener.error();
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("make a pipe for", options.folder);
  Descriptor ready(ends[0]);
  Descriptor writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return failed("start a keeper for", options.folder);
  if (child == 0) {
    // Forked twice: its parent is then nobody who would have to wait for it.
    if (::fork() != 0) ::_exit(0);
    ready.reset();
    become_keeper(options, time_to_live, std::move(listener).value(), std::move(writer));
  }
  ::waitpid(child, nullptr, 0);
  writer.reset();
  std::string word;
  std::array<char, 4096> chunk{};
  for (ssize_t n = 0; (n = ::read(ready.get(), chunk.data(), chunk.size())) > 0;)
    word.append(chunk.data(), static_cast<std::size_t>(n));
  if (word == "ok") return {};
  return Error::environment("cannot start a keeper: " + word);
}

void relay(int keeper) {
  ::signal(SIGPIPE, SIG_IGN);
  for (;;) {
    std::array<pollfd, 2> watched{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{keeper, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0 && !copy(STDIN_FILENO, keeper)) return;
    if (watched[1].revents != 0 && !copy(keeper, STDOUT_FILENO)) return;
  }
}

}  // namespace faultline::live::agent
