#include "peers.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstring>
#include <deque>
#include <optional>

namespace faultline::raft::daemon {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::string_view magic = "FLRAFT1\n";
constexpr std::size_t greeting_bytes = 32;
constexpr std::size_t frame_bytes_max = 64U << 20U;
constexpr std::size_t read_bytes = 256U << 10U;
constexpr auto reconnect_pause = std::chrono::milliseconds(50);

void put(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

std::uint64_t get(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return number;
}

std::optional<tcp::endpoint> endpoint_of(const HostPort& address) {
  error_code error;
  const auto host = asio::ip::make_address(address.host, error);
  if (error) return std::nullopt;
  return tcp::endpoint(host, address.port);
}

void tune(tcp::socket& socket, Duration stall_limit) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto limit = static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(stall_limit).count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
}

}  // namespace

struct Peers::Shared {
  Shared(asio::io_context& c, PeersOptions o) : context(c), options(std::move(o)), acceptor(c) {}
  asio::io_context& context;
  PeersOptions options;
  tcp::acceptor acceptor;
  std::map<NodeId, std::shared_ptr<Link>> links;
  std::map<NodeId, std::weak_ptr<Guest>> guests;  // the last connection from each
  bool closed = false;
};

// Our connection to one node: opened when there is something to say.
class Peers::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(std::shared_ptr<Shared> shared, NodeId node)
      : shared_(std::move(shared)), node_(node), socket_(shared_->context), timer_(shared_->context) {}

  void set_address(HostPort address) {
    if (address == address_) return;
    address_ = std::move(address);
    drop();
  }

  void send(const std::string& frame) {
    if (queued_ + frame.size() > shared_->options.queue_bytes_max) return;
    put(waiting_, frame.size(), 4);
    waiting_ += frame;
    queued_ += frame.size() + 4;
    if (state_ == State::idle) connect();
    if (state_ == State::open) write();
  }

  void drop() {
    error_code ignored;
    ++life_;
    timer_.cancel();
    socket_.close(ignored);
    waiting_.clear();
    queued_ = 0;
    writing_ = false;
    state_ = State::idle;
  }

 private:
  enum class State { idle, connecting, open, resting };

  void connect() {
    const auto endpoint = endpoint_of(address_);
    if (!endpoint || shared_->closed) return drop();
    state_ = State::connecting;
    socket_ = tcp::socket(shared_->context);
    guard();
    socket_.async_connect(*endpoint, [self = shared_from_this(), life = life_](error_code error) {
      if (life != self->life_) return;
      if (error) return self->rest();
      self->greet();
    });
  }

  void greet() {
    tune(socket_, shared_->options.stall_limit);
    state_ = State::open;
    std::string greeting(magic);
    put(greeting, shared_->options.cluster, 8);
    put(greeting, shared_->options.self.value, 8);
    put(greeting, node_.value, 8);
    waiting_.insert(0, greeting);
    write();
    watch_for_end();
  }

  // The other side never speaks; whatever a read returns means that it is gone.
  void watch_for_end() {
    socket_.async_read_some(asio::buffer(one_byte_),
                            [self = shared_from_this(), life = life_](error_code, std::size_t) {
                              if (life == self->life_) self->rest();
                            });
  }

  void write() {
    if (writing_ || waiting_.empty()) return;
    writing_ = true;
    sending_.swap(waiting_);
    waiting_.clear();
    guard();
    asio::async_write(socket_, asio::buffer(sending_),
                      [self = shared_from_this(), life = life_](error_code error, std::size_t) {
                        if (life != self->life_) return;
                        if (error) return self->rest();
                        self->timer_.cancel();
                        self->writing_ = false;
                        self->queued_ = self->waiting_.size();
                        self->write();
                      });
  }

  // Ends the connection unless cancelled in time.
  void guard() {
    timer_.expires_after(shared_->options.stall_limit);
    timer_.async_wait([self = shared_from_this(), life = life_](error_code error) {
      if (!error && life == self->life_) self->rest();
    });
  }

  void rest() {
    drop();
    state_ = State::resting;
    timer_.expires_after(reconnect_pause);
    timer_.async_wait([self = shared_from_this(), life = life_](error_code) {
      if (life != self->life_) return;
      self->state_ = State::idle;
      self->waiting_.clear();
      self->queued_ = 0;
    });
  }

  std::shared_ptr<Shared> shared_;
  NodeId node_;
  HostPort address_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  State state_ = State::idle;
  std::uint64_t life_ = 0;  // handlers of an earlier connection do nothing
  std::string waiting_;
  std::string sending_;
  std::size_t queued_ = 0;
  bool writing_ = false;
  std::array<char, 1> one_byte_{};
};

