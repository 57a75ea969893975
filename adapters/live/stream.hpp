// Stream: one direction of a proxied connection: its bytes, cut into parcels, and the lane they take when a fault lies on their link.
//
// Pure, but for the timers that its coroutines wait on. Owned by its connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

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

struct Stream {
  Stream(boost::asio::io_context& context, Link& its_link, std::unique_ptr<Framer> framer)
      : link(its_link), lane(its_link), cutter(std::move(framer)), wake(context), moved(context) {
    wake.expires_at(boost::asio::steady_timer::time_point::max());
    moved.expires_at(boost::asio::steady_timer::time_point::max());
  }
  Link& link;
  Lane lane;
  Cutter cutter;
  boost::asio::steady_timer
      wake;  // of the coroutine that empties the lane; cancelled when something was sent or the faults changed
  boost::asio::steady_timer moved;  // cancelled when the lane has got shorter
  bool draining = false;            // that coroutine is at work: nothing may overtake it
};

}  // namespace faultline::live
