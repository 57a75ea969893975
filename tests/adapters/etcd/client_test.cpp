#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include <faultline/etcd/client.hpp>

#include <gtest/gtest.h>

#include "scripted_server.hpp"

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

std::string http(std::string_view body, std::string_view status = "200 OK", std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}
const std::string done_body = R"({"header":{"member_id":"7","revision":"4","raft_term":"2"}})";
const std::string done = http(done_body);

Event write_seven() { return {.type = EventType::invoke, .process = 1, .f = "write", .key = "x", .value = 7}; }
Event read() { return {.type = EventType::invoke, .process = 1, .f = "read", .key = "x"}; }
Event append() { return {.type = EventType::invoke, .process = 1, .f = "append", .key = "x", .value = "a"}; }

// A client with its loop; the timeout is long unless a test is about it, so that a slow machine changes nothing.
struct Harness {
  explicit Harness(live::Endpoint endpoint, Duration timeout = 20s, std::size_t reply_bytes_max = 1U << 20U)
      : client(make_client(loop.get_executor(), {.node = "n1",
                                                 .endpoint = std::move(endpoint),
                                                 .operation_timeout = timeout,
                                                 .reply_bytes_max = reply_bytes_max})) {}

  void start(Event invocation) {
    completion.reset();
    asio::co_spawn(loop, client->perform(std::move(invocation)), [this](const std::exception_ptr& thrown, Event event) {
      EXPECT_EQ(thrown, nullptr);
      completion = std::move(event);
    });
  }
  Event perform(Event invocation) {
    start(std::move(invocation));
    loop.restart();
    loop.run();
    EXPECT_TRUE(completion.has_value());
    return completion.value_or(Event{});
  }

  asio::io_context loop{1};
  std::unique_ptr<live::Client> client;
  std::optional<Event> completion;
};

// Answers every request of every connection with the same bytes.
std::function<void(Peer&, int)> always(std::string reply) {
  return [reply](Peer& peer, int) {
    while (!peer.request().empty() && peer.send(reply)) {
    }
  };
}

void expect_write_open_and_read_failed(const std::function<void(Peer&, int)>& serve, const std::string& error,
                                       Duration timeout = 20s, std::size_t reply_bytes_max = 1U << 20U) {
  ScriptedServer server(serve);
  Harness harness(server.endpoint(), timeout, reply_bytes_max);
  const Event write = harness.perform(write_seven());
  EXPECT_EQ(write.type, EventType::info);
  EXPECT_EQ(write.value, Value(7));
  EXPECT_EQ(write.error(), Value(error));
  EXPECT_EQ(write.node(), Value("n1"));
  const Event failed = harness.perform(read());
  EXPECT_EQ(failed.type, EventType::fail);
  EXPECT_EQ(failed.value, Value());
  EXPECT_EQ(failed.error(), Value(error));
  harness.client.reset();
}

TEST(Client, CompletesWithWhatTheServerTold) {
  ScriptedServer server(always(done));
  Harness harness(server.endpoint());
  const Event event = harness.perform(write_seven());
  EXPECT_EQ(event.type, EventType::ok);
  EXPECT_EQ(event.process, 1);
  EXPECT_EQ(event.f, "write");
  EXPECT_EQ(event.key, Value("x"));
  EXPECT_EQ(event.extra.to_string(), R"({"member_id" "7", "node" "n1", "raft_term" 2, "revision" 4, "version" 4})");
  harness.client.reset();
}

TEST(Client, SendsOneKeepAlivePostPerRequest) {
  std::string seen;
  {
    ScriptedServer server([&](Peer& peer, int) {
      seen = peer.request();
      peer.send(done);
    });
    Harness harness(server.endpoint());
    harness.perform(write_seven());
    EXPECT_EQ(seen, "POST /v3/kv/put HTTP/1.1\r\nHost: " + server.endpoint().to_string() +
                        "\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n"
                        R"({"key":"ZmF1bHRsaW5lLyJ4Ig==","value":"Nw=="})");
  }
}

TEST(Client, ReusesItsConnection) {
  ScriptedServer server(always(done));
  Harness harness(server.endpoint());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(harness.perform(write_seven()).type, EventType::ok);
  EXPECT_EQ(server.connections(), 1);
  harness.client.reset();
}

