// A single etcd of the machine's own package, started for a test on free ports in a folder of its own, and load on it.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace faultline::live::test {

inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

// One connection that posts JSON; reconnects by being made anew.
class Post {
 public:
  explicit Post(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Post() { ::close(socket_); }
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;

  // The answer's status and body as they came; empty if there was none.
  std::string operator()(const std::string& path, const std::string& body) {
    if (!connected_) return {};
    const std::string request = "POST " + path +
                                " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body;
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      return {};
    std::string answer;
    char chunk[4096];
    for (;;) {
      const auto head = answer.find("\r\n\r\n");
      if (head != std::string::npos) {
        const auto length = answer.find("Content-Length: ");
        if (length == std::string::npos) return answer;
        if (answer.size() >= head + 4 + std::strtoul(answer.c_str() + length + 16, nullptr, 10)) return answer;
      }
      const ssize_t n = ::recv(socket_, chunk, sizeof chunk, 0);
      if (n <= 0) return {};
      answer.append(chunk, static_cast<std::size_t>(n));
    }
  }

 private:
  int socket_;
  bool connected_ = false;
};

class Etcd {
 public:
  static bool is_installed() { return ::access("/usr/bin/etcd", X_OK) == 0; }

  Etcd() {
    char name[] = "/tmp/fl-clock-etcd-XXXXXX";
    folder_ = ::mkdtemp(name);
    const std::string peer = "http://127.0.0.1:" + std::to_string(free_port());
    const std::string client = "http://127.0.0.1:" + std::to_string(port_);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int log = ::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execl("/usr/bin/etcd", "etcd", "--data-dir", (folder_ + "/data").c_str(), "--listen-peer-urls", peer.c_str(),
              "--initial-advertise-peer-urls", peer.c_str(), "--initial-cluster", ("default=" + peer).c_str(),
              "--listen-client-urls", client.c_str(), "--advertise-client-urls", client.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~Etcd() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Etcd(const Etcd&) = delete;
  Etcd& operator=(const Etcd&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string log() const { return folder_ + "/log"; }
  [[nodiscard]] bool is_running() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  [[nodiscard]] bool puts() const {
    return Post(port_)("/v3/kv/put", R"({"key":"eA==","value":"MQ=="})").starts_with("HTTP/1.1 200");
  }
  bool becomes_ready() const {
    for (int i = 0; i < 300; ++i) {
      if (puts()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

 private:
  std::string folder_;
  int port_ = free_port();
  pid_t pid_ = 0;
};

// Clients that put as fast as they are answered, until destroyed.
class Load {
 public:
  Load(const Etcd& etcd, int clients) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, port = etcd.port()] {
        Post post(port);
        while (!stop_) {
          const bool ok =
              post("/v3/kv/put", R"({"key":"eQ==","value":"MTIzNDU2Nzg5MA=="})").starts_with("HTTP/1.1 200");
          ++(ok ? done_ : failed_);
          if (!ok) return;
        }
      });
    }
  }
  ~Load() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }
  [[nodiscard]] long done() const { return done_; }
  [[nodiscard]] long failed() const { return failed_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> done_{0}, failed_{0};
  std::vector<std::thread> threads_;
};

}  // namespace faultline::live::test
