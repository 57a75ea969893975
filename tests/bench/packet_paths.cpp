// What a packet fault costs the packets: one TCP connection between two nodes in namespaces, as fast as it goes, then with messages that go
// to and fro, through links that are clear, links whose packets come to the harness (NFQUEUE), and links that the kernel delays (netem).
// Both delay by as little as 0.1 ms. Processor time is the whole machine's, which should have nothing else to do.
//
// usage: packet_paths [SECONDS]    as root; a mechanism that is not there is said and left out
#include <faultline/live/leftovers.hpp>
#include <faultline/live/network.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "adapters/live/descriptor.hpp"
#include "adapters/live/spawn.hpp"

namespace faultline::live {
namespace {

constexpr std::uint16_t port = 4711;

sockaddr_in address_of(const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

Descriptor socket_in(const std::string& name_space) {
  Descriptor socket;
  const auto entered =
      run_in_namespace(name_space, [&] { socket = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
  FL_ASSERT(entered.ok() && socket);
  return socket;
}

// Of the whole machine, in the kernel and out of it, so that nobody who moves a packet is left out.
double processor_seconds() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  file >> cpu;
  double busy = 0;
  constexpr std::array<bool, 8> counts{true, true, true, false, false, true, true, true};  // neither idle nor waiting
  for (const bool counted : counts) {
    double ticks = 0;
    file >> ticks;
    if (counted) busy += ticks;
  }
  return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

struct Connection {
  explicit Connection(const Network& network) {
    const sockaddr_in address = address_of(network.addresses("n2").client.host);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const Descriptor listener = socket_in(network.name_space("n2"));
    const int yes = 1;
    FL_ASSERT(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    FL_ASSERT(::bind(listener.get(), name, sizeof address) == 0);
    FL_ASSERT(::listen(listener.get(), 1) == 0);
    sender = socket_in(network.name_space("n1"));
    FL_ASSERT(::connect(sender.get(), name, sizeof address) == 0);
    receiver = Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    FL_ASSERT(static_cast<bool>(receiver));
  }
  ~Connection() { end(); }
  void end() const {
    ::shutdown(receiver.get(), SHUT_RDWR);
    ::shutdown(sender.get(), SHUT_RDWR);
  }
  Descriptor sender, receiver;
};

// Bytes that arrive within the time.
std::int64_t stream(const Network& network, std::chrono::seconds length) {
  const Connection connection(network);
  std::thread source([&] {
    const std::vector<char> chunk(1U << 16U, 'x');
    while (::send(connection.sender.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::vector<char> chunk(1U << 16U);
  std::int64_t bytes = 0;
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
    const auto n = ::recv(connection.receiver.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    bytes += n;
  }
  connection.end();
  source.join();
  return bytes;
}

// How often a message of 100 bytes goes to and fro.
std::int64_t round_trips(const Network& network, std::chrono::seconds length) {
  const Connection connection(network);
  std::array<char, 100> message{};
  std::thread echo([&] {
    std::array<char, 100> heard{};
    while (::recv(connection.receiver.get(), heard.data(), heard.size(), MSG_WAITALL) > 0 &&
           ::send(connection.receiver.get(), heard.data(), heard.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::int64_t trips = 0;
  const auto until = std::chrono::steady_clock::now() + length;
  for (; std::chrono::steady_clock::now() < until; ++trips) {
    if (::send(connection.sender.get(), message.data(), message.size(), MSG_NOSIGNAL) <= 0) break;
    if (::recv(connection.sender.get(), message.data(), message.size(), MSG_WAITALL) <= 0) break;
  }
  connection.end();
  echo.join();
  return trips;
}

// False: the machine cannot.
bool measure(const char* name, PacketMechanism mechanism, bool shaped, std::chrono::seconds length) {
  auto made = make_network({.nodes = {"n1", "n2"},
                            .run_id = fresh_run_id(),
                            .kind = NetworkKind::namespaces,
                            .needs = {.packets = true, .mechanism = mechanism}});
  if (made) {
    if (auto up = made.value()->set_up(); !up) made = up.error();
  }
  if (!made) {
    fmt::print("{:<28} {}\n", name, made.error().message);
    return false;
  }
  Network& network = *made.value();
  if (shaped) {
    const LinkFaults late{.packets = {{.delay = std::chrono::microseconds(100)}}, .clogs = {}};
    const auto done = network.shape({{{"n1", "n2"}, late}, {{"n2", "n1"}, late}});
    FL_ASSERT(done.ok());
  }
  const double before = processor_seconds();
  const double megabytes = static_cast<double>(stream(network, length)) / 1e6;
  const double between = processor_seconds();
  const auto trips = static_cast<double>(round_trips(network, length));
  const double after = processor_seconds();
  const auto seconds = static_cast<double>(length.count());
  fmt::print("{:<20} {:>8.1f} MB/s {:>8.2f} processor ms/MB {:>9.0f} us a round trip {:>8.1f} processor us\n", name,
             megabytes / seconds, (between - before) * 1e3 / megabytes, seconds * 1e6 / trips,
             (after - between) * 1e6 / trips);
  return true;
}

}  // namespace
}  // namespace faultline::live

int main(int argc, char** argv) {
  using faultline::live::PacketMechanism;
  const std::chrono::seconds length(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3);
  const bool all = faultline::live::measure("clear", PacketMechanism::nfqueue, false, length) &&
                   faultline::live::measure("delayed by NFQUEUE", PacketMechanism::nfqueue, true, length) &&
                   faultline::live::measure("delayed by netem", PacketMechanism::netem, true, length);
  return all ? 0 : 3;
}
