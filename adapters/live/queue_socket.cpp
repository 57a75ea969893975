#include "queue_socket.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "spawn.hpp"

namespace faultline::live {
namespace {

constexpr std::uint32_t packets_most = 16384;
constexpr std::size_t buffer_bytes = 128U << 10U;
constexpr int receive_bytes = 8 << 20;

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string attribute(std::uint16_t type, std::string_view payload) {
  nlattr header{};
  header.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + payload.size());
  header.nla_type = type;
  std::string text(bytes_of(header));
  text += payload;
  text.resize(NLA_ALIGN(text.size()), '\0');
  return text;
}

std::string message(std::uint16_t type, std::uint16_t flags, std::string_view attributes) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + sizeof(nfgenmsg) + attributes.size());
  header.nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_QUEUE << 8) | type);
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  nfgenmsg family{};
  family.nfgen_family = AF_UNSPEC;
  family.version = NFNETLINK_V0;
  family.res_id = htons(queue_number);
  std::string text(bytes_of(header));
  text += bytes_of(family);
  text += attributes;
  return text;
}

struct Queued {
  std::optional<std::uint32_t> id;
  std::string_view packet;
};

// The attributes of an NFQNL_MSG_PACKET.
Queued parse(std::string_view attributes) {
  Queued queued;
  while (attributes.size() >= NLA_HDRLEN) {
    nlattr header{};
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > attributes.size()) break;
    const std::string_view payload = attributes.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    const int type = header.nla_type & NLA_TYPE_MASK;
    if (type == NFQA_PACKET_HDR && payload.size() >= sizeof(nfqnl_msg_packet_hdr)) {
      nfqnl_msg_packet_hdr packet{};
      std::memcpy(&packet, payload.data(), sizeof packet);
      queued.id = ntohl(packet.packet_id);
    } else if (type == NFQA_PAYLOAD) {
      queued.packet = payload;
    }
    attributes.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), attributes.size()));
  }
  return queued;
}

Error failed(const char* what) {
  return Error::environment(std::string("cannot queue packets: ") + what + ": " + errno_text(errno),
                            "load the kernel module nfnetlink_queue");
}

}  // namespace

Result<QueueSocket> QueueSocket::open(const std::string& name_space) {
  QueueSocket queue;
  int error = 0;
  const auto make = [&] {
    queue.netlink_ = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!queue.netlink_) error = errno;
    queue.raw_ = Descriptor(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    if (!queue.raw_ && error == 0) error = errno;
  };
  if (name_space.empty()) {
    make();
  } else if (auto entered = run_in_namespace(name_space, make); !entered) {
    return entered.error();
  }
  errno = error;
  if (error != 0) return failed("no socket");
  if (auto configured = queue.configure(); !configured) return configured.error();
  return queue;
}

Result<void> QueueSocket::configure() {
  buffer_.resize(buffer_bytes);
  const std::uint32_t mark = copy_mark;
  if (::setsockopt(raw_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) return failed("no mark on a raw socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(netlink_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("bind");
  ::setsockopt(netlink_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes);
  const int on = 1;  // a packet that finds no room is lost, without an error that would hide those behind it
  ::setsockopt(netlink_.get(), SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  nfqnl_msg_config_cmd bind{};
  bind.command = NFQNL_CFG_CMD_BIND;
  bind.pf = htons(AF_INET);
  nfqnl_msg_config_params parameters{};
  parameters.copy_range = htonl(0xffff);
  parameters.copy_mode = NFQNL_COPY_PACKET;
  const std::uint32_t longest = htonl(packets_most);
  for (const std::string& attributes :
       {attribute(NFQA_CFG_CMD, bytes_of(bind)),
        attribute(NFQA_CFG_PARAMS, bytes_of(parameters)) + attribute(NFQA_CFG_QUEUE_MAXLEN, bytes_of(longest))}) {
    if (auto done = command(NFQNL_MSG_CONFIG, attributes); !done) return done;
  }
  return {};
}

// No rule is loaded yet, so that the only answer is the acknowledgement.
Result<void> QueueSocket::command(std::uint16_t type, std::string_view attributes) {
  const std::string text = message(type, NLM_F_ACK, attributes);
  if (::send(netlink_.get(), text.data(), text.size(), 0) < 0) return failed("send");
  const auto n = ::recv(netlink_.get(), buffer_.data(), buffer_.size(), 0);
  nlmsghdr header{};
  nlmsgerr answer{};
  if (n < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof answer)) return failed("no answer");
  std::memcpy(&header, buffer_.data(), sizeof header);
  std::memcpy(&answer, buffer_.data() + NLMSG_HDRLEN, sizeof answer);
  errno = header.nlmsg_type == NLMSG_ERROR ? -answer.error : EPROTO;
  if (errno != 0) return failed("the kernel refuses");
  return {};
}

void QueueSocket::read(std::size_t most, const std::function<void(std::uint32_t, std::string_view)>& each) {
  for (std::size_t i = 0; i < most; ++i) {
    const auto n = ::recv(netlink_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n <= 0) return;
    const std::string_view text(buffer_.data(), static_cast<std::size_t>(n));
    if (text.size() < NLMSG_HDRLEN + sizeof(nfgenmsg)) continue;
    nlmsghdr header{};
    std::memcpy(&header, text.data(), sizeof header);
    if (header.nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)) continue;
    const Queued queued = parse(text.substr(NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg))));
    if (queued.id) each(*queued.id, queued.packet);
  }
}

void QueueSocket::verdict(std::uint32_t id, std::uint32_t verdict, std::string_view instead) {
  nfqnl_msg_verdict_hdr header{};
  header.verdict = htonl(verdict);
  header.id = htonl(id);
  std::string attributes = attribute(NFQA_VERDICT_HDR, bytes_of(header));
  if (!instead.empty()) attributes += attribute(NFQA_PAYLOAD, instead);
  const std::string text = message(NFQNL_MSG_VERDICT, 0, attributes);
  // The kernel takes it at once; it fails only when the namespace is gone, and the packet with it.
  [[maybe_unused]] const auto n = ::send(netlink_.get(), text.data(), text.size(), 0);
}

void QueueSocket::pass(std::uint32_t id, std::string_view instead) { verdict(id, NF_ACCEPT, instead); }
void QueueSocket::drop(std::uint32_t id) { verdict(id, NF_DROP, {}); }

void QueueSocket::inject(std::string_view packet) {
  constexpr std::size_t destination_at = 16;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (packet.size() < destination_at + sizeof address.sin_addr) return;
  std::memcpy(&address.sin_addr, packet.data() + destination_at, sizeof address.sin_addr);
  // One that finds no room is a copy lost on its way.
  [[maybe_unused]] const auto n = ::sendto(raw_.get(), packet.data(), packet.size(), 0,
                                           reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace faultline::live
