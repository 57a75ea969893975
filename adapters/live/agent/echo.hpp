// Echo: sends probes back to where they came from, so that a node can sound its links to this one both ways by its own clock.
//
// One datagram socket on the node's address; only what is as long as a probe and comes from one of the named addresses is answered.
// Thread rules: one owner; a thread of its own answers.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include <faultline/live/traffic.hpp>
#include <faultline/result.hpp>

#include "adapters/live/descriptor.hpp"

namespace faultline::live::agent {

class Echo {
 public:
  // Addresses are IPv4.
  static Result<std::unique_ptr<Echo>> start(const std::string& address, const std::set<std::string>& from);
  ~Echo();
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  Echo() = default;
  void answer();

  Descriptor socket_;
  Descriptor bell_;
  std::uint16_t port_ = 0;
  std::set<std::uint32_t> from_;
  std::thread thread_;
};

// Sends `count` probes, one each `pace`, from the address to the echo at "host:port"; what came back, within the limit.
Result<Sounding> sound_echo(const std::string& address, const std::string& echo, std::int64_t count, Duration pace,
                            Duration limit);

}  // namespace faultline::live::agent
