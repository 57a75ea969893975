#include "echo.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "adapters/live/sounding.hpp"

namespace faultline::live::agent {
namespace {

std::optional<in_addr> address_of(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return address;
}

// A datagram socket on the address, and where it is.
Result<std::pair<Descriptor, sockaddr_in>> open_mailbox(const std::string& host) {
  const auto address = address_of(host);
  if (!address) return Error::bad_input("not an IPv4 address: " + host);
  Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr = *address;
  socklen_t size = sizeof here;
  auto* bound = reinterpret_cast<sockaddr*>(&here);
  if (!socket || ::bind(socket.get(), bound, size) != 0 || ::getsockname(socket.get(), bound, &size) != 0)
    return Error::environment("cannot open a probe socket on " + host + ": " + errno_text(errno),
                              "see that the node has its address in the inventory");
  return std::pair(std::move(socket), here);
}

}  // namespace

Result<std::unique_ptr<Echo>> Echo::start(const std::string& address, const std::set<std::string>& from) {
  auto box = open_mailbox(address);
  if (!box) return box.error();
  std::unique_ptr<Echo> echo(new Echo());
  echo->socket_ = std::move(box.value().first);
  echo->port_ = ntohs(box.value().second.sin_port);
  echo->bell_ = Descriptor(::eventfd(0, EFD_CLOEXEC));
  if (!echo->bell_) return Error::environment("cannot make an eventfd: " + errno_text(errno));
  for (const std::string& each : from) {
    if (const auto known = address_of(each)) echo->from_.insert(known->s_addr);
  }
  try {
    echo->thread_ = std::thread([e = echo.get()] { e->answer(); });
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return echo;
}

Echo::~Echo() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(bell_.get(), &one, sizeof one);
  thread_.join();
}

void Echo::answer() {
  for (;;) {
    std::array<pollfd, 2> watched{pollfd{socket_.get(), POLLIN, 0}, pollfd{bell_.get(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    std::array<char, probe_bytes + 1> probe{};
    sockaddr_in sender{};
    socklen_t size = sizeof sender;
    const auto n =
        ::recvfrom(socket_.get(), probe.data(), probe.size(), 0, reinterpret_cast<sockaddr*>(&sender), &size);
    if (n != static_cast<ssize_t>(probe_bytes) || !from_.contains(sender.sin_addr.s_addr)) continue;
    ::sendto(socket_.get(), probe.data(), probe_bytes, 0, reinterpret_cast<const sockaddr*>(&sender), size);
  }
}

Result<Sounding> sound_echo(const std::string& address, const std::string& echo, std::int64_t count, Duration pace,
                            Duration limit) {
  const auto colon = echo.rfind(':');
  const auto host = address_of(echo.substr(0, colon));
  sockaddr_in there{};
  there.sin_family = AF_INET;
  std::uint16_t port = 0;
  if (colon != std::string::npos) std::from_chars(echo.data() + colon + 1, echo.data() + echo.size(), port);
  if (!host || port == 0) return Error::bad_input("no echo is at " + echo);
  there.sin_addr = *host;
  there.sin_port = htons(port);
  auto box = open_mailbox(address);
  if (!box) return box.error();
  const int socket = box.value().first.get();
  const auto send = [&](std::string_view probe) {
    ::sendto(socket, probe.data(), probe.size(), 0, reinterpret_cast<const sockaddr*>(&there), sizeof there);
  };
  const auto receive = [&](Duration wait) -> std::optional<std::string> {
    pollfd watched{socket, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    if (::poll(&watched, 1, static_cast<int>(ms)) <= 0) return std::nullopt;
    std::string probe(probe_bytes + 1, '\0');
    const auto n = ::recv(socket, probe.data(), probe.size(), 0);
    if (n < 0) return std::nullopt;
    probe.resize(static_cast<std::size_t>(n));
    return probe;
  };
  return live::sound({.count = count, .pace = pace, .limit = limit}, send, receive);
}

}  // namespace faultline::live::agent
