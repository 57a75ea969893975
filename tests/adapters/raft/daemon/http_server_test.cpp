// The HTTP server over real loopback sockets, one loop in the test's own thread; the client is a plain blocking socket in another.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <future>
#include <optional>
#include <thread>

#include "adapters/raft/daemon/http_server.hpp"

#include <gtest/gtest.h>

namespace faultline::raft::daemon {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(loop_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
    timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void send(std::string_view text) { asio::write(socket_, asio::buffer(text)); }
  // Until `end` was read; what came before and it. Cut short if the server closes.
  std::string read_until(std::string_view end) {
    while (received_.find(end) == std::string::npos && receive()) {
    }
    const std::size_t at = std::min(received_.find(end) + end.size(), received_.size());
    std::string text = received_.substr(0, received_.find(end) == std::string::npos ? received_.size() : at);
    received_.erase(0, text.size());
    return text;
  }
  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }
  void close() { socket_.close(); }

 private:
  bool receive() {
    char bytes[4096];
    const auto n = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }

  asio::io_context loop_{1};
  tcp::socket socket_;
  std::string received_;
};

std::string post(std::string_view target, std::string_view body, std::string_view headers = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// A server whose handler is the test's; the client's part runs in a thread, then everything ends.
class Served {
 public:
  explicit Served(HttpServer::Handler handler, const HttpServerOptions& options = {}) {
    auto listening = HttpServer::listen(loop_.get_executor(), "127.0.0.1", 0, std::move(handler), options);
    EXPECT_TRUE(listening.ok());
    server_ = std::move(listening).value();
  }
  // `part` runs beside the loop, which goes on until it is done.
  void run(const std::function<void(std::uint16_t)>& part) {
    std::thread client([&, port = server_->port()] {
      part(port);
      asio::post(loop_, [this] { server_.reset(); });
    });
    loop_.run();
    client.join();
  }
  HttpServer& server() { return *server_; }
  asio::io_context& loop() { return loop_; }

 private:
  asio::io_context loop_{1};
  std::unique_ptr<HttpServer> server_;
};

void echo(const IncomingRequest& request, const Exchange& exchange) {
  exchange.reply({200, "text/plain",
                  std::string(request.method) + " " + std::string(request.target) + " " +
                      std::string(request.session_id) + "/" + std::string(request.session_seq) + " " +
                      std::string(request.body) + "\n",
                  7});
}

TEST(HttpServer, RequestsOnOneConnectionAreAnsweredInOrderAlsoWhenSentAhead) {
  Served served(echo);
  served.run([](std::uint16_t port) {
    Client client(port);
    client.send(post("/a", "one", "X-Session-Id: 5\r\nx-session-seq: 6\r\n"));
    EXPECT_EQ(client.read_until("one\n"),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Raft-Applied-Index: 7\r\nContent-Length: "
              "16\r\n\r\nPOST /a 5/6 one\n");
    client.send(post("/b", "two") + post("/c", "three") + "GET /d HTTP/1.1\r\n\r\n");
    EXPECT_NE(client.read_until("GET /d / \n").find("POST /b / two\n"), std::string::npos);
  });
}

TEST(HttpServer, ARequestMayArriveByteByByte) {
  Served served(echo);
  served.run([](std::uint16_t port) {
    Client client(port);
    for (const char byte : post("/slow", "body")) client.send({&byte, 1});
    EXPECT_NE(client.read_until("body\n").find("POST /slow / body\n"), std::string::npos);
  });
}

TEST(HttpServer, ThousandsOfRequestsSentAheadByAClientThatReadsLateAreAllAnswered) {
  Served served([](const IncomingRequest& request, const Exchange& exchange) {
    exchange.reply({200, "text/plain", std::string(1000, 'x') + std::string(request.target) + "\n", 0});
  });
  served.run([](std::uint16_t port) {
    Client client(port);
    std::thread writer([&] {
      for (int i = 0; i < 5000; ++i) client.send(post("/" + std::to_string(i), ""));
    });
    for (int i = 0; i < 5000; ++i) client.read_until("x/" + std::to_string(i) + "\n");
    writer.join();
    client.send(post("/last", ""));
    EXPECT_NE(client.read_until("/last\n").find("x/last"), std::string::npos);
  });
}

TEST(HttpServer, AnAnswerMayComeLater) {
  std::optional<Exchange> kept;
  Served served([&](const IncomingRequest& request, Exchange exchange) {
    if (request.target == "/wait") {
      kept = exchange;
    } else {
      kept->reply({200, "text/plain", "late\n", 0});
      kept->reply({200, "text/plain", "twice\n", 0});  // over: does nothing
      echo(request, exchange);
    }
  });
  served.run([](std::uint16_t port) {
    Client waiting(port), other(port);
    waiting.send(post("/wait", ""));
    other.send(post("/now", ""));
    EXPECT_NE(waiting.read_until("late\n").find("late"), std::string::npos);
    waiting.send(post("/again", ""));
    EXPECT_EQ(waiting.read_until("/again / \n").find("twice"), std::string::npos);
  });
}

TEST(HttpServer, TheRequestIsThereForTheWholeCallOfTheHandlerAlsoAfterItsAnswer) {
  std::string seen;
  Served served([&](const IncomingRequest& request, const Exchange& exchange) {
    exchange.reply({200, "text/plain", "ok\n", 0});
    seen = std::string(request.target) + std::string(request.body);
  });
  served.run([](std::uint16_t port) {
    Client client(port);
    client.send(post("/a", "one") + post("/b", "two"));
    client.read_until("ok\n");
    client.read_until("ok\n");
  });
  EXPECT_EQ(seen, "/btwo");
}

TEST(HttpServer, AStreamIsChunkedAndBeginsOnlyWhenTheRequestHasEnded) {
  Served served([](const IncomingRequest& request, const Exchange& exchange) {
    exchange.begin_stream(200, "application/json");
    exchange.send_lines(std::string(request.body) + "\n");
    exchange.send_lines("{}\n");
    exchange.end_stream();
  });
  served.run([](std::uint16_t port) {
    Client client(port);
    client.send("POST /w HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.send("2\r\nde\r\n0\r\n\r\n");
    EXPECT_EQ(client.read_until("0\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
              "6\r\nabcde\n\r\n3\r\n{}\n\r\n0\r\n\r\n");
    client.send(post("/w", "x"));
    client.read_until("0\r\n\r\n");
  });
}

TEST(HttpServer, AClientThatHangsUpIsNoticedOnceAndItsExchangeIsOver) {
  int closed = 0;
  std::promise<void> seen;
  std::optional<Exchange> kept;
  Served served([&](const IncomingRequest&, Exchange exchange) {
    kept = exchange;
    exchange.begin_stream(200, "application/json");
    exchange.send_lines("{}\n");
    exchange.on_closed([&] {
      ++closed;
      kept->send_lines("nobody reads this\n");
      seen.set_value();
    });
  });
  served.run([&](std::uint16_t port) {
    Client client(port);
    client.send(post("/watch", "{}"));
    client.read_until("{}\n");
    client.close();
    EXPECT_EQ(seen.get_future().wait_for(20s), std::future_status::ready);
  });
  EXPECT_EQ(closed, 1);
}

TEST(HttpServer, AStreamThatNobodyTakesIsDropped) {
  std::promise<void> dropped;
  Served served(
      [&](const IncomingRequest&, Exchange exchange) {
        exchange.begin_stream(200, "application/json");
        exchange.on_closed([&] { dropped.set_value(); });
        const std::string lines(1 << 16, '\n');
        for (int i = 0; i < 2000; ++i) exchange.send_lines(lines);
      },
      {.stream_backlog_max = 1 << 20});
  served.run([&](std::uint16_t port) {
    Client client(port);
    client.send(post("/watch", "{}"));
    EXPECT_EQ(dropped.get_future().wait_for(20s), std::future_status::ready);
  });
}

TEST(HttpServer, WhatIsNoHttpOrTooLargeIsRefusedAndTheConnectionClosed) {
  Served served(echo, {.header_bytes_max = 1024, .body_bytes_max = 1000});
  served.run([](std::uint16_t port) {
    Client nonsense(port), long_header(port), long_body(port), told(port);
    nonsense.send("\x16\x03\x01 hello\r\n\r\n");
    EXPECT_TRUE(nonsense.read_all().starts_with("HTTP/1.1 400 "));
    long_header.send("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
    EXPECT_TRUE(long_header.read_all().starts_with("HTTP/1.1 431 "));
    told.send("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n");
    EXPECT_TRUE(told.read_all().starts_with("HTTP/1.1 413 "));
    long_body.send(post("/", std::string(1000, 'x')));
    EXPECT_NE(long_body.read_until("x\n").find("200 OK"), std::string::npos);
  });
}

TEST(HttpServer, AClientThatAsksBeforeALargeBodyIsToldToGoOn) {
  Served served(echo);
  served.run([](std::uint16_t port) {
    Client client(port);
    client.send("POST /big HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    EXPECT_NE(client.read_until("abc\n").find("200 OK"), std::string::npos);
  });
}

TEST(HttpServer, ConnectionCloseIsObeyed) {
  Served served(echo);
  served.run([](std::uint16_t port) {
    Client client(port);
    client.send(post("/", "x", "Connection: close\r\n"));
    const std::string all = client.read_all();
    EXPECT_NE(all.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(all.ends_with("x\n"));
  });
}

TEST(HttpServer, ConnectionsAreBounded) {
  Served served(echo, {.connections_max = 2});
  served.run([&](std::uint16_t port) {
    Client one(port), two(port);
    one.send(post("/", "1"));
    one.read_until("1\n");
    two.send(post("/", "2"));
    two.read_until("2\n");
    Client three(port);
    EXPECT_EQ(three.read_all(), "");
    one.send(post("/", "still"));
    EXPECT_NE(one.read_until("still\n").find("200"), std::string::npos);
  });
}

TEST(HttpServer, ARequestThatNeverEndsIsGivenUp) {
  Served served(echo, {.transfer_timeout = std::chrono::seconds(1)});
  served.run([](std::uint16_t port) {
    Client idle(port), stuck(port);
    stuck.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    EXPECT_EQ(stuck.read_all(), "");
    idle.send(post("/", "idle may stay"));
    EXPECT_NE(idle.read_until("stay\n").find("200"), std::string::npos);
  });
}

TEST(HttpServer, ShuttingDownEndsOpenExchanges) {
  bool closed = false;
  Served served([&](const IncomingRequest&, const Exchange& exchange) {
    exchange.begin_stream(200, "application/json");
    exchange.send_lines("{}\n");
    exchange.on_closed([&] { closed = true; });
  });
  std::optional<Client> client;
  served.run([&](std::uint16_t port) {
    client.emplace(port);
    client->send(post("/watch", ""));
    client->read_until("{}\n");
  });
  EXPECT_TRUE(closed);
  client->read_all();
}

TEST(HttpServer, AnAddressThatCannotBeHadIsSaid) {
  asio::io_context loop(1);
  EXPECT_FALSE(HttpServer::listen(loop.get_executor(), "192.0.2.1", 1, echo).ok());
  EXPECT_FALSE(HttpServer::listen(loop.get_executor(), "no address", 0, echo).ok());
}

}  // namespace
}  // namespace faultline::raft::daemon
