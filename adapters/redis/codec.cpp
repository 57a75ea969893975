#include <faultline/redis/codec.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <faultline/formats.hpp>
#include <faultline/text.hpp>

namespace faultline::redis {
namespace {

// ARGV: "1" if a value is expected, that value, "1" if a value is to be set, that value. Answers nothing but "done" if it did so; else what
// it found.
constexpr std::string_view cas_script =
    "local v = redis.call('GET', KEYS[1]) "
    "local same = (ARGV[1] == '1' and v == ARGV[2]) or (ARGV[1] == '0' and v == false) "
    "if not same then return {'found', v} end "
    "if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('DEL', KEYS[1]) end "
    "return {'done'}";

bool writes(std::string_view f) { return f == "write" || f == "cas" || f == "add"; }

// Refusals that come before the command is looked at any further: nothing was written. Whatever else is an error may have been.
bool proves_nothing_done(std::string_view error) {
  constexpr std::array<std::string_view, 8> codes{"LOADING",    "READONLY",  "OOM",    "MISCONF",
                                                  "NOREPLICAS", "WRONGTYPE", "NOAUTH", "MASTERDOWN"};
  return std::find(codes.begin(), codes.end(), error.substr(0, error.find(' '))) != codes.end();
}

Event event_of(const Event& invocation, EventType type, Value value, std::string_view node) {
  return Event{.type = type,
               .process = invocation.process,
               .f = invocation.f,
               .key = invocation.key,
               .value = std::move(value),
               .extra = Value::map({{"node", Value(node)}})};
}

Event unread(const Event& invocation, const Reply& reply, std::string_view node) {
  const EventType type = writes(invocation.f) ? EventType::info : EventType::fail;
  return event_of(invocation, type, invocation.value, node)
      .with("error", fmt::format("unexpected reply of kind {}: {}", static_cast<int>(reply.kind),
                                 escape_controls(clip(reply.text, 100))));
}

// What a key holds; bytes that this harness did not write equal nothing it wrote.
Value from_stored(const Reply& reply) {
  if (reply.kind == Reply::Kind::nil) return {};
  auto value = parse_json(reply.text);
  if (value && to_json(value.value()) == reply.text) return std::move(value).value();
  return Value::tagged("bytes", Value::string(reply.text));
}

bool is_value(const Reply& reply) { return reply.kind == Reply::Kind::nil || reply.kind == Reply::Kind::bytes; }

Event understand_read(const Event& invocation, const Reply& reply, std::string_view node) {
  if (is_value(reply)) return event_of(invocation, EventType::ok, from_stored(reply), node);
  const bool all_bytes =
      reply.kind == Reply::Kind::list && std::all_of(reply.items.begin(), reply.items.end(),
                                                     [](const Reply& item) { return item.kind == Reply::Kind::bytes; });
  if (!all_bytes) return unread(invocation, reply, node);
  std::vector<Value> elements;
  for (const Reply& item : reply.items) elements.push_back(from_stored(item));
  std::sort(elements.begin(), elements.end());  // Redis's order is a matter of its hash tables
  return event_of(invocation, EventType::ok, Value::list(std::move(elements)), node);
}

Event understand_cas(const Event& invocation, const Reply& reply, std::string_view node) {
  const bool list = reply.kind == Reply::Kind::list && !reply.items.empty();
  if (list && reply.items[0].text == "done" && reply.items.size() == 1)
    return event_of(invocation, EventType::ok, invocation.value, node);
  // A list in a script ends before the first false, which is what GET says of a key that is not there.
  const bool found = list && reply.items[0].text == "found" && reply.items.size() <= 2;
  if (!found || (reply.items.size() == 2 && !is_value(reply.items[1]))) return unread(invocation, reply, node);
  return event_of(invocation, EventType::fail, invocation.value, node)
      .with("error", "precondition-failed")
      .with("found", reply.items.size() == 2 ? from_stored(reply.items[1]) : Value());
}

}  // namespace

Result<Command> command_of(const Event& invocation, const CodecOptions& options) {
  const std::string key = options.key_prefix + to_json(invocation.key);
  const std::string& f = invocation.f;
  const Value& value = invocation.value;
  if (options.sets) {
    if (f == "add") return Command{{"SADD", key, to_json(value)}, true};
    if (f == "read") return Command{{"SMEMBERS", key}, false};
    return Error::bad_input(fmt::format("the redis client knows no operation '{}' of a set", f),
                            "It knows add and read.");
  }
  if (f == "read") return Command{{"GET", key}, false};
  if (f == "write" && value.is_null()) return Command{{"DEL", key}, true};
  if (f == "write") return Command{{"SET", key, to_json(value)}, true};
  if (f != "cas") {
    return Error::bad_input(fmt::format("the redis client knows no operation '{}'", f),
                            "It knows read, write and cas of registers, add and read of sets.");
  }
  if (!value.is_pair()) return Error::bad_input(fmt::format("cas takes a pair [from to], not {}", value.to_string()));
  Command command{{"EVAL", std::string(cas_script), "1", key}, true};
  for (const Value& part : value.as_list()) {
    command.words.emplace_back(part.is_null() ? "0" : "1");
    command.words.push_back(part.is_null() ? "" : to_json(part));
  }
  return command;
}

Event completion_of(const Event& invocation, const Reply& reply, std::string_view node) {
  if (reply.kind == Reply::Kind::error) {
    const bool open = writes(invocation.f) && !proves_nothing_done(reply.text);
    return event_of(invocation, open ? EventType::info : EventType::fail, invocation.value, node)
        .with("error", escape_controls(clip(reply.text, 300)));
  }
  if (invocation.f == "read") return understand_read(invocation, reply, node);
  if (invocation.f == "cas") return understand_cas(invocation, reply, node);
  const bool done = reply.kind == Reply::Kind::integer || (reply.kind == Reply::Kind::status && reply.text == "OK");
  if (!done) return unread(invocation, reply, node);
  return event_of(invocation, EventType::ok, invocation.value, node);
}

Event broken(const Event& invocation, bool sent, std::string_view why, std::string_view node) {
  const EventType type = sent && writes(invocation.f) ? EventType::info : EventType::fail;
  return event_of(invocation, type, invocation.value, node).with("error", why);
}

Event refused(const Event& invocation, const Error& error, std::string_view node) {
  return broken(invocation, false, error.message, node).with("harness_error", error.to_string());
}

}  // namespace faultline::redis
