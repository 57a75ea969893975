// Snapshots: the state machine's bytes in files of their own, appearing whole or not at all.
//
// File `<folder>/<index:016x>-<term:016x>.snap`, little-endian: "FLSNAP\r\n", version u32, config length u32, cluster, index, term, size
// u64, config, zeros up to a multiple of 8, CRC32C of all that u32, zero u32; then every 256 KiB of the state (the last may be shorter)
// as {length u32, CRC32C of the chunk's number u64 and the bytes u32, bytes}; then {0 u32, CRC32C of the state u32}.
// The label is the entry last *applied* to the state, with the configuration in force there.
//
// Taking or receiving one: SnapshotWriter writes `.part`, verifies nothing is missing, syncs, renames, syncs the folder; afterwards the
// host appends the mark to the Wal and then calls retain(). A `.part` left by a crash or a new leader is taken up again where its last
// whole chunk ends, if label, size and configuration are the same.
//
// Thread rules: one thread per writer or reader; different files may be used at the same time.
#pragma once

#include <faultline/raft/storage/disk.hpp>
#include <faultline/raft/storage/wal.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::storage {

inline constexpr std::uint64_t snapshot_chunk_bytes = 256 << 10;

struct SnapshotInfo {
  Mark label;
  std::string config;          // encoded by the core
  std::uint64_t size = 0;      // of the state
  std::uint32_t checksum = 0;  // CRC32C of the state; known once it is whole

  friend bool operator==(const SnapshotInfo&, const SnapshotInfo&) = default;
};

struct SnapshotPlace {
  Disk& disk;
  std::string folder;
  Identity identity;
  bool sync = true;
};

class SnapshotWriter {
 public:
  // Takes up a `.part` of the same label, size and configuration, else starts anew. `info.checksum` is not looked at.
  static Result<SnapshotWriter> open(SnapshotPlace place, const SnapshotInfo& info);
  SnapshotWriter(SnapshotWriter&&) noexcept;
  SnapshotWriter& operator=(SnapshotWriter&&) noexcept;
  ~SnapshotWriter();

  [[nodiscard]] std::uint64_t wanted() const;  // the offset in the state that add() continues at
  // REQUIRES: no more bytes than info.size in all. `exhausted`: no space; the part is gone, and so is the writer.
  Result<Space> add(std::string_view bytes);
  // REQUIRES: wanted() == info.size. The file is there and durable; returns its checksum. If `expected` is given and differs, the part
  // is removed and the error says so: ask for the snapshot again.
  Result<std::uint32_t> finish(std::optional<std::uint32_t> expected = std::nullopt);

 private:
  struct Part;
  explicit SnapshotWriter(std::unique_ptr<Part> part);
  std::unique_ptr<Part> part_;
};

class SnapshotReader {
 public:
  // Opens the file of this label. Checks the header; the chunks are checked as they are read.
  static Result<SnapshotReader> open(SnapshotPlace place, Mark label);
  SnapshotReader(SnapshotReader&&) noexcept;
  SnapshotReader& operator=(SnapshotReader&&) noexcept;
  ~SnapshotReader();

  [[nodiscard]] const SnapshotInfo& info() const;  // with the checksum, as the file has it
  // Bytes [offset, offset + length) of the state, fewer at its end. Every chunk they touch is verified.
  Result<std::string> read(std::uint64_t offset, std::uint64_t length);

 private:
  struct Whole;
  explicit SnapshotReader(std::unique_ptr<Whole> whole);
  std::unique_ptr<Whole> whole_;
};

// Removes every snapshot and part below `mark`, after the Wal has it. When `also_above`, also the snapshots above it: at start, where
// the Wal alone says which snapshot counts. Parts above it stay, to be taken up again.
Result<void> retain(SnapshotPlace place, Mark mark, bool also_above = false);

}  // namespace faultline::raft::storage
