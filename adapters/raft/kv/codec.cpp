#include <faultline/raft/kv/codec.hpp>

#include <utility>

#include "wire.hpp"

namespace faultline::raft::kv {
namespace {

constexpr std::uint8_t wire_version = 1;

// The order of the alternatives in the variants is the wire's; changing it needs another version.
enum class Tag : std::uint8_t {
  put,
  delete_range,
  txn,
  compaction,
  grant,
  revoke,
  keepalive,
  expire,
  open,
  close,
  last = close
};
enum class OperationTag : std::uint8_t { put, range, delete_range, txn, last = txn };
enum class ReplyTag : std::uint8_t { failure, put, delete_range, txn, compaction, lease, session, last = session };

template <class T>
void put_enum(std::string& out, T value) {
  put_number(out, static_cast<std::uint8_t>(value));
}
template <class T>
T read_enum(Reader& in, T highest) {
  return static_cast<T>(in.one_of(static_cast<std::uint8_t>(highest)));
}
void put_flag(std::string& out, bool flag) { put_number(out, static_cast<std::uint8_t>(flag ? 1 : 0)); }
template <class Id>
void put_id(std::string& out, Id id) {
  put_number(out, static_cast<std::underlying_type_t<Id>>(id));
}
template <class Id>
Id read_id(Reader& in) {
  return static_cast<Id>(in.number<std::underlying_type_t<Id>>());
}

// -- Requests --

void write(std::string& out, const Put& put) {
  put_bytes(out, put.key);
  put_bytes(out, put.value);
  put_id(out, put.lease);
  put_flag(out, put.prev_kv);
  put_flag(out, put.ignore_value);
  put_flag(out, put.ignore_lease);
}

Put read_put(Reader& in) {
  Put put;
  put.key = in.bytes();
  put.value = in.bytes();
  put.lease = read_id<LeaseId>(in);
  put.prev_kv = in.flag();
  put.ignore_value = in.flag();
  put.ignore_lease = in.flag();
  return put;
}

void write(std::string& out, const Range& range) {
  put_bytes(out, range.key);
  put_bytes(out, range.range_end);
  put_number(out, range.limit);
  put_number(out, range.revision);
  put_enum(out, range.sort_order);
  put_enum(out, range.sort_target);
  put_flag(out, range.keys_only);
  put_flag(out, range.count_only);
  for (const Revision bound :
       {range.min_mod_revision, range.max_mod_revision, range.min_create_revision, range.max_create_revision}) {
    put_number(out, bound);
  }
}

Range read_range(Reader& in) {
  Range range;
  range.key = in.bytes();
  range.range_end = in.bytes();
  range.limit = in.number<std::int64_t>();
  range.revision = in.number<Revision>();
  range.sort_order = read_enum(in, SortOrder::descend);
  range.sort_target = read_enum(in, SortTarget::value);
  range.keys_only = in.flag();
  range.count_only = in.flag();
  range.min_mod_revision = in.number<Revision>();
  range.max_mod_revision = in.number<Revision>();
  range.min_create_revision = in.number<Revision>();
  range.max_create_revision = in.number<Revision>();
  return range;
}

void write(std::string& out, const DeleteRange& range) {
  put_bytes(out, range.key);
  put_bytes(out, range.range_end);
  put_flag(out, range.prev_kv);
}

DeleteRange read_delete_range(Reader& in) {
  DeleteRange range;
  range.key = in.bytes();
  range.range_end = in.bytes();
  range.prev_kv = in.flag();
  return range;
}

void write(std::string& out, const Compare& compare) {
  put_bytes(out, compare.key);
  put_bytes(out, compare.range_end);
  put_enum(out, compare.target);
  put_enum(out, compare.result);
  put_number(out, compare.number);
  put_bytes(out, compare.value);
}

Compare read_compare(Reader& in) {
  Compare compare;
  compare.key = in.bytes();
  compare.range_end = in.bytes();
  compare.target = read_enum(in, Compare::Target::lease);
  compare.result = read_enum(in, Compare::Result::not_equal);
  compare.number = in.number<std::int64_t>();
  compare.value = in.bytes();
  return compare;
}

void write(std::string& out, const Txn& txn);

void write(std::string& out, const std::vector<Operation>& operations) {
  put_number(out, static_cast<std::uint32_t>(operations.size()));
  for (const Operation& operation : operations) {
    put_number(out, static_cast<std::uint8_t>(operation.request.index()));
    std::visit([&](const auto& request) { write(out, request); }, operation.request);
  }
}

void write(std::string& out, const Txn& txn) {
  put_number(out, static_cast<std::uint32_t>(txn.compares.size()));
  for (const Compare& compare : txn.compares) write(out, compare);
  write(out, txn.success);
  write(out, txn.failure);
}

Txn read_txn(Reader& in, std::size_t depth);

std::vector<Operation> read_operations(Reader& in, std::size_t depth) {
  std::vector<Operation> operations;
  const std::size_t count = in.count(10);
  operations.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    Operation& operation = operations.emplace_back();
    switch (read_enum(in, OperationTag::last)) {
      case OperationTag::put: operation.request = read_put(in); break;
      case OperationTag::range: operation.request = read_range(in); break;
      case OperationTag::delete_range: operation.request = read_delete_range(in); break;
      case OperationTag::txn: operation.request = read_txn(in, depth + 1); break;
    }
  }
  return operations;
}

Txn read_txn(Reader& in, std::size_t depth) {
  Txn txn;
  if (depth > operations_max) in.fail();
  const std::size_t count = in.count(22);
  txn.compares.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) txn.compares.push_back(read_compare(in));
  if (!in.failed()) txn.success = read_operations(in, depth);
  if (!in.failed()) txn.failure = read_operations(in, depth);
  return txn;
}

