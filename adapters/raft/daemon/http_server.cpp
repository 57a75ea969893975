#include "http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace faultline::raft::daemon {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t read_bytes = std::size_t{16} << 10U;  // asked of the socket at once
constexpr std::size_t backlog_small = std::size_t{1}
                                      << 20U;  // of replies not taken, below which the next request is looked at
constexpr auto sweep_interval = std::chrono::seconds(1);       // how exactly transfer_timeout is kept
constexpr auto accept_pause = std::chrono::milliseconds(100);  // after an accept failed, for want of descriptors say

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 413: return "Payload Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

std::string_view text_of(boost::string_view view) { return {view.data(), view.size()}; }

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, base);
  out.append(digits, end);
}

void append_head(std::string& out, int status, std::string_view content_type) {
  out += "HTTP/1.1 ";
  append_number(out, status);
  out += ' ';
  out += reason(status);
  out += "\r\nContent-Type: ";
  out += content_type;
}

}  // namespace

struct HttpServer::Shared {
  Shared(const asio::any_io_executor& executor, Handler on_request, const HttpServerOptions& with)
      : handler(std::move(on_request)), options(with), acceptor(executor), sweeper(executor), pause(executor) {}

  Handler handler;
  HttpServerOptions options;
  tcp::acceptor acceptor;
  asio::steady_timer sweeper;
  asio::steady_timer pause;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::uint64_t next_id = 0;
  Clock::time_point now = Clock::now();  // of the last sweep: exact enough for a minute
  bool closed = false;
};

// One client. A read is pending whenever no bytes wait to be understood, so that a hang-up is seen during an exchange, too. Everything to
// send goes through `pending_`, in order.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<HttpServer::Shared> server, std::uint64_t id)
      : socket_(std::move(socket)), server_(std::move(server)), id_(id) {
    error_code ignored;  // Only slower without it.
    socket_.set_option(tcp::no_delay(true), ignored);
    renew_parser();
  }

  void start() { read(); }
  void drop();
  [[nodiscard]] bool is_overdue(Clock::time_point now) const { return now > deadline_; }

  void reply(std::uint64_t exchange, const OutgoingReply& reply);
  void begin_stream(std::uint64_t exchange, int status, std::string_view content_type);
  void send_lines(std::uint64_t exchange, std::string_view lines);
  void end_stream(std::uint64_t exchange);
  void on_closed(std::uint64_t exchange, std::function<void()> callback) {
    if (is_current(exchange)) on_closed_ = std::move(callback);
  }
  [[nodiscard]] std::size_t backlog() const { return pending_.size() + sending_.size(); }

 private:
  using Parser = http::request_parser<http::string_body>;

  [[nodiscard]] bool is_current(std::uint64_t exchange) const { return busy_ && exchange == exchange_ && !dropped_; }
  void renew_parser();
  void read();
  void understand();
  void allow_body();
  void refuse(error_code error);
  void dispatch();
  void finish();
  void flush();
  void renew_deadline();

  tcp::socket socket_;
  std::shared_ptr<HttpServer::Shared> server_;
  std::uint64_t id_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string pending_;  // to be sent
  std::string sending_;  // being sent
  std::function<void()> on_closed_;
  std::uint64_t exchange_ = 0;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool busy_ = false;     // an exchange is under way
  bool reading_ = false;  // a read is pending
  bool understanding_ = false;
  bool body_allowed_ = false;
  bool keep_alive_ = true;
  bool is_head_ = false;
  bool dropped_ = false;
};

void Connection::renew_parser() {
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(server_->options.header_bytes_max));
  parser_->body_limit(server_->options.body_bytes_max);
  body_allowed_ = false;
}

// A client that is idle between requests, or waits for its answer, may do so for ever.
void Connection::renew_deadline() {
  const bool receiving = !busy_ && parser_->got_some() && !parser_->is_done();
  const bool waiting = !sending_.empty();
  deadline_ = receiving || waiting ? server_->now + server_->options.transfer_timeout + sweep_interval
                                   : Clock::time_point::max();
}