TEST(Client, ARefusedConnectionSentNothing) {
  live::Endpoint nobody;
  {
    nobody = ScriptedServer([](Peer&, int) {}).endpoint();
  }
  Harness harness(nobody);
  const Event event = harness.perform(write_seven());
  EXPECT_EQ(event.type, EventType::fail);
  EXPECT_EQ(event.error(), Value("connecting: Connection refused"));
}

TEST(Client, AnUnreachableNodeIsNotAskedInATightLoop) {
  live::Endpoint nobody;
  {
    nobody = ScriptedServer([](Peer&, int) {}).endpoint();
  }
  Harness harness(nobody);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(harness.perform(write_seven()).type, EventType::fail);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms);
}

TEST(Client, DestroyedWhileItRestsItEndsAtOnce) {
  live::Endpoint nobody;
  {
    nobody = ScriptedServer([](Peer&, int) {}).endpoint();
  }
  Harness harness(nobody);
  harness.start(write_seven());
  harness.loop.run_for(20ms);
  harness.client.reset();
  harness.loop.poll();
  ASSERT_TRUE(harness.completion.has_value());
  EXPECT_EQ(harness.completion->type, EventType::fail);
}

TEST(Client, AnAddressThatIsNoneSentNothing) {
  Harness harness({"no-such-host", 1});
  EXPECT_EQ(harness.perform(write_seven()).type, EventType::fail);
}

TEST(Client, AnOperationTheCodecRefusesFailsAsTheHarnesssError) {
  Harness harness({"127.0.0.1", 1});
  const Event event = harness.perform({.type = EventType::invoke, .process = 1, .f = "enqueue", .value = 1});
  EXPECT_EQ(event.type, EventType::fail);
  EXPECT_TRUE(event.extra.get("harness_error").is_string());
}

TEST(Client, AResetWithinTheReplyLeavesTheWriteOpen) {
  expect_write_open_and_read_failed(
      [](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"header\":{");
        peer.reset();
      },
      "waiting for the reply: Connection reset by peer");
}

TEST(Client, AResetBeforeTheReplyLeavesTheWriteOpen) {
  expect_write_open_and_read_failed(
      [](Peer& peer, int) {
        peer.request();
        peer.reset();
      },
      "waiting for the reply: Connection reset by peer");
}

TEST(Client, AnEndBeforeOrWithinTheReplyLeavesTheWriteOpen) {
  expect_write_open_and_read_failed([](Peer& peer, int) { peer.request(); },
                                    "the server closed the connection before its reply");
  for (const char* part : {"HTT", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"}) {
    expect_write_open_and_read_failed(
        [part](Peer& peer, int) {
          peer.request();
          peer.send(part);
        },
        "the server closed the connection within its reply");
  }
}

TEST(Client, SilenceEndsAtTheDeadline) {
  const auto begin = std::chrono::steady_clock::now();
  expect_write_open_and_read_failed(
      [](Peer& peer, int) {
        peer.request();
        peer.wait_for_close();
      },
      "timeout while waiting for the reply", 150ms);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms);
}

