// What a packet fault costs the packets: one TCP connection between two nodes in namespaces, as fast as it goes, through a link that is
// clear, one whose packets come to the harness (NFQUEUE), and one that the kernel delays (netem). Both delay by as little as 0.1 ms.
//
// usage: packet_paths [SECONDS]    as root; a mechanism that is not there is said and left out
#include <faultline/live/leftovers.hpp>
#include <faultline/live/network.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
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

double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  constexpr double micro = 1e-6;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + micro * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Bytes that arrive within the time.
std::int64_t stream(const Network& network, std::chrono::seconds length) {
  const std::string host = network.addresses("n2").client.host;
  const sockaddr_in address = address_of(host);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  const Descriptor listener = socket_in(network.name_space("n2"));
  FL_ASSERT(::bind(listener.get(), name, sizeof address) == 0);
  FL_ASSERT(::listen(listener.get(), 1) == 0);
  const Descriptor sender = socket_in(network.name_space("n1"));
  FL_ASSERT(::connect(sender.get(), name, sizeof address) == 0);
  const Descriptor receiver(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  FL_ASSERT(static_cast<bool>(receiver));
  std::thread source([&] {
    const std::vector<char> chunk(1U << 16U, 'x');
    while (::send(sender.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::vector<char> chunk(1U << 16U);
  std::int64_t bytes = 0;
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
    const auto n = ::recv(receiver.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    bytes += n;
  }
  ::shutdown(receiver.get(), SHUT_RDWR);
  ::shutdown(sender.get(), SHUT_RDWR);
  source.join();
  return bytes;
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
  const std::int64_t bytes = stream(network, length);
  constexpr double mega = 1e6;
  fmt::print("{:<28} {:>8.1f} MB/s {:>6.2f} processor seconds a second, of this process\n", name,
             static_cast<double>(bytes) / mega / static_cast<double>(length.count()),
             (processor_seconds() - before) / static_cast<double>(length.count()));
  return true;
}

}  // namespace
}  // namespace faultline::live

int main(int argc, char** argv) {
  using faultline::live::PacketMechanism;
  const std::chrono::seconds length(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3);
  const bool all = faultline::live::measure("clear link", PacketMechanism::nfqueue, false, length) &&
                   faultline::live::measure("delayed by NFQUEUE", PacketMechanism::nfqueue, true, length) &&
                   faultline::live::measure("clear link, single segments", PacketMechanism::netem, false, length) &&
                   faultline::live::measure("delayed by netem", PacketMechanism::netem, true, length);
  return all ? 0 : 3;
}
