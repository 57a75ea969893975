#include <chrono>
#include <utility>

#include <faultline/assert.hpp>

#include <faultline/etcd/client.hpp>

#include "http.hpp"
#include "keeper.hpp"

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

// Of a lock that was just got: whoever held it before may have lost it by our own fault, and then nobody can say who holds it.
std::optional<Completion> doubt(Outside& outside, Holdings& holdings, const Event& invocation, Duration asked,
                                Duration now) {
  const Holdings::Lock held = holdings.locks.at(invocation.key);
  if (!outside.diligence.neglects(invocation.key, now)) {
    outside.diligence.acquired(invocation.key, held.token, held.ttl, asked);
    return std::nullopt;
  }
  holdings.locks.erase(invocation.key);
  return Completion{.type = EventType::info,
                    .value = invocation.value,
                    .error = "this harness stalled, and may have ended the lease of the holder before"};
}

// The same for what must remember; a lock that was got is kept alive from then on.
awaitable<Event> hold_one(std::shared_ptr<Connection> connection, std::shared_ptr<const ClientOptions> options,
                          std::shared_ptr<Keeper> keeper, Event invocation) {
  const auto now = [options] { return std::chrono::steady_clock::now() - options->outside->origin; };
  Holdings& holdings = keeper->holdings();
  const Duration asked = now();
  if (const auto held = holdings.locks.find(invocation.key); invocation.f == "release" && held != holdings.locks.end())
    options->outside->diligence.released(invocation.key, held->second.token);
  Result<HoldingTalk> started =
      HoldingTalk::start(invocation, options->codec, holdings, options->outside->fence, now());
  if (!started) {
    Completion refused{.type = EventType::fail, .value = invocation.value, .error = started.error().message};
    refused.harness_error = started.error().to_string();
    co_return to_event(invocation, options->node, refused);
  }
  HoldingTalk talk = std::move(started).value();
  std::optional<Completion> completion = talk.done();
  const auto deadline = std::chrono::steady_clock::now() + options->operation_timeout;
  while (!completion) {
    std::string message = post(talk.request(), connection->endpoint());
    const Exchange exchange = co_await Connection::exchange(connection, std::move(message), deadline);
    if (exchange.end == Exchange::End::replied) {
      completion = talk.receive(exchange.reply, now());
      continue;
    }
    if (exchange.end == Exchange::End::not_sent) co_await Connection::rest(connection, unreachable_rest);
    completion = talk.broken(exchange.end == Exchange::End::lost, exchange.error);
  }
  if (invocation.f == "acquire" && completion->type == EventType::ok) {
    if (auto doubted = doubt(*options->outside, holdings, invocation, asked, now())) {
      completion = std::move(doubted);
    } else {
      Keeper::keep(keeper, invocation.key);
    }
  }
  co_return to_event(invocation, options->node, *completion);
}

LocalEnd local_end(const ClientOptions& options) { return {.address = options.from, .ports = options.ports}; }

class GatewayClient final : public live::Client {
 public:
  GatewayClient(boost::asio::any_io_executor executor, ClientOptions options)
      : options_(std::make_shared<ClientOptions>(std::move(options))),
        connection_(std::make_shared<Connection>(executor, options_->endpoint, options_->reply_bytes_max,
                                                 local_end(*options_))),
        keeper_(std::make_shared<Keeper>(std::move(executor), options_->endpoint, local_end(*options_),
                                         options_->outside)) {
    FL_ASSERT(options_->outside || options_->codec.objects < Objects::locks);
  }
  ~GatewayClient() override {
    connection_->abandon();
    keeper_->abandon();
  }
  GatewayClient(const GatewayClient&) = delete;
  GatewayClient& operator=(const GatewayClient&) = delete;

  awaitable<Event> perform(Event invocation) override {
    if (options_->codec.objects >= Objects::locks)
      return hold_one(connection_, options_, keeper_, std::move(invocation));
    return perform_one(connection_, options_, std::move(invocation));
  }

 private:
  std::shared_ptr<const ClientOptions> options_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Keeper> keeper_;
};

}  // namespace

std::unique_ptr<live::Client> make_client(boost::asio::any_io_executor executor, ClientOptions options) {
  return std::make_unique<GatewayClient>(std::move(executor), std::move(options));
}

}  // namespace faultline::etcd
