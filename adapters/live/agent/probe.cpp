#include "probe.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <thread>

#include "adapters/live/descriptor.hpp"

namespace faultline::live::agent {
namespace {

using Clock = std::chrono::steady_clock;

bool answers(const std::string& target, Duration limit) {
  const auto colon = target.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  if (colon == std::string::npos) return false;
  std::from_chars(target.data() + colon + 1, target.data() + target.size(), port);
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, target.substr(0, colon).c_str(), &address.sin_addr) != 1) return false;
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return false;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  if (errno != EINPROGRESS) return errno == ECONNREFUSED;
  pollfd waiting{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(limit).count())) <= 0)
    return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 || error == ECONNREFUSED;
}

}  // namespace

std::vector<std::string> unreachable(const std::vector<std::string>& targets, Duration limit) {
  const auto until = Clock::now() + limit;
  constexpr auto attempt = std::chrono::milliseconds(500);
  std::vector<std::string> silent = targets;
  do {
    std::erase_if(silent, [&](const std::string& target) { return answers(target, attempt); });
    if (!silent.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (!silent.empty() && Clock::now() < until);
  return silent;
}

}  // namespace faultline::live::agent
