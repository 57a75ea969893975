#include "messages.hpp"

#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/kv/errors.hpp>

#include <array>

namespace faultline::raft::gateway {
namespace {

constexpr std::array<std::string_view, 3> sort_orders{"NONE", "ASCEND", "DESCEND"};
constexpr std::array<std::string_view, 5> sort_targets{"KEY", "VERSION", "CREATE", "MOD", "VALUE"};
constexpr std::array<std::string_view, 4> compare_results{"EQUAL", "GREATER", "LESS", "NOT_EQUAL"};
constexpr std::array<std::string_view, 5> compare_targets{"VERSION", "CREATE", "MOD", "VALUE", "LEASE"};
constexpr std::array<std::string_view, 2> filters{"NOPUT", "NODELETE"};
constexpr EnumNames sort_order_names{"etcdserverpb.RangeRequest_SortOrder", sort_orders};
constexpr EnumNames sort_target_names{"etcdserverpb.RangeRequest_SortTarget", sort_targets};
constexpr EnumNames compare_result_names{"etcdserverpb.Compare_CompareResult", compare_results};
constexpr EnumNames compare_target_names{"etcdserverpb.Compare_CompareTarget", compare_targets};
constexpr EnumNames filter_names{"etcdserverpb.WatchCreateRequest_FilterType", filters};

// etcd takes any number for an enum and then panics, or holds a compare for true that means nothing. Here such a number is refused.
template <class Enum>
Enum known(Reader& reader, std::int32_t number, const EnumNames& names) {
  if (number < 0 || static_cast<std::size_t>(number) >= names.names.size()) {
    reader.fail("unknown value \"" + std::to_string(number) + "\" for enum " + std::string(names.type));
    return Enum{};
  }
  return static_cast<Enum>(number);
}

kv::Compare read_compare(Reader& reader, std::uint32_t node) {
  Fields fields(reader, node);
  kv::Compare compare;
  std::int32_t result = 0;
  std::int32_t target = 0;
  fields.enumeration("result", compare_result_names, result);
  fields.enumeration("target", compare_target_names, target);
  fields.bytes("key", compare.key);
  fields.bytes("range_end", compare.range_end);
  std::array<std::int64_t, 5> numbers{};  // by target; the one of VALUE stays unused
  fields.integer("version", numbers[0]);
  fields.integer("create_revision", numbers[1]);
  fields.integer("mod_revision", numbers[2]);
  fields.bytes("value", compare.value);
  fields.integer("lease", numbers[4]);
  compare.result = known<kv::Compare::Result>(reader, result, compare_result_names);
  compare.target = known<kv::Compare::Target>(reader, target, compare_target_names);
  // A number or value beside the target's own says nothing.
  if (compare.target == kv::Compare::Target::value) return compare;
  compare.value.clear();
  compare.number = numbers[static_cast<std::size_t>(compare.target)];
  return compare;
}

class TxnReader {
 public:
  explicit TxnReader(Reader& reader) : reader_(reader) {}

  kv::Txn read(std::uint32_t node, std::size_t depth) {
    kv::Txn txn;
    // Each level but the innermost takes one of the operations allowed, so this refuses nothing that the count would let pass.
    if (depth > kv::operations_max + 1) {
      refuse(kv::errors::too_many_operations());
      return txn;
    }
    Fields fields(reader_, node);
    fields.elements("compare", [&](std::uint32_t element) { txn.compares.push_back(read_compare(reader_, element)); });
    fields.elements("success", [&](std::uint32_t element) { operation(element, depth, txn.success); });
    fields.elements("failure", [&](std::uint32_t element) { operation(element, depth, txn.failure); });
    return txn;
  }

  ReadTxnMessage finish(kv::Txn txn) && {
    return {std::move(txn), only_reads_, only_reads_ && serializable_, std::move(refused_)};
  }

 private:
  void refuse(kv::Failure failure) {
    if (!refused_) refused_ = std::move(failure);
  }