void write(std::string& out, const Compaction& compaction) { put_number(out, compaction.revision); }
void write(std::string& out, const LeaseGrant& grant) {
  put_id(out, grant.id);
  put_number(out, grant.ttl);
}
void write(std::string& out, const LeaseRevoke& revoke) { put_id(out, revoke.id); }
void write(std::string& out, const LeaseKeepalive& keepalive) { put_id(out, keepalive.id); }
void write(std::string& out, const LeaseExpire& expire) {
  put_id(out, expire.id);
  put_number(out, expire.renewal);
}
void write(std::string&, const SessionOpen&) {}
void write(std::string& out, const SessionExpire& expire) {
  put_id(out, expire.id);
  put_number(out, expire.last_used);
}

// Braces read from left to right, as the fields stand.
decltype(Command::request) read_request(Reader& in) {
  switch (read_enum(in, Tag::last)) {
    case Tag::put: return read_put(in);
    case Tag::delete_range: return read_delete_range(in);
    case Tag::txn: return read_txn(in, 0);
    case Tag::compaction: return Compaction{in.number<Revision>()};
    case Tag::grant: return LeaseGrant{read_id<LeaseId>(in), in.number<std::int64_t>()};
    case Tag::revoke: return LeaseRevoke{read_id<LeaseId>(in)};
    case Tag::keepalive: return LeaseKeepalive{read_id<LeaseId>(in)};
    case Tag::expire: return LeaseExpire{read_id<LeaseId>(in), in.number<std::uint64_t>()};
    case Tag::open: return SessionOpen{};
    case Tag::close: return SessionExpire{read_id<SessionId>(in), in.number<std::uint64_t>()};
  }
  return {};
}

// -- Replies --

void write(std::string& out, const KeyValue& kv) {
  put_bytes(out, kv.key);
  put_bytes(out, kv.value);
  put_number(out, kv.create_revision);
  put_number(out, kv.mod_revision);
  put_number(out, kv.version);
  put_id(out, kv.lease);
}

KeyValue read_kv(Reader& in) {
  KeyValue kv;
  kv.key = in.bytes();
  kv.value = in.bytes();
  kv.create_revision = in.number<Revision>();
  kv.mod_revision = in.number<Revision>();
  kv.version = in.number<std::int64_t>();
  kv.lease = read_id<LeaseId>(in);
  return kv;
}

void write(std::string& out, const std::vector<KeyValue>& kvs) {
  put_number(out, static_cast<std::uint32_t>(kvs.size()));
  for (const KeyValue& kv : kvs) write(out, kv);
}

std::vector<KeyValue> read_kvs(Reader& in) {
  std::vector<KeyValue> kvs;
  const std::size_t count = in.count(40);
  kvs.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) kvs.push_back(read_kv(in));
  return kvs;
}

void write(std::string& out, const PutReply& reply) {
  put_flag(out, reply.prev_kv.has_value());
  if (reply.prev_kv) write(out, *reply.prev_kv);
}
PutReply read_put_reply(Reader& in) {
  PutReply reply;
  if (in.flag()) reply.prev_kv = read_kv(in);
  return reply;
}

void write(std::string& out, const RangeReply& reply) {
  write(out, reply.kvs);
  put_flag(out, reply.more);
  put_number(out, reply.count);
}
RangeReply read_range_reply(Reader& in) {
  RangeReply reply;
  reply.kvs = read_kvs(in);
  reply.more = in.flag();
  reply.count = in.number<std::int64_t>();
  return reply;
}

