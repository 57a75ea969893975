// The log's records as bytes: how one is written, and how one is read where it should stand. The layout is in wal.hpp.
//
// Pure functions on bytes: recovery, dump and writer share them.
#pragma once

#include <faultline/raft/storage/wal.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace faultline::raft::storage {

inline constexpr std::uint64_t record_head_bytes = 24;
inline constexpr std::uint64_t payload_bytes_max = 16 << 20;
inline constexpr std::uint32_t wal_version = 2;

enum class RecordType : std::uint8_t { segment = 1, entry = 2, hard_state = 3, mark = 4 };

constexpr std::uint64_t position(std::uint64_t sequence, std::uint64_t offset) { return sequence << 32 | offset; }
constexpr std::uint64_t sequence_of(std::uint64_t position) { return position >> 32; }
constexpr std::uint64_t offset_of(std::uint64_t position) { return position & 0xffffffff; }
constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }
constexpr std::uint64_t record_bytes(std::uint64_t payload) { return record_head_bytes + padded(payload); }

void put_u32(std::string& out, std::uint32_t number);
void put_u64(std::string& out, std::uint64_t number);
// REQUIRES: the bytes are there.
std::uint32_t get_u32(std::string_view bytes, std::uint64_t offset);
std::uint64_t get_u64(std::string_view bytes, std::uint64_t offset);

// Where the next record goes, and what it must name.
struct Chain {
  std::uint64_t position = 0;
  std::uint64_t durable = 0;
  std::uint32_t crc = 0;  // of the record before
};

// Appends the record to `out` and moves the chain behind it. REQUIRES: the payload, head and body, is not empty.
void put_record(std::string& out, Chain& chain, RecordType type, std::string_view head, std::string_view body = {});

struct SegmentHead {
  std::uint32_t version = wal_version;
  std::uint32_t bytes = 0;  // of the whole segment
  Identity identity;
  std::uint64_t sequence = 0;
  LogIndex first;
};

inline constexpr std::uint64_t entry_payload_head_bytes = 24;
inline constexpr std::uint64_t segment_payload_bytes = 40;
inline constexpr std::uint64_t hard_state_payload_bytes = 32;
inline constexpr std::uint64_t mark_payload_bytes = 16;
// Bytes whose number is fixed, as a view while they live.
template <std::size_t size>
struct Fixed {
  std::array<char, size> bytes;
  operator std::string_view() const { return {bytes.data(), size}; }  // NOLINT: implicit, it is a view
};
Fixed<segment_payload_bytes> segment_payload(const SegmentHead& head);
Fixed<entry_payload_head_bytes> entry_payload_head(const Entry& entry);
Fixed<hard_state_payload_bytes> hard_state_payload(const HardState& state);
Fixed<mark_payload_bytes> mark_payload(Mark mark);

// REQUIRES: the payload is of a record that `read_record` took as good, of that type.
SegmentHead segment_of(std::string_view payload);
Entry entry_of(std::string_view payload);
HardState hard_state_of(std::string_view payload);
Mark mark_of(std::string_view payload);

// What stands at an offset of a segment.
struct Record {
  enum class State { good, end, bad };
  State state = State::end;
  RecordType type = RecordType::segment;
  std::uint64_t durable = 0;
  std::uint32_t previous = 0;     // crc of the record before, as it names it
  std::uint32_t crc = 0;          // as stored
  std::uint32_t computed = 0;     // over what is there
  std::string_view payload;       // if good
  std::uint64_t next_offset = 0;  // if good
  std::string reason;             // if bad
};

// The record at `offset` of a segment's bytes. `good`: consistent in itself. `end`: zeros up to the end.
Record read_record(std::string_view segment, std::uint64_t sequence, std::uint64_t offset);
// The same for the bytes of one record alone. `next_offset` is not set.
Record read_record_at(std::string_view bytes, std::uint64_t position);
// The first offset from `offset` on where a record consistent in itself stands; the segment's size if there is none.
std::uint64_t find_record(std::string_view segment, std::uint64_t sequence, std::uint64_t offset);
// Whether all bytes are zero.
bool all_zero(std::string_view bytes);

// "<sequence:016x>-<first index:016x>.wal"
std::string segment_name(std::uint64_t sequence, LogIndex first);
struct SegmentName {
  std::uint64_t sequence = 0;
  LogIndex first;
};
std::optional<SegmentName> parse_segment_name(std::string_view name);

}  // namespace faultline::raft::storage
