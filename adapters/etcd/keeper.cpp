#include "keeper.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>

namespace faultline::etcd {

namespace {

constexpr std::size_t reply_bytes_max = 64U << 10U;

}  // namespace

bool Keeper::still(const Value& lock, const Holdings::Lock& held) const {
  const auto at = holdings_.locks.find(lock);
  return !abandoned_ && at != holdings_.locks.end() && at->second.lease == held.lease && at->second.token == held.token;
}

boost::asio::awaitable<void> Keeper::go(std::shared_ptr<Keeper> self, std::shared_ptr<Connection> connection,
                                        Value lock, Holdings::Lock held) {
  const Duration third = held.ttl / 3;
  while (self->still(lock, held)) {
    self->outside_->diligence.kept(lock, held.token, std::chrono::steady_clock::now() - self->outside_->origin);
    std::string message = post(keep_alive_request(held.lease), self->endpoint_);
    // Whatever is answered, it goes on holding: see client.hpp.
    (void)co_await Connection::exchange(connection, std::move(message), std::chrono::steady_clock::now() + third);
    co_await Connection::rest(connection, third);
  }
}

void Keeper::keep(const std::shared_ptr<Keeper>& self, const Value& lock) {
  const auto held = self->holdings_.locks.find(lock);
  FL_ASSERT(held != self->holdings_.locks.end());
  std::erase_if(self->connections_, [](const auto& connection) { return connection.expired(); });
  const auto connection = std::make_shared<Connection>(self->executor_, self->endpoint_, reply_bytes_max, self->from_);
  self->connections_.push_back(connection);
  boost::asio::co_spawn(self->executor_, go(self, connection, lock, held->second), boost::asio::detached);
}

void Keeper::abandon() {
  abandoned_ = true;
  for (const auto& [lock, held] : holdings_.locks) outside_->diligence.released(lock, held.token);
  for (const auto& weak : connections_) {
    if (const auto connection = weak.lock()) connection->abandon();
  }
}

}  // namespace faultline::etcd
