// One connection to a Redis server, one command at a time. Private to adapters/redis.
//
// Opened on first use and again after it broke; thrown away after any error, and if bytes came that nobody asked for, so that no command
// can read another one's reply. Nothing is retried.
// Thread rules: everything on the executor's one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

#include <faultline/live/network.hpp>
#include <faultline/redis/resp.hpp>

namespace faultline::redis {

struct Exchange {
  enum class End : std::uint8_t { replied, not_sent, lost };
  End end = End::not_sent;
  Reply reply;
  std::string error;  // unless replied
};

class Connection {
 public:
  Connection(boost::asio::any_io_executor executor, live::Endpoint endpoint);

  static boost::asio::awaitable<Exchange> exchange(std::shared_ptr<Connection> self, std::string command,
                                                   std::chrono::steady_clock::time_point deadline);
  static boost::asio::awaitable<void> rest(std::shared_ptr<Connection> self, Duration pause);
  // Ends what is under way, and everything after it, as broken.
  void abandon();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  boost::asio::awaitable<std::string> open(Deadline deadline);
  boost::asio::awaitable<Exchange> talk(std::string command, Deadline deadline);
  [[nodiscard]] bool is_spoilt();
  void close();

  live::Endpoint endpoint_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  bool open_ = false;
  bool abandoned_ = false;
};

// One command on a connection of its own, blocking the calling thread for at most `limit`.
Result<Reply> call(const live::Endpoint& endpoint, std::string command, Duration limit);

}  // namespace faultline::redis
