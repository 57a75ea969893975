#include "http_server.hpp"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>

namespace faultline::raft::daemon {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t header_bytes_max = 16U << 10U;
constexpr std::size_t unsent_bytes_max = 64U << 20U;  // of a stream whose client does not read

std::string_view reason_of(int status) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(status));
  return {reason.data(), reason.size()};
}

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpServer::Shared {
  Shared(asio::io_context& c, HttpServerOptions o) : context(c), options(std::move(o)), acceptor(c) {}
  asio::io_context& context;
  HttpServerOptions options;
  tcp::acceptor acceptor;
  std::size_t connections = 0;
  bool closed = false;
};

class HttpServer::Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Shared> shared, tcp::socket socket)
      : shared_(std::move(shared)), socket_(std::move(socket)) {
    ++shared_->connections;
  }
  ~Connection() override { --shared_->connections; }

  void read() {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(gateway::body_bytes_max + 1);  // the gateway says what is too large
    http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error == http::error::body_limit) return self->refuse(413, "request body is too large");
      if (error == http::error::header_limit) return self->refuse(431, "request header is too large");
      if (error == http::error::end_of_stream || error.category() == boost::system::system_category())
        return self->close();
      if (error) return self->refuse(400, "malformed HTTP request");
      self->handle();
    });
  }

  // --- Exchange ---
  void reply(const gateway::HttpReply& reply, std::uint64_t applied) override {
    if (stage_ != Stage::busy) return;
    stage_ = Stage::replying;
    std::string head = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", reply.status,
                                   reason_of(reply.status), reply.content_type, reply.body.size());
    if (applied != 0) head += fmt::format("X-Raft-Applied-Index: {}\r\n", applied);
    if (!keep_alive_) head += "Connection: close\r\n";
    head += "\r\n";
    send(std::move(head) + reply.body);
  }
  void begin_stream() override {
    if (stage_ != Stage::busy) return;
    stage_ = Stage::streaming;
    send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  void stream(std::string lines) override {
    if (stage_ != Stage::streaming || lines.empty()) return;
    if (unsent_.size() + lines.size() > unsent_bytes_max) return close();
    send(fmt::format("{:x}\r\n", lines.size()) + lines + "\r\n");
  }
  void end_stream() override {
    if (stage_ != Stage::streaming) return;
    stage_ = Stage::replying;
    send("0\r\n\r\n");
  }
  void on_closed(std::function<void()> closed) override {
    if (stage_ == Stage::closed) return closed();
    closed_ = std::move(closed);
  }

 private:
  enum class Stage { idle, busy, replying, streaming, closed };

  void handle() {
    stage_ = Stage::busy;
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    const gateway::HttpRequest request{.method = view_of(message.method_string()),
                                       .target = view_of(message.target()),
                                       .body = message.body(),
                                       .session_id = view_of(message["X-Session-Id"]),
                                       .session_seq = view_of(message["X-Session-Seq"])};
    shared_->options.handle(shared_from_this(), request);
    if (stage_ == Stage::busy || stage_ == Stage::streaming) watch_for_end();
  }

  // A client may hang up while it waits. More bytes are its next request: they stay where they are.
  void watch_for_end() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this(), request = requests_](error_code error) {
      if (error || request != self->requests_ || self->stage_ == Stage::closed) return;
      error_code failure;
      if (self->socket_.available(failure) == 0 || failure) self->close();
    });
  }

  void refuse(int status, std::string_view text) {
    stage_ = Stage::busy;
    keep_alive_ = false;
    reply({.status = status, .content_type = "text/plain; charset=utf-8", .body = std::string(text) + "\n"}, 0);
  }

  void send(std::string bytes) {
    unsent_ += bytes;
    if (writing_) return;
    writing_ = true;
    sending_.swap(unsent_);
    unsent_.clear();
    asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](error_code error, std::size_t) {
      self->writing_ = false;
      if (error) return self->close();
      if (!self->unsent_.empty()) return self->send({});
      if (self->stage_ == Stage::replying) self->next();
    });
  }

  void next() {
    closed_ = nullptr;
    ++requests_;
    if (!keep_alive_ || shared_->closed) return close();
    stage_ = Stage::idle;
    read();
  }

  void close() {
    if (stage_ == Stage::closed) return;
    stage_ = Stage::closed;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    if (const auto closed = std::exchange(closed_, nullptr)) closed();
  }

  std::shared_ptr<Shared> shared_;
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  Stage stage_ = Stage::idle;
  bool keep_alive_ = true;
  bool writing_ = false;
  std::uint64_t requests_ = 0;
  std::string unsent_;
  std::string sending_;
  std::function<void()> closed_;
};

HttpServer::HttpServer(asio::io_context& context, HttpServerOptions options)
    : shared_(std::make_shared<Shared>(context, std::move(options))) {}

HttpServer::~HttpServer() { close(); }

Result<void> HttpServer::listen() {
  const HostPort& where = shared_->options.listen;
  error_code error;
  const auto host = asio::ip::make_address(where.host, error);
  const tcp::endpoint endpoint(host, where.port);
  tcp::acceptor& acceptor = shared_->acceptor;
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error::environment(fmt::format("cannot listen for clients at {}: {}", where.to_string(), error.message()),
                              "give --listen an address of this machine and a free port");
  }
  accept();
  return {};
}

void HttpServer::accept() {
  shared_->acceptor.async_accept([this, shared = shared_](error_code error, tcp::socket socket) {
    if (shared->closed || error == asio::error::operation_aborted) return;
    if (!error && shared->connections < shared->options.connections_max) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Connection>(shared, std::move(socket))->read();
    }
    accept();
  });
}

void HttpServer::close() {
  if (shared_->closed) return;
  shared_->closed = true;
  error_code ignored;
  shared_->acceptor.close(ignored);
}

}  // namespace faultline::raft::daemon
