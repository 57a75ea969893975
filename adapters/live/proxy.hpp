// Proxy: the thread of the proxy network: listeners, connections and gates.
//
// One listener per destination node. A gate per directed pair (i,j) says whether bytes from i may reach j. A connection from i to j
// carries i->j through gate (i,j) and j->i through gate (j,i). What arrives at a closed gate is held, at most 64 KiB a direction; then
// the proxy stops reading, so the kernel's buffers and at last the sender hold the rest. An end of stream waits at the gate like bytes
// do. A connection opened while either gate is closed is accepted, as the kernel does that by itself, but reaches its node only when
// both are open; if its opener has given up by then, nothing of it is delivered, as if its SYN had been lost.
//
// What packets suffer short of a cut lies on links, one for each directed pair (lane.hpp). Bytes on a link without faults pass as they
// come; else frame by frame, as the framer of the protocol sees them, or in pieces of 4 KiB where there is none, at most 4 MiB under way on
// a connection. A connection to a clogged link connects, and an end of stream comes behind what is under way.
//
// Where a frame is watched for (set_watches), frames pass one by one, and none follows the one that was awaited as long as its watch holds.
//
// Clients may get listeners, too: one for each node, where a connection is the worker's whose address, of 127.64.0.0/10, it comes from;
// a gate for each client and node. Anybody else there is not told from others and never cut.
//
// The source of a connection between nodes is the node whose process group owns the other end of the socket, looked up in /proc. What nobody is found to own is reset:
// letting it pass could leak through a cut. So a connection whose opener closes it within the millisecond before that look is lost.
//
// Thread rules: the public calls may come from any thread, one at a time; each hands its work to the proxy's thread and waits for it.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <faultline/live/framer.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/traffic.hpp>
#include <faultline/result.hpp>

namespace faultline::live {

struct ProxyCounters {
  std::int64_t held_bytes = 0;       // bytes that found their gate closed
  std::int64_t held_chunks = 0;      // how often that happened
  std::int64_t cut_connections = 0;  // connections alive when a gate of theirs closed, or opened while it was closed
  std::int64_t unattributed_connections = 0;
  std::int64_t held_now = 0;  // bytes waiting at a closed gate
  TrafficCounters traffic;    // of all links
};

class Proxy {
 public:
  // (from, to) by node index.
  using Pairs = std::set<std::pair<std::size_t, std::size_t>>;

  // `targets`: the loopback ports nodes listen on for their peers; `clients`: those for clients, empty if clients need no listeners.
  Proxy(std::vector<std::uint16_t> targets, std::vector<std::uint16_t> clients, MakeFramer framer);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Opens the listeners and starts the thread; the ports, by node, those for clients last.
  Result<std::vector<std::uint16_t>> start();
  // The address from which a worker's client connects.
  static std::string client_address(std::size_t worker);
  // Closes everything and ends the thread. Idempotent.
  void stop();

  // The process group that is the node from now on.
  Result<void> set_process(std::size_t node, pid_t group);
  // The gates that are closed from now on; all others are open. When it returns, no byte passes a closed one.
  Result<void> set_closed(Pairs closed);
  // (worker, node): the clients that are cut from nodes from now on.
  Result<void> set_cut_clients(Pairs cut);
  // The faults that lie on links from now on; all others are clear, and what was under way on them arrives at once.
  Result<void> set_faults(std::map<std::pair<std::size_t, std::size_t>, LinkFaults> faults);
  // The frames that are watched for from now on, by link. REQUIRES: there is a framer.
  Result<void> set_watches(std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>> watches);
  // The next connection from this loopback port counts as one of node `from` and is led to the port `target` instead of a node's; its
  // frames are probes (sounding.hpp).
  Result<void> expect_probe(std::uint16_t source_port, std::size_t from, std::uint16_t target);
  Result<ProxyCounters> counters();

 private:
  struct Core;
  Result<void> run(std::function<void(Core&)> work);

  std::vector<std::uint16_t> targets_;
  std::vector<std::uint16_t> clients_;
  MakeFramer framer_;
  std::unique_ptr<Core> core_;
  std::thread thread_;
};

}  // namespace faultline::live
