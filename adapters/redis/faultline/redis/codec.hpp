// Operations as commands of Redis, replies as ok, fail or info. Pure: no socket, no clock.
//
// The rule: a write is `fail` only if the reply proves that nothing was written; a read changes nothing and is never `info`.
//
// registers
//   read          GET; nil if the key is absent
//   write v       SET, or DEL if v is nil
//   cas [from to] a script, which Redis runs in one piece; `fail` with "precondition-failed" and the extra `found` if the value was another
// sets
//   add e         SADD
//   read          SMEMBERS: the list of elements
//
// A key is `key_prefix` followed by the JSON text of the operation's key, a value its JSON text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/event.hpp>
#include <faultline/redis/resp.hpp>
#include <faultline/result.hpp>

namespace faultline::redis {

struct CodecOptions {
  bool sets = false;  // what `read` and `add` are about; else registers
  std::string key_prefix = "faultline/";
};

struct Command {
  std::vector<std::string> words;
  bool writes = false;
};

// bad_input: an operation or a value that cannot be said to Redis.
Result<Command> command_of(const Event& invocation, const CodecOptions& options);

// The completion, without a time; extras: node, and error and found where there are any.
Event completion_of(const Event& invocation, const Reply& reply, std::string_view node);
// The connection or the deadline ended the talk. `sent`: at least one byte of the command left.
Event broken(const Event& invocation, bool sent, std::string_view why, std::string_view node);
// `fail` before anything was sent; `harness`: the test itself is wrong.
Event refused(const Event& invocation, const Error& error, std::string_view node);

}  // namespace faultline::redis
