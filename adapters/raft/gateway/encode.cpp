#include <faultline/assert.hpp>
#include <faultline/raft/gateway/reply.hpp>

#include "messages_out.hpp"
#include "writer.hpp"

#include <array>
#include <type_traits>

namespace faultline::raft::gateway {
namespace {

constexpr std::size_t header_bytes = 128;     // about
constexpr std::size_t key_value_bytes = 160;  // beside key and value, about

// How many bytes at `text[at]` are one character of UTF-8 (RFC 3629: shortest form, no surrogates); 0 if they are none.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return 1;
  const auto follows = [&](std::size_t i) { return (byte(at + i) & 0xc0) == 0x80; };
  if (lead >= 0xc2 && lead < 0xe0) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead < 0xf0) {
    const bool overlong = lead == 0xe0 && byte(at + 1) < 0xa0;
    const bool surrogate = lead == 0xed && byte(at + 1) >= 0xa0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead < 0xf5) {
    const bool overlong = lead == 0xf0 && byte(at + 1) < 0x90;
    const bool beyond = lead == 0xf4 && byte(at + 1) >= 0x90;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

template <class Id>
std::int64_t number(Id id) {
  return static_cast<std::int64_t>(id);
}

void append_key_values(Object& object, std::string_view name, const std::vector<kv::KeyValue>& kvs, std::string& out) {
  object.list(name, kvs, [&out](const kv::KeyValue& kv) { append_key_value(out, kv); });
}

void append_put(Object& object, const kv::PutReply& reply) {
  if (reply.prev_kv) append_key_value(object.name("prev_kv"), *reply.prev_kv);
}

void append_range(Object& object, const kv::RangeReply& reply, std::string& out) {
  append_key_values(object, "kvs", reply.kvs, out);
  object.yes("more", reply.more);
  object.quoted("count", reply.count);
}

void append_delete(Object& object, const kv::DeleteReply& reply, std::string& out) {
  object.quoted("deleted", reply.deleted);
  append_key_values(object, "prev_kvs", reply.prev_kvs, out);
}

void append_txn(Object& object, const kv::TxnReply& reply, std::string& out);

std::string_view response_name(const kv::OperationReply& reply) {
  constexpr std::array<std::string_view, 4> names{"response_put", "response_range", "response_delete_range",
                                                  "response_txn"};
  return names[reply.response.index()];
}

// Recursion is as deep as the request, which the decoder has bounded.
void append_operation(const kv::OperationReply& reply, std::string& out) {
  Object operation(out);
  Object response(operation.name(response_name(reply)));
  {
    Object header(response.name("header"));
    header.quoted("revision", reply.revision);
  }
  std::visit(
      [&](const auto& r) {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, kv::PutReply>) append_put(response, r);
        if constexpr (std::is_same_v<R, kv::RangeReply>) append_range(response, r, out);
        if constexpr (std::is_same_v<R, kv::DeleteReply>) append_delete(response, r, out);
        if constexpr (std::is_same_v<R, kv::TxnReply>) append_txn(response, r, out);
      },
      reply.response);
}

void append_txn(Object& object, const kv::TxnReply& reply, std::string& out) {
  object.yes("succeeded", reply.succeeded);
  object.list("responses", reply.responses, [&out](const kv::OperationReply& r) { append_operation(r, out); });
}

// An object that begins with the header and goes on as `write(object, out)` says.
template <class Write>
HttpReply with_header(const Header& header, kv::Revision revision, std::size_t bytes, Write write) {
  HttpReply reply;
  reply.body.reserve(header_bytes + bytes);
  {
    Object object(reply.body);
    append_header(object, header, revision);
    write(object, reply.body);
  }
  return reply;
}
HttpReply only_header(const Header& header, kv::Revision revision) {
  return with_header(header, revision, 0, [](Object&, std::string&) {});
}

std::size_t bytes_of(const std::vector<kv::KeyValue>& kvs) {
  std::size_t bytes = 0;
  for (const kv::KeyValue& kv : kvs) bytes += key_value_bytes + (kv.key.size() + kv.value.size()) * 4 / 3;
  return bytes;
}

HttpReply lease_reply(Call call, const Header& header, kv::Revision revision, const kv::LeaseReply& lease) {
  FL_ASSERT(call == Call::lease_grant || call == Call::lease_revoke);
  if (call == Call::lease_revoke) return only_header(header, revision);
  return with_header(header, revision, 64, [&](Object& object, std::string&) {
    object.quoted("ID", number(lease.id));
    object.quoted("TTL", lease.ttl);
  });
}

std::string_view http_reason(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 429: return "Too Many Requests";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t bytes = character_bytes(text, at);
    if (bytes == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text[at];
    } else if (c < 0x20) {
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    } else {
      out += text.substr(at, bytes);
    }
    at += bytes == 0 ? 1 : bytes;
  }
  out += '"';
}