void Connection::read() {
  if (reading_ || dropped_) return;
  reading_ = true;
  socket_.async_read_some(buffer_.prepare(read_bytes), [self = shared_from_this()](error_code error, std::size_t n) {
    self->reading_ = false;
    if (error || self->dropped_) return self->drop();
    self->buffer_.commit(n);
    if (!self->busy_) self->understand();
  });
}

// Reads requests out of the buffer until one is under way or more bytes are needed. A handler that answers at once comes back here
// through finish(); the flag turns that recursion into this loop.
void Connection::understand() {
  if (understanding_) return;
  understanding_ = true;
  bool more = buffer_.size() == 0;  // bytes are needed before anything can go on
  while (!busy_ && !dropped_ && keep_alive_ && buffer_.size() > 0 && backlog() < backlog_small) {
    // Only now: the handler may have answered and still hold views into the request.
    if (parser_->is_done()) renew_parser();
    error_code error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error && error != http::error::need_more) {
      refuse(error);
      break;
    }
    if (parser_->is_done()) {
      dispatch();
      more = buffer_.size() == 0;
      continue;
    }
    allow_body();
    more = error == http::error::need_more || buffer_.size() == 0;
    if (more) break;
  }
  understanding_ = false;
  if (dropped_) return;
  renew_deadline();
  if (more) read();
}

// A client with a large body asks first whether it may send it.
void Connection::allow_body() {
  if (body_allowed_ || !parser_->is_header_done()) return;
  body_allowed_ = true;
  if (!boost::beast::iequals(parser_->get()[http::field::expect], "100-continue")) return;
  pending_ += "HTTP/1.1 100 Continue\r\n\r\n";
  flush();
}

void Connection::refuse(error_code error) {
  const bool too_long = error == http::error::body_limit;
  const int status = too_long ? 413 : error == http::error::header_limit ? 431 : 400;
  keep_alive_ = false;
  busy_ = true;
  reply(++exchange_, {status, "text/plain; charset=utf-8", std::string(reason(status)) + "\n", 0});
}

void Connection::dispatch() {
  const auto& request = parser_->get();
  busy_ = true;
  keep_alive_ = parser_->keep_alive();
  is_head_ = request.method() == http::verb::head;
  ++exchange_;
  const IncomingRequest incoming{text_of(request.method_string()), text_of(request.target()), request.body(),
                                 text_of(request["X-Session-Id"]), text_of(request["X-Session-Seq"])};
  server_->handler(incoming, Exchange(weak_from_this(), exchange_));
}

void Connection::reply(std::uint64_t exchange, const OutgoingReply& reply) {
  if (!is_current(exchange)) return;
  append_head(pending_, reply.status, reply.content_type);
  if (reply.applied_index != 0) {
    pending_ += "\r\nX-Raft-Applied-Index: ";
    append_number(pending_, reply.applied_index);
  }
  if (!keep_alive_) pending_ += "\r\nConnection: close";
  pending_ += "\r\nContent-Length: ";
  append_number(pending_, reply.body.size());
  pending_ += "\r\n\r\n";
  if (!is_head_) pending_ += reply.body;
  finish();
}

void Connection::begin_stream(std::uint64_t exchange, int status, std::string_view content_type) {
  if (!is_current(exchange)) return;
  append_head(pending_, status, content_type);
  if (!keep_alive_) pending_ += "\r\nConnection: close";
  pending_ += "\r\nTransfer-Encoding: chunked\r\n\r\n";
}

void Connection::send_lines(std::uint64_t exchange, std::string_view lines) {
  if (!is_current(exchange) || lines.empty()) return;
  if (backlog() + lines.size() > server_->options.stream_backlog_max) return drop();
  append_number(pending_, lines.size(), 16);
  pending_ += "\r\n";
  pending_ += lines;
  pending_ += "\r\n";
  flush();
}

void Connection::end_stream(std::uint64_t exchange) {
  if (!is_current(exchange)) return;
  pending_ += "0\r\n\r\n";
  finish();
}

// The exchange is over; what it said is on its way.
void Connection::finish() {
  busy_ = false;
  on_closed_ = nullptr;
  flush();
  understand();
}