  void operation(std::uint32_t node, std::size_t depth, std::vector<kv::Operation>& out) {
    const Fields fields(reader_, node);
    const auto range = fields.find("request_range");
    const auto put = fields.find("request_put");
    const auto delete_range = fields.find("request_delete_range");
    const auto txn = fields.find("request_txn");
    if (reader_.failed()) return;
    const int given =
        int{range.has_value()} + int{put.has_value()} + int{delete_range.has_value()} + int{txn.has_value()};
    // etcd's words for no request at all; of two it takes one by chance.
    if (given == 0) return refuse(kv::errors::key_not_found());
    if (given > 1) return refuse({3, "raftd: an operation of a txn holds one request"});
    if (range) {
      Read read = read_range(reader_, *range);
      serializable_ = serializable_ && read.serializable;
      out.push_back({std::move(read.range)});
      return;
    }
    only_reads_ = false;
    if (put) out.push_back({read_put(reader_, *put)});
    if (delete_range) out.push_back({read_delete_range(reader_, *delete_range)});
    if (txn) out.push_back({read(*txn, depth + 1)});
  }

  Reader& reader_;
  bool only_reads_ = true;
  bool serializable_ = true;
  std::optional<kv::Failure> refused_;
};

WatchCreate read_watch_create(Reader& reader, std::uint32_t node) {
  Fields fields(reader, node);
  WatchCreate create;
  bool ignored = false;  // progress_notify comes every ten minutes, fragment cuts what is never so large here
  fields.bytes("key", create.key);
  fields.bytes("range_end", create.range_end);
  fields.integer("start_revision", create.start_revision);
  fields.boolean("progress_notify", ignored);
  fields.enumerations("filters", filter_names, [&](std::int32_t number) {
    create.no_put = create.no_put || number == 0;
    create.no_delete = create.no_delete || number == 1;
  });
  fields.boolean("prev_kv", create.prev_kv);
  fields.integer("watch_id", create.watch_id);
  fields.boolean("fragment", ignored);
  return create;
}

}  // namespace

kv::Put read_put(Reader& reader, std::uint32_t node) {
  Fields fields(reader, node);
  kv::Put put;
  std::int64_t lease = 0;
  fields.bytes("key", put.key);
  fields.bytes("value", put.value);
  fields.integer("lease", lease);
  fields.boolean("prev_kv", put.prev_kv);
  fields.boolean("ignore_value", put.ignore_value);
  fields.boolean("ignore_lease", put.ignore_lease);
  put.lease = kv::LeaseId{lease};
  return put;
}

Read read_range(Reader& reader, std::uint32_t node) {
  Fields fields(reader, node);
  Read read;
  kv::Range& range = read.range;
  std::int32_t order = 0;
  std::int32_t target = 0;
  fields.bytes("key", range.key);
  fields.bytes("range_end", range.range_end);
  fields.integer("limit", range.limit);
  fields.integer("revision", range.revision);
  fields.enumeration("sort_order", sort_order_names, order);
  fields.enumeration("sort_target", sort_target_names, target);
  fields.boolean("serializable", read.serializable);
  fields.boolean("keys_only", range.keys_only);
  fields.boolean("count_only", range.count_only);
  fields.integer("min_mod_revision", range.min_mod_revision);
  fields.integer("max_mod_revision", range.max_mod_revision);
  fields.integer("min_create_revision", range.min_create_revision);
  fields.integer("max_create_revision", range.max_create_revision);
  // An order that there is not sorts nothing.
  const bool ordered = order == 1 || order == 2;
  range.sort_order = ordered ? static_cast<kv::SortOrder>(order) : kv::SortOrder::none;
  range.sort_target = known<kv::SortTarget>(reader, target, sort_target_names);
  return read;
}

kv::DeleteRange read_delete_range(Reader& reader, std::uint32_t node) {
  Fields fields(reader, node);
  kv::DeleteRange request;
  fields.bytes("key", request.key);
  fields.bytes("range_end", request.range_end);
  fields.boolean("prev_kv", request.prev_kv);
  return request;
}

ReadTxnMessage read_txn_message(Reader& reader, std::uint32_t node) {
  TxnReader txn_reader(reader);
  kv::Txn txn = txn_reader.read(node, 1);
  return std::move(txn_reader).finish(std::move(txn));
}

std::optional<WatchRequest> read_watch_request(Reader& reader, std::uint32_t node) {
  const Fields fields(reader, node);
  if (const auto create = fields.find("create_request")) return read_watch_create(reader, *create);
  if (const auto cancel = fields.find("cancel_request")) {
    WatchCancel request;
    Fields(reader, *cancel).integer("watch_id", request.watch_id);
    return request;
  }
  if (const auto progress = fields.find("progress_request")) {
    const Fields checked(reader, *progress);
    return WatchProgress{};
  }
  return std::nullopt;
}

}  // namespace faultline::raft::gateway
