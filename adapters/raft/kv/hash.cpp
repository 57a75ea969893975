// The state hash: a sum of well-mixed 128-bit hashes, so that it is kept up with each change instead of computed anew.
#include <array>
#include <cstring>

#include <faultline/rng.hpp>

#include "state.hpp"

namespace faultline::raft::kv {
namespace {

// Two lanes that see the same words under different multipliers. Not for adversaries who choose keys to collide: replicas are compared
// with it, not clients trusted.
class Mixer {
 public:
  explicit Mixer(std::uint64_t kind) { word(kind); }

  void word(std::uint64_t word) {
    high_ = (high_ ^ word) * 0x9e3779b97f4a7c15ULL;
    high_ ^= high_ >> 32;
    low_ = (low_ + word) * 0xc2b2ae3d27d4eb4fULL;
    low_ ^= low_ >> 29;
  }
  void bytes(std::string_view bytes) {
    word(bytes.size());
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) word(load(bytes));
    if (!bytes.empty()) word(load(bytes));
  }
  [[nodiscard]] StateHash result() const { return {mix64(high_), mix64(low_ ^ 0x5851f42d4c957f2dULL)}; }

 private:
  static std::uint64_t load(std::string_view bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size() < 8 ? bytes.size() : 8);
    return word;
  }
  std::uint64_t high_ = 0x243f6a8885a308d3ULL;
  std::uint64_t low_ = 0x13198a2e03707344ULL;
};

template <class Id>
std::uint64_t bits(Id id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace

StateHash hash_of(const Record& record) {
  Mixer mixer(1);
  mixer.word(bits(record.main));
  mixer.word((std::uint64_t{record.sub} << 1) | (record.tombstone ? 1 : 0));
  mixer.word(bits(record.create));
  mixer.word(bits(record.version));
  mixer.word(bits(record.lease));
  mixer.bytes(record.key);
  mixer.bytes(record.value);
  return mixer.result();
}

StateHash hash_of(const Lease& lease) {
  Mixer mixer(2);
  mixer.word(bits(lease.id));
  mixer.word(bits(lease.ttl));
  mixer.word(lease.renewal);
  return mixer.result();
}

StateHash hash_of(const Session& session, std::string_view reply) {
  Mixer mixer(3);
  mixer.word(bits(session.id));
  mixer.word(session.last_used);
  mixer.word(session.sequence);
  mixer.bytes(reply);
  return mixer.result();
}

StateHash Store::State::hash() const {
  Mixer mixer(4);
  for (const std::uint64_t word : {applied.value, bits(revision), bits(compacted), bits(sweep.main),
                                   std::uint64_t{sweep.sub}, sum.high, sum.low}) {
    mixer.word(word);
  }
  return mixer.result();
}

}  // namespace faultline::raft::kv
