// Stream: one direction of a proxied connection: its bytes, cut into parcels, and the lane they take when a fault lies on their link.
//
// Pure, but for the timers that its coroutines wait on. Owned by its connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

#include "cutter.hpp"
#include "lane.hpp"

namespace faultline::live {

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
