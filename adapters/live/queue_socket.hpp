// QueueSocket: one queue of packets of one network namespace, through netlink (nfnetlink_queue), and a raw socket that sends copies.
//
// Thread rules: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <faultline/result.hpp>

#include "descriptor.hpp"

namespace faultline::live {

inline constexpr std::uint16_t queue_number = 9;
inline constexpr std::uint32_t copy_mark = 0x464c;  // of packets this process sends itself

class QueueSocket {
 public:
  // `name_space`: a path; empty: the calling thread's. The queue holds 16384 packets; what comes when it is full is dropped by the kernel.
  static Result<QueueSocket> open(const std::string& name_space);

  [[nodiscard]] int descriptor() const { return netlink_.get(); }
  // Every packet that has come, until none is left or `most` were read: an IPv4 packet with checksums filled in, and its number, which
  // pass() or drop() must be told exactly once.
  void read(std::size_t most, const std::function<void(std::uint32_t id, std::string_view packet)>& each);
  // Lets it go on; with other bytes if `instead` is not empty.
  void pass(std::uint32_t id, std::string_view instead = {});
  void drop(std::uint32_t id);
  // Sends an IPv4 packet into this namespace.
  void inject(std::string_view packet);

 private:
  Result<void> configure();
  Result<void> command(std::uint16_t type, std::string_view attributes);
  void verdict(std::uint32_t id, std::uint32_t verdict, std::string_view instead);

  Descriptor netlink_;
  Descriptor raw_;
  std::string buffer_;
};

}  // namespace faultline::live
