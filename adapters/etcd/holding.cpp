#include <faultline/etcd/holding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <faultline/text.hpp>

#include "reply.hpp"
#include "text.hpp"

namespace faultline::etcd {
namespace {

constexpr std::int64_t longest_break_ms = 1000;

// Rounded outwards, so that the recorded interval holds the true one.
std::int64_t floor_ms(Duration now) { return std::chrono::floor<std::chrono::milliseconds>(now).count(); }
std::int64_t ceil_ms(Duration now) { return std::chrono::ceil<std::chrono::milliseconds>(now).count(); }

std::string created_compare(std::string_view key, std::int64_t revision) {
  return fmt::format(R"({{"key":"{}","target":"CREATE","result":"EQUAL","create_revision":"{}"}})", key, revision);
}

// The one line of a stream that was asked one thing, without its envelope.
std::optional<Document> parse_stream_line(std::string_view body) {
  auto envelope = parse_object(body.substr(0, body.find('\n')));
  const auto result = envelope ? field(envelope->root(), "result") : std::nullopt;
  if (!result || !result->is_object()) return std::nullopt;
  return std::move(*envelope).from(*result);
}

}  // namespace

std::optional<std::int64_t> Fence::refuses(const Value& key, std::int64_t token) {
  const auto [at, fresh] = newest_.emplace(key, token);
  if (!fresh && at->second > token) return at->second;
  at->second = token;
  return std::nullopt;
}

void Diligence::acquired(const Value& lock, std::int64_t token, Duration ttl, Duration asked) {
  holders_[lock] = {.token = token, .ttl = ttl, .kept = asked};
}

void Diligence::kept(const Value& lock, std::int64_t token, Duration now) {
  const auto found = holders_.find(lock);
  if (found == holders_.end() || found->second.token != token) return;
  found->second.is_neglected = found->second.is_neglected || found->second.is_overdue(now);
  found->second.kept = now;
}

void Diligence::released(const Value& lock, std::int64_t token) {
  const auto found = holders_.find(lock);
  if (found != holders_.end() && found->second.token == token) holders_.erase(found);
}

bool Diligence::neglects(const Value& lock, Duration now) const {
  const auto found = holders_.find(lock);
  return found != holders_.end() && (found->second.is_neglected || found->second.is_overdue(now));
}

std::optional<std::int64_t> Holdings::read_in(std::int64_t term, std::int64_t from_ms, std::int64_t to_ms) {
  const bool goes_on =
      term_ == term && from_ms - last_end_ms_ <= longest_break_ms && to_ms - from_ms <= longest_break_ms;
  if (!goes_on) {
    since_.reset();
  } else if (!since_) {
    since_ = to_ms;
  }
  term_ = term;
  last_end_ms_ = to_ms;
  return since_;
}

Request keep_alive_request(std::int64_t lease) {
  return {"/v3/lease/keepalive", fmt::format(R"({{"ID":"{}"}})", lease), true};
}

Result<std::optional<std::int64_t>> parse_keep_alive(const Reply& reply) {
  const auto line = parse_stream_line(reply.body);
  const auto ttl = line && parse_header(line->root()) ? integer_field(line->root(), "TTL") : std::nullopt;
  if (!ttl || *ttl < 0) return Error::environment("no answer to a keepalive: " + describe(reply));
  return *ttl == 0 ? std::nullopt : ttl;
}

struct HoldingTalk::Success {
  Json object;
  Header header;
};

HoldingTalk::HoldingTalk(const Event& invocation, const CodecOptions& options, Holdings& holdings, Fence& fence,
                         Duration now)
    : invocation_(invocation),
      linearizable_(options.reads == Reads::linearizable),
      holdings_(&holdings),
      fence_(&fence),
      from_ms_(floor_ms(now)) {}

// --- what is asked -----------------------------------------------------------------------------------------

Result<HoldingTalk> HoldingTalk::start(const Event& invocation, const CodecOptions& options, Holdings& holdings,
                                       Fence& fence, Duration now) {
  const auto key = to_stored(invocation.key);
  if (!key) return key.error();
  HoldingTalk talk(invocation, options, holdings, fence, now);
  talk.key_ = to_base64(options.key_prefix + key.value());
  const std::string& f = invocation.f;
  using Begin = Result<void> (HoldingTalk::*)();
  Begin begin = nullptr;
  if (options.objects == Objects::locks) {
    begin = f == "acquire"   ? &HoldingTalk::begin_acquire
            : f == "release" ? &HoldingTalk::begin_release
            : f == "write"   ? &HoldingTalk::begin_write
                             : nullptr;
  } else if (options.objects == Objects::leases) {
    begin = f == "grant"  ? &HoldingTalk::begin_grant
            : f == "keep" ? &HoldingTalk::begin_keep
            : f == "read" ? &HoldingTalk::begin_read
                          : nullptr;
  }
  if (begin == nullptr) {
    return Error::bad_input(fmt::format("the etcd client knows no operation '{}' of locks or leases", f),
                            "It knows acquire, release and write of locks; grant, keep and read of leases.");
  }
  if (auto begun = (talk.*begin)(); !begun) return begun.error();
  return talk;
}

Result<void> HoldingTalk::need_ttl() {
  constexpr std::int64_t second = 1000;
  const Value& ttl = invocation_.value;
  if (!ttl.is_integer() || ttl.as_integer() < second) {
    return Error::bad_input(fmt::format("{} takes a time to live in milliseconds, at least a second, not {}",
                                        invocation_.f, ttl.to_string()));
  }
  ttl_s_ = (ttl.as_integer() + second - 1) / second;
  return {};
}

void HoldingTalk::ask_for_lease() {
  step_ = Step::grant;
  request_ = {"/v3/lease/grant", fmt::format(R"({{"TTL":"{}"}})", ttl_s_), true};
}

Result<void> HoldingTalk::begin_acquire() {
  if (auto has = need_ttl(); !has) return has;
  if (holdings_->locks.contains(invocation_.key)) return Error::bad_input("the process holds this lock already");
  if (!holdings_->spare) {
    ask_for_lease();
  } else {
    step_ = Step::renew;
    lease_ = *holdings_->spare;
    request_ = keep_alive_request(lease_);
  }
  return {};
}

Result<void> HoldingTalk::begin_release() {
  const auto held = holdings_->locks.find(invocation_.key);
  if (held == holdings_->locks.end()) return Error::bad_input("the process does not hold this lock");
  step_ = Step::remove;
  request_ = {"/v3/kv/txn",
              fmt::format(R"({{"compare":[{0}],"success":[{{"request_delete_range":{{"key":"{1}"}}}}]}})",
                          created_compare(key_, held->second.token), key_),
              true};
  holdings_->spare = held->second.lease;
  holdings_->locks.erase(held);
  return {};
}

Result<void> HoldingTalk::begin_write() {
  const Value& value = invocation_.value;
  if (!value.is_pair() || !value.as_list()[0].is_integer()) {
    return Error::bad_input(fmt::format("write takes a pair [token value], not {}", value.to_string()));
  }
  const auto newer = fence_->refuses(invocation_.key, value.as_list()[0].as_integer());
  done_ = newer ? Completion{.type = EventType::fail,
                             .value = value,
                             .error = fmt::format("fenced: token {} was there before", *newer)}
                : Completion{.type = EventType::ok, .value = value};
  return {};
}

Result<void> HoldingTalk::begin_grant() {
  if (auto has = need_ttl(); !has) return has;
  ask_for_lease();
  return {};
}

Result<void> HoldingTalk::begin_keep() {
  const auto lease = holdings_->leases.find(invocation_.key);
  if (lease == holdings_->leases.end()) return Error::bad_input("the process was not granted this lease");
  step_ = Step::keep;
  request_ = keep_alive_request(lease->second);
  return {};
}

Result<void> HoldingTalk::begin_read() {
  step_ = Step::read;
  request_ = {"/v3/kv/range", fmt::format(R"({{"key":"{}"{}}})", key_, linearizable_ ? "" : R"(,"serializable":true)"),
              false};
  return {};
}

// The lease is fresh: what is to live under it?
void HoldingTalk::go_on_with(std::int64_t lease) {
  lease_ = lease;
  const std::string put =
      fmt::format(R"({{"key":"{}","value":"{}","lease":"{}"}})", key_, to_base64(std::to_string(lease)), lease);
  if (invocation_.f == "grant") {
    step_ = Step::put;
    request_ = {"/v3/kv/put", put, true};
    return;
  }
  holdings_->spare = lease;
  step_ = Step::create;
  request_ = {
      "/v3/kv/txn",
      fmt::format(
          R"({{"compare":[{}],"success":[{{"request_put":{}}}],"failure":[{{"request_range":{{"key":"{}"}}}}]}})",
          created_compare(key_, 0), put, key_),
      true};
}

// --- what became of it -------------------------------------------------------------------------------------

Completion HoldingTalk::ended(bool definite, std::string error) {
  holdings_->broke();
  if (step_ == Step::renew || step_ == Step::create) holdings_->spare.reset();  // nobody knows what became of it
  const bool nothing_there = step_ == Step::renew || step_ == Step::grant;
  const bool fails = step_ == Step::read || (step_ != Step::remove && (definite || nothing_there));
  return {.type = fails ? EventType::fail : EventType::info, .value = invocation_.value, .error = std::move(error)};
}

Completion HoldingTalk::broken(bool sent, std::string why) { return ended(!sent, std::move(why)); }

Completion HoldingTalk::refused(const Reply& reply) {
  const auto object = parse_object(reply.body);
  const auto error = object ? parse_error(object->root()) : std::nullopt;
  const Fate fate = error ? fate_of(*error) : is_foreign(reply) ? Fate::not_this_api : Fate::unknown;
  Completion completion = ended(fate != Fate::unknown, error ? error->to_string() : describe(reply));
  if (fate == Fate::not_this_api) {
    completion.harness_error = fmt::format("{} is not served there: {}; point the endpoint at etcd 3.4 or later",
                                           request_.path, describe(reply));
  }
  return completion;
}

std::optional<Completion> HoldingTalk::receive(const Reply& reply, Duration now) {
  const bool stream = step_ == Step::renew || step_ == Step::keep;
  const auto object = reply.status != 200 ? std::nullopt
                      : stream            ? parse_stream_line(reply.body)
                                          : parse_object(reply.body);
  if (!object || parse_error(object->root())) return refused(reply);
  const auto header = parse_header(object->root());
  if (!header) return refused(reply);
  auto understood = understand({object->root(), *header}, now);
  if (!understood)
    return ended(false, fmt::format("unparsable reply: {}: {}", understood.error().message, describe(reply)));
  std::optional<Completion> completion = std::move(understood).value();
  if (!completion) return std::nullopt;
  return with_header(std::move(*completion), *header);
}

Result<std::optional<Completion>> HoldingTalk::understand(const Success& reply, Duration now) {
  switch (step_) {
    case Step::renew: return understand_renewal(reply);
    case Step::grant: return understand_grant(reply);
    case Step::create: return understand_create(reply);
    case Step::remove: return understand_remove(reply);
    case Step::keep: return understand_keep(reply, now);
    case Step::read: return understand_read(reply, now);
    case Step::put:
      holdings_->leases[invocation_.key] = lease_;
      return std::optional(
          Completion{.type = EventType::ok, .value = sighting(true, now, ttl_s_ * 1000, std::nullopt)});
  }
  FL_ASSERT(false && "unknown step");
}

Result<std::optional<Completion>> HoldingTalk::understand_renewal(const Success& reply) {
  const auto ttl = integer_field(reply.object, "TTL");
  if (!ttl) return Error::environment("TTL is no number");
  if (*ttl > 0) {
    go_on_with(lease_);
  } else {
    holdings_->spare.reset();
    ask_for_lease();
  }
  return std::optional<Completion>();
}

Result<std::optional<Completion>> HoldingTalk::understand_grant(const Success& reply) {
  const auto lease = integer_field(reply.object, "ID");
  const auto ttl = integer_field(reply.object, "TTL");
  if (!lease || *lease <= 0 || !ttl || *ttl <= 0) return Error::environment("no lease in the answer to a grant");
  ttl_s_ = *ttl;
  go_on_with(*lease);
  return std::optional<Completion>();
}

Result<std::optional<Completion>> HoldingTalk::understand_create(const Success& reply) {
  const auto succeeded = bool_field(reply.object, "succeeded");
  if (!succeeded) return Error::environment("succeeded is no boolean");
  if (!*succeeded) {
    // Only a transaction that says what it read instead proves that it did not write.
    const auto response = only_response(reply.object);
    if (!response || !field(*response, "response_range")) {
      return Error::environment("a refused transaction without the range it was to do");
    }
    return std::optional(
        Completion{.type = EventType::fail, .value = invocation_.value, .error = "held by somebody else"});
  }
  if (!reply.header.revision) return Error::environment("no revision");
  holdings_->spare.reset();
  holdings_->locks[invocation_.key] = {
      .lease = lease_, .token = *reply.header.revision, .ttl = std::chrono::seconds(ttl_s_)};
  // Before anybody is told, what the lock protects knows that there is a newer holder.
  (void)fence_->refuses(invocation_.key, *reply.header.revision);
  return std::optional(
      Completion{.type = EventType::ok, .value = *reply.header.revision, .version = reply.header.revision});
}

Result<std::optional<Completion>> HoldingTalk::understand_remove(const Success& reply) const {
  const auto succeeded = bool_field(reply.object, "succeeded");
  if (!succeeded) return Error::environment("succeeded is no boolean");
  return std::optional(Completion{.type = EventType::ok, .value = invocation_.value, .lost = !*succeeded});
}

Result<std::optional<Completion>> HoldingTalk::understand_keep(const Success& reply, Duration now) const {
  const auto ttl = integer_field(reply.object, "TTL");
  if (!ttl || *ttl < 0) return Error::environment("TTL is no number");
  const std::optional<std::int64_t> ttl_ms = *ttl == 0 ? std::nullopt : std::optional(*ttl * 1000);
  return std::optional(Completion{.type = EventType::ok, .value = sighting(*ttl > 0, now, ttl_ms, std::nullopt)});
}

Result<std::optional<Completion>> HoldingTalk::understand_read(const Success& reply, Duration now) {
  const auto count = integer_field(reply.object, "count");
  if (!count || *count < 0 || *count > 1) return Error::environment("no count of one key");
  std::optional<std::int64_t> steady;
  if (linearizable_ && reply.header.raft_term)
    steady = holdings_->read_in(*reply.header.raft_term, from_ms_, ceil_ms(now));
  return std::optional(Completion{.type = EventType::ok, .value = sighting(*count == 1, now, std::nullopt, steady)});
}

Value HoldingTalk::sighting(bool alive, Duration now, std::optional<std::int64_t> ttl_ms,
                            std::optional<std::int64_t> steady_ms) const {
  std::vector<Value::Entry> entries{{"alive", alive}, {"from", from_ms_}, {"to", std::max(from_ms_, ceil_ms(now))}};
  if (ttl_ms) entries.emplace_back("ttl", *ttl_ms);
  if (steady_ms) entries.emplace_back("steady", *steady_ms);
  return Value::map(std::move(entries));
}

}  // namespace faultline::etcd
