#include "service.hpp"

#include <faultline/raft/gateway/read_txn.hpp>
#include <faultline/raft/kv/errors.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <boost/asio/post.hpp>

#include "metrics.hpp"

namespace faultline::raft::daemon {
namespace {

using gateway::Call;
using gateway::HttpReply;

constexpr const char* etcd_version = "3.4.23";  // whose API this is
constexpr const char* cluster_version = "3.4.0";
constexpr const char* own_version = "0.1.0";
constexpr std::size_t watch_bytes = 256U << 10U;

OutgoingReply outgoing(HttpReply reply, std::uint64_t applied = 0) {
  return {.status = reply.status,
          .content_type = reply.content_type,
          .body = std::move(reply.body),
          .applied_index = applied};
}

std::vector<std::string> url_of(const std::optional<HostPort>& address) {
  if (!address) return {};
  return {"http://" + address->to_string()};
}

}  // namespace

Service::Service(const Settings& settings, boost::asio::io_context& context) : settings_(settings), context_(context) {}
Service::~Service() = default;

// --- The connections' thread --------------------------------------------------------------------------------------------------------

void Service::handle(const IncomingRequest& incoming, Exchange handed) {
  auto exchange = std::make_shared<Exchange>(std::move(handed));
  const gateway::HttpRequest http{.method = incoming.method,
                                  .target = incoming.target,
                                  .body = incoming.body,
                                  .session_id = incoming.session_id,
                                  .session_seq = incoming.session_seq};
  if (handle_member_change(exchange, http)) return;
  gateway::Request request = decoder_.decode(http);
  if (auto* refused = std::get_if<HttpReply>(&request.content)) return exchange->reply(outgoing(std::move(*refused)));
  switch (request.call) {
    case Call::version:
      return exchange->reply(outgoing(gateway::version_reply(etcd_version, cluster_version, own_version)));
    case Call::alarm:
    case Call::defragment: return exchange->reply(outgoing(gateway::empty_reply()));
    default: break;
  }
  const bool waits = request.call == Call::lock || request.call == Call::watch;
  if (waits) {
    exchange->on_closed([this, gone = exchange.get()] {
      node_->post([this, gone](Host& host, Instant now) {
        if (const auto found = cancellable_.find(gone); found != cancellable_.end()) {
          waiting_.erase(found->second);
          host.cancel(now, found->second);
          cancellable_.erase(found);
        }
        std::erase_if(watching_, [&](const Watching& watching) { return watching.exchange.get() == gone; });
      });
    });
  }
  auto shared = std::make_shared<gateway::Request>(std::move(request));
  node_->post([this, exchange = std::move(exchange), shared](Host& host, Instant now) {
    ask(host, now, exchange, std::move(*shared));
  });
}

// Beyond etcd's form, `ID` says which node is added: raftd's nodes are numbered by their owner.
bool Service::handle_member_change(const ExchangePtr& exchange, const gateway::HttpRequest& http) {
  constexpr std::string_view prefix = "/v3/cluster/member/";
  if (!http.target.starts_with(prefix) || http.method != "POST") return false;
  const std::string_view verb = http.target.substr(prefix.size());
  ChangeMembers change;
  if (verb == "add") {
    change.kind = ChangeMembers::Kind::add_learner;
  } else if (verb == "promote") {
    change.kind = ChangeMembers::Kind::promote;
  } else if (verb == "remove") {
    change.kind = ChangeMembers::Kind::remove;
  } else {
    return false;
  }
  const auto body = nlohmann::json::parse(http.body, nullptr, false);
  const auto refuse = [&](const std::string& why) {
    exchange->reply(outgoing(gateway::plain_error_reply({3, why})));
    return true;
  };
  if (!body.is_object()) return refuse("raftd: the body is no JSON object");
  const auto id = body.value("ID", nlohmann::json());
  try {
    change.member.id = {id.is_string() ? std::stoull(id.get<std::string>()) : id.get<std::uint64_t>()};
    const auto address_in = [&](const char* name) {
      std::string url = body.contains(name) ? body.at(name).at(0).get<std::string>() : std::string();
      constexpr std::string_view scheme = "http://";
      return url.starts_with(scheme) ? url.substr(scheme.size()) : url;
    };
    if (verb == "add") {
      const std::string client = address_in("clientURLs");
      const std::string text = address_in("peerURLs") + (client.empty() ? "" : "/" + client);
      if (auto address = parse_member_address(text); !address) return refuse("raftd: " + address.error().message);
      change.member.address = text;
    }
  } catch (const std::exception&) {
    return refuse(R"(raftd: expected {"ID":"4","peerURLs":["http://HOST:PORT"]})");
  }
  node_->post([this, exchange, change](Host& host, Instant now) {
    gateway::Request request;
    request.call = Call::transfer_leadership;  // answered {} alike
    wait(host, now, change, {.exchange = exchange, .request = std::move(request)});
  });
  return true;
}

// --- The owner's thread -------------------------------------------------------------------------------------------------------------

gateway::Header Service::header(const Host& host) const {
  return {.cluster_id = cluster_id(settings_), .member_id = settings_.id.value, .raft_term = host.raft().term().value};
}

void Service::reply(const ExchangePtr& exchange, HttpReply reply, const Host& host) {
  deeds_.push_back(
      [exchange, reply = outgoing(std::move(reply), host.store().applied().value)] { exchange->reply(reply); });
}

void Service::wait(Host& host, Instant now, raft::Request asked, Waiting waiting) {
  const bool cancels = waiting.request.call == Call::lock;
  Exchange* const exchange = waiting.exchange.get();
  const RequestId id = host.submit(now, std::move(asked));
  waiting_.emplace(id, std::move(waiting));
  if (cancels) cancellable_[exchange] = id;
}

void Service::ask(Host& host, Instant now, ExchangePtr exchange, gateway::Request request) {
  now_ = now;
  const auto refuse = [&](const kv::Failure& failure) {
    reply(exchange, gateway::error_reply(request.call, failure), host);
  };
  Waiting waiting{.exchange = exchange};
  if (auto* write = std::get_if<gateway::Write>(&request.content)) {
    kv::Command command = std::move(write->command);
    waiting.request.call = request.call;
    return wait(host, now, raft::Write{std::move(command)}, std::move(waiting));
  }
  if (const auto* read = std::get_if<gateway::Read>(&request.content)) {
    if (const auto refused = kv::check(read->range)) return refuse(*refused);
    if (read->serializable) return answer_now(host, exchange, request);
    waiting.request = std::move(request);
    return wait(host, now, raft::Read{}, std::move(waiting));
  }
  if (const auto* txn = std::get_if<gateway::ReadTxn>(&request.content)) {
    if (const auto refused = kv::check(kv::Command{.client = {}, .request = txn->txn})) return refuse(*refused);
    if (txn->serializable) return answer_now(host, exchange, request);
    waiting.request = std::move(request);
    return wait(host, now, raft::Read{}, std::move(waiting));
  }
  if (const auto* lease = std::get_if<gateway::TimeToLive>(&request.content)) {
    const LeaseTimeToLive asked{lease->id, lease->keys};
    waiting.request = std::move(request);
    return wait(host, now, asked, std::move(waiting));
  }
  if (const auto* lock = std::get_if<gateway::Lock>(&request.content)) {
    Lock asked{lock->name, lock->lease};
    waiting.request = std::move(request);
    return wait(host, now, std::move(asked), std::move(waiting));
  }
  if (const auto* transfer = std::get_if<gateway::Transfer>(&request.content)) {
    const Transfer asked{{transfer->target}};
    waiting.request = std::move(request);
    return wait(host, now, asked, std::move(waiting));
  }
  if (const auto* watches = std::get_if<gateway::Watches>(&request.content)) {
    return open_watch(host, std::move(exchange), watches->requests);
  }
  if (const auto* keepalives = std::get_if<gateway::Keepalives>(&request.content)) {
    if (keepalives->leases.empty()) return reply(exchange, {.status = 200, .body = {}}, host);
    const kv::LeaseId first = keepalives->leases.front();
    waiting.request = std::move(request);
    return wait(host, now, raft::Write{{.client = {}, .request = kv::LeaseKeepalive{first}}}, std::move(waiting));
  }
  answer_now(host, exchange, request);
}

// What needs nobody's consent.
void Service::answer_now(Host& host, const ExchangePtr& exchange, const gateway::Request& request) {
  const kv::Store& store = host.store();
  switch (request.call) {
    case Call::range:
    case Call::txn: return complete_read(host, {.exchange = exchange, .request = request}, {.result = Done{}});
    case Call::lease_leases: {
      std::vector<kv::LeaseId> ids;
      for (const kv::Lease& lease : store.leases()) ids.push_back(lease.id);
      return reply(exchange, gateway::leases_reply(header(host), store.revision(), ids), host);
    }
    case Call::status: return reply(exchange, status_of(host), host);
    case Call::member_list: return reply(exchange, members_of(host), host);
    case Call::health: return reply(exchange, gateway::health_reply(static_cast<bool>(host.raft().leader())), host);
    case Call::metrics:
      return reply(
          exchange,
          {.status = 200, .content_type = "text/plain; version=0.0.4", .body = metrics_text(host, node_->disk_stats())},
          host);
    case Call::debug: return reply(exchange, {.status = 200, .body = debug_text(host, node_->disk_stats())}, host);
    default: FL_ASSERT(false && "every call is handled");
  }
}

HttpReply Service::status_of(const Host& host) const {
  const kv::Store& store = host.store();
  gateway::StatusReply status{.revision = store.revision(),
                              .version = etcd_version,
                              .db_size = static_cast<std::int64_t>(store.record_bytes()),
                              .leader = host.raft().leader().value,
                              .raft_index = host.raft().commit().value,
                              .raft_applied_index = store.applied().value,
                              .errors = {},
                              .db_size_in_use = static_cast<std::int64_t>(store.record_bytes())};
  if (status.leader == 0) status.errors.emplace_back("etcdserver: no leader");
  status.errors.insert(status.errors.end(), settings_.warnings.begin(), settings_.warnings.end());
  return gateway::status_reply(header(host), status);
}

HttpReply Service::members_of(const Host& host) const {
  std::vector<gateway::MemberReply> members;
  const Config config = host.raft().status().config;
  for (const Member& member : config.members()) {
    gateway::MemberReply reply{
        .id = member.id.value, .name = fmt::format("n{}", member.id.value), .peer_urls = {}, .client_urls = {}};
    if (const auto address = parse_member_address(member.address)) {
      reply.peer_urls = url_of(address.value().peer);
      reply.client_urls = url_of(address.value().client);
    }
    reply.is_learner = !config.is_voter(member.id);
    members.push_back(std::move(reply));
  }
  return gateway::member_list_reply(header(host), members);
}

// --- Answers ------------------------------------------------------------------------------------------------------------------------

void Service::turn(Host& host, std::vector<Answer> answers) {
  for (Answer& answer : answers) {
    const auto found = waiting_.find(answer.id);
    if (found == waiting_.end()) continue;
    Waiting waiting = std::move(found->second);
    waiting_.erase(found);
    cancellable_.erase(waiting.exchange.get());
    complete(host, std::move(waiting), std::move(answer));
  }
  poll_watches(host);
  if (deeds_.empty()) return;
  boost::asio::post(context_, [deeds = std::exchange(deeds_, {})] {
    for (const Deed& deed : deeds) deed();
  });
}

void Service::complete(Host& host, Waiting waiting, Answer answer) {
  const Call call = waiting.request.call;
  if (std::holds_alternative<gateway::Keepalives>(waiting.request.content)) {
    return complete_keepalive(host, std::move(waiting), answer);
  }
  if (const auto* failure = std::get_if<kv::Failure>(&answer.result)) {
    return reply(waiting.exchange, gateway::error_reply(call, *failure), host);
  }
  if (const auto* written = std::get_if<kv::Reply>(&answer.result)) {
    return reply(waiting.exchange, gateway::to_reply(call, header(host), *written), host);
  }
  if (const auto* lock = std::get_if<LockAnswer>(&answer.result)) {
    if (lock->key.empty())
      return reply(waiting.exchange, gateway::plain_error_reply(kv::errors::lease_not_found()), host);
    return reply(waiting.exchange, gateway::lock_reply(header(host), answer.revision, lock->key), host);
  }
  if (auto* lease = std::get_if<LeaseAnswer>(&answer.result)) {
    const auto& asked = std::get<gateway::TimeToLive>(waiting.request.content);
    return reply(waiting.exchange,
                 gateway::time_to_live_reply(header(host), {.revision = answer.revision,
                                                            .id = asked.id,
                                                            .ttl = lease->remaining,
                                                            .granted_ttl = lease->granted,
                                                            .keys = std::move(lease->keys)}),
                 host);
  }
  if (call == Call::transfer_leadership) return reply(waiting.exchange, gateway::empty_reply(), host);
  complete_read(host, waiting, answer);
}

void Service::complete_read(Host& host, const Waiting& waiting, const Answer&) {
  const kv::Store& store = host.store();
  const Call call = waiting.request.call;
  const auto finish = [&](const auto& result, auto make) {
    if (const auto* failure = std::get_if<kv::Failure>(&result)) {
      return reply(waiting.exchange, gateway::error_reply(call, *failure), host);
    }
    reply(waiting.exchange, make(header(host), store.revision(), std::get<1>(result)), host);
  };
  if (const auto* read = std::get_if<gateway::Read>(&waiting.request.content)) {
    return finish(store.range(read->range), gateway::range_reply);
  }
  finish(gateway::read_txn(store, std::get<gateway::ReadTxn>(waiting.request.content).txn), gateway::txn_reply);
}

// One after the other, as etcd reads its stream; the stream ends with the body, or with the first refusal.
void Service::complete_keepalive(Host& host, Waiting waiting, const Answer& answer) {
  const auto& leases = std::get<gateway::Keepalives>(waiting.request.content).leases;
  const ExchangePtr exchange = waiting.exchange;
  const auto* written = std::get_if<kv::Reply>(&answer.result);
  const kv::Failure* failure =
      written == nullptr ? &std::get<kv::Failure>(answer.result) : std::get_if<kv::Failure>(&written->response);
  if (failure != nullptr) {
    HttpReply refused = gateway::stream_error_reply(*failure);
    if (!waiting.streaming) return reply(exchange, std::move(refused), host);
    deeds_.push_back([exchange, line = std::move(refused.body)] {
      exchange->send_lines(line);
      exchange->end_stream();
    });
    return;
  }
  const auto& lease = std::get<kv::LeaseReply>(written->response);
  const bool last = waiting.keepalive + 1 == leases.size();
  deeds_.push_back(
      [exchange, last, begun = waiting.streaming,
       line = gateway::keepalive_line(header(host), written->revision, leases[waiting.keepalive], lease.ttl)] {
        if (!begun) exchange->begin_stream(200, "application/json");
        exchange->send_lines(line);
        if (last) exchange->end_stream();
      });
  if (last) return;
  ++waiting.keepalive;
  waiting.streaming = true;
  const kv::LeaseId next = leases[waiting.keepalive];
  wait(host, now_, raft::Write{{.client = {}, .request = kv::LeaseKeepalive{next}}}, std::move(waiting));
}

// --- Watches ------------------------------------------------------------------------------------------------------------------------

void Service::open_watch(Host& host, ExchangePtr exchange, const std::vector<gateway::WatchRequest>& requests) {
  Watching watching{.exchange = exchange, .session = {}};
  std::string lines = watching.session.start(header(host), host.store(), requests);
  watching_.push_back(std::move(watching));
  watched_ = 0;
  deeds_.push_back([exchange = std::move(exchange), lines = std::move(lines)] {
    exchange->begin_stream(200, "application/json");
    exchange->send_lines(lines);
  });
}

void Service::poll_watches(Host& host) {
  if (watched_ == host.store().revision()) return;
  watched_ = host.store().revision();
  for (Watching& watching : watching_) {
    for (;;) {
      std::string lines = watching.session.poll(header(host), host.store(), watch_bytes);
      if (lines.empty()) break;
      deeds_.push_back([exchange = watching.exchange, lines = std::move(lines)] { exchange->send_lines(lines); });
    }
  }
}

}  // namespace faultline::raft::daemon