void write(std::string& out, const DeleteReply& reply) {
  put_number(out, reply.deleted);
  write(out, reply.prev_kvs);
}
DeleteReply read_delete_reply(Reader& in) {
  DeleteReply reply;
  reply.deleted = in.number<std::int64_t>();
  reply.prev_kvs = read_kvs(in);
  return reply;
}

void write(std::string& out, const TxnReply& reply) {
  put_flag(out, reply.succeeded);
  put_number(out, static_cast<std::uint32_t>(reply.responses.size()));
  for (const OperationReply& response : reply.responses) {
    put_number(out, response.revision);
    put_number(out, static_cast<std::uint8_t>(response.response.index()));
    std::visit([&](const auto& inner) { write(out, inner); }, response.response);
  }
}

TxnReply read_txn_reply(Reader& in, std::size_t depth) {
  TxnReply reply;
  if (depth > operations_max) in.fail();
  reply.succeeded = in.flag();
  const std::size_t count = in.count(10);
  reply.responses.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    OperationReply& response = reply.responses.emplace_back();
    response.revision = in.number<Revision>();
    switch (read_enum(in, OperationTag::last)) {
      case OperationTag::put: response.response = read_put_reply(in); break;
      case OperationTag::range: response.response = read_range_reply(in); break;
      case OperationTag::delete_range: response.response = read_delete_reply(in); break;
      case OperationTag::txn: response.response = read_txn_reply(in, depth + 1); break;
    }
  }
  return reply;
}

void write(std::string& out, const Failure& failure) {
  put_number(out, static_cast<std::int32_t>(failure.code));
  put_bytes(out, failure.message);
}
void write(std::string&, const CompactionReply&) {}
void write(std::string& out, const LeaseReply& reply) {
  put_id(out, reply.id);
  put_number(out, reply.ttl);
  put_number(out, reply.renewal);
}
void write(std::string& out, const SessionReply& reply) {
  put_id(out, reply.id);
  put_flag(out, reply.open);
}

decltype(Reply::response) read_response(Reader& in) {
  switch (read_enum(in, ReplyTag::last)) {
    case ReplyTag::failure: return Failure{in.number<std::int32_t>(), in.bytes()};
    case ReplyTag::put: return read_put_reply(in);
    case ReplyTag::delete_range: return read_delete_reply(in);
    case ReplyTag::txn: return read_txn_reply(in, 0);
    case ReplyTag::compaction: return CompactionReply{};
    case ReplyTag::lease:
      return LeaseReply{read_id<LeaseId>(in), in.number<std::int64_t>(), in.number<std::uint64_t>()};
    case ReplyTag::session: return SessionReply{read_id<SessionId>(in), in.flag()};
  }
  return {};
}

template <class T>
Result<T> checked(const Reader& in, T value, std::string_view what) {
  if (!in.failed() && in.left() == 0) return value;
  return Error::bad_input("not an encoded " + std::string(what) + ": " + (in.failed() ? "does not fit" : "goes on") +
                          " at byte " + std::to_string(in.at()));
}

}  // namespace

std::string encode(const Command& command) {
  std::string out;
  put_number(out, wire_version);
  put_flag(out, command.client.has_value());
  if (command.client) {
    put_id(out, command.client->session);
    put_number(out, command.client->sequence);
  }
  put_number(out, static_cast<std::uint8_t>(command.request.index()));
  std::visit([&](const auto& request) { write(out, request); }, command.request);
  return out;
}

Result<Command> decode_command(std::string_view bytes) {
  Reader in(bytes);
  Command command;
  if (in.number<std::uint8_t>() != wire_version) in.fail();
  if (in.flag()) command.client = ClientSequence{read_id<SessionId>(in), in.number<std::uint64_t>()};
  if (!in.failed()) command.request = read_request(in);
  return checked(in, std::move(command), "command");
}

std::string encode(const Reply& reply) {
  std::string out;
  put_number(out, wire_version);
  put_number(out, reply.revision);
  put_number(out, static_cast<std::uint8_t>(reply.response.index()));
  std::visit([&](const auto& response) { write(out, response); }, reply.response);
  return out;
}

Result<Reply> decode_reply(std::string_view bytes) {
  Reader in(bytes);
  Reply reply;
  if (in.number<std::uint8_t>() != wire_version) in.fail();
  reply.revision = in.number<Revision>();
  if (!in.failed()) reply.response = read_response(in);
  return checked(in, std::move(reply), "reply");
}

}  // namespace faultline::raft::kv
