#include <faultline/raft/gateway/reply.hpp>
#include <faultline/raft/gateway/request.hpp>

#include "fields.hpp"
#include "json.hpp"
#include "messages.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace faultline::raft::gateway {
namespace {

constexpr int code_unknown = 2;
constexpr int code_invalid = 3;
constexpr int code_exhausted = 8;
constexpr std::size_t message_bytes_max = std::size_t{2} << 20U;  // of a gRPC message

struct Route {
  std::string_view path;
  Call call;
};
constexpr Route posts[] = {
    {"/v3/kv/put", Call::put},
    {"/v3/kv/range", Call::range},
    {"/v3/kv/txn", Call::txn},
    {"/v3/kv/deleterange", Call::delete_range},
    {"/v3/kv/compaction", Call::compaction},
    {"/v3/lease/keepalive", Call::lease_keepalive},
    {"/v3/lease/grant", Call::lease_grant},
    {"/v3/lease/revoke", Call::lease_revoke},
    {"/v3/kv/lease/revoke", Call::lease_revoke},
    {"/v3/lease/timetolive", Call::lease_time_to_live},
    {"/v3/kv/lease/timetolive", Call::lease_time_to_live},
    {"/v3/lease/leases", Call::lease_leases},
    {"/v3/kv/lease/leases", Call::lease_leases},
    {"/v3/watch", Call::watch},
    {"/v3/lock/lock", Call::lock},
    {"/v3/lock/unlock", Call::unlock},
    {"/v3/maintenance/status", Call::status},
    {"/v3/maintenance/transfer-leadership", Call::transfer_leadership},
    {"/v3/maintenance/alarm", Call::alarm},
    {"/v3/maintenance/defragment", Call::defragment},
    {"/v3/cluster/member/list", Call::member_list},
    {"/v3/session/open", Call::session_open},
};
constexpr Route gets[] = {
    {"/version", Call::version},
    {"/health", Call::health},
    {"/metrics", Call::metrics},
    {"/debug/raft", Call::debug},
};

const Route* find_route(std::span<const Route> routes, std::string_view path) {
  const auto found = std::find_if(routes.begin(), routes.end(), [path](const Route& r) { return r.path == path; });
  return found == routes.end() ? nullptr : &*found;
}

HttpReply plain_text(int status, std::string_view text) {
  return {status, "text/plain; charset=utf-8", std::string(text)};
}

// The call, or the reply to a path or method that leads nowhere.
std::variant<Call, HttpReply> route(std::string_view method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const Route* post = find_route(posts, path);
  const Route* get = post == nullptr ? find_route(gets, path) : nullptr;
  if (post == nullptr && get == nullptr) {
    return plain_text(404, path.starts_with("/v3/") ? "Not Found\n" : "404 page not found\n");
  }
  if (method != (post != nullptr ? "POST" : "GET")) return plain_text(405, "Method Not Allowed\n");
  return post != nullptr ? post->call : get->call;
}

HttpReply unreadable(std::string message, int code = code_invalid) {
  return plain_error_reply({code, std::move(message)});
}

HttpReply too_long(std::size_t bytes) {
  return unreadable("grpc: received message larger than max (" + std::to_string(bytes) + " vs. " +
                        std::to_string(message_bytes_max) + ")",
                    code_exhausted);
}

std::size_t varint_bytes(std::size_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}
// Of a put in the encoding whose length etcd's limit is about.
std::size_t message_bytes(const kv::Put& put) {
  const auto field = [](std::size_t size) { return size == 0 ? 0 : 1 + varint_bytes(size) + size; };
  return field(put.key.size()) + field(put.value.size());
}

std::optional<std::uint64_t> positive(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

using Content = decltype(Request::content);

Content to_write(const HttpRequest& request, decltype(kv::Command::request) command) {
  Write write{{std::nullopt, std::move(command)}};
  if (request.session_id.empty() && request.session_seq.empty()) return write;
  const auto session = positive(request.session_id);
  const auto sequence = positive(request.session_seq);
  if (!session || !sequence) {
    return unreadable("raftd: X-Session-Id and X-Session-Seq go together, each a positive decimal number");
  }
  write.command.client = kv::ClientSequence{kv::SessionId{*session}, *sequence};
  return write;
}

kv::LeaseId read_lease_id(Fields& fields, std::string_view name) {
  std::int64_t id = 0;
  fields.integer(name, id);
  return kv::LeaseId{id};
}

Content read_txn_content(Reader& reader, const HttpRequest& request) {
  ReadTxnMessage message = read_txn_message(reader, 0);
  if (message.refused) return plain_error_reply(*message.refused);
  if (message.only_reads) return ReadTxn{std::move(message.txn), message.serializable};
  return to_write(request, std::move(message.txn));
}

Content read_lease_call(Call call, Reader& reader, const HttpRequest& request) {
  Fields fields(reader, 0);
  if (call == Call::lease_revoke) return to_write(request, kv::LeaseRevoke{read_lease_id(fields, "ID")});
  if (call == Call::lease_grant) {
    kv::LeaseGrant grant;
    fields.integer("TTL", grant.ttl);
    grant.id = read_lease_id(fields, "ID");
    return to_write(request, grant);
  }
  TimeToLive question{read_lease_id(fields, "ID"), false};
  fields.boolean("keys", question.keys);
  return question;
}

Content read_lock_call(Call call, Reader& reader, const HttpRequest& request) {
  Fields fields(reader, 0);
  if (call == Call::unlock) {
    kv::DeleteRange unlock;
    fields.bytes("key", unlock.key);
    return to_write(request, std::move(unlock));
  }
  Lock lock;
  fields.bytes("name", lock.name);
  lock.lease = read_lease_id(fields, "lease");
  return lock;
}

// The message on the tape. REQUIRES: the call takes one message and is answered by one.
Content read_message(Call call, Reader& reader, const HttpRequest& request) {
  Fields fields(reader, 0);
  switch (call) {
    case Call::put: {
      kv::Put put = read_put(reader, 0);
      if (!reader.failed() && message_bytes(put) > message_bytes_max) return too_long(message_bytes(put));
      return to_write(request, std::move(put));
    }
    case Call::range: return read_range(reader, 0);
    case Call::delete_range: return to_write(request, read_delete_range(reader, 0));
    case Call::txn: return read_txn_content(reader, request);
    case Call::compaction: {
      kv::Compaction compaction;
      bool physical = false;  // waits until the space is free; here it is as soon as nobody can see it
      fields.integer("revision", compaction.revision);
      fields.boolean("physical", physical);
      return to_write(request, compaction);
    }
    case Call::lease_grant:
    case Call::lease_revoke:
    case Call::lease_time_to_live: return read_lease_call(call, reader, request);
    case Call::lock:
    case Call::unlock: return read_lock_call(call, reader, request);
    case Call::session_open: return Write{{std::nullopt, kv::SessionOpen{}}};
    case Call::transfer_leadership: {
      Transfer transfer;
      fields.unsigned_integer("targetID", transfer.target);
      return transfer;
    }
    default: return std::monostate{};
  }
}

}  // namespace

struct Decoder::Scratch {
  Tape tape;

