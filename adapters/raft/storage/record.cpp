#include "record.hpp"

#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/little_endian.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>

namespace faultline::raft::storage {
namespace {

std::uint32_t record_crc(std::uint64_t position, std::string_view head, std::string_view payload) {
  std::array<char, 28> start;
  std::memcpy(start.data(), &position, 8);
  std::memcpy(start.data() + 8, head.data(), 20);
  return crc32c(payload, crc32c({start.data(), start.size()}));
}

// What is wrong with a payload whose checksum is right; empty if nothing is.
std::string_view payload_fault(RecordType type, std::string_view payload) {
  const auto zeros = [&](std::uint64_t offset, std::uint64_t length) {
    return all_zero(payload.substr(offset, length));
  };
  switch (type) {
    case RecordType::segment:
      if (payload.size() != segment_payload_bytes) return "a segment record of the wrong length";
      if (get_u32(payload, 0) != wal_version) return "a segment of a version that is not known";
      return {};
    case RecordType::entry:
      if (payload.size() < entry_payload_head_bytes) return "an entry that is too short";
      if (static_cast<std::uint8_t>(payload[16]) > 2) return "an entry of a kind that is not known";
      if (!zeros(17, 7)) return "an entry with stray bytes";
      if (get_u64(payload, 8) == 0) return "an entry without an index";
      return {};
    case RecordType::hard_state:
      return payload.size() == hard_state_payload_bytes ? "" : "a hard state of the wrong length";
    case RecordType::mark: return payload.size() == mark_payload_bytes ? "" : "a snapshot mark of the wrong length";
  }
  return "a type that is not known";
}

// Words of 64 bits, little-endian.
template <class... Word>
Fixed<8 * sizeof...(Word)> packed(Word... words) {
  Fixed<8 * sizeof...(Word)> all;
  char* at = all.bytes.data();
  ((store_little(at, std::uint64_t{words}), at += 8), ...);
  return all;
}

bool plausible(std::string_view bytes) {
  const std::uint32_t length = get_u32(bytes, 0);
  const auto type = static_cast<std::uint8_t>(bytes[4]);
  return length >= 1 && length <= payload_bytes_max && type >= 1 && type <= 4 && all_zero(bytes.substr(5, 3));
}

}  // namespace

void put_u32(std::string& out, std::uint32_t number) { append_little(out, number); }

void put_u64(std::string& out, std::uint64_t number) { append_little(out, number); }

std::uint32_t get_u32(std::string_view bytes, std::uint64_t offset) {
  return load_little<std::uint32_t>(bytes.data() + offset);
}

std::uint64_t get_u64(std::string_view bytes, std::uint64_t offset) {
  return load_little<std::uint64_t>(bytes.data() + offset);
}

void put_record(std::string& out, Chain& chain, RecordType type, std::string_view head, std::string_view body) {
  const std::uint64_t length = head.size() + body.size();
  FL_ASSERT(length >= 1);
  FL_ASSERT(length <= payload_bytes_max);
  const std::size_t start = out.size();
  out.append(packed(length | static_cast<std::uint64_t>(type) << 32, chain.durable, chain.crc));
  out.append(head).append(body).append(padded(length) - length, '\0');
  const std::string_view record = std::string_view(out).substr(start);
  chain.crc = record_crc(chain.position, record, record.substr(record_head_bytes));
  chain.position += record.size();
  for (std::size_t i = 0; i < 4; ++i) out[start + 20 + i] = static_cast<char>(chain.crc >> (8 * i) & 0xff);
}

Fixed<segment_payload_bytes> segment_payload(const SegmentHead& head) {
  return packed(std::uint64_t{head.version} | std::uint64_t{head.bytes} << 32, head.identity.cluster,
                head.identity.node.value, head.sequence, head.first.value);
}

Fixed<entry_payload_head_bytes> entry_payload_head(const Entry& entry) {
  return packed(entry.term.value, entry.index.value, static_cast<std::uint64_t>(entry.kind));
}

Fixed<hard_state_payload_bytes> hard_state_payload(const HardState& state) {
  return packed(state.term.value, state.vote.value, state.commit.value, state.stay.value);
}

Fixed<mark_payload_bytes> mark_payload(Mark mark) { return packed(mark.index.value, mark.term.value); }

SegmentHead segment_of(std::string_view payload) {
  return {.version = get_u32(payload, 0),
          .bytes = get_u32(payload, 4),
          .identity = {get_u64(payload, 8), {get_u64(payload, 16)}},
          .sequence = get_u64(payload, 24),
          .first = {get_u64(payload, 32)}};
}

Entry entry_of(std::string_view payload) {
  return {.term = {get_u64(payload, 0)},
          .index = {get_u64(payload, 8)},
          .kind = static_cast<EntryKind>(payload[16]),
          .data = std::string(payload.substr(entry_payload_head_bytes))};
}

HardState hard_state_of(std::string_view payload) {
  return {.term = {get_u64(payload, 0)},
          .vote = {get_u64(payload, 8)},
          .commit = {get_u64(payload, 16)},
          .stay = {get_u64(payload, 24)}};
}

Mark mark_of(std::string_view payload) { return {{get_u64(payload, 0)}, {get_u64(payload, 8)}}; }

Record read_record(std::string_view segment, std::uint64_t sequence, std::uint64_t offset) {
  const std::string_view rest = offset < segment.size() ? segment.substr(offset) : std::string_view();
  Record record = read_record_at(rest, position(sequence, offset));
  if (record.state == Record::State::good) record.next_offset = offset + record_bytes(record.payload.size());
  return record;
}

Record read_record_at(std::string_view rest, std::uint64_t position) {
  Record record;
  const auto bad = [&](std::string_view reason) {
    record.state = Record::State::bad;
    record.reason = reason;
    return record;
  };
  if (rest.size() < 4 || get_u32(rest, 0) == 0) {
    if (all_zero(rest)) return record;
    return bad("bytes behind the end of the log");
  }
  if (rest.size() < record_head_bytes) return bad("the file ends within the record");
  const std::uint64_t length = get_u32(rest, 0);
  record.type = static_cast<RecordType>(rest[4]);
  record.durable = get_u64(rest, 8);
  record.previous = get_u32(rest, 16);
  record.crc = get_u32(rest, 20);
  if (length > payload_bytes_max) return bad(fmt::format("a record of {} bytes", length));
  if (record_bytes(length) > rest.size()) return bad("the file ends within the record");
  record.computed = record_crc(position, rest, rest.substr(record_head_bytes, padded(length)));
  if (record.crc != record.computed) return bad("its checksum is wrong");
  if (!plausible(rest)) return bad("a type that is not known");
  // No record can know more than what was written before it.
  if (record.durable > position) return bad("it claims the future is durable");
  const std::string_view payload = rest.substr(record_head_bytes, length);
  if (const std::string_view fault = payload_fault(record.type, payload); !fault.empty()) return bad(fault);
  record.state = Record::State::good;
  record.payload = payload;
  return record;
}

std::uint64_t find_record(std::string_view segment, std::uint64_t sequence, std::uint64_t offset) {
  for (; offset + record_head_bytes < segment.size(); offset += 8) {
    if (!plausible(segment.substr(offset, 8))) continue;
    if (read_record(segment, sequence, offset).state == Record::State::good) return offset;
  }
  return segment.size();
}

bool all_zero(std::string_view bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::string segment_name(std::uint64_t sequence, LogIndex first) {
  return fmt::format("{:016x}-{:016x}.wal", sequence, first.value);
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  if (name.size() != 37 || name[16] != '-' || name.substr(33) != ".wal") return std::nullopt;
  SegmentName parsed;
  const auto hex = [&](std::size_t from, std::uint64_t& number) {
    const char* end = name.data() + from + 16;
    return std::from_chars(name.data() + from, end, number, 16).ptr == end;
  };
  if (!hex(0, parsed.sequence) || !hex(17, parsed.first.value)) return std::nullopt;
  if (segment_name(parsed.sequence, parsed.first) != name) return std::nullopt;
  return parsed;
}

}  // namespace faultline::raft::storage
