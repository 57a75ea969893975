// The site on a socket: HTTP/1.1, one thread, one coroutine per connection. See ../../README.md for what it answers and refuses.
//
// Bounded: 256 connections, 16 KiB of header, no request body, 30 s for a request to arrive or a piece of an answer to be taken.
// Threads: run() uses the caller's until `stop`, which it asks ten times a second, says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <faultline/result.hpp>

namespace faultline::serve {

struct ServerOptions {
  std::filesystem::path directory;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
};

class Server {
 public:
  // Listens at once. environment: the address cannot be had.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  void run(const std::function<bool()>& stop);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline::serve
