#include "framers.hpp"

#include "adapters/raft/control/peer_framer.hpp"

namespace faultline::live::agent {

MakeFramer framer_of(std::string_view system) {
  if (system == "raft") return [] { return std::make_unique<raft::PeerFramer>(); };
  return {};
}

}  // namespace faultline::live::agent
