// HTTP/1.1 for the gateway: keep-alive connections, one request at a time on each, bounded in number and size.
//
// The handler is called on the executor's thread with a request whose views live until it returns, and answers through the Exchange, then or later,
// once: reply(), or begin_stream(), any number of stream() and end_stream(). No reply byte leaves before the request's body has ended.
// A client that hangs up while its request is under way closes the exchange: `on_closed` is called, further calls do nothing.
//
// Thread rules: all calls on the executor's one thread.
#pragma once

#include <faultline/raft/gateway/reply.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>

#include "settings.hpp"

namespace faultline::raft::daemon {

struct Exchange {
  virtual ~Exchange() = default;
  // `applied`: the log index the answering member had applied; 0: not said.
  virtual void reply(const gateway::HttpReply& reply, std::uint64_t applied = 0) = 0;
  virtual void begin_stream() = 0;
  virtual void stream(std::string lines) = 0;
  virtual void end_stream() = 0;
  virtual void on_closed(std::function<void()> closed) = 0;
};

struct HttpServerOptions {
  HostPort listen;
  std::size_t connections_max = 4096;
  std::function<void(std::shared_ptr<Exchange> exchange, const gateway::HttpRequest& request)> handle;
};

class HttpServer {
 public:
  HttpServer(boost::asio::io_context& context, HttpServerOptions options);
  ~HttpServer();

  Result<void> listen();
  void close();

 private:
  class Connection;
  struct Shared;
  void accept();
  std::shared_ptr<Shared> shared_;
};

}  // namespace faultline::raft::daemon
