// FrameTap: sees the frames of TCP streams in the packets that reach one node, where nothing stands between it and its peers.
//
// Each stream is put together again from its first packet on (RFC 9293, section 3.4): retransmissions and overlaps are cut away, what comes too
// early waits for what is missing. A stream whose first packet was not seen, or of which too much is missing, is out of step and never
// looked at again. Nothing is changed: packets pass as they are. After the packet that completes an awaited frame nothing passes on its link
// as long as its watch holds; what else that packet carries does.
//
// Pure, but for the callbacks of watches. Thread rules: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cutter.hpp"

namespace faultline::live {

class FrameTap {
 public:
  explicit FrameTap(MakeFramer framer) : make_framer_(std::move(framer)) {}

  // By source, these and no others.
  void watch(const std::map<std::size_t, std::vector<FrameWatch>>& watches);
  // An IPv4 packet from that source. True: an awaited frame ends in it.
  bool look(std::size_t from, std::string_view packet);
  // Whether nothing from there may pass now.
  [[nodiscard]] bool holds(std::size_t from);

 private:
  struct Flow {
    explicit Flow(std::unique_ptr<Framer> framer) : cutter(std::move(framer)) {}
    Cutter cutter;
    std::uint32_t next = 0;                      // of the stream
    std::map<std::uint32_t, std::string> early;  // by its distance from the first byte of all
    std::uint32_t first = 0;
    std::size_t early_bytes = 0;
  };
  struct FlowId {
    std::size_t from = 0;
    std::uint32_t ports = 0;  // both
    friend auto operator<=>(const FlowId&, const FlowId&) = default;
  };
  bool take(std::size_t from, Flow& flow, std::uint32_t sequence, std::string_view bytes);
  bool meet(std::size_t from, Flow& flow, std::string_view bytes);

  MakeFramer make_framer_;
  std::map<FlowId, Flow> flows_;
  std::map<std::size_t, FrameWatches> watches_;
  std::map<std::size_t, std::vector<std::function<bool()>>> holders_;
};

}  // namespace faultline::live
