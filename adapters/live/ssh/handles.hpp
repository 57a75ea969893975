// The handles of libssh, owned.
#pragma once

#include <libssh/libssh.h>
#include <libssh/sftp.h>

#include <memory>
#include <string>
#include <type_traits>

#include <faultline/live/ssh.hpp>

namespace faultline::live::ssh {

template <auto free>
struct Freer {
  template <class T>
  void operator()(T* handle) const {
    free(handle);
  }
};

inline void end_session(ssh_session session) {
  ssh_disconnect(session);
  ssh_free(session);
}
inline void end_channel(ssh_channel channel) {
  ssh_channel_close(channel);
  ssh_channel_free(channel);
}

using SessionHandle = std::unique_ptr<std::remove_pointer_t<ssh_session>, Freer<end_session>>;
using ChannelHandle = std::unique_ptr<std::remove_pointer_t<ssh_channel>, Freer<end_channel>>;
using KeyHandle = std::unique_ptr<std::remove_pointer_t<ssh_key>, Freer<ssh_key_free>>;
using SftpHandle = std::unique_ptr<std::remove_pointer_t<sftp_session>, Freer<sftp_free>>;
using FileHandle = std::unique_ptr<std::remove_pointer_t<sftp_file>, Freer<sftp_close>>;

struct Session::Impl {
  Address address;
  SessionHandle session;
  SftpHandle sftp;  // opened when it is needed first; goes before the session

  [[nodiscard]] std::string last_error() const { return ssh_get_error(session.get()); }
  [[nodiscard]] Error failed(const std::string& what) const {
    return Error::environment(address.to_string() + ": " + what + ": " + last_error());
  }
  Result<ChannelHandle> start(const std::string& command);
  Result<sftp_session> files();
};

// A TCP connection within the limit; the kernel ends it after that silence.
Result<int> connect_to(const Address& address);
// Compares the server's key with known_hosts.
Result<void> check_host_key(ssh_session session, const Address& address);
Result<void> authenticate(ssh_session session, const Address& address);

}  // namespace faultline::live::ssh
