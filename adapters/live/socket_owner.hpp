// Who owns a connected TCP socket of this machine: from the ports to its inode, from the inode to the process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "descriptor.hpp"

namespace faultline::live {

// Asks the kernel for one socket (netlink sock_diag, as ss does; no rights needed); where that is not built in, reads /proc/net/tcp,
// which takes time in proportion to all the sockets there are. One thread at a time.
class SocketFinder {
 public:
  SocketFinder();

  // The inode of the socket on 127.0.0.1:local_port that is connected to 127.0.0.1:remote_port, in the network namespace of the thread
  // that made the finder (sock_diag) or calls (/proc). nullopt: there is none, or its owner has closed it.
  std::optional<std::uint64_t> inode(std::uint16_t local_port, std::uint16_t remote_port);

 private:
  enum class Answer { found, none, broken };
  Answer ask(std::uint16_t local_port, std::uint16_t remote_port, std::uint64_t& inode) const;

  Descriptor netlink_;
  bool trusted_ = false;  // it has found a socket before, so that "none" means none
};

// The same from /proc/net/tcp and tcp6.
std::optional<std::uint64_t> inode_from_proc(std::uint16_t local_port, std::uint16_t remote_port);

// Whether one of the process's descriptors is that socket. Needs to be of the same user.
bool owns_socket(pid_t pid, std::uint64_t inode);

}  // namespace faultline::live
