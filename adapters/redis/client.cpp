#include "client.hpp"

#include <utility>

#include "connection.hpp"

namespace faultline::redis {
namespace {

using boost::asio::awaitable;

// As with any node that cannot be reached: its processes, always free again at once, must not take most of a run's operations.
constexpr Duration unreachable_rest = std::chrono::milliseconds(100);

// Takes shares of everything it uses: the client may be gone before it ends.
awaitable<Event> perform_one(std::shared_ptr<Connection> connection, std::shared_ptr<const ClientOptions> options,
                             Event invocation) {
  const auto command = command_of(invocation, options->codec);
  if (!command) co_return refused(invocation, command.error(), options->node);
  const auto deadline = std::chrono::steady_clock::now() + options->operation_timeout;
  const Exchange exchange = co_await Connection::exchange(connection, encode_command(command.value().words), deadline);
  if (exchange.end == Exchange::End::replied) co_return completion_of(invocation, exchange.reply, options->node);
  const bool sent = exchange.end == Exchange::End::lost;
  if (!sent) co_await Connection::rest(connection, unreachable_rest);
  co_return broken(invocation, sent, exchange.error, options->node);
}

class RedisClient final : public live::Client {
 public:
  RedisClient(boost::asio::any_io_executor executor, ClientOptions options)
      : options_(std::make_shared<ClientOptions>(std::move(options))),
        connection_(std::make_shared<Connection>(std::move(executor), options_->endpoint)) {}
  ~RedisClient() override { connection_->abandon(); }
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  awaitable<Event> perform(Event invocation) override {
    return perform_one(connection_, options_, std::move(invocation));
  }

 private:
  std::shared_ptr<const ClientOptions> options_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace

std::unique_ptr<live::Client> make_client(boost::asio::any_io_executor executor, ClientOptions options) {
  return std::make_unique<RedisClient>(std::move(executor), std::move(options));
}

}  // namespace faultline::redis
