// PeerFramer: how raftd's connections between nodes fall into frames (adapters/raft/daemon/peers.hpp): a greeting of 32 bytes, then frames
// of a little-endian length and that many bytes, which end with a checksum. What a frame is stands in its first bytes: version, kind, two
// nodes, and of a message its own version, kind, two nodes, term, stay and body.
#pragma once

#include <faultline/live/framer.hpp>

namespace faultline::raft {

class PeerFramer final : public live::Framer {
 public:
  live::FrameLook look(std::string_view bytes) override;
  // The paper's names, as the simulator has them.
  [[nodiscard]] std::string_view name(std::string_view frame) const override;
  [[nodiscard]] std::span<const std::string_view> names() const override;

 private:
  bool greeted_ = false;
};

}  // namespace faultline::raft
