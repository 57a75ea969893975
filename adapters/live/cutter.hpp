// Cutter: one direction of a connection, cut into whole frames; and the frames of a link that somebody waits for. Pure.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <faultline/live/framer.hpp>
#include <faultline/live/network.hpp>

#include "lane.hpp"

namespace faultline::live {

// Cuts bytes into whole frames, or into pieces where there is no framer.
class Cutter {
 public:
  explicit Cutter(std::unique_ptr<Framer> framer) : framer_(std::move(framer)) {}

  // True: bytes may pass as they come, for nobody looks for frames in them.
  [[nodiscard]] bool is_opaque() const { return framer_ == nullptr && buffer_.empty(); }
  // What is complete now, with what was kept from before; keeps the rest.
  std::vector<Parcel> cut(std::span<const char> bytes);
  // What is left when the stream ends.
  std::vector<Parcel> rest();
  // Of a frame that was cut; empty: it has none.
  [[nodiscard]] std::string_view name(std::string_view frame) const {
    return framer_ ? framer_->name(frame) : std::string_view();
  }

 private:
  std::unique_ptr<Framer> framer_;
  std::string buffer_;
};

// The frames of one link that somebody waits for.
class FrameWatches {
 public:
  explicit FrameWatches(std::vector<FrameWatch> watches = {});

  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  // The watches for which a frame of that name, which passes now, is the awaited one. They are over.
  std::vector<FrameWatch> meet(std::string_view frame);

 private:
  struct Waiting {
    FrameWatch watch;
    std::uint64_t passed = 0;
  };
  std::vector<Waiting> waiting_;
};

}  // namespace faultline::live
