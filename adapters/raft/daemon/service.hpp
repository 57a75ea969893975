// Service: the gateway's requests at the host. Decodes and checks on the connections' thread, asks and answers on the owner's.
//
// Every reply is made of one look at the store, on the owner's thread, in the turn in which it became possible.
#pragma once

#include <faultline/raft/gateway/request.hpp>
#include <faultline/raft/gateway/watch.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "http_server.hpp"
#include "node.hpp"
#include "settings.hpp"

namespace faultline::raft::daemon {

class Service {
 public:
  Service(const Settings& settings, boost::asio::io_context& context);
  ~Service();

  // REQUIRES: before anything else; the node outlives the service's last call.
  void attach(Node& node) { node_ = &node; }
  // On the connections' thread.
  void handle(const IncomingRequest& request, Exchange exchange);
  // On the owner's thread, after each turn.
  void turn(Host& host, std::vector<Answer> answers);

 private:
  using ExchangePtr = std::shared_ptr<Exchange>;
  // What waits for an answer of the host.
  struct Waiting {
    ExchangePtr exchange;
    gateway::Request request;
    std::size_t keepalive = 0;  // of a keepalive stream: the lease that is being renewed
    bool streaming = false;
  };
  struct Watching {
    ExchangePtr exchange;
    gateway::WatchSession session;
  };
  using Deed = std::function<void()>;  // on the connections' thread

  void ask(Host& host, Instant now, ExchangePtr exchange, gateway::Request request);
  void wait(Host& host, Instant now, raft::Request asked, Waiting waiting);
  void answer_now(Host& host, const ExchangePtr& exchange, const gateway::Request& request);
  void complete(Host& host, Waiting waiting, Answer answer);
  void complete_read(Host& host, const Waiting& waiting, const Answer& answer);
  void complete_keepalive(Host& host, Waiting waiting, const Answer& answer);
  void open_watch(Host& host, ExchangePtr exchange, const std::vector<gateway::WatchRequest>& requests);
  void poll_watches(Host& host);
  bool handle_member_change(const ExchangePtr& exchange, const gateway::HttpRequest& request);

  void reply(const ExchangePtr& exchange, gateway::HttpReply reply, const Host& host);
  [[nodiscard]] gateway::Header header(const Host& host) const;
  [[nodiscard]] gateway::HttpReply status_of(const Host& host) const;
  [[nodiscard]] gateway::HttpReply members_of(const Host& host) const;

  const Settings& settings_;
  boost::asio::io_context& context_;
  Node* node_ = nullptr;
  gateway::Decoder decoder_;  // the connections'

  // The owner's:
  std::map<RequestId, Waiting> waiting_;
  std::map<Exchange*, RequestId> cancellable_;
  std::list<Watching> watching_;
  kv::Revision watched_ = 0;
  std::vector<Deed> deeds_;  // gathered in a turn, done together
  Instant now_;
};

}  // namespace faultline::raft::daemon
