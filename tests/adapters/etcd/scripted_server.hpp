// An HTTP server on loopback that does exactly what a test tells it, mostly wrong. One thread; connections are served
// in turn.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <faultline/live/network.hpp>

namespace faultline::etcd {

// One accepted connection, seen from the server.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }

  // The next whole request (headers and body by Content-Length); empty once the client has closed.
  std::string request() {
    while (true) {
      const std::size_t head = input_.find("\r\n\r\n");
      if (head != std::string::npos) {
        const std::size_t at = input_.find("Content-Length: ");
        const std::size_t body = at < head ? std::stoul(input_.substr(at + 16)) : 0;
        if (input_.size() >= head + 4 + body) {
          std::string whole = input_.substr(0, head + 4 + body);
          input_.erase(0, whole.size());
          return whole;
        }
      }
      char chunk[4096];
      const ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
      if (n <= 0) return {};
      input_.append(chunk, static_cast<std::size_t>(n));
    }
  }
  // False once the client is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Waits until the client closes, at most that long.
  void wait_for_close(int milliseconds = 10000) {
    pollfd waiting{fd_, POLLRDHUP, 0};
    ::poll(&waiting, 1, milliseconds);
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  std::string input_;
};

class ScriptedServer {
 public:
  // `serve` gets each connection with its number, from 0.
  explicit ScriptedServer(std::function<void(Peer&, int)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    ::bind(listener_, as_socket_address(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, as_socket_address(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  [[nodiscard]] live::Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  [[nodiscard]] int connections() {
    const std::lock_guard lock(mutex_);
    return connections_;
  }
  // Returns once that many connections were served to their end and closed.
  void wait_until_served(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return served_ >= count; });
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static sockaddr* as_socket_address(sockaddr_in* address) { return reinterpret_cast<sockaddr*>(address); }

  void run() {
    for (int number = 0;; ++number) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      {
        const std::lock_guard lock(mutex_);
        ++connections_;
      }
      {
        Peer peer(fd);
        serve_(peer, number);
      }
      const std::lock_guard lock(mutex_);
      ++served_;
      changed_.notify_all();
    }
  }

  std::function<void(Peer&, int)> serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  int connections_ = 0;
  int served_ = 0;
  std::thread thread_;
};

}  // namespace faultline::etcd
