// A cluster of one without log, clock or socket: the gateway's codec around a store, as a daemon wires them. Every write is applied
// at once; a lease ends when the test says so.
#pragma once

#include <faultline/raft/gateway/read_txn.hpp>
#include <faultline/raft/gateway/reply.hpp>
#include <faultline/raft/gateway/request.hpp>
#include <faultline/raft/gateway/watch.hpp>
#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/kv/lock.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::gateway {

class OneMember {
 public:
  // The reply to anything but a watch or a lock that has to wait.
  HttpReply answer(const HttpRequest& request) {
    Request asked = decoder_.decode(request);
    return answer(asked);
  }
  HttpReply answer(Request& asked);
  HttpReply post(std::string_view path, std::string_view body) { return answer({"POST", path, body, {}, {}}); }

  // The reply, or the ticket to wait with.
  std::variant<HttpReply, kv::Ticket> lock(const Lock& lock);
  // Nothing while it has to wait on.
  std::optional<HttpReply> lock_reply_if_any(const kv::Ticket& ticket) const;

  Decoder& decoder() { return decoder_; }
  kv::Store& store() { return store_; }
  const Header& header() const { return header_; }
  kv::Reply apply(const kv::Command& command) { return store_.apply(store_.applied() + 1, kv::encode(command)); }
  void expire_leases_up_to(std::int64_t ttl);

 private:
  HttpReply local(const Request& asked);

  Header header_{.cluster_id = 1001, .member_id = 22, .raft_term = 2};
  Decoder decoder_;
  kv::Store store_;
};

}  // namespace faultline::raft::gateway
