#include "connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <fmt/format.h>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <faultline/assert.hpp>

namespace faultline::redis {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::experimental::awaitable_operators::operator||;
constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t chunk_bytes = 16U << 10U;

}  // namespace

Connection::Connection(asio::any_io_executor executor, live::Endpoint endpoint)
    : endpoint_(std::move(endpoint)), socket_(executor), timer_(std::move(executor)) {}

bool Connection::is_spoilt() {
  char byte = 0;
  return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  open_ = false;
}

void Connection::abandon() {
  abandoned_ = true;
  close();
  timer_.cancel();
}

asio::awaitable<void> Connection::rest(std::shared_ptr<Connection> self, Duration pause) {
  if (self->abandoned_) co_return;
  self->timer_.expires_after(pause);
  (void)co_await self->timer_.async_wait(as_tuple);
}

// Why not; empty if it is open.
asio::awaitable<std::string> Connection::open(Deadline deadline) {
  boost::system::error_code bad_address;
  const auto address = asio::ip::make_address(endpoint_.host, bad_address);
  if (bad_address) co_return bad_address.message();
  timer_.expires_at(deadline);
  auto race =
      co_await (socket_.async_connect(tcp::endpoint(address, endpoint_.port), as_tuple) || timer_.async_wait(as_tuple));
  if (race.index() == 1) co_return "timeout while connecting";
  const auto [error] = std::get<0>(race);
  if (error) co_return "connecting: " + error.message();
  boost::system::error_code ignored;  // only slower without it
  socket_.set_option(tcp::no_delay(true), ignored);
  open_ = true;
  co_return "";
}

asio::awaitable<Exchange> Connection::talk(std::string command, Deadline deadline) {
  using End = Exchange::End;
  timer_.expires_at(deadline);
  auto sending = co_await (asio::async_write(socket_, asio::buffer(command), as_tuple) || timer_.async_wait(as_tuple));
  // What a timer interrupts may have left in part.
  if (sending.index() == 1) co_return Exchange{.end = End::lost, .reply = {}, .error = "timeout while sending"};
  const auto [write_error, written] = std::get<0>(sending);
  if (write_error)
    co_return Exchange{
        .end = written == 0 ? End::not_sent : End::lost, .reply = {}, .error = "sending: " + write_error.message()};
  std::string bytes;
  std::array<char, chunk_bytes> chunk{};
  while (true) {
    auto parsed = parse_reply(bytes);
    if (!parsed) co_return Exchange{.end = End::lost, .reply = {}, .error = parsed.error().message};
    if (parsed.value()) {
      if (parsed.value()->size != bytes.size()) close();
      co_return Exchange{.end = End::replied, .reply = std::move(parsed.value()->reply), .error = {}};
    }
    timer_.expires_at(deadline);
    auto reading = co_await (socket_.async_read_some(asio::buffer(chunk), as_tuple) || timer_.async_wait(as_tuple));
    if (reading.index() == 1)
      co_return Exchange{.end = End::lost, .reply = {}, .error = "timeout while waiting for the reply"};
    const auto [read_error, read] = std::get<0>(reading);
    if (read_error)
      co_return Exchange{.end = End::lost, .reply = {}, .error = "waiting for the reply: " + read_error.message()};
    bytes.append(chunk.data(), read);
  }
}

asio::awaitable<Exchange> Connection::exchange(std::shared_ptr<Connection> self, std::string command,
                                               Deadline deadline) {
  if (self->open_ && self->is_spoilt()) self->close();
  if (!self->open_ && !self->abandoned_) {
    std::string problem = co_await self->open(deadline);
    if (!problem.empty() || self->abandoned_) {
      self->close();
      co_return Exchange{.error = self->abandoned_ ? "abandoned" : std::move(problem)};
    }
  }
  if (self->abandoned_) co_return Exchange{.error = "abandoned"};
  Exchange done = co_await self->talk(std::move(command), deadline);
  if (done.end != Exchange::End::replied) self->close();
  co_return done;
}

Result<Reply> call(const live::Endpoint& endpoint, std::string command, Duration limit) {
  asio::io_context loop(1);
  const auto connection = std::make_shared<Connection>(loop.get_executor(), endpoint);
  std::optional<Exchange> exchange;
  asio::co_spawn(loop, Connection::exchange(connection, std::move(command), std::chrono::steady_clock::now() + limit),
                 [&exchange](const std::exception_ptr&, Exchange done) { exchange = std::move(done); });
  loop.run();
  FL_ASSERT(exchange.has_value());
  if (exchange->end == Exchange::End::replied) return std::move(exchange->reply);
  return Error::environment(fmt::format("{}: {}", endpoint.to_string(), exchange->error));
}

}  // namespace faultline::redis
