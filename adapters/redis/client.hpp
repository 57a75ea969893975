// A client of one Redis server, for one process: one connection, one deadline per operation, nothing retried. Private to adapters/redis.
//
// Thread rules: everything on the executor's one thread. It may be destroyed while an operation is under way, which then ends as broken.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>

#include <faultline/fault.hpp>
#include <faultline/live/client.hpp>
#include <faultline/live/network.hpp>
#include <faultline/redis/codec.hpp>
#include <faultline/time.hpp>

namespace faultline::redis {

struct ClientOptions {
  NodeName node;
  live::Endpoint endpoint;
  CodecOptions codec;
  Duration operation_timeout = std::chrono::seconds(5);
};

std::unique_ptr<live::Client> make_client(boost::asio::any_io_executor executor, ClientOptions options);

}  // namespace faultline::redis
