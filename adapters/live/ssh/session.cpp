// Commands and channels.
#include <unistd.h>

#include <array>
#include <utility>

#include "handles.hpp"

namespace faultline::live::ssh {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t most_output = 1 << 20;
constexpr std::size_t most_errors = 1 << 14;
constexpr std::size_t longest_line = 16 << 20;

int milliseconds_until(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::max<decltype(left)>(0, left));
}

bool set(ssh_session session, ssh_options_e option, const std::string& value) {
  return value.empty() || ssh_options_set(session, option, value.c_str()) == SSH_OK;
}

Result<void> configure(ssh_session session, const Address& address, int socket) {
  const bool no_config = false;
  const int port = address.port;
  const long seconds =
      std::max<long>(1, std::chrono::duration_cast<std::chrono::seconds>(address.connect_limit * 3).count());
  const bool done = ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no_config) == SSH_OK &&
                    set(session, SSH_OPTIONS_HOST, address.host) &&
                    ssh_options_set(session, SSH_OPTIONS_PORT, &port) == SSH_OK &&
                    set(session, SSH_OPTIONS_USER, address.user) &&
                    set(session, SSH_OPTIONS_KNOWNHOSTS, address.known_hosts.string()) &&
                    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &seconds) == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_FD, &socket) == SSH_OK;
  if (done) return {};
  return Error::bad_input(address.to_string() + ": unusable as an ssh address: " + ssh_get_error(session));
}

}  // namespace

struct Channel::Impl {
  ChannelHandle channel;
  std::string name;    // of the node, for messages
  std::string buffer;  // of stdout, not asked for yet
  std::string errors;
};

Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::~Channel() = default;
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;

Result<void> Channel::send(std::string_view line) {
  FL_ASSERT(line.find('\n') == std::string_view::npos);
  std::string whole(line);
  whole += '\n';
  std::string_view rest = whole;
  while (!rest.empty()) {
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), 1 << 16));
    const int n = ssh_channel_write(impl_->channel.get(), rest.data(), size);
    if (n <= 0) return Error::environment(impl_->name + ": the connection is broken");
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> Channel::read(Duration limit) {
  const auto until = Clock::now() + limit;
  for (;;) {
    if (const auto end = impl_->buffer.find('\n'); end != std::string::npos) {
      std::string line = impl_->buffer.substr(0, end);
      impl_->buffer.erase(0, end + 1);
      return line;
    }
    if (impl_->buffer.size() > longest_line) return Error::environment(impl_->name + ": a reply is too long");
    const int left = milliseconds_until(until);
    if (left == 0) return Error::environment(impl_->name + ": no reply within " + to_text(limit));
    std::array<char, 1 << 14> chunk{};
    const int n = ssh_channel_read_timeout(impl_->channel.get(), chunk.data(), chunk.size(), 0, left);
    if (n < 0) return Error::environment(impl_->name + ": the connection is broken");
    impl_->buffer.append(chunk.data(), static_cast<std::size_t>(n));
    if (n > 0) continue;
    // Words on stderr that nobody reads would keep the channel open.
    if (ssh_channel_poll(impl_->channel.get(), 1) > 0) {
      const int said = ssh_channel_read_timeout(impl_->channel.get(), chunk.data(), chunk.size(), 1, 0);
      if (said > 0 && impl_->errors.size() < most_errors)
        impl_->errors.append(chunk.data(), static_cast<std::size_t>(said));
    }
    if (ssh_channel_is_eof(impl_->channel.get()) == 0 && ssh_channel_is_closed(impl_->channel.get()) == 0) continue;
    while (!impl_->errors.empty() && impl_->errors.back() == '\n') impl_->errors.pop_back();
    return Error::environment(impl_->name + ": " + (impl_->errors.empty() ? "the command ended" : impl_->errors));
  }
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::connect(const Address& address) {
  const auto socket = connect_to(address);
  if (!socket) return socket.error();
  auto impl = std::make_unique<Impl>();
  impl->address = address;
  impl->session.reset(ssh_new());
  if (!impl->session) {
    ::close(socket.value());
    return Error::environment("no memory for an ssh session");
  }
  ssh_session session = impl->session.get();
  if (auto configured = configure(session, address, socket.value()); !configured) {
    ::close(socket.value());
    return configured.error();
  }
  if (ssh_connect(session) != SSH_OK) return impl->failed("cannot connect");
  if (auto known = check_host_key(session, address); !known) return known.error();
  if (auto let_in = authenticate(session, address); !let_in) return let_in.error();
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Result<ChannelHandle> Session::Impl::start(const std::string& command) {
  ChannelHandle channel(ssh_channel_new(session.get()));
  if (!channel || ssh_channel_open_session(channel.get()) != SSH_OK) return failed("cannot open a channel");
  if (ssh_channel_request_exec(channel.get(), command.c_str()) != SSH_OK) return failed("cannot run a command");
  return channel;
}

Result<Channel> Session::open(const std::string& command) {
  auto channel = impl_->start(command);
  if (!channel) return channel.error();
  auto opened = std::make_unique<Channel::Impl>();
  opened->channel = std::move(channel).value();
  opened->name = impl_->address.to_string();
  return Channel(std::move(opened));
}

Result<CommandResult> Session::run(const std::string& command, Duration limit) {
  auto started = impl_->start(command);
  if (!started) return started.error();
  ssh_channel channel = started.value().get();
  ssh_channel_send_eof(channel);
  CommandResult result;
  const auto until = Clock::now() + limit;
  // Both streams in turn: one that is not read fills its window, and the command waits.
  while (ssh_channel_is_eof(channel) == 0 || ssh_channel_poll(channel, 0) > 0 || ssh_channel_poll(channel, 1) > 0) {
    if (Clock::now() >= until)
      return Error::environment(impl_->address.to_string() + ": a command did not end within " + to_text(limit));
    for (const int stream : {0, 1}) {
      std::array<char, 1 << 14> chunk{};
      const int n = ssh_channel_read_timeout(channel, chunk.data(), chunk.size(), stream, stream == 0 ? 20 : 0);
      if (n < 0) return impl_->failed("the connection is broken");
      std::string& into = stream == 0 ? result.output : result.errors;
      into.append(chunk.data(), std::min(static_cast<std::size_t>(n), most_output - into.size()));
    }
  }
  // The exit status comes in a message of its own, perhaps after the end of the output.
  while (ssh_channel_get_exit_status(channel) == -1 && ssh_channel_is_closed(channel) == 0 && Clock::now() < until) {
    std::array<char, 1> nothing{};
    if (ssh_channel_read_timeout(channel, nothing.data(), 1, 0, 20) < 0) break;
    if (ssh_channel_poll_timeout(channel, 20, 0) == SSH_ERROR) break;
  }
  result.status = ssh_channel_get_exit_status(channel);
  return result;
}

}  // namespace faultline::live::ssh
