// An HTTP/1.1 server for the gateway: one listening address, many keep-alive connections, whole replies and line streams.
//
// It knows nothing of the API. Each request goes to the Handler as views into the connection's buffer, valid during that call only,
// with an Exchange: the handle to answer with, now or later. A connection does one exchange at a time and reads the next request only
// after the reply; bytes a client sends ahead wait. Streams are half-duplex as etcd's gateway is: a request is handed over when its
// whole body is there, so no reply byte leaves before the request has ended.
//
// Bounded: connections, header and body bytes, bytes of a stream that the client does not take (then the connection is dropped), and
// the time a client may take to send a request or to take a reply. How long an answer may take is the handler's to say; a client that
// hangs up before it is told through on_closed.
//
// Hot path: no coroutine and no allocation per request beyond what the handler makes; the buffer, the parser's storage and the reply's
// header text are reused by the connection.
//
// Thread rules: everything on the executor's one thread, the handler and all calls on an Exchange included.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <faultline/result.hpp>

namespace faultline::raft::daemon {

struct HttpServerOptions {
  std::size_t connections_max = 10'000;
  std::size_t header_bytes_max = std::size_t{16} << 10U;
  std::size_t body_bytes_max = std::size_t{16} << 20U;
  std::size_t stream_backlog_max = std::size_t{16} << 20U;
  std::chrono::seconds transfer_timeout{60};  // for a whole request to arrive, or a reply to be taken, once begun
};

// REQUIRES of all: valid during the call only.
struct IncomingRequest {
  std::string_view method;
  std::string_view target;
  std::string_view body;
  std::string_view session_id;   // X-Session-Id; empty if absent
  std::string_view session_seq;  // X-Session-Seq
};

struct OutgoingReply {
  int status = 200;
  std::string_view content_type;
  std::string body;
  std::uint64_t applied_index = 0;  // X-Raft-Applied-Index; 0: not sent
};

class Connection;

// One request's way back. Copies are the same exchange; it is answered once, by reply() or by begin_stream() … end_stream(). Whatever is
// said to an exchange that is over, or whose client is gone, does nothing.
class Exchange {
 public:
  Exchange(std::weak_ptr<Connection> connection, std::uint64_t number)
      : connection_(std::move(connection)), number_(number) {}

  void reply(const OutgoingReply& reply) const;
  // Chunked: status and headers leave with the first lines.
  void begin_stream(int status, std::string_view content_type) const;
  void send_lines(std::string_view lines) const;
  void end_stream() const;
  // Called once if the client hangs up (or the server shuts down) before the exchange is over; never from within a call on it.
  void on_closed(std::function<void()> callback) const;
  // Bytes of the stream that the client has not taken yet.
  [[nodiscard]] std::size_t backlog() const;

 private:
  std::weak_ptr<Connection> connection_;  // so that it may outlive server and executor
  std::uint64_t number_;
};

class HttpServer {
 public:
  using Handler = std::function<void(const IncomingRequest&, Exchange)>;

  // Listens at once. environment: the address cannot be had.
  static Result<std::unique_ptr<HttpServer>> listen(boost::asio::any_io_executor executor, const std::string& host,
                                                    std::uint16_t port, Handler handler,
                                                    const HttpServerOptions& options = {});
  ~HttpServer();  // closes everything; a handler is not called any more
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;  // the real one if 0 was asked for
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Shared;
  explicit HttpServer(std::shared_ptr<Shared> shared);
  static void accept(std::shared_ptr<Shared> shared);
  static void sweep(std::shared_ptr<Shared> shared);
  friend class Connection;

  std::shared_ptr<Shared> shared_;
};

}  // namespace faultline::raft::daemon
