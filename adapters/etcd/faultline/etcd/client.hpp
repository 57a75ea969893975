// A client of one node's v3 JSON gateway, for one process.
//
// HTTP/1.1 over one keep-alive connection, opened on first use and again after it broke, always to the same node.
// Nothing is ever retried: an operation sends each of its requests once. One deadline covers the whole operation,
// connecting included. A connection is thrown away after any error, when the server asks for it, and whenever bytes are
// left that no request is waiting for, so that no operation can read another one's reply.
//
// The lease of a lock that is held is kept alive over a connection of its own, every third of its time, until the release is asked for or
// the client is gone; a keepalive that is not answered, or answered that the lease is gone, is followed by the next: a holder that only
// knows `lock` and `unlock` does not hear of it.
//
// A harness that has stalled for longer than a lease lives may have ended a holder's itself. Who gets such a lock before that holder asks for
// its release completes as `info`: it may have it, and is dropped; see Diligence.
//
// An operation whose node cannot be reached ends after a rest of 100 ms.
//
// Thread rules: everything on the executor's one thread. The client may be destroyed while an operation is under way:
// the operation then ends by itself, sends nothing more and completes as broken (see Conversation::broken).
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>

#include <faultline/etcd/codec.hpp>
#include <faultline/etcd/holding.hpp>
#include <faultline/live/client.hpp>
#include <faultline/live/network.hpp>
#include <faultline/time.hpp>

namespace faultline::etcd {

// What the clients of one run share that is no part of the system under test.
struct Outside {
  Fence fence;
  Diligence diligence;
  std::chrono::steady_clock::time_point origin = std::chrono::steady_clock::now();
};

struct ClientOptions {
  NodeName node;
  live::Endpoint endpoint;                   // a numeric address
  std::string from;                          // the local address of the connection; empty: any
  std::shared_ptr<live::SourcePorts> ports;  // and its local port; null: any
  CodecOptions codec;
  Duration operation_timeout = std::chrono::seconds(5);  // below the server's own 7 s
  std::size_t reply_bytes_max = 8U << 20U;
  std::shared_ptr<Outside> outside;  // needed for locks and leases
};

std::unique_ptr<live::Client> make_client(boost::asio::any_io_executor executor, ClientOptions options);

}  // namespace faultline::etcd
