// A node's gateway: requests of clients as bytes, and the replies to them; as raftd's service, without its connections.
#include <faultline/raft/gateway/read_txn.hpp>
#include <faultline/raft/gateway/reply.hpp>

#include "daemon.hpp"
#include "wire.hpp"

namespace faultline::raft::sim {
namespace {

using faultline::sim::Connection;
using gateway::HttpReply;

gateway::Header header_of(const Host& host) {
  return {.cluster_id = 1, .member_id = host.options().raft.id.value, .raft_term = host.raft().term().value};
}

template <class Answer, class Make>
HttpReply reply_of(const Host& host, gateway::Call call, const Answer& answer, const Make& make) {
  if (const auto* failure = std::get_if<kv::Failure>(&answer)) return gateway::error_reply(call, *failure);
  return make(header_of(host), host.store().revision(), std::get<1>(answer));
}

}  // namespace

void RaftDaemon::request(Connection from, std::string bytes) {
  const auto wire = decode_request(bytes);
  if (!wire) return;  // damaged on the way: TCP would have dropped it, and the client waits in vain
  gateway::Request request = decoder_.decode({.method = "POST",
                                              .target = wire->path,
                                              .body = wire->body,
                                              .session_id = wire->session,
                                              .session_seq = wire->sequence});
  if (const auto* refused = std::get_if<HttpReply>(&request.content)) return reply(from, *refused);
  turn([&](Host&, Instant now) { ask(from, now, std::move(request)); });
}

void RaftDaemon::closed(Connection connection) {
  // What was handed to the log still happens; only nobody is told.
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    waiting = waiting->second.connection == connection ? waiting_.erase(waiting) : std::next(waiting);
  }
}

void RaftDaemon::submit(Instant now, Request request, Waiting waiting) {
  if (setting_.invariants != nullptr) {
    if (waiting.command) setting_.invariants->asked(id_, *waiting.command);
    waiting.committed_when_asked = setting_.invariants->ghost().commit();
  }
  const RequestId id = host_->submit(now, std::move(request));
  waiting_.emplace(id, std::move(waiting));
}

void RaftDaemon::ask(Connection from, Instant now, gateway::Request request) {
  if (auto* write = std::get_if<gateway::Write>(&request.content)) {
    kv::Command command = std::move(write->command);
    Waiting waiting{.connection = from, .request = {}, .command = command};
    waiting.request.call = request.call;
    return submit(now, raft::Write{std::move(command)}, std::move(waiting));
  }
  std::optional<kv::Failure> refused;
  bool serializable = false;
  if (const auto* read = std::get_if<gateway::Read>(&request.content)) {
    refused = kv::check(read->range);
    serializable = read->serializable;
  } else if (const auto* txn = std::get_if<gateway::ReadTxn>(&request.content)) {
    refused = kv::check(kv::Command{.client = {}, .request = txn->txn});
    serializable = txn->serializable;
  } else {
    refused = kv::Failure{12, "raftd: not offered here"};
  }
  if (refused) return reply(from, gateway::error_reply(request.call, *refused));
  Waiting waiting{.connection = from, .request = std::move(request)};
  if (serializable) return answer_read(waiting);
  submit(now, raft::Read{}, std::move(waiting));
}

void RaftDaemon::complete(Waiting waiting, const Answer& answer) {
  if (const auto* failure = std::get_if<kv::Failure>(&answer.result)) {
    if (failure->code == 8) setting_.probes->hit(Probe::request_refused_for_space);
    return reply(waiting.connection, gateway::error_reply(waiting.request.call, *failure));
  }
  if (const auto* written = std::get_if<kv::Reply>(&answer.result)) {
    if (setting_.invariants != nullptr) setting_.invariants->answered(id_, *waiting.command, *written);
    return reply(waiting.connection, gateway::to_reply(waiting.request.call, header_of(*host_), *written));
  }
  setting_.probes->hit(!host_->raft().is_leader()               ? Probe::read_answered_by_follower
                       : setting_.host.reads == ReadMode::lease ? Probe::read_lease_answered
                                                                : Probe::read_answered_by_leader);
  if (setting_.invariants != nullptr) {
    setting_.invariants->answered_read(id_, waiting.committed_when_asked, host_->store().applied());
  }
  answer_read(waiting);
}

void RaftDaemon::answer_read(const Waiting& waiting) {
  const kv::Store& store = host_->store();
  const gateway::Call call = waiting.request.call;
  if (const auto* read = std::get_if<gateway::Read>(&waiting.request.content)) {
    return reply(waiting.connection, reply_of(*host_, call, store.range(read->range), gateway::range_reply));
  }
  const kv::Txn& txn = std::get<gateway::ReadTxn>(waiting.request.content).txn;
  reply(waiting.connection, reply_of(*host_, call, gateway::read_txn(store, txn), gateway::txn_reply));
}

void RaftDaemon::reply(Connection to, const HttpReply& reply) {
  surroundings_.reply(to, encode(WireReply{reply.status, reply.content_type, reply.body}));
}

}  // namespace faultline::raft::sim
