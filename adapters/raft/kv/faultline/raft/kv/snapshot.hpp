// A store as bytes and back.
//
// View: a frozen store, taken by the owner at no cost worth counting, read anywhere. Exporter writes it piece by piece; the length is
// known beforehand. Equal states give equal bytes, so a transfer may be resumed from another node's file. Importer takes the bytes in
// pieces of any size and ends with a Store, or with an error that names the offset; it checks every bound and, at the end, that the
// state hash it arrived at is the one written.
//
// Layout, little-endian: "FLKV", version u32, applied u64, revision i64, compacted i64, sweep{main i64, sub u64},
// counts{leases, sessions, records} u64; leases {id, ttl, renewal}; sessions {id, last used, sequence, reply length u32, reply};
// records in order of revision {main i64, sub u32, tombstone u32, create i64, version i64, lease i64, key length u32, value length
// u32, key, value}; state hash 2 x u64. The configuration and the checksums are the file's (storage).
#pragma once

#include <faultline/raft/kv/store.hpp>
#include <faultline/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace faultline::raft::kv {

class View {
 public:
  View(View&&) noexcept;
  View& operator=(View&&) noexcept;
  ~View();

  [[nodiscard]] LogIndex applied() const;
  [[nodiscard]] std::uint64_t size() const;  // bytes that the Exporter will give

  struct Frozen;  // the room's own
  explicit View(std::unique_ptr<Frozen> frozen);

 private:
  friend class Exporter;
  std::unique_ptr<Frozen> frozen_;
};

class Exporter {
 public:
  explicit Exporter(View view);
  ~Exporter();

  // At most `bytes_max` bytes; fewer only at the end, none after it.
  std::string next(std::size_t bytes_max);

 private:
  enum class Section : std::uint8_t { head, leases, sessions, records, tail, done };
  void fill(std::size_t bytes);
  void fill_from_chunk();

  View view_;
  std::string pending_;
  Section section_ = Section::head;
  std::size_t item_ = 0;  // of the section; of records: the chunk
  std::size_t slot_ = 0;  // in the chunk
};

class Importer {
 public:
  Importer();
  ~Importer();

  // bad_input: these bytes are no snapshot. Every later call fails alike.
  Result<void> feed(std::string_view bytes);
  // REQUIRES: called once, after the last feed().
  Result<Store> finish();

 private:
  struct Progress;
  std::unique_ptr<Progress> progress_;
};

}  // namespace faultline::raft::kv