  Content one_message(Call call, const HttpRequest& request) {
    static constexpr std::string_view empty = "{}";
    using End = Tape::Scanned::End;
    Tape::Scanned scanned = tape.scan(request.body, 0);
    if (scanned.end == End::error) return unreadable(std::move(scanned.error));
    if (scanned.end == End::nothing) tape.scan(empty, 0);
    Reader reader(tape);
    Content content = read_message(call, reader, request);
    if (reader.failed()) return unreadable(reader.error());
    return content;
  }

  // The messages of a stream's body. One that cannot be read ends them; if it is the first, it is the answer.
  template <class Message, class Read>
  std::variant<std::vector<Message>, HttpReply> messages(std::string_view body, Read read) {
    using End = Tape::Scanned::End;
    std::vector<Message> out;
    std::size_t at = 0;
    for (bool first = true; out.size() < stream_requests_max; first = false) {
      Tape::Scanned scanned = tape.scan(body, at);
      if (scanned.end == End::nothing) break;
      Reader reader(tape);
      std::optional<Message> message;
      if (scanned.end == End::error) {
        reader.fail(std::move(scanned.error));
      } else {
        message = read(reader);
      }
      if (reader.failed()) {
        if (first) return unreadable(reader.error(), code_unknown);
        break;
      }
      if (message) out.push_back(std::move(*message));
      at = scanned.stop;
    }
    return out;
  }

  Content stream(Call call, std::string_view body) {
    if (call == Call::watch) {
      auto read = messages<WatchRequest>(body, [](Reader& reader) { return read_watch_request(reader, 0); });
      if (auto* refused = std::get_if<HttpReply>(&read)) return std::move(*refused);
      return Watches{std::get<0>(std::move(read))};
    }
    auto read = messages<kv::LeaseId>(body, [](Reader& reader) {
      Fields fields(reader, 0);
      return std::optional(read_lease_id(fields, "ID"));
    });
    if (auto* refused = std::get_if<HttpReply>(&read)) return std::move(*refused);
    return Keepalives{std::get<0>(std::move(read))};
  }
};

Decoder::Decoder() : scratch_(std::make_unique<Scratch>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Request Decoder::decode(const HttpRequest& request) {
  auto routed = route(request.method, request.target);
  if (auto* lost = std::get_if<HttpReply>(&routed)) return {Call::version, std::move(*lost)};
  const Call call = std::get<Call>(routed);
  if (request.method == "GET") return {call, std::monostate{}};
  if (request.body.size() > body_bytes_max) return {call, too_long(request.body.size())};
  if (call == Call::watch || call == Call::lease_keepalive) return {call, scratch_->stream(call, request.body)};
  return {call, scratch_->one_message(call, request)};
}

}  // namespace faultline::raft::gateway
