// Recovery: reads the segments a Wal finds at open and brings it to the state their records tell, or says why that must not be.
// The rules are in wal.hpp.
#pragma once

#include <faultline/raft/storage/wal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record.hpp"

namespace faultline::raft::storage {

class Recovery {
 public:
  explicit Recovery(Wal& wal) : wal_(wal) {}
  // Once. Leaves the Wal ready to append.
  Result<Recovered> run();

 private:
  struct Damage {
    std::size_t segment = 0;
    std::uint64_t offset = 0;
    std::string reason;
  };

  Result<void> find_segments();
  Result<void> begin();
  Result<void> replay(std::size_t number);
  Result<void> begin_segment(std::size_t number, std::string_view bytes, const Record& record);
  Result<void> apply(const Wal::Segment& segment, const Record& record);
  Result<void> handle_damage();
  Result<std::uint64_t> durable_behind();
  Result<void> cut();
  Result<void> copy_tail(std::string_view tail);
  Result<void> check_end();
  Result<void> make_durable();
  Result<void> fill_up(Wal::Segment& segment, std::uint64_t size);
  Result<std::string> load(std::size_t number);
  void damaged(std::size_t number, std::uint64_t offset, std::string reason);
  [[nodiscard]] std::string name_for_copy(const std::string& path) const;
  static Error refusal(const Wal::Segment& segment, std::uint64_t offset, std::string_view reason);

  Wal& wal_;
  std::vector<Entry> entries_;  // those of the Wal's places
  std::optional<Damage> damage_;
  std::optional<TornTail> torn_;
  std::uint64_t durable_ = 0;  // the largest of the good records
  std::uint64_t offset_ = 0;   // behind the last good record, in the segment it stands in
};

}  // namespace faultline::raft::storage
