#include "http.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <fmt/format.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <faultline/text.hpp>

namespace faultline::etcd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t header_bytes_max = 64U << 10U;

std::string host_header(const live::Endpoint& endpoint) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port) : endpoint.to_string();
}

std::string explain(boost::system::error_code error, const char* phase, std::size_t reply_bytes_max) {
  if (error == beast::error::timeout) return fmt::format("timeout while {}", phase);
  if (error == http::error::end_of_stream) return "the server closed the connection before its reply";
  if (error == http::error::partial_message) return "the server closed the connection within its reply";
  if (error == http::error::body_limit) return fmt::format("reply larger than {} bytes", reply_bytes_max);
  return fmt::format("{}: {}", phase, error.message());
}

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }

}  // namespace

Connection::Connection(asio::any_io_executor executor, live::Endpoint endpoint, std::size_t reply_bytes_max,
                       LocalEnd from)
    : endpoint_(std::move(endpoint)),
      reply_bytes_max_(reply_bytes_max),
      from_(std::move(from)),
      stream_(executor),
      timer_(std::move(executor)) {}

bool Connection::is_spoilt() {
  char byte = 0;
  const auto n = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || errno != EAGAIN;
}

// A fresh socket, bound to the local end before it connects. A port that is still in use is passed over.
bool Connection::bind_to(const LocalEnd& end) {
  boost::system::error_code error;
  auto& socket = stream_.socket();
  socket.close(error);
  const auto local = asio::ip::make_address(end.address.empty() ? "0.0.0.0" : end.address, error);
  if (!error) socket.open(tcp::v4(), error);
  if (!error && end.ports) {
    for (std::size_t i = 0; i < end.ports->size(); ++i) {
      socket.bind(tcp::endpoint(local, end.ports->next()), error);
      if (error != asio::error::address_in_use) break;
    }
    return !error;
  }
  // Which port is left to connect(), where only the pair of both ends must be free.
  const int on = 1;
  if (!error) ::setsockopt(socket.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (!error) socket.bind(tcp::endpoint(local, 0), error);
  return !error;
}

void Connection::close() {
  stream_.close();
  buffer_.clear();
  open_ = false;
}

void Connection::abandon() {
  abandoned_ = true;
  close();
  timer_.cancel();
}

Exchange Connection::failed(Exchange::End end, const char* phase, boost::system::error_code error) {
  close();
  return {.end = end, .error = abandoned_ ? "abandoned" : explain(error, phase, reply_bytes_max_)};
}

Exchange Connection::replied(Reply reply, bool reusable) {
  if (!reusable || buffer_.size() != 0) close();
  return {.end = Exchange::End::replied, .reply = std::move(reply)};
}

asio::awaitable<void> Connection::rest(std::shared_ptr<Connection> self, Duration pause) {
  if (self->abandoned_) co_return;
  self->timer_.expires_after(pause);
  (void)co_await self->timer_.async_wait(as_tuple);
}

asio::awaitable<Exchange> Connection::exchange(std::shared_ptr<Connection> self, std::string message,
                                               std::chrono::steady_clock::time_point deadline) {
  using End = Exchange::End;
  if (self->abandoned_) co_return self->failed(End::not_sent, "connecting", {});
  if (self->open_ && self->is_spoilt()) self->close();
  if (!self->open_) {
    boost::system::error_code bad_address;
    const auto address = asio::ip::make_address(self->endpoint_.host, bad_address);
    if (bad_address) co_return self->failed(End::not_sent, "connecting", bad_address);
    self->stream_.expires_at(deadline);
    if ((!self->from_.address.empty() || self->from_.ports) && !self->bind_to(self->from_))
      co_return self->failed(End::not_sent, "binding", asio::error::address_in_use);
    const auto [error] = co_await self->stream_.async_connect(tcp::endpoint(address, self->endpoint_.port), as_tuple);
    if (error) co_return self->failed(End::not_sent, "connecting", error);
    if (self->abandoned_) co_return self->failed(End::not_sent, "connecting", {});
    self->open_ = true;
    boost::system::error_code ignored;  // Only slower without it.
    self->stream_.socket().set_option(tcp::no_delay(true), ignored);
  }

  self->stream_.expires_at(deadline);
  const auto [write_error, written] = co_await asio::async_write(self->stream_, asio::buffer(message), as_tuple);
  if (write_error) co_return self->failed(written == 0 ? End::not_sent : End::lost, "sending", write_error);

  http::response_parser<http::string_body> parser;
  parser.body_limit(self->reply_bytes_max_);
  parser.header_limit(header_bytes_max);
  self->stream_.expires_at(deadline);
  const auto [read_error, read] = co_await http::async_read(self->stream_, self->buffer_, parser, as_tuple);
  if (read_error) co_return self->failed(End::lost, "waiting for the reply", read_error);
  self->stream_.expires_never();
  const bool reusable = parser.keep_alive();
  auto response = parser.release();
  co_return self->replied(
      {response.result_int(), text_of(response[http::field::content_type]), std::move(response.body())}, reusable);
}

std::string post(const Request& request, const live::Endpoint& endpoint) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                     request.path, host_header(endpoint), request.body.size(), request.body);
}

std::string get(std::string_view path, const live::Endpoint& endpoint) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path, host_header(endpoint));
}

Result<Reply> call(const live::Endpoint& endpoint, std::string message, Duration limit) {
  asio::io_context loop(1);
  const auto connection = std::make_shared<Connection>(loop.get_executor(), endpoint, std::size_t{8} << 20U);
  std::optional<Exchange> exchange;
  asio::co_spawn(loop, Connection::exchange(connection, std::move(message), std::chrono::steady_clock::now() + limit),
                 [&exchange](const std::exception_ptr&, Exchange done) { exchange = std::move(done); });
  loop.run();
  FL_ASSERT(exchange.has_value());
  if (exchange->end == Exchange::End::replied) return std::move(exchange->reply);
  return Error::environment(fmt::format("{}: {}", endpoint.to_string(), exchange->error));
}

}  // namespace faultline::etcd