// A connection from another node.
class Peers::Guest : public std::enable_shared_from_this<Guest> {
 public:
  Guest(std::shared_ptr<Shared> shared, tcp::socket socket) : shared_(std::move(shared)), socket_(std::move(socket)) {}

  void start() {
    asio::async_read(socket_, asio::buffer(greeting_), [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->welcome();
    });
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void welcome() {
    const std::string_view bytes(greeting_.data(), greeting_.size());
    const std::uint64_t cluster = get(bytes.substr(8, 8));
    from_ = {get(bytes.substr(16, 8))};
    const NodeId to{get(bytes.substr(24, 8))};
    if (!bytes.starts_with(magic) || cluster != shared_->options.cluster || to != shared_->options.self) {
      shared_->options.event(
          fmt::format("a peer was refused: it is of another cluster, or looks for another node ({})", to.value));
      return close();
    }
    if (const auto old = shared_->guests[from_].lock()) old->close();
    shared_->guests[from_] = weak_from_this();
    read();
  }

  void read() {
    const std::size_t held = buffer_.size();
    buffer_.resize(std::max(held + read_bytes, wanted_));
    socket_.async_read_some(asio::buffer(buffer_.data() + held, buffer_.size() - held),
                            [self = shared_from_this(), held](error_code error, std::size_t count) {
                              if (error) return;
                              self->buffer_.resize(held + count);
                              if (self->take_frames()) self->read();
                            });
  }

  bool take_frames() {
    std::vector<std::string> frames;
    std::size_t at = 0;
    wanted_ = 0;
    while (buffer_.size() - at >= 4) {
      const std::size_t length = get(std::string_view(buffer_).substr(at, 4));
      if (length > frame_bytes_max) {
        shared_->options.event(fmt::format("node {} sent a frame of {} bytes: refused", from_.value, length));
        close();
        return false;
      }
      if (buffer_.size() - at - 4 < length) {
        wanted_ = length + 4;
        break;
      }
      frames.push_back(buffer_.substr(at + 4, length));
      at += length + 4;
    }
    buffer_.erase(0, at);
    if (!frames.empty()) shared_->options.received(from_, std::move(frames));
    return true;
  }

  std::shared_ptr<Shared> shared_;
  tcp::socket socket_;
  NodeId from_;
  std::array<char, greeting_bytes> greeting_{};
  std::string buffer_;
  std::size_t wanted_ = 0;
};

Peers::Peers(asio::io_context& context, PeersOptions options)
    : shared_(std::make_shared<Shared>(context, std::move(options))) {}

Peers::~Peers() { close(); }

Result<void> Peers::listen() {
  const auto endpoint = endpoint_of(shared_->options.listen);
  const auto failed = [&](const std::string& why) {
    return Error::environment(
        fmt::format("cannot listen for peers at {}: {}", shared_->options.listen.to_string(), why),
        "give --peer-listen an address of this machine and a free port");
  };
  if (!endpoint) return failed("it is no numeric address");
  error_code error;
  tcp::acceptor& acceptor = shared_->acceptor;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error.message());
  accept();
  return {};
}

void Peers::accept() {
  shared_->acceptor.async_accept([this, shared = shared_](error_code error, tcp::socket socket) {
    if (shared->closed || error == asio::error::operation_aborted) return;
    if (!error) {
      tune(socket, shared->options.stall_limit);
      std::make_shared<Guest>(shared, std::move(socket))->start();
    }
    accept();
  });
}

void Peers::set_address(NodeId node, HostPort address) {
  asio::post(shared_->context, [shared = shared_, node, address = std::move(address)] {
    if (node == shared->options.self || shared->closed) return;
    auto& link = shared->links[node];
    if (!link) link = std::make_shared<Link>(shared, node);
    link->set_address(address);
  });
}

void Peers::send(std::vector<std::pair<NodeId, std::string>> frames) {
  asio::post(shared_->context, [shared = shared_, frames = std::move(frames)] {
    for (const auto& [node, frame] : frames) {
      const auto link = shared->links.find(node);
      if (link != shared->links.end()) link->second->send(frame);
    }
  });
}

void Peers::close() {
  if (shared_->closed) return;
  shared_->closed = true;
  error_code ignored;
  shared_->acceptor.close(ignored);
  for (auto& [node, link] : shared_->links) link->drop();
  for (auto& [node, guest] : shared_->guests) {
    if (const auto open = guest.lock()) open->close();
  }
}

}  // namespace faultline::raft::daemon
