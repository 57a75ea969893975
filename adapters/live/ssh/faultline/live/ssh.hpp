// Session: one ssh connection to one node, with commands, files and channels of lines over it (libssh).
//
// The server's host key must be in known_hosts: an unknown or another key fails, naming the remedy, unless the check is switched off. The
// user is authenticated by the key file, or by ssh-agent and the usual key files where none is named; nothing ever asks for a password or
// a passphrase. The user's ssh_config is not read: what is given here is all that counts. Keys are read, used and never shown: messages
// hold addresses, paths and fingerprints only.
//
// A connection that stays silent is given up after silence_limit: the kernel then ends it, and the call under way fails.
//
// Errors: bad_input is what another attempt would not change (host key, refused key, unreadable key file); environment may be worth one.
// Thread rules: one owner thread; every call blocks, bounded by its limit or by the silence of the node. Channels go before their session.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::live::ssh {

struct Address {
  std::string host;  // name or address
  std::uint16_t port = 22;
  std::string user;                   // empty: the one who runs this
  std::filesystem::path key;          // empty: ssh-agent, then ~/.ssh/id_*
  std::filesystem::path known_hosts;  // empty: ~/.ssh/known_hosts
  bool check_host_key = true;
  Duration connect_limit = std::chrono::seconds(3);  // for the connection alone; the handshake gets three times that
  Duration silence_limit = std::chrono::seconds(5);

  // "root@10.0.0.1:22".
  [[nodiscard]] std::string to_string() const;
};

struct CommandResult {
  int status = 0;              // -1: the command did not say, e.g. because a signal ended it
  std::string output, errors;  // at most 1 MiB of each
};

// A command on the node, its stdin and stdout as lines.
class Channel {
 public:
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;

  // REQUIRES: no newline in it.
  Result<void> send(std::string_view line);
  // Without its newline; at most 16 MiB. The error, when the command has ended, quotes what it said on stderr.
  Result<std::string> read(Duration limit);

 private:
  friend class Session;
  struct Impl;
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> connect(const Address& address);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs it by the user's shell, to its end. A status other than 0 is not an error.
  Result<CommandResult> run(const std::string& command, Duration limit);
  Result<Channel> open(const std::string& command);

  // Writes a whole file; it is complete or absent under its name, never half there. The folder must exist.
  Result<void> upload(const std::filesystem::path& local, const std::string& remote, unsigned mode);
  // Fetches a whole file, at most `most` bytes of it, the last ones.
  Result<void> download(const std::string& remote, const std::filesystem::path& local, std::uint64_t most);
  // The names of a folder's regular files; none if there is no such folder.
  Result<std::vector<std::string>> files(const std::string& folder);

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline::live::ssh
