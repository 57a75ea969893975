// RaftClient: one logical client of one node, as the live client of the same gateway: the codec of etcd's API over one connection.
//
// A refused connection is a definite failure of what was never sent, said after a rest of 100 ms, so that the clients of a dead node do not
// take most of a run's operations. A connection that breaks, or a deadline that passes, with a write out is info; a read is fail.
//
// It retries nothing, unless told to: then it opens a session, gives every write a sequence number and repeats an unanswered one under the
// same number until the deadline; the node must act on it once (Raft §8).
#pragma once

#include <faultline/etcd/codec.hpp>
#include <faultline/sim/system.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace faultline::raft::sim {

struct ClientOptions {
  etcd::CodecOptions codec;
  Duration operation_timeout = std::chrono::seconds(5);
  std::optional<Duration> repeat_after;  // then an unanswered write is sent again
};

class RaftClient final : public faultline::sim::Client {
 public:
  RaftClient(faultline::sim::ClientSurroundings& surroundings, const ClientOptions& options)
      : surroundings_(surroundings), options_(options) {}

  void perform(const Event& invocation) override;
  void receive(std::string bytes) override;
  void refused() override;
  void broken() override;
  void wake() override;

 private:
  enum class Waits : std::uint8_t { nothing, session, reply, rest };
  [[nodiscard]] bool repeats() const { return options_.repeat_after.has_value(); }
  void send();
  void set_alarm();
  void end(const etcd::Completion& completion);
  void end_unanswered(bool sent, std::string why);
  void receive_session(const etcd::Reply& reply);

  faultline::sim::ClientSurroundings& surroundings_;
  const ClientOptions& options_;
  Event invocation_;
  std::optional<etcd::Conversation> talk_;
  Waits waits_ = Waits::nothing;
  Instant deadline_;
  std::string session_;
  std::uint64_t sequence_ = 0;
  std::uint64_t sendings_ = 0;  // of the request that is out
  std::string why_;             // what is said after the rest
};

}  // namespace faultline::raft::sim
