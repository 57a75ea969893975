// Wal: the segmented, checksummed log of entries, hard states and snapshot marks.
//
// File `<folder>/<sequence:016x>-<first index:016x>.wal`: preallocated and zeroed, little-endian, records aligned to 8 bytes. A position
// is sequence << 32 | offset.
//   0  u32  payload length, 1 to 16 MiB; 0 is the end, all zero from here
//   4  u8   type: 1 segment, 2 entry, 3 hard state, 4 snapshot mark; three zeros
//   8  u64  durable: the position below which everything was known synced when this was written
//   16 u32  crc of the previous record, across segments too (0 before the first of all)
//   20 u32  CRC32C of the position, bytes 0..19, payload and padding
//   24      payload, zeros up to a multiple of 8
// Payloads, u64 unless said: segment {version u32, bytes of the file u32, cluster, node, sequence, first index}, always the first; entry {term,
// index, kind u8, 7 zeros, bytes}; hard state {term, vote or 0, commit, stay}; snapshot mark {index, term}. A new segment repeats the hard
// state and the mark in force, so that older segments may go.
//
// Opening. Sequences have no gap; cluster and node must match; an entry at or below the last index cuts the suffix, a hole is
// corruption; a mark whose (index, term) is not in the log drops the log; the last hard state wins, its term and commit never fall. At
// the first bad record p take D, the largest `durable` in any record before or after p that is consistent in itself. p < D: something
// that was synced is gone, and with it perhaps a promise; open() refuses, naming file, offset, both crcs and the remedy. p >= D: a torn
// tail, nothing acknowledged lies there; what follows p is copied to `<file>.torn-<n>`, zeroed, synced and reported; segments behind
// it, which only a log without sync can have, are renamed likewise. A crash can neither shorten a synced segment nor spoil its first
// record: both are refused. Known limit: rot inside the last synced batch looks torn.
//
// Writing. append() makes one write and one sync; on return everything in the batch is durable and may be acknowledged. A batch the
// segment has no room for begins the next one, which is as large as it needs. Segments appear under their name only complete and synced. After any failed write, sync, rename or
// folder sync the Wal is dead: it answers every call with the same error and touches no file again, since the pages may be gone;
// the host exits.
//
// Space. reserve() keeps the next segment ready before it is needed; once it returns `exhausted` the host refuses proposals, and
// half a segment is left for what is already on its way. append() itself returns `exhausted`, having written nothing, when even that
// is used up; it may be called again later.
//
// Without sync (--fsync=off) the order is the same, nothing is synced and `durable` stays 0: this survives the death of the process,
// not of the machine.
//
// Thread rules: one thread at a time, the host's disk thread.
#pragma once

#include <faultline/raft/storage/disk.hpp>
#include <faultline/raft/types.hpp>
#include <faultline/result.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace faultline::raft::storage {

struct Identity {
  std::uint64_t cluster = 0;
  NodeId node;

  friend bool operator==(const Identity&, const Identity&) = default;
};

struct WalOptions {
  std::uint64_t segment_bytes = 64ULL << 20;  // at most 2 GiB; a batch that needs more gets a segment of its own size
  bool sync = true;
};

// A snapshot of this label is durable in its file.
struct Mark {
  LogIndex index;
  Term term;

  friend bool operator==(const Mark&, const Mark&) = default;
};

struct Batch {
  std::vector<Entry> entries;  // without gaps; the first index cuts any old suffix
  std::optional<HardState> hard_state;
  std::optional<Mark> mark;
  bool must_sync = true;  // false: may wait for the next batch's sync
};

struct TornTail {
  std::string file;
  std::uint64_t offset = 0;
  std::string copy;    // of what was there
  std::string reason;  // what was wrong at the offset
};

struct Recovered {
  bool fresh = false;  // nothing is recorded: a first boot, or a wiped disk
  HardState hard_state;
  Mark mark;                   // the snapshot to load first; index 0: none
  std::vector<Entry> entries;  // all of the log; they may begin below the mark
  std::optional<TornTail> torn;
};

class Wal {
 public:
  struct Opened {
    std::unique_ptr<Wal> wal;
    Recovered recovered;
  };
  // `disk` outlives the Wal. An environment error names what to do.
  static Result<Opened> open(Disk& disk, const std::string& folder, Identity identity, WalOptions options);
  ~Wal();

  // REQUIRES: entries follow the log or cut it above the mark; hard_state's term and commit do not fall; the mark's snapshot is
  // durable.
  Result<Space> append(const Batch& batch);
  Result<Space> reserve();
  // Removes the segments that hold only entries below `index`. REQUIRES: index <= the durable mark's.
  Result<void> compact(LogIndex index);
  // Entries [low, high), cut to about bytes_max, at least one. REQUIRES: first_index() <= low < high <= last_index() + 1.
  Result<std::vector<Entry>> read(LogIndex low, LogIndex high, std::uint64_t bytes_max);

  [[nodiscard]] LogIndex first_index() const;  // of the oldest entry kept, or the next to come
  [[nodiscard]] LogIndex last_index() const;   // first_index() - 1 if empty
  [[nodiscard]] std::uint64_t segments() const;
  [[nodiscard]] std::uint64_t syncs() const;  // fdatasync calls of the log so far
  [[nodiscard]] std::uint64_t bytes_written() const;

 private:
  struct Segment {
    std::uint64_t sequence = 0;
    LogIndex first;  // as its name has it: the next index when it began
    std::string path;
    std::uint64_t bytes = 0;
    std::unique_ptr<File> file;  // opened when first needed
  };
  struct Place {  // of an entry
    std::uint64_t position = 0;
    std::uint64_t bytes = 0;  // of its record
    Term term;
  };
  friend class Recovery;

  Wal(Disk& disk, std::string folder, Identity identity, WalOptions options);

  [[nodiscard]] std::string path_of(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::uint64_t bytes_of(const Batch& batch) const;
  void check(const Batch& batch) const;
  Result<Space> extend_spare(std::uint64_t bytes, std::uint64_t step);
  Result<void> start_segment();
  Result<void> write_batch(const Batch& batch);
  Result<void> write(File& file, std::uint64_t offset, std::string_view bytes);
  Result<void> sync(File& file);
  Result<void> sync_folder();
  Result<void> remember(Result<void> result);
  Result<std::string> read_place(const Place& place);

  // What a record means for what is in force, live and at recovery.
  void note_entry(LogIndex index, const Place& place);
  void note_mark(Mark mark);

  Disk& disk_;
  std::string folder_;
  Identity identity_;
  WalOptions options_;
  std::deque<Segment> segments_;
  std::unique_ptr<File> spare_;  // the next segment in the making, under its temporary name
  std::uint64_t spare_bytes_ = 0;
  bool starved_ = false;       // there was no space for the spare
  std::uint64_t offset_ = 0;   // where the next record goes in the last segment
  std::uint64_t durable_ = 0;  // the position below which all is synced; 0 without sync
  bool unsynced_ = false;      // something was written since
  std::uint32_t crc_ = 0;      // of the last record
  LogIndex first_{1};
  std::deque<Place> places_;  // of the entries from first_ on
  HardState hard_state_;
  Mark mark_;
  std::optional<Error> dead_;
  std::uint64_t syncs_ = 0;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace faultline::raft::storage