void append_header(Object& object, const Header& header, kv::Revision revision) {
  Object out(object.name("header"));
  out.quoted("cluster_id", header.cluster_id);
  out.quoted("member_id", header.member_id);
  out.quoted("revision", revision);
  out.quoted("raft_term", header.raft_term);
}

void append_key_value(std::string& out, const kv::KeyValue& kv) {
  Object object(out);
  object.bytes("key", kv.key);
  object.quoted("create_revision", kv.create_revision);
  object.quoted("mod_revision", kv.mod_revision);
  object.quoted("version", kv.version);
  object.bytes("value", kv.value);
  object.quoted("lease", number(kv.lease));
}

HttpReply to_reply(Call call, const Header& header, const kv::Reply& reply) {
  const kv::Revision revision = reply.revision;
  return std::visit(
      [&](const auto& r) -> HttpReply {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, kv::Failure>) return error_reply(call, r);
        if constexpr (std::is_same_v<R, kv::PutReply>) {
          return with_header(header, revision, 0, [&](Object& object, std::string&) { append_put(object, r); });
        }
        if constexpr (std::is_same_v<R, kv::DeleteReply>) {
          if (call == Call::unlock) return only_header(header, revision);
          return with_header(header, revision, bytes_of(r.prev_kvs),
                             [&](Object& object, std::string& out) { append_delete(object, r, out); });
        }
        if constexpr (std::is_same_v<R, kv::TxnReply>) return txn_reply(header, revision, r);
        if constexpr (std::is_same_v<R, kv::CompactionReply>) return only_header(header, revision);
        if constexpr (std::is_same_v<R, kv::LeaseReply>) return lease_reply(call, header, revision, r);
        if constexpr (std::is_same_v<R, kv::SessionReply>) {
          return with_header(header, revision, 32, [&](Object& object, std::string&) {
            object.quoted("ID", static_cast<std::uint64_t>(r.id));
          });
        }
      },
      reply.response);
}

HttpReply range_reply(const Header& header, kv::Revision revision, const kv::RangeReply& reply) {
  return with_header(header, revision, bytes_of(reply.kvs),
                     [&](Object& object, std::string& out) { append_range(object, reply, out); });
}

HttpReply txn_reply(const Header& header, kv::Revision revision, const kv::TxnReply& reply) {
  return with_header(header, revision, 80 * reply.responses.size(),
                     [&](Object& object, std::string& out) { append_txn(object, reply, out); });
}

HttpReply time_to_live_reply(const Header& header, const TimeToLiveReply& reply) {
  return with_header(header, reply.revision, 64, [&](Object& object, std::string& out) {
    object.quoted("ID", number(reply.id));
    object.quoted("TTL", reply.ttl);
    object.quoted("grantedTTL", reply.granted_ttl);
    object.list("keys", reply.keys, [&out](const std::string& key) {
      out += '"';
      append_base64(out, key);
      out += '"';
    });
  });
}

HttpReply leases_reply(const Header& header, kv::Revision revision, const std::vector<kv::LeaseId>& leases) {
  return with_header(header, revision, 32 * leases.size(), [&](Object& object, std::string& out) {
    object.list("leases", leases, [&out](kv::LeaseId id) { Object(out).quoted("ID", number(id)); });
  });
}

