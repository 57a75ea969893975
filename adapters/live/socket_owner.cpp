#include "socket_owner.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "procfs.hpp"

namespace faultline::live {
namespace {

std::string hex_port(std::uint16_t port) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) text += digits[static_cast<std::size_t>(port >> shift) & 0xF];
  return text;
}

// The inode is the tenth field of a line.
std::optional<std::uint64_t> inode_of_line(std::string_view line) {
  std::istringstream fields{std::string(line)};
  constexpr int inode_field = 10;
  std::string word;
  for (int i = 0; i < inode_field; ++i) fields >> word;
  std::uint64_t inode = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), inode);
  if (error != std::errc() || inode == 0) return std::nullopt;  // 0: nobody has it open any more
  return inode;
}

}  // namespace

SocketFinder::SocketFinder() : netlink_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {
  const timeval limit{.tv_sec = 1, .tv_usec = 0};  // the kernel answers at once
  if (netlink_) ::setsockopt(netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

SocketFinder::Answer SocketFinder::ask(std::uint16_t local_port, std::uint16_t remote_port,
                                       std::uint64_t& inode) const {
  struct Request {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = AF_INET;  // also finds IPv6 sockets with mapped addresses
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  request.body.id.idiag_sport = htons(local_port);
  request.body.id.idiag_dport = htons(remote_port);
  request.body.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
  request.body.id.idiag_dst[0] = htonl(INADDR_LOOPBACK);
  request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (!netlink_ || ::send(netlink_.get(), &request, sizeof request, 0) != sizeof request) return Answer::broken;
  alignas(nlmsghdr) std::array<char, 4096> reply{};
  const auto n = ::recv(netlink_.get(), reply.data(), reply.size(), 0);
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr))) return Answer::broken;
  nlmsghdr header{};
  std::memcpy(&header, reply.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return Answer::none;
  inet_diag_msg found{};
  if (n < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof found)) return Answer::broken;
  std::memcpy(&found, reply.data() + NLMSG_HDRLEN, sizeof found);
  inode = found.idiag_inode;
  return inode == 0 ? Answer::none : Answer::found;
}

std::optional<std::uint64_t> SocketFinder::inode(std::uint16_t local_port, std::uint16_t remote_port) {
  std::uint64_t inode = 0;
  const Answer answer = ask(local_port, remote_port, inode);
  if (answer == Answer::found) {
    trusted_ = true;
    return inode;
  }
  if (answer == Answer::none && trusted_) return std::nullopt;
  return inode_from_proc(local_port, remote_port);
}

std::optional<std::uint64_t> inode_from_proc(std::uint16_t local_port, std::uint16_t remote_port) {
  // Addresses are printed as the number their bytes make on this machine; a mapped one ends with those of IPv4.
  const std::string loopback = htonl(1) == 1 ? "7F000001" : "0100007F";
  const std::string mapped = (htonl(1) == 1 ? "0000FFFF" : "FFFF0000") + loopback;
  const std::string ports[] = {":" + hex_port(local_port) + " ", ":" + hex_port(remote_port) + " "};
  const std::string needles[] = {loopback + ports[0] + loopback + ports[1],
                                 mapped + ports[0] + std::string(16, '0') + mapped + ports[1]};
  for (const auto& [table, needle] :
       {std::pair("/proc/thread-self/net/tcp", needles[0]), std::pair("/proc/thread-self/net/tcp6", needles[1])}) {
    const std::string text = read_proc(table);
    const auto at = text.find(needle);
    if (at == std::string::npos) continue;
    const auto begin = text.rfind('\n', at) + 1;
    return inode_of_line(std::string_view(text).substr(begin, text.find('\n', at) - begin));
  }
  return std::nullopt;
}

bool owns_socket(pid_t pid, std::uint64_t inode) {
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str()),
                                                   [](DIR* d) { return ::closedir(d); });
  while (stream) {
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    std::array<char, 64> target{};
    const auto n = ::readlinkat(::dirfd(stream.get()), entry->d_name, target.data(), target.size());
    if (n > 0 && std::string_view(target.data(), static_cast<std::size_t>(n)) == wanted) return true;
  }
  return false;
}

}  // namespace faultline::live
