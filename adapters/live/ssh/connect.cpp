// From an address to a connection whose server is who it should be.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "handles.hpp"

namespace faultline::live::ssh {
namespace {

using Clock = std::chrono::steady_clock;

std::string errno_text(int error) { return std::generic_category().message(error); }

int milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// 0, or the errno.
int connect_within(int socket, const addrinfo& to, Duration limit) {
  if (::connect(socket, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&waiting, 1, milliseconds(limit));
  if (ready == 0) return ETIMEDOUT;
  if (ready < 0) return errno;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

template <class T>
void set_option(int socket, int level, int name, T value) {
  ::setsockopt(socket, level, name, &value, sizeof value);
}

// Whatever was sent and is not acknowledged, and a probe every second that is not answered, end the connection.
void limit_silence(int socket, Duration limit) {
  const int seconds = std::max(1, milliseconds(limit) / 1000);
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<unsigned>(milliseconds(limit)));
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, seconds);
}

std::string fingerprint(ssh_session session) {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(session, &raw) != SSH_OK) return "unknown";
  const KeyHandle key(raw);
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key.get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != 0) return "unknown";
  char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  ssh_clean_pubkey_hash(&hash);
  const std::string found = text == nullptr ? "unknown" : text;
  ssh_string_free_char(text);
  return found;
}

std::string known_hosts_file(const Address& address) {
  if (!address.known_hosts.empty()) return address.known_hosts.string();
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "~" : home) + "/.ssh/known_hosts";
}

}  // namespace

std::string Address::to_string() const { return (user.empty() ? "" : user + "@") + host + ":" + std::to_string(port); }

Result<int> connect_to(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      error != 0) {
    return Error::environment(address.to_string() + ": cannot look up " + address.host + ": " + ::gai_strerror(error),
                              "check the address of the node in the inventory");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  int error = EHOSTUNREACH;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int socket = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) {
      error = errno;
      continue;
    }
    error = connect_within(socket, *each, address.connect_limit);
    if (error == 0) {
      limit_silence(socket, address.silence_limit);
      return socket;
    }
    ::close(socket);
  }
  return Error::environment(address.to_string() + ": cannot connect: " + errno_text(error),
                            "see that the node is up and its sshd listens there");
}

Result<void> check_host_key(ssh_session session, const Address& address) {
  if (!address.check_host_key) return {};
  const std::string file = known_hosts_file(address);
  const std::string port = address.port == 22 ? "" : "-p " + std::to_string(address.port) + " ";
  const std::string add = "if that is its key, run: ssh-keyscan " + port + address.host + " >> " + file;
  switch (ssh_session_is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK: return {};
    case SSH_KNOWN_HOSTS_CHANGED:
      return Error::bad_input(address.to_string() + ": wrong host key: the server shows " + fingerprint(session) +
                                  ", " + file + " has another",
                              "somebody may be in between; if the node was set up anew, remove the old key with: "
                              "ssh-keygen -f " +
                                  file + " -R '[" + address.host + "]:" + std::to_string(address.port) + "'");
    case SSH_KNOWN_HOSTS_OTHER:
      return Error::bad_input(address.to_string() + ": wrong host key: the server shows " + fingerprint(session) +
                                  ", " + file + " has one of another type",
                              add);
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN:
      return Error::bad_input(
          address.to_string() + ": unknown host key " + fingerprint(session) + ", which is not in " + file, add);
    case SSH_KNOWN_HOSTS_ERROR: break;
  }
  return Error::bad_input(
      address.to_string() + ": cannot compare its host key with " + file + ": " + ssh_get_error(session),
      "make the file readable");
}

namespace {

Error refused(const Address& address, const std::string& with) {
  return Error::bad_input(address.to_string() + ": refused key: the server does not accept " + with,
                          "add the public key to ~/.ssh/authorized_keys on the node, or name another key or user");
}

// Never asks for a passphrase.
int no_passphrase(const char*, char*, std::size_t, int, int, void*) { return -1; }

Result<void> outcome(ssh_session session, int code, const Address& address, const std::string& with) {
  if (code == SSH_AUTH_SUCCESS) return {};
  if (code != SSH_AUTH_ERROR) return refused(address, with);
  return Error::environment(address.to_string() + ": cannot authenticate: " + ssh_get_error(session));
}

Result<void> authenticate_by_file(ssh_session session, const Address& address) {
  const std::string file = address.key.string();
  if (::access(file.c_str(), R_OK) != 0) {
    return Error::bad_input(address.to_string() + ": cannot read the key file " + file + ": " + errno_text(errno),
                            "name a readable private key");
  }
  ssh_key raw = nullptr;
  if (ssh_pki_import_privkey_file(file.c_str(), nullptr, no_passphrase, nullptr, &raw) != SSH_OK) {
    if (ssh_userauth_agent(session, nullptr) == SSH_AUTH_SUCCESS) return {};
    return Error::bad_input(
        address.to_string() + ": the key file " + file + " is not a private key, or needs a passphrase",
        "with a passphrase, give it to ssh-agent first: ssh-add " + file);
  }
  const KeyHandle key(raw);
  return outcome(session, ssh_userauth_publickey(session, nullptr, key.get()), address, "the key " + file);
}

}  // namespace

Result<void> authenticate(ssh_session session, const Address& address) {
  if (!address.key.empty()) return authenticate_by_file(session, address);
  const int code = ssh_userauth_publickey_auto(session, nullptr, "");
  return outcome(session, code, address, "any key of ssh-agent or ~/.ssh");
}

}  // namespace faultline::live::ssh
