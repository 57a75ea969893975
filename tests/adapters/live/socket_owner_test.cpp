#include "adapters/live/socket_owner.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support.hpp"

namespace faultline::live {
namespace {

// Two ends of a connection on the loopback interface, the first one IPv4 or IPv6 with mapped addresses.
struct Ends {
  explicit Ends(int family)
      : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        opener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    listening = ntohs(address.sin_port);
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = address.sin_port;
    ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
    const int connected = family == AF_INET6
                              ? ::connect(opener.get(), reinterpret_cast<sockaddr*>(&mapped), sizeof mapped)
                              : ::connect(opener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    EXPECT_EQ(connected, 0);
    accepted = Descriptor(::accept(listener.get(), reinterpret_cast<sockaddr*>(&address), &size));
    opening = ntohs(address.sin_port);
    struct stat entry {};
    ::fstat(opener.get(), &entry);
    inode = entry.st_ino;
  }
  Descriptor listener, opener, accepted;
  std::uint16_t listening = 0;
  std::uint16_t opening = 0;
  std::uint64_t inode = 0;
};

TEST(SocketOwner, BothWaysFindTheSocketAndItsProcess) {
  for (const int family : {AF_INET, AF_INET6}) {
    Ends ends(family);
    SocketFinder finder;
    EXPECT_EQ(finder.inode(ends.opening, ends.listening), ends.inode);
    EXPECT_EQ(inode_from_proc(ends.opening, ends.listening), ends.inode);
    EXPECT_TRUE(owns_socket(::getpid(), ends.inode));
    EXPECT_FALSE(owns_socket(::getppid(), ends.inode));
    EXPECT_NE(finder.inode(ends.listening, ends.opening), ends.inode) << "the other end is another socket";
    ends.opener.reset();
    EXPECT_FALSE(finder.inode(ends.opening, ends.listening).has_value()) << "nobody owns it any more";
    EXPECT_FALSE(inode_from_proc(ends.opening, ends.listening).has_value());
    EXPECT_FALSE(owns_socket(::getpid(), ends.inode));
  }
}

}  // namespace
}  // namespace faultline::live
