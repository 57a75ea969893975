// Commands and replies on one line, for people.
#include <faultline/raft/kv/codec.hpp>

#include <faultline/text.hpp>

namespace faultline::raft::kv {
namespace {

std::string quoted(std::string_view bytes) {
  constexpr std::size_t shown_max = 40;
  std::string text = '"' + escape_controls(bytes.substr(0, shown_max), '"') + '"';
  if (bytes.size() > shown_max) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

template <class Number>
std::string number(Number value) {
  return std::to_string(static_cast<long long>(value));
}

std::string range_text(std::string_view key, std::string_view range_end) {
  return range_end.empty() ? quoted(key) : "[" + quoted(key) + ", " + quoted(range_end) + ")";
}

std::string text(const Put& put) {
  std::string out = "put " + quoted(put.key) + ' ' + (put.ignore_value ? "same value" : quoted(put.value));
  if (put.ignore_lease) return out + " same lease";
  return put.lease == no_lease ? out : out + " lease " + number(put.lease);
}
std::string text(const Range& range) {
  std::string out = "range " + range_text(range.key, range.range_end);
  return range.revision > 0 ? out + " at " + number(range.revision) : out;
}
std::string text(const DeleteRange& range) { return "delete " + range_text(range.key, range.range_end); }

std::string text(const Compare& compare) {
  constexpr const char* targets[] = {"version", "create", "mod", "value", "lease"};
  constexpr const char* results[] = {"=", ">", "<", "!="};
  return std::string(targets[static_cast<int>(compare.target)]) + ' ' + range_text(compare.key, compare.range_end) +
         ' ' + results[static_cast<int>(compare.result)] + ' ' +
         (compare.target == Compare::Target::value ? quoted(compare.value) : number(compare.number));
}

std::string text(const Txn& txn);

std::string text(const std::vector<Operation>& operations) {
  std::string out;
  for (const Operation& operation : operations) {
    if (!out.empty()) out += "; ";
    out += std::visit([](const auto& request) { return text(request); }, operation.request);
  }
  return out;
}

std::string text(const Txn& txn) {
  std::string out = "txn if (";
  for (const Compare& compare : txn.compares) {
    if (&compare != &txn.compares.front()) out += " and ";
    out += text(compare);
  }
  return out + ") {" + text(txn.success) + "} else {" + text(txn.failure) + "}";
}

std::string text(const Compaction& compaction) { return "compact " + number(compaction.revision); }
std::string text(const LeaseGrant& grant) { return "grant lease " + number(grant.id) + " ttl " + number(grant.ttl); }
std::string text(const LeaseRevoke& revoke) { return "revoke lease " + number(revoke.id); }
std::string text(const LeaseKeepalive& keepalive) { return "keep lease " + number(keepalive.id); }
std::string text(const LeaseExpire& expire) {
  return "expire lease " + number(expire.id) + " renewed at " + number(expire.renewal);
}
std::string text(const SessionOpen&) { return "open session"; }
std::string text(const SessionExpire& expire) {
  return "expire session " + number(expire.id) + " used at " + number(expire.last_used);
}

std::string text(const KeyValue& kv) {
  return quoted(kv.key) + '=' + quoted(kv.value) + " @" + number(kv.mod_revision) + " v" + number(kv.version);
}
std::string text(const std::vector<KeyValue>& kvs) {
  std::string out = "[";
  for (const KeyValue& kv : kvs) {
    if (&kv != &kvs.front()) out += ", ";
    out += text(kv);
  }
  return out + "]";
}

std::string text(const Failure& failure) { return number(failure.code) + ' ' + escape_controls(failure.message); }
std::string text(const PutReply& reply) { return reply.prev_kv ? "put, was " + text(*reply.prev_kv) : "put"; }
std::string text(const RangeReply& reply) {
  return text(reply.kvs) + " of " + number(reply.count) + (reply.more ? ", more" : "");
}
std::string text(const DeleteReply& reply) {
  return "deleted " + number(reply.deleted) + (reply.prev_kvs.empty() ? "" : ", were " + text(reply.prev_kvs));
}
std::string text(const TxnReply& reply) {
  std::string out = reply.succeeded ? "then {" : "else {";
  for (const OperationReply& response : reply.responses) {
    if (&response != &reply.responses.front()) out += "; ";
    out += std::visit([](const auto& inner) { return text(inner); }, response.response);
  }
  return out + "}";
}
std::string text(const CompactionReply&) { return "compacted"; }
std::string text(const LeaseReply& reply) {
  return "lease " + number(reply.id) + (reply.ttl == 0 ? " gone" : " ttl " + number(reply.ttl));
}
std::string text(const SessionReply& reply) { return "session " + number(reply.id) + (reply.open ? " open" : " gone"); }

}  // namespace

std::string to_text(const Command& command) {
  std::string out;
  if (command.client) out = "session " + number(command.client->session) + '#' + number(command.client->sequence) + ' ';
  return out + std::visit([](const auto& request) { return text(request); }, command.request);
}

std::string to_text(const Reply& reply) {
  return "r" + number(reply.revision) + ' ' +
         std::visit([](const auto& response) { return text(response); }, reply.response);
}

}  // namespace faultline::raft::kv
