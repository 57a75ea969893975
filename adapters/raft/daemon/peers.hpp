// Peers: frames between nodes over TCP, one connection for each directed pair, so that a fault proxy can act on either direction.
//
// The connecting side speaks: first a greeting {magic "FLRAFT1\n", cluster u64, from u64, to u64}, then frames {length u32, bytes},
// little-endian. The other side only listens; a greeting of another cluster or for another node ends the connection with an event. Frames for a node
// that cannot be reached are dropped: the Raft repeats what matters. A connection that stalls is given up and opened
// anew, since after a partition the kernel's retransmission may sleep for seconds.
//
// Thread rules: send() and set_addresses() from any thread; everything else happens on the executor's one thread.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "settings.hpp"

namespace faultline::raft::daemon {

struct PeersOptions {
  NodeId self;
  std::uint64_t cluster = 0;
  HostPort listen;
  Duration stall_limit = std::chrono::seconds(1);  // without progress; then the connection is opened anew
  std::size_t queue_bytes_max = 32U << 20U;        // to one node; more is dropped
  std::function<void(NodeId from, std::vector<std::string> frames)> received;  // on the executor
  std::function<void(std::string text)> event;                                 // on the executor
};

class Peers {
 public:
  Peers(boost::asio::io_context& context, PeersOptions options);
  ~Peers();

  Result<void> listen();
  void set_address(NodeId node, HostPort address);
  // (to whom, an encoded frame)
  void send(std::vector<std::pair<NodeId, std::string>> frames);
  void close();

 private:
  class Link;
  class Guest;
  void accept();
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace faultline::raft::daemon
