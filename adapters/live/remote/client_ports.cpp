#include "client_ports.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>

namespace faultline::live::remote {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* range_file = "/proc/sys/net/ipv4/ip_local_port_range";
constexpr int lowest = 10000;  // below, services are more likely
constexpr int highest = 65535;
constexpr int fewest = 16;  // of one worker: its connections, and those just closed, whose ports rest for a minute
constexpr int most = 1000;

sockaddr_in socket_address(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

}  // namespace

Result<GivenPorts> given_ports(const std::string& text) {
  std::istringstream words(text);
  int first = 0, last = 0;
  if (words >> first >> last && 0 < first && first <= last && last <= highest)
    return GivenPorts{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
  return Error::environment(fmt::format("{} says no range of ports", range_file));
}

Result<std::vector<std::shared_ptr<SourcePorts>>> split_ports(GivenPorts given, std::size_t workers) {
  const int below = std::max(0, given.first - lowest);
  const int above = highest - std::max<int>(given.last, lowest - 1);
  const int begin = below >= above ? lowest : highest - above + 1;
  const int each = std::min(most, std::max(below, above) / static_cast<int>(std::max<std::size_t>(workers, 1)));
  if (each < fewest) {
    return Error::environment(
        fmt::format("there are no {} ports for each of {} clients outside of {}-{}, which the kernel gives to others "
                    "({}), so that nodes could not tell clients from each other",
                    fewest, workers, given.first, given.last, range_file),
        fmt::format("echo 32768 60999 > {}, lower --concurrency, or use partition without clients", range_file));
  }
  std::vector<std::shared_ptr<SourcePorts>> ports;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    const int first = begin + each * static_cast<int>(worker);
    ports.push_back(
        std::make_shared<SourcePorts>(static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(first + each - 1)));
  }
  return ports;
}

Result<std::vector<std::shared_ptr<SourcePorts>>> ports_of_workers(std::size_t workers) {
  std::ifstream in(range_file);
  std::string text;
  std::getline(in, text);
  const auto given = given_ports(text);
  if (!given) return given.error();
  return split_ports(given.value(), workers);
}

Result<std::string> address_towards(const std::string& address) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  constexpr std::uint16_t any = 9;  // nothing is sent
  const sockaddr_in there = socket_address(address, any);
  sockaddr_in here{};
  socklen_t size = sizeof here;
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&here), &size) != 0)
    return Error::environment("no way to " + address + ": " + errno_text(errno), "see this machine's routes");
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &here.sin_addr, text.data(), text.size());
  return std::string(text.data());
}

Result<Descriptor> begin_connection(SourcePorts& from, const Endpoint& to) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error::environment("cannot make a socket: " + errno_text(errno), "raise `ulimit -n`");
  const sockaddr_in there = socket_address(to.host, to.port);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const sockaddr_in here = socket_address("0.0.0.0", from.next());
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) continue;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0 || errno == EINPROGRESS)
      return socket;
    return Error::environment("cannot connect to " + to.to_string() + ": " + errno_text(errno));
  }
  return Error::environment(
      fmt::format("all of the ports {}-{} of this machine are in use", from.first(), from.last()));
}

Result<bool> is_answered(SourcePorts& from, const Endpoint& to, Duration limit) {
  const auto until = Clock::now() + limit;
  const auto socket = begin_connection(from, to);
  if (!socket) return socket.error();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd watched{socket.value().get(), POLLOUT, 0};
  if (::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(watched.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 || error == ECONNREFUSED || error == ECONNRESET;
}

}  // namespace faultline::live::remote