HttpReply lock_reply(const Header& header, kv::Revision revision, std::string_view key) {
  return with_header(header, revision, 2 * key.size(), [&](Object& object, std::string&) { object.bytes("key", key); });
}

HttpReply status_reply(const Header& header, const StatusReply& reply) {
  return with_header(header, reply.revision, 256, [&](Object& object, std::string& out) {
    object.text("version", reply.version);
    object.quoted("dbSize", reply.db_size);
    object.quoted("leader", reply.leader);
    object.quoted("raftIndex", reply.raft_index);
    object.quoted("raftTerm", header.raft_term);
    object.quoted("raftAppliedIndex", reply.raft_applied_index);
    object.list("errors", reply.errors, [&out](const std::string& error) { append_json_string(out, error); });
    object.quoted("dbSizeInUse", reply.db_size_in_use);
    object.yes("isLearner", reply.is_learner);
  });
}

HttpReply member_list_reply(const Header& header, const std::vector<MemberReply>& members) {
  return with_header(header, 0, 160 * members.size(), [&](Object& object, std::string& out) {
    object.list("members", members, [&out](const MemberReply& member) {
      Object one(out);
      const auto append_text = [&out](const std::string& text) { append_json_string(out, text); };
      one.quoted("ID", member.id);
      one.text("name", member.name);
      one.list("peerURLs", member.peer_urls, append_text);
      one.list("clientURLs", member.client_urls, append_text);
      one.yes("isLearner", member.is_learner);
    });
  });
}

HttpReply empty_reply() { return {.body = "{}"}; }

HttpReply version_reply(std::string_view etcd_version, std::string_view cluster_version, std::string_view raftd) {
  HttpReply reply;
  {
    Object object(reply.body);
    object.text("etcdserver", etcd_version);
    object.text("etcdcluster", cluster_version);
    object.text("raftd", raftd);
  }
  return reply;
}

HttpReply health_reply(bool healthy) {
  return {healthy ? 200 : 503, "text/plain; charset=utf-8", healthy ? R"({"health":"true"})" : R"({"health":"false"})"};
}

HttpReply error_reply(Call call, const kv::Failure& failure) {
  const bool in_lock_service = call == Call::lock || call == Call::unlock;
  return plain_error_reply({in_lock_service ? 2 : failure.code, failure.message});
}

HttpReply plain_error_reply(const kv::Failure& failure) {
  HttpReply reply{.status = http_status(failure.code)};
  {
    Object object(reply.body);
    append_json_string(object.name("error"), failure.message);
    append_json_string(object.name("message"), failure.message);
    append_number(object.name("code"), failure.code);
  }
  return reply;
}

std::string keepalive_line(const Header& header, kv::Revision revision, kv::LeaseId id, std::int64_t ttl) {
  std::string line;
  {
    Object object(line);
    Object result(object.name("result"));
    append_header(result, header, revision);
    result.quoted("ID", number(id));
    result.quoted("TTL", ttl);
  }
  return line += '\n';
}

HttpReply stream_error_reply(const kv::Failure& failure) {
  HttpReply reply{.status = http_status(failure.code)};
  {
    Object object(reply.body);
    Object error(object.name("error"));
    append_number(error.name("grpc_code"), failure.code);
    append_number(error.name("http_code"), reply.status);
    append_json_string(error.name("message"), failure.message);
    append_json_string(error.name("http_status"), http_reason(reply.status));
  }
  reply.body += '\n';
  return reply;
}

int http_status(int grpc_code) {
  switch (grpc_code) {
    case 0: return 200;
    case 1: return 408;
    case 3:
    case 11: return 400;
    case 4: return 504;
    case 5: return 404;
    case 8: return 429;
    case 9: return 412;
    case 12: return 501;
    case 14: return 503;
    default: return 500;
  }
}

}  // namespace faultline::raft::gateway
