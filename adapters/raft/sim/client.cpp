#include "client.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "wire.hpp"

namespace faultline::raft::sim {
namespace {

constexpr Duration unreachable_rest = std::chrono::milliseconds(100);

}  // namespace

void RaftClient::perform(const Event& invocation) {
  invocation_ = invocation;
  deadline_ = surroundings_.now() + options_.operation_timeout;
  auto started = etcd::Conversation::start(invocation, options_.codec);
  if (!started) {
    etcd::Completion refused{.type = EventType::fail, .value = invocation.value, .error = started.error().message};
    refused.harness_error = started.error().to_string();
    return end(refused);
  }
  talk_.emplace(std::move(started).value());
  sendings_ = 0;
  send();
}

void RaftClient::send() {
  const bool counted = repeats() && talk_->request().writes;
  if (counted && session_.empty()) {
    waits_ = Waits::session;
    surroundings_.send(encode(WireRequest{.path = "/v3/session/open", .session = {}, .sequence = {}, .body = "{}"}));
    return set_alarm();
  }
  waits_ = Waits::reply;
  if (counted && sendings_ == 0) ++sequence_;
  ++sendings_;
  const std::string sequence = counted ? std::to_string(sequence_) : std::string();
  surroundings_.send(encode(WireRequest{.path = talk_->request().path,
                                        .session = counted ? std::string_view(session_) : std::string_view(),
                                        .sequence = sequence,
                                        .body = talk_->request().body}));
  set_alarm();
}

void RaftClient::set_alarm() {
  Instant at = deadline_;
  if (repeats() && talk_->request().writes) at = std::min(at, surroundings_.now() + *options_.repeat_after);
  surroundings_.wake_at(at);
}

void RaftClient::end(const etcd::Completion& completion) {
  waits_ = Waits::nothing;
  talk_.reset();
  surroundings_.wake_at(Instant::max());
  surroundings_.complete(etcd::to_event(invocation_, surroundings_.node_name(), completion));
}

void RaftClient::end_unanswered(bool sent, std::string why) {
  // An earlier sending of the same request may have arrived.
  const bool maybe = waits_ == Waits::session ? false : sent || sendings_ > 1;
  end(talk_->broken(maybe, std::move(why)));
}

void RaftClient::receive(std::string bytes) {
  if (waits_ != Waits::session && waits_ != Waits::reply) return;
  const auto wire = decode_reply(bytes);
  if (!wire) return broken();
  const etcd::Reply reply{.status = static_cast<unsigned>(wire->status),
                          .content_type = std::string(wire->content_type),
                          .body = std::string(wire->body)};
  if (waits_ == Waits::session) return receive_session(reply);
  const bool repeated = sendings_ > 1;
  const auto completion = talk_->receive(reply);
  if (!completion) {
    sendings_ = 0;
    return send();
  }
  // A refusal of the repetition says nothing of what came before.
  if (repeated && reply.status != 200 && completion->type == EventType::fail) {
    return end_unanswered(true, completion->error);
  }
  end(*completion);
}

void RaftClient::receive_session(const etcd::Reply& reply) {
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  const auto id = json.is_object() ? json.find("ID") : json.end();
  if (reply.status != 200 || !json.is_object() || id == json.end() || !id->is_string()) {
    return end_unanswered(false, "no session: " + reply.body);
  }
  session_ = id->get<std::string>();
  send();
}

void RaftClient::refused() {
  if (waits_ == Waits::nothing || waits_ == Waits::rest) return;
  if (repeats() && sendings_ > 1) return set_alarm();  // again a little later, as long as there is time
  why_ = "connecting: refused";
  sendings_ = 0;
  waits_ = Waits::rest;
  surroundings_.wake_at(std::min(deadline_, surroundings_.now() + unreachable_rest));
}

void RaftClient::broken() {
  if (waits_ == Waits::nothing || waits_ == Waits::rest) return;
  surroundings_.hang_up();
  if (repeats() && waits_ == Waits::reply && talk_->request().writes) return set_alarm();
  end_unanswered(true, "the connection broke while waiting for the reply");
}

void RaftClient::wake() {
  if (waits_ == Waits::nothing) return;
  if (waits_ == Waits::rest) return end(talk_->broken(false, why_));
  if (surroundings_.now() < deadline_) {
    surroundings_.hang_up();
    return send();
  }
  surroundings_.hang_up();
  end_unanswered(true, "timeout while waiting for the reply");
}

}  // namespace faultline::raft::sim
