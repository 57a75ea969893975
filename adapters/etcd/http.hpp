// One HTTP/1.1 keep-alive connection to one endpoint, and what can go wrong with an exchange on it.
//
// Thread rules: one exchange at a time, everything on the executor's one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <memory>
#include <string>

#include <faultline/etcd/codec.hpp>
#include <faultline/live/network.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::etcd {

struct Exchange {
  enum class End : std::uint8_t {
    replied,   // the whole reply is here
    not_sent,  // no byte of the request left
    lost,      // it may have arrived, the reply did not
  };
  End end = End::lost;
  Reply reply;        // if replied
  std::string error;  // else
};

// The local end of connections: an address, or any if it is empty; ports, or any if there are none.
struct LocalEnd {
  std::string address;
  std::shared_ptr<live::SourcePorts> ports;
};

class Connection {
 public:
  Connection(boost::asio::any_io_executor executor, live::Endpoint endpoint, std::size_t reply_bytes_max,
             LocalEnd from = {});

  // Sends `message`, a whole HTTP request, and reads one reply, connecting first if need be. Owns the connection while
  // it runs, so the caller may let go of it.
  static boost::asio::awaitable<Exchange> exchange(std::shared_ptr<Connection> self, std::string message,
                                                   std::chrono::steady_clock::time_point deadline);
  // Waits for `pause`, or until abandoned.
  static boost::asio::awaitable<void> rest(std::shared_ptr<Connection> self, Duration pause);
  // Ends the exchange or rest under way; there will be no other.
  void abandon();

  [[nodiscard]] const live::Endpoint& endpoint() const { return endpoint_; }

 private:
  // Closed by the server, or holding bytes that nobody asked for.
  [[nodiscard]] bool is_spoilt();
  void close();
  bool bind_to(const LocalEnd& end);
  Exchange failed(Exchange::End end, const char* phase, boost::system::error_code error);
  Exchange replied(Reply reply, bool reusable);

  live::Endpoint endpoint_;
  std::size_t reply_bytes_max_;
  LocalEnd from_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  boost::asio::steady_timer timer_;
  bool open_ = false;
  bool abandoned_ = false;
};

// The bytes of a request.
std::string post(const Request& request, const live::Endpoint& endpoint);
std::string get(std::string_view path, const live::Endpoint& endpoint);

// One exchange on a connection of its own, blocking the calling thread for at most `limit`.
Result<Reply> call(const live::Endpoint& endpoint, std::string message, Duration limit);

}  // namespace faultline::etcd
