#include <fmt/format.h>

#include <array>
#include <charconv>
#include <initializer_list>
#include <utility>
#include <vector>

#include <faultline/etcd/codec.hpp>
#include <faultline/text.hpp>

#include "reply.hpp"
#include "text.hpp"

namespace faultline::etcd {
namespace {

constexpr std::string_view lost_race = "lost-race: the key changed between the read and the write of the append";

struct Found {
  bool present = false;
  Value value;
  std::int64_t mod_revision = 0;
};

// The result of a range over one key.
Result<Found> parse_range(Json object, std::string_view key) {
  const auto kvs = list_field(object, "kvs");
  const auto count = integer_field(object, "count");
  if (!count || !kvs) return Error::environment("kvs or count is malformed");
  const std::size_t found = kvs->size();
  if (found > 1 || std::cmp_not_equal(*count, found)) {
    return Error::environment(fmt::format("{} key-values and count {} for one key", found, *count));
  }
  if (found == 0) return Found{};
  const Json kv = kvs->front();
  if (!kv.is_object()) return Error::environment("a key-value is no object");
  const auto its_key = bytes_field(kv, "key");
  const auto value = bytes_field(kv, "value");
  const auto mod_revision = integer_field(kv, "mod_revision");
  if (!its_key || !value || !mod_revision || *mod_revision <= 0) return Error::environment("a key-value is malformed");
  if (to_base64(*its_key) != key) return Error::environment("the answer is about another key");
  return Found{true, from_stored(*value), *mod_revision};
}

// responses[0].response_range of a transaction whose taken branch is one range.
Result<Found> parse_txn_range(Json object, std::string_view key) {
  const auto response = only_response(object);
  if (!response) return Error::environment("a refused transaction without the range it was to do");
  const auto range = field(*response, "response_range");
  if (!range || !range->is_object()) return Error::environment("a refused transaction answered no range");
  return parse_range(*range, key);
}

// Made once for each thread: each completion has most of them.
struct Names {
  static constexpr std::size_t count = 9;
  Value node{"node"}, member_id{"member_id"}, raft_term{"raft_term"}, revision{"revision"}, version{"version"};
  Value error{"error"}, lost{"lost"}, found{"found"}, harness_error{"harness_error"};
};
const Names& names_of_extras() {
  thread_local const Names names;
  return names;
}

std::string to_hex(std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::size_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  std::string text;
  text.reserve(bytes);
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string range_body(std::string_view key, bool serializable) {
  return joined({R"({"key":")", key, serializable ? R"(","serializable":true})" : R"("})"});
}

std::string put_body(std::string_view key, std::string_view stored) {
  return joined({R"({"key":")", key, R"(","value":")", to_base64(stored), R"("})"});
}

// A transaction: if `compare`, do `success`; else read the key.
Request txn(std::string_view key, std::string_view compare, std::string_view success) {
  return {"/v3/kv/txn",
          joined({R"({"compare":[{"key":")", key, R"(",)", compare, R"(}],"success":[)", success,
                  R"(],"failure":[{"request_range":{"key":")", key, R"("}}]})"}),
          true};
}

std::string put_operation(std::string_view key, std::string_view stored) {
  return joined({R"({"request_put":)", put_body(key, stored), "}"});
}

Result<Request> cas_request(std::string_view key, const Value& input) {
  if (!input.is_pair()) {
    return Error::bad_input(fmt::format("cas takes a pair [from to], not {}", input.to_string()));
  }
  const Value& from = input.as_list()[0];
  const Value& to = input.as_list()[1];
  const auto from_text = to_stored(from);
  if (!from_text) return from_text.error();
  const auto to_text = to_stored(to);
  if (!to_text) return to_text.error();
  const std::string compare =
      from.is_null() ? R"("target":"CREATE","result":"EQUAL","create_revision":"0")"
                     : fmt::format(R"("target":"VALUE","result":"EQUAL","value":"{}")", to_base64(from_text.value()));
  const std::string success = to.is_null() ? fmt::format(R"({{"request_delete_range":{{"key":"{}"}}}})", key)
                                           : put_operation(key, to_text.value());
  return txn(key, compare, success);
}

}  // namespace

std::string_view to_string(Reads reads) { return reads == Reads::linearizable ? "linearizable" : "serializable"; }

Objects objects_of(std::string_view workload) {
  if (workload == "set") return Objects::sets;
  if (workload == "lock" || workload == "fenced-lock") return Objects::locks;
  return workload == "lease" ? Objects::leases : Objects::values;
}

Result<Conversation> Conversation::start(const Event& invocation, const CodecOptions& options) {
  const auto key_text = to_stored(invocation.key);
  if (!key_text) return key_text.error();
  const std::string key = to_base64(options.key_prefix + key_text.value());
  const std::string& f = invocation.f;
  if (options.objects == Objects::sets) return start_on_set(invocation, options, key_text.value());
  if (options.objects != Objects::values) {
    return Error::bad_input("locks and leases need a client that remembers what it holds", "this one cannot run them");
  }

  if (f == "read" || f == "get") {
    Conversation talk(Step::read, {});
    if (f == "get") talk.absent_ = Value("");
    talk.key_ = key;
    talk.request_ = {"/v3/kv/range", range_body(key, options.reads == Reads::serializable), false};
    return talk;
  }
  if (f == "write" || f == "put") {
    Conversation talk(invocation.value.is_null() ? Step::remove : Step::put, invocation.value);
    talk.key_ = key;
    const auto stored = to_stored(invocation.value);
    if (!stored) return stored.error();
    talk.request_ = talk.step_ == Step::remove ? Request{"/v3/kv/deleterange", range_body(key, false), true}
                                               : Request{"/v3/kv/put", put_body(key, stored.value()), true};
    return talk;
  }
  if (f == "cas") {
    Conversation talk(Step::cas, invocation.value);
    talk.key_ = key;
    auto request = cas_request(key, invocation.value);
    if (!request) return request.error();
    talk.request_ = std::move(request).value();
    return talk;
  }
  if (f == "append") {
    if (!invocation.value.is_string()) {
      return Error::bad_input(fmt::format("append takes a string, not {}", invocation.value.to_string()));
    }
    if (const auto text = to_stored(invocation.value); !text) return text.error();
    Conversation talk(Step::append_read, invocation.value);
    talk.key_ = key;
    // Linearizable whatever --reads says: a stale read would only lose the race against the compare.
    talk.request_ = {"/v3/kv/range", range_body(key, false), false};
    return talk;
  }
  return Error::bad_input(fmt::format("the etcd client knows no operation '{}'", f),
                          "It knows read, write, cas, get, put and append.");
}

// An element is a key of its own, `<key>/<element>`: an addition is one put, a read one range over them.
Result<Conversation> Conversation::start_on_set(const Event& invocation, const CodecOptions& options,
                                                const std::string& key) {
  if (invocation.f == "add") {
    const auto element = to_stored(invocation.value);
    if (!element) return element.error();
    Conversation talk(Step::put, invocation.value);
    talk.request_ = {"/v3/kv/put",
                     put_body(to_base64(options.key_prefix + key + '/' + element.value()), element.value()), true};
    return talk;
  }
  if (invocation.f != "read") {
    return Error::bad_input(fmt::format("the etcd client knows no operation '{}' of a set", invocation.f),
                            "It knows add and read.");
  }
  Conversation talk(Step::read_set, {});
  talk.key_ = options.key_prefix + key + '/';
  const std::string end = options.key_prefix + key + static_cast<char>('/' + 1);
  talk.request_ = {"/v3/kv/range",
                   fmt::format(R"({{"key":"{}","range_end":"{}"{}}})", to_base64(talk.key_), to_base64(end),
                               options.reads == Reads::serializable ? R"(,"serializable":true)" : ""),
                   false};
  return talk;
}

Completion Conversation::definite(std::string error) const {
  return {.type = EventType::fail, .value = input_, .error = std::move(error)};
}

Completion Conversation::indefinite(std::string error) const {
  Completion completion = definite(std::move(error));
  if (request_.writes) completion.type = EventType::info;
  return completion;
}

Completion Conversation::broken(bool sent, std::string why) const {
  return sent ? indefinite(std::move(why)) : definite(std::move(why));
}

// The error table: any reply that is no success.
Completion Conversation::refused(const Reply& reply) const {
  const auto not_this_api = [&](std::string error) {
    Completion completion = definite(std::move(error));
    completion.harness_error = fmt::format("{} is not served there: {}; point the endpoint at etcd 3.4 or later",
                                           request_.path, describe(reply));
    return completion;
  };
  const auto object = parse_object(reply.body);
  const auto error = object ? parse_error(object->root()) : std::nullopt;
  if (!error) {
    return is_foreign(reply) ? not_this_api(describe(reply)) : indefinite("unparsable reply: " + describe(reply));
  }
  switch (fate_of(*error)) {
    case Fate::not_done: return definite(error->to_string());
    case Fate::not_this_api: return not_this_api(error->to_string());
    case Fate::unknown: break;
  }
  return indefinite(error->to_string());
}

struct Conversation::Success {
  Json object;
  Header header;
};

std::optional<Completion> Conversation::receive(const Reply& reply) {
  const auto object = reply.status == 200 ? parse_object(reply.body) : std::nullopt;
  if (!object || parse_error(object->root())) return refused(reply);
  const auto header = parse_header(object->root());
  if (!header) return refused(reply);

  Result<std::optional<Completion>> understood = understand({object->root(), *header});
  if (!understood)
    return indefinite(fmt::format("unparsable reply: {}: {}", understood.error().message, describe(reply)));
  std::optional<Completion> completion = std::move(understood).value();
  if (!completion) return std::nullopt;
  return with_header(std::move(*completion), *header);
}

Result<std::optional<Completion>> Conversation::understand(const Success& reply) {
  switch (step_) {
    case Step::read:
    case Step::append_read: return understand_range(reply);
    case Step::read_set: return understand_set(reply);
    case Step::cas:
    case Step::append_write: return understand_txn(reply);
    // A put makes one revision, which its header and the key's mod_revision share.
    case Step::put:
      return std::optional(Completion{.type = EventType::ok, .value = input_, .version = reply.header.revision});
    case Step::remove: return std::optional(Completion{.type = EventType::ok, .value = input_});
  }
  FL_ASSERT(false && "unknown step");
}

Result<std::optional<Completion>> Conversation::understand_range(const Success& reply) {
  auto range = parse_range(reply.object, key_);
  if (!range) return range.error();
  const Found& found = range.value();
  if (step_ == Step::read) {
    Completion completion{.type = EventType::ok, .value = found.present ? found.value : absent_};
    if (found.present) completion.version = found.mod_revision;
    return std::optional(std::move(completion));
  }
  if (found.present && !found.value.is_string()) {
    return std::optional(definite(fmt::format("cannot append to {}", clip(found.value.to_string(), 100))));
  }
  const std::string before(found.present ? found.value.as_text() : "");
  const auto after = to_stored(Value::string(before + std::string(input_.as_text())));
  if (!after) return std::optional(definite(after.error().message));
  step_ = Step::append_write;
  request_ = txn(key_, fmt::format(R"("target":"MOD","result":"EQUAL","mod_revision":"{}")", found.mod_revision),
                 put_operation(key_, after.value()));
  return std::optional<Completion>();
}

Result<std::optional<Completion>> Conversation::understand_txn(const Success& reply) const {
  const auto succeeded = bool_field(reply.object, "succeeded");
  if (!succeeded) return Error::environment("succeeded is no boolean");
  if (*succeeded) {
    Completion completion{.type = EventType::ok, .value = input_};
    const bool removed = step_ == Step::cas && input_.as_list()[1].is_null();
    if (!removed) completion.version = reply.header.revision;
    return std::optional(std::move(completion));
  }
  // Only a transaction that names what it read instead proves that its compare was false.
  const auto range = parse_txn_range(reply.object, key_);
  if (!range) return range.error();
  if (step_ == Step::append_write) return std::optional(definite(std::string(lost_race)));
  Completion completion = definite("precondition-failed");
  completion.found = range.value().value;
  return std::optional(std::move(completion));
}

Result<std::optional<Completion>> Conversation::understand_set(const Success& reply) const {
  const auto kvs = list_field(reply.object, "kvs");
  const auto count = integer_field(reply.object, "count");
  const auto more = bool_field(reply.object, "more");
  if (!count || !more || *more || !kvs) return Error::environment("kvs, count or more is malformed");
  if (std::cmp_not_equal(*count, kvs->size())) return Error::environment("the count is not that of the key-values");
  std::vector<Value> elements;
  elements.reserve(kvs->size());
  for (const Json& kv : *kvs) {
    const auto its_key = kv.is_object() ? bytes_field(kv, "key") : std::nullopt;
    if (!its_key || !its_key->starts_with(key_)) return Error::environment("a key-value is malformed");
    elements.push_back(from_stored(std::string_view(*its_key).substr(key_.size())));
  }
  return std::optional(Completion{.type = EventType::ok, .value = Value::list(std::move(elements))});
}

Event to_event(const Event& invocation, std::string_view node, const Completion& completion) {
  Event event{.type = completion.type,
              .process = invocation.process,
              .f = invocation.f,
              .key = invocation.key,
              .value = completion.value};
  const Names& names = names_of_extras();
  std::vector<Value::Entry> extra;
  extra.reserve(names.count);
  // In the order of their names, which spares the map its sorting.
  if (!completion.error.empty()) extra.emplace_back(names.error, Value(completion.error));
  if (completion.found) extra.emplace_back(names.found, *completion.found);
  if (!completion.harness_error.empty()) {
    extra.emplace_back(names.harness_error, Value(completion.harness_error));
  }
  if (completion.lost) extra.emplace_back(names.lost, Value(true));
  if (completion.member_id) extra.emplace_back(names.member_id, Value(to_hex(*completion.member_id)));
  extra.emplace_back(names.node, Value(node));
  if (completion.raft_term) extra.emplace_back(names.raft_term, Value(*completion.raft_term));
  if (completion.revision) extra.emplace_back(names.revision, Value(*completion.revision));
  if (completion.version) extra.emplace_back(names.version, Value(*completion.version));
  event.extra = Value::map(std::move(extra));
  return event;
}

}  // namespace faultline::etcd
