// PeerFramer: how raftd's connections between nodes fall into frames (adapters/raft/daemon/peers.hpp): a greeting of 32 bytes, then frames
// of a little-endian length and that many bytes, which end with a checksum.
#pragma once

#include <faultline/live/framer.hpp>

namespace faultline::raft {

class PeerFramer final : public live::Framer {
 public:
  live::FrameLook look(std::string_view bytes) override;

 private:
  bool greeted_ = false;
};

}  // namespace faultline::raft
