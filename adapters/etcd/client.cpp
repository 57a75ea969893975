#include <chrono>
#include <utility>

#include <faultline/etcd/client.hpp>

#include "http.hpp"

namespace faultline::etcd {
namespace {

using boost::asio::awaitable;

// How long a process whose node cannot be reached rests before it says so. Nothing was sent, so the longer operation means
// the same; but without a rest the processes of a dead node, always free again at once, would take most of a run's
// operations from those that can do some.
constexpr Duration unreachable_rest = std::chrono::milliseconds(100);

// Takes shares of everything it uses: the client may be gone before it ends.
awaitable<Event> perform_one(std::shared_ptr<Connection> connection, std::shared_ptr<const ClientOptions> options,
                             Event invocation) {
  Result<Conversation> started = Conversation::start(invocation, options->codec);
  if (!started) {
    Completion refused{.type = EventType::fail, .value = invocation.value, .error = started.error().message};
    refused.harness_error = started.error().to_string();
    co_return to_event(invocation, options->node, refused);
  }
  Conversation talk = std::move(started).value();
  const auto deadline = std::chrono::steady_clock::now() + options->operation_timeout;
  while (true) {
    std::string message = post(talk.request(), connection->endpoint());
    const Exchange exchange = co_await Connection::exchange(connection, std::move(message), deadline);
    std::optional<Completion> completion;
    if (exchange.end == Exchange::End::replied) {
      completion = talk.receive(exchange.reply);
    } else {
      if (exchange.end == Exchange::End::not_sent) co_await Connection::rest(connection, unreachable_rest);
      completion = talk.broken(exchange.end == Exchange::End::lost, exchange.error);
    }
    if (completion) co_return to_event(invocation, options->node, *completion);
  }
}

class GatewayClient final : public live::Client {
 public:
  GatewayClient(boost::asio::any_io_executor executor, ClientOptions options)
      : options_(std::make_shared<ClientOptions>(std::move(options))),
        connection_(std::make_shared<Connection>(std::move(executor), options_->endpoint, options_->reply_bytes_max,
                                                 options_->from)) {}
  ~GatewayClient() override { connection_->abandon(); }
  GatewayClient(const GatewayClient&) = delete;
  GatewayClient& operator=(const GatewayClient&) = delete;

  awaitable<Event> perform(Event invocation) override {
    return perform_one(connection_, options_, std::move(invocation));
  }

 private:
  std::shared_ptr<const ClientOptions> options_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace

std::unique_ptr<live::Client> make_client(boost::asio::any_io_executor executor, ClientOptions options) {
  return std::make_unique<GatewayClient>(std::move(executor), std::move(options));
}

}  // namespace faultline::etcd
