// gossip: a node whose only job is to talk to its peers all the time, so that a test can see who hears whom.
//
//   gossip NAME PEER_HOST:PORT CLIENT_HOST:PORT [PEER=HOST:PORT …]
//
// To each peer it sends numbered lines, every 10 ms on one long connection, every 10 ms as a datagram, and on a fresh connection (which
// the peer must acknowledge) as often as that works. A client that connects gets one line and the end of the stream:
//   name=n1 leads=1 wall=1700000000000 mono=81234 acknowledged.n2=7 datagram.n2=41 fresh.n2=6 stream.n2=40 …
// where wall and mono are its clocks in milliseconds and the numbers are the highest heard from (acknowledged: by) the peer. It believes itself leader if it has heard nothing for 300 ms
// from any node of a smaller name.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto beat = std::chrono::milliseconds(10);
constexpr auto leader_silence = std::chrono::milliseconds(300);

std::mutex mutex;  // guards the two below
std::map<std::string, long> heard;
std::map<std::string, Clock::time_point> last_heard;

sockaddr_in parse(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

int open_socket(int type) {
  const int socket = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const timeval limit{.tv_sec = 0, .tv_usec = 300000};  // of connect and send
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return socket;
}

int bind_or_exit(int type, const std::string& where) {
  const int socket = open_socket(type);
  const sockaddr_in address = parse(where);
  if (::bind(socket, generic(address), sizeof address) != 0 || (type == SOCK_STREAM && ::listen(socket, 64) != 0)) {
    std::perror(("cannot listen on " + where).c_str());
    std::exit(1);
  }
  return socket;
}

// "stream n1 17"
void hear(const std::string& line) {
  char kind[16] = {};
  char name[40] = {};
  long number = 0;
  if (std::sscanf(line.c_str(), "%15s %39s %ld", kind, name, &number) != 3) return;
  const std::lock_guard lock(mutex);
  long& highest = heard[std::string(kind) + "." + name];
  if (number > highest) highest = number;
  last_heard[name] = Clock::now();
}

void read_lines(int socket) {
  std::string text;
  char chunk[512];
  for (;;) {
    const auto n = ::recv(socket, chunk, sizeof chunk, 0);
    if (n <= 0) break;
    text.append(chunk, static_cast<std::size_t>(n));
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      hear(line);
      if (line.starts_with("fresh")) ::send(socket, "\n", 1, MSG_NOSIGNAL);
    }
  }
  ::close(socket);
}

void accept_peers(int listener) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) std::thread(read_lines, socket).detach();
  }
}

void receive_datagrams(int socket) {
  char chunk[128];
  for (;;) {
    const auto n = ::recv(socket, chunk, sizeof chunk - 1, 0);
    if (n > 0) hear(std::string(chunk, static_cast<std::size_t>(n)));
  }
}

bool say(int socket, const std::string& text) {
  return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

void stream_to(const std::string& self, const std::string& where) {
  const sockaddr_in address = parse(where);
  for (long number = 1;;) {
    const int socket = open_socket(SOCK_STREAM);
    if (::connect(socket, generic(address), sizeof address) == 0) {
      while (say(socket, "stream " + self + " " + std::to_string(number) + "\n")) {
        ++number;
        std::this_thread::sleep_for(beat);
      }
    }
    ::close(socket);
    std::this_thread::sleep_for(beat);
  }
}

void throw_datagrams_to(const std::string& self, const std::string& where) {
  const sockaddr_in address = parse(where);
  const int socket = open_socket(SOCK_DGRAM);
  for (long number = 1;; ++number) {
    const std::string text = "datagram " + self + " " + std::to_string(number);
    ::sendto(socket, text.data(), text.size(), 0, generic(address), sizeof address);
    std::this_thread::sleep_for(beat);
  }
}

void call_afresh(const std::string& self, const std::string& peer, const std::string& where) {
  const sockaddr_in address = parse(where);
  for (long number = 1;; ++number) {
    const int socket = open_socket(SOCK_STREAM);
    const timeval limit{.tv_sec = 0, .tv_usec = 300000};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char answer = 0;
    if (::connect(socket, generic(address), sizeof address) == 0 &&
        say(socket, "fresh " + self + " " + std::to_string(number) + "\n") && ::recv(socket, &answer, 1, 0) == 1) {
      hear("acknowledged " + peer + " " + std::to_string(number));
    }
    ::close(socket);
    std::this_thread::sleep_for(beat);
  }
}

std::string status(const std::string& self) {
  const std::lock_guard lock(mutex);
  bool leads = true;
  for (const auto& [name, when] : last_heard) leads = leads && !(name < self && Clock::now() - when < leader_silence);
  std::string text = "name=" + self + " leads=" + (leads ? "1" : "0");
  const auto since = [](auto time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count());
  };
  text += " wall=" + since(std::chrono::system_clock::now()) + " mono=" + since(Clock::now());
  for (const auto& [what, number] : heard) text += " " + what + "=" + std::to_string(number);
  return text + "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const std::string self = argv[1];
  const int peers = bind_or_exit(SOCK_STREAM, argv[2]);
  const int datagrams = bind_or_exit(SOCK_DGRAM, argv[2]);
  const int clients = bind_or_exit(SOCK_STREAM, argv[3]);
  std::printf("%s listens on %s and %s\n", argv[1], argv[2], argv[3]);
  std::fflush(stdout);
  std::thread(accept_peers, peers).detach();
  std::thread(receive_datagrams, datagrams).detach();
  for (int i = 4; i < argc; ++i) {
    const std::string peer = argv[i];
    const auto equals = peer.find('=');
    const std::string name = peer.substr(0, equals);
    const std::string where = peer.substr(equals + 1);
    std::thread(stream_to, self, where).detach();
    std::thread(throw_datagrams_to, self, where).detach();
    std::thread(call_afresh, self, name, where).detach();
  }
  for (;;) {
    const int client = ::accept4(clients, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    say(client, status(self));
    ::close(client);
  }
}