TEST(Client, OneDeadlineCoversTheWholeOperationHoweverSlowTheBytes) {
  const auto begin = std::chrono::steady_clock::now();
  expect_write_open_and_read_failed(
      [](Peer& peer, int) {
        peer.request();
        for (const char c : done) {
          peer.wait_for_close(20);
          if (!peer.send({&c, 1})) return;
        }
      },
      "timeout while waiting for the reply", 200ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST(Client, TheDeadlineOfAnAppendCoversBothItsRequests) {
  ScriptedServer server([](Peer& peer, int) {
    peer.request();
    peer.wait_for_close(100);
    peer.send(done);
    peer.request();
    peer.wait_for_close();
  });
  Harness harness(server.endpoint(), 400ms);
  const auto begin = std::chrono::steady_clock::now();
  const Event event = harness.perform(append());
  EXPECT_EQ(event.type, EventType::info);
  EXPECT_EQ(event.error(), Value("timeout while waiting for the reply"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 400ms);
}

TEST(Client, AReplyWithoutEndIsCutAtTheBound) {
  const auto endless = [](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (peer.send("1000\r\n" + std::string(0x1000, 'x') + "\r\n")) {
    }
  };
  expect_write_open_and_read_failed(endless, "reply larger than 4096 bytes", 20s, 4096);
  expect_write_open_and_read_failed(
      [](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{");
        peer.wait_for_close();
      },
      "reply larger than 4096 bytes", 20s, 4096);
}

TEST(Client, HeadersWithoutEndAreCut) {
  ScriptedServer server([](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  Harness harness(server.endpoint());
  EXPECT_EQ(harness.perform(write_seven()).type, EventType::info);
}

TEST(Client, WhatIsNoHttpLeavesTheWriteOpen) {
  for (const char* noise :
       {"\x15\x03\x01\x00\x02\x02\x50", "SSH-2.0-OpenSSH_9.2\r\n", "\r\n\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n"}) {
    ScriptedServer server(always(std::string(noise) + std::string(100, '\n')));
    Harness harness(server.endpoint());
    EXPECT_EQ(harness.perform(write_seven()).type, EventType::info);
    EXPECT_EQ(harness.perform(read()).type, EventType::fail);
    harness.client.reset();
  }
}

TEST(Client, AnotherContentTypeIsJudgedByItsBody) {
  ScriptedServer proxy(
      always("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>no</html>"));
  Harness harness(proxy.endpoint());
  const Event event = harness.perform(write_seven());
  EXPECT_EQ(event.type, EventType::info);
  EXPECT_EQ(event.error(), Value("unparsable reply: HTTP 502 text/html '<html>no</html>'"));
  harness.client.reset();

  ScriptedServer foreign(always(
      "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n\r\nNot Found\n"));
  Harness lost(foreign.endpoint());
  const Event failed = lost.perform(write_seven());
  EXPECT_EQ(failed.type, EventType::fail);
  EXPECT_TRUE(failed.extra.get("harness_error").is_string());
  lost.client.reset();
}

TEST(Client, JoinsChunksAndDropsTrailers) {
  // As etcd sends errors, but cut at odd places.
  const std::string body =
      R"({"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5})";
  std::string reply =
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nTrailer: Grpc-Trailer-Content-Type\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0, size = 1; at < body.size(); at += size, size += 7) {
    const std::string chunk = body.substr(at, size);
    reply += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  reply += "0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n";
  ScriptedServer server(always(reply));
  Harness harness(server.endpoint());
  for (int i = 0; i < 2; ++i) {
    const Event event = harness.perform(write_seven());
    EXPECT_EQ(event.type, EventType::fail);
    EXPECT_EQ(event.error(), Value("5 etcdserver: requested lease not found"));
  }
  EXPECT_EQ(server.connections(), 1);
  harness.client.reset();
}

TEST(Client, AConnectionClosedWhileIdleIsReplacedBeforeAnythingIsSent) {
  ScriptedServer server([](Peer& peer, int) {
    peer.request();
    peer.send(done);
  });
  Harness harness(server.endpoint());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(harness.perform(write_seven()).type, EventType::ok);
    server.wait_until_served(i + 1);
  }
  EXPECT_EQ(server.connections(), 5);
}

TEST(Client, AConnectionThatTheServerSaysItClosesIsNotUsedAgain) {
  ScriptedServer server([](Peer& peer, int) {
    peer.request();
    peer.send(http(done_body, "200 OK", "Connection: close\r\n"));
    peer.wait_for_close();
  });
  Harness harness(server.endpoint());
  EXPECT_EQ(harness.perform(write_seven()).type, EventType::ok);
  EXPECT_EQ(harness.perform(write_seven()).type, EventType::ok);
  EXPECT_EQ(server.connections(), 2);
  harness.client.reset();
}

TEST(Client, AReplyNobodyAskedForIsNeverTakenForTheNextOperations) {
  const std::string stray = http(R"({"header":{"member_id":"666"}})");
  // With the reply, in the same segment.
  ScriptedServer at_once([&](Peer& peer, int) {
    peer.request();
    peer.send(done + stray);
    peer.wait_for_close();
  });
  Harness harness(at_once.endpoint());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(harness.perform(write_seven()).extra.get("member_id"), Value("7"));
  EXPECT_EQ(at_once.connections(), 2);
  harness.client.reset();

  // Later, while the connection is idle.
  std::atomic<bool> go{false};
  ScriptedServer later([&](Peer& peer, int number) {
    peer.request();
    peer.send(done);
    if (number > 0) return;
    while (!go) std::this_thread::yield();
    peer.send(stray);
    go = false;
    peer.wait_for_close();
  });
  Harness idle(later.endpoint());
  EXPECT_EQ(idle.perform(write_seven()).extra.get("member_id"), Value("7"));
  go = true;
  while (go) std::this_thread::yield();
  EXPECT_EQ(idle.perform(write_seven()).extra.get("member_id"), Value("7"));
  EXPECT_EQ(later.connections(), 2);
  idle.client.reset();
}

TEST(Client, NeverSendsARequestTwice) {
  std::atomic<int> requests{0};
  ScriptedServer server([&](Peer& peer, int) {
    if (!peer.request().empty()) ++requests;
    peer.reset();
  });
  Harness harness(server.endpoint());
  for (int i = 1; i <= 10; ++i) {
    EXPECT_EQ(harness.perform(write_seven()).type, EventType::info);
    server.wait_until_served(i);
    EXPECT_EQ(requests, i);
  }
}

TEST(Client, DestroyedUnderWayEndsTheOperationAndSendsNothingMore) {
  for (const bool is_append : {false, true}) {
    std::atomic<int> requests{0};
    ScriptedServer server([&](Peer& peer, int) {
      while (!peer.request().empty()) ++requests;
    });
    Harness harness(server.endpoint());
    harness.start(is_append ? append() : write_seven());
    while (requests == 0) harness.loop.run_for(1ms);
    harness.client.reset();
    harness.loop.restart();
    harness.loop.run();
    ASSERT_TRUE(harness.completion.has_value());
    // An append has only read so far.
    EXPECT_EQ(harness.completion->type, is_append ? EventType::fail : EventType::info);
    EXPECT_EQ(harness.completion->error(), Value("abandoned"));
    server.wait_until_served(1);
    EXPECT_EQ(requests, 1);
  }
}

TEST(Client, DestroyedAnywhereInAnAppendIsFailExactlyIfTheWriteNeverLeft) {
  int written = 0;
  const int steps = 12;
  for (int step = 0; step < steps; ++step) {
    std::atomic<int> requests{0}, replies{0};
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer, int) {
      while (!peer.request().empty()) {
        if (++requests > 1) continue;
        while (!go) std::this_thread::yield();
        replies += peer.send(done) ? 1 : 0;
      }
    });
    Harness harness(server.endpoint());
    harness.start(append());
    while (requests == 0) harness.loop.poll_one();
    go = true;
    while (replies == 0) std::this_thread::yield();
    for (int i = 0; i < step; ++i) harness.loop.poll_one();
    harness.client.reset();
    harness.loop.restart();
    harness.loop.run();
    ASSERT_TRUE(harness.completion.has_value());
    EXPECT_EQ(harness.completion->error(), Value("abandoned"));
    server.wait_until_served(1);
    EXPECT_EQ(harness.completion->type, requests == 1 ? EventType::fail : EventType::info) << step;
    written += requests - 1;
  }
  EXPECT_GT(written, 0);
  EXPECT_LT(written, steps);
}

TEST(Client, TheLoopMayBeDestroyedWithAnOperationUnderWay) {
  std::atomic<int> requests{0};
  ScriptedServer server([&](Peer& peer, int) {
    while (!peer.request().empty()) ++requests;
  });
  {
    asio::io_context loop{1};
    auto client = make_client(loop.get_executor(), {.node = "n1", .endpoint = server.endpoint()});
    asio::co_spawn(loop, client->perform(write_seven()), [](const std::exception_ptr&, const Event&) {});
    while (requests == 0) loop.run_for(1ms);
    client.reset();
  }
  server.wait_until_served(1);
}

}  // namespace
}  // namespace faultline::etcd
