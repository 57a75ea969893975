#include <faultline/serve/server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <chrono>

#include "site.hpp"

namespace faultline::serve {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto patience = std::chrono::seconds(30);
constexpr auto look_every = std::chrono::seconds(1);
constexpr int heartbeat_looks = 10;
constexpr auto ask_every = std::chrono::milliseconds(100);
constexpr std::uint32_t header_limit = 16U << 10U;
constexpr std::size_t most_connections = 256;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

}  // namespace

struct Server::Impl {
  explicit Impl(const ServerOptions& options) : site(options.directory, options.address), acceptor(context) {}

  asio::io_context context{1};
  Site site;
  tcp::acceptor acceptor;
  std::size_t connections = 0;

  asio::awaitable<void> accept();
  asio::awaitable<void> converse(tcp::socket socket);
  // What is referred to is in the frame of converse(), which awaits these.
  asio::awaitable<bool> send(beast::tcp_stream& stream, const http::request<http::empty_body>& request, Answer answer);
  asio::awaitable<void> send_events(beast::tcp_stream& stream);
};

namespace {

template <class Response>
void describe(Response& response, const Answer& answer) {
  response.set(http::field::content_type, answer.content_type);
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Content-Security-Policy", answer.policy);
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  response.set(http::field::cache_control, "no-store");
  if (answer.status == 405) response.set(http::field::allow, "GET, HEAD");
  if (!answer.download.empty()) {
    std::string name;
    for (const char c : answer.download) name += c == '"' || c == '\\' || static_cast<unsigned char>(c) > 126 ? '_' : c;
    response.set(http::field::content_disposition, "attachment; filename=\"" + name + "\"");
  }
}

std::string_view text_of(boost::string_view view) { return {view.data(), view.size()}; }

struct Counted {
  explicit Counted(std::size_t& n) : count(n) { ++count; }
  ~Counted() { --count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::size_t& count;
};

}  // namespace

asio::awaitable<void> Server::Impl::accept() {
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(token);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // for want of descriptors, say
      asio::steady_timer pause(context, ask_every);
      co_await pause.async_wait(token);
      continue;
    }
    if (connections < most_connections) asio::co_spawn(context, converse(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> Server::Impl::converse(tcp::socket socket) {
  const Counted counted(connections);
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(header_limit);
  while (true) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(header_limit);
    stream.expires_after(patience);
    const auto [error, read] = co_await http::async_read(stream, buffer, parser, token);
    if (error) break;
    const auto& request = parser.get();
    Answer answer =
        site.answer({text_of(request.method_string()), text_of(request.target()), text_of(request[http::field::host])});
    const bool goes_on = co_await send(stream, request, std::move(answer));
    if (!goes_on) break;
  }
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

// Whether the connection may go on.
asio::awaitable<bool> Server::Impl::send(beast::tcp_stream& stream, const http::request<http::empty_body>& request,
                                         Answer answer) {
  const bool head = request.method() == http::verb::head;
  stream.expires_after(patience);
  if (answer.events && !head) {
    http::response<http::empty_body> response(http::status::ok, 11);
    describe(response, answer);
    response.keep_alive(false);
    http::response_serializer<http::empty_body> serializer(response);
    const auto [error, written] = co_await http::async_write_header(stream, serializer, token);
    if (!error) co_await send_events(stream);
    co_return false;
  }
  if (answer.file && !head) {
    http::response<http::file_body> response(http::int_to_status(static_cast<unsigned>(answer.status)), 11);
    describe(response, answer);
    beast::file file;
    file.native_handle(answer.file->handle.release());
    error_code error;
    response.body().reset(std::move(file), error);
    if (error) co_return false;
    response.prepare_payload();
    response.keep_alive(request.keep_alive());
    // Each piece has its own patience: a slow reader of a long history is no dead one.
    http::response_serializer<http::file_body> serializer(response);
    while (!serializer.is_done()) {
      stream.expires_after(patience);
      const auto [failed, written] = co_await http::async_write_some(stream, serializer, token);
      if (failed) co_return false;
    }
    co_return request.keep_alive();
  }
  http::response<http::string_body> response(http::int_to_status(static_cast<unsigned>(answer.status)), 11);
  describe(response, answer);
  response.keep_alive(request.keep_alive());
  const std::uint64_t size = answer.file ? answer.file->size : answer.body.size();
  if (!head) response.body() = std::move(answer.body);
  if (!answer.events) response.content_length(size);
  http::response_serializer<http::string_body> serializer(response);
  if (head) {
    const auto [error, written] = co_await http::async_write_header(stream, serializer, token);
    co_return !error && request.keep_alive();
  }
  const auto [error, written] = co_await http::async_write(stream, serializer, token);
  co_return !error && request.keep_alive();
}

asio::awaitable<void> Server::Impl::send_events(beast::tcp_stream& stream) {
  Site::Sent sent;
  asio::steady_timer timer(context);
  for (int look = 0; acceptor.is_open(); ++look) {
    std::string events = site.live(sent);
    // A comment now and then, to notice who has gone.
    if (events.empty() && look % heartbeat_looks == 0) events = ":\n\n";
    if (!events.empty()) {
      stream.expires_after(patience);
      const auto [error, written] = co_await asio::async_write(stream, asio::buffer(events), token);
      if (error) co_return;
    }
    timer.expires_after(look_every);
    const auto [stopped] = co_await timer.async_wait(token);
    if (stopped) co_return;
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options) {
  auto impl = std::make_unique<Impl>(options);
  const auto failed = [&](const char* doing, const error_code& error) {
    return Error::environment(std::string("cannot ") + doing + " " + options.address + ":" +
                                  std::to_string(options.port) + ": " + error.message(),
                              "choose another with --port or --bind; --port 0 takes any that is free");
  };
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return failed("use the address", error);
  const tcp::endpoint endpoint(address, options.port);
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return failed("listen on", error);
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const {
  error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

void Server::run(const std::function<bool()>& stop) {
  asio::co_spawn(impl_->context, impl_->accept(), asio::detached);
  while (!stop()) impl_->context.run_for(ask_every);
}

}  // namespace faultline::serve
