// Framer: how one direction of a connection falls into frames. A target hands the fault proxy one for its protocol; without it a
// connection is a stream of bytes that nobody may lose, double, reorder or damage.
//
// Pure. One object for each direction of each connection, fed from its first byte on.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace faultline::live {

struct FrameLook {
  std::size_t size = 0;    // of the frame that `bytes` begins with; 0: it is not complete
  std::size_t frozen = 0;  // so many bytes at its beginning keep the stream in step: they are never damaged
  bool essential = false;  // a greeting, say: it is neither lost, doubled, reordered nor damaged, only late
  bool lost_step = false;  // these bytes are no frame of the protocol; nothing that follows is looked at
};

struct Framer {
  virtual ~Framer() = default;
  // `bytes` is not empty and begins where the last complete frame ended.
  virtual FrameLook look(std::string_view bytes) = 0;
  // What the protocol calls a whole frame; empty if it has no name. Only asked where somebody waits for a frame.
  [[nodiscard]] virtual std::string_view name(std::string_view) const { return {}; }
  // All there are. Empty: frames of this protocol cannot be told from each other.
  [[nodiscard]] virtual std::span<const std::string_view> names() const { return {}; }
};

// For each direction of a new connection.
using MakeFramer = std::function<std::unique_ptr<Framer>()>;

}  // namespace faultline::live