void Connection::flush() {
  if (!sending_.empty() || pending_.empty() || dropped_) return;
  std::swap(sending_, pending_);
  renew_deadline();
  asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](error_code error, std::size_t) {
    self->sending_.clear();
    if (error || self->dropped_) return self->drop();
    self->renew_deadline();
    self->flush();
    if (!self->sending_.empty() || self->busy_) return;
    if (!self->keep_alive_) return self->drop();
    self->understand();
  });
}

void Connection::drop() {
  if (dropped_) return;
  dropped_ = true;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  if (on_closed_) asio::post(socket_.get_executor(), std::exchange(on_closed_, nullptr));
  server_->connections.erase(id_);
}

void Exchange::reply(const OutgoingReply& reply) const {
  if (const auto connection = connection_.lock()) connection->reply(number_, reply);
}
void Exchange::begin_stream(int status, std::string_view content_type) const {
  if (const auto connection = connection_.lock()) connection->begin_stream(number_, status, content_type);
}
void Exchange::send_lines(std::string_view lines) const {
  if (const auto connection = connection_.lock()) connection->send_lines(number_, lines);
}
void Exchange::end_stream() const {
  if (const auto connection = connection_.lock()) connection->end_stream(number_);
}
void Exchange::on_closed(std::function<void()> callback) const {
  if (const auto connection = connection_.lock()) connection->on_closed(number_, std::move(callback));
}
std::size_t Exchange::backlog() const {
  const auto connection = connection_.lock();
  return connection ? connection->backlog() : 0;
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(asio::any_io_executor executor, const std::string& host,
                                                       std::uint16_t port, Handler handler,
                                                       const HttpServerOptions& options) {
  auto shared = std::make_shared<Shared>(executor, std::move(handler), options);
  const auto failed = [&](std::string_view doing, const error_code& error) {
    return Error::environment("cannot " + std::string(doing) + " " + host + ":" + std::to_string(port) + ": " +
                              error.message());
  };
  error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return failed("use the address", error);
  const tcp::endpoint endpoint(address, port);
  shared->acceptor.open(endpoint.protocol(), error);
  if (!error) shared->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) shared->acceptor.bind(endpoint, error);
  if (!error) shared->acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return failed("listen on", error);
  accept(shared);
  sweep(shared);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(shared)));
}

void HttpServer::accept(std::shared_ptr<Shared> shared) {
  Shared& server = *shared;
  server.acceptor.async_accept([shared = std::move(shared)](error_code error, tcp::socket socket) mutable {
    if (shared->closed) return;
    if (error) {
      Shared& paused = *shared;
      paused.pause.expires_after(accept_pause);
      paused.pause.async_wait([shared = std::move(shared)](error_code) {
        if (!shared->closed) accept(shared);
      });
      return;
    }
    if (shared->connections.size() < shared->options.connections_max) {
      const std::uint64_t id = shared->next_id++;
      const auto connection = std::make_shared<Connection>(std::move(socket), shared, id);
      shared->connections.emplace(id, connection);
      connection->start();
    }
    accept(std::move(shared));
  });
}

void HttpServer::sweep(std::shared_ptr<Shared> shared) {
  Shared& server = *shared;
  server.sweeper.expires_after(sweep_interval);
  server.sweeper.async_wait([shared = std::move(shared)](error_code) mutable {
    if (shared->closed) return;
    shared->now = Clock::now();
    std::vector<std::shared_ptr<Connection>> overdue;
    for (const auto& [id, connection] : shared->connections) {
      if (connection->is_overdue(shared->now)) overdue.push_back(connection);
    }
    for (const auto& connection : overdue) connection->drop();
    sweep(std::move(shared));
  });
}

HttpServer::HttpServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

HttpServer::~HttpServer() {
  shared_->closed = true;
  error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->sweeper.cancel();
  shared_->pause.cancel();
  const auto connections = std::exchange(shared_->connections, {});
  for (const auto& [id, connection] : connections) connection->drop();
}

std::uint16_t HttpServer::port() const {
  error_code ignored;
  return shared_->acceptor.local_endpoint(ignored).port();
}

std::size_t HttpServer::connections() const { return shared_->connections.size(); }

}  // namespace faultline::raft::daemon
