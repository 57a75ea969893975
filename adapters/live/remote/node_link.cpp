#include "node_link.hpp"

#include <sys/random.h>

#include <array>
#include <fstream>
#include <iterator>

#include <faultline/live/leftovers.hpp>
#include <faultline/text.hpp>

#include "adapters/live/procfs.hpp"
#include "reports/sha256.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
constexpr auto command_limit = std::chrono::seconds(30);
constexpr auto longest_renewal = std::chrono::seconds(2);  // from one to the next
constexpr auto renewal_limit = std::chrono::seconds(10);
constexpr auto sweep_limit = std::chrono::seconds(120);
constexpr std::uint64_t longest_log = 64ULL << 20;
constexpr std::size_t shown_digits = 16;  // of a checksum, in the name of a file
constexpr unsigned executable = 0755;

Error wrong_checksum(const std::string& there, const fs::path& local) {
  return Error::bad_input("the upload " + there + " has another checksum than " + local.string(),
                          "is the node an x86-64 Linux, and may programs run from its state folder (no noexec)?");
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  [[maybe_unused]] const auto n = ::getrandom(&seed, sizeof seed, 0);
  return seed;
}

std::string read_whole(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

std::string masked(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
      text.replace(at, secret.size(), "***");
  }
  return text;
}

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Result<AgentProgram> agent_at(const fs::path& file) {
  const std::string bytes = read_whole(file);
  if (bytes.empty()) {
    return Error::environment("there is no program " + file.string(),
                              "build it: faultline-agent is part of every build and installation");
  }
  AgentProgram agent{.file = file, .checksum = {}};
  constexpr std::string_view digits = "0123456789abcdef";
  for (const auto byte : reports::sha256(bytes)) {
    agent.checksum += digits[byte >> 4];
    agent.checksum += digits[byte & 15];
  }
  return agent;
}

Result<AgentProgram> find_agent() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {here, here / "../bin"}) {
    if (fs::exists(folder / "faultline-agent", error)) return agent_at(folder / "faultline-agent");
  }
  return agent_at(here / "faultline-agent");
}

std::vector<Swept> parse_swept(const std::string& lines) {
  std::vector<Swept> all;
  for (std::size_t at = 0; at < lines.size();) {
    const auto end = std::min(lines.find('\n', at), lines.size());
    const Json found = Json::parse(lines.substr(at, end - at), nullptr, false);
    at = end + 1;
    if (!found.is_object()) continue;
    all.push_back({.run_id = found.value("run", ""),
                   .live = found.value("live", false),
                   .age_ms = found.value("age_ms", std::int64_t(0)),
                   .done = found.value("done", std::vector<std::string>()),
                   .remaining = found.value("remaining", std::vector<std::string>())});
  }
  return all;
}

NodeLink::NodeLink(LinkOptions options)
    : options_(std::move(options)), jitter_(random_seed()), thread_([this] { work(); }) {}

NodeLink::~NodeLink() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NodeLink::work() {
  const auto renewal = std::min<Duration>(options_.time_to_live / 3, longest_renewal);
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, renewal, [&] { return closing_ || !tasks_.empty(); });
      if (closing_) break;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task)
      task();
    else if (keeper_runs_ && !lost_)
      renew();
  }
  break_off();
}

void NodeLink::renew() { (void)perform({{"do", "renew"}}, renewal_limit, Clock::now() + options_.time_to_live).ok(); }

template <class T>
T NodeLink::in_thread(std::function<T()> work) {
  std::promise<T> done;
  auto outcome = done.get_future();
  {
    const std::lock_guard lock(mutex_);
    tasks_.emplace_back([&] { done.set_value(work()); });
  }
  changed_.notify_all();
  return outcome.get();
}

Error NodeLink::named(const Error& error) const {
  const std::string name = "node " + options_.node.name + ": ";
  const std::string message =
      error.message.starts_with("node " + options_.node.name) ? error.message : name + error.message;
  return {error.kind, masked(message, options_.node.secrets), masked(error.remedy, options_.node.secrets)};
}

void NodeLink::break_off() {
  channel_.reset();
  session_.reset();
}

// What another try would not change ends it at once; so does success. Otherwise the node is lost after the last try.
template <class Attempt>
auto NodeLink::retry(Attempt attempt, Clock::time_point until) -> decltype(attempt()) {
  if (lost_) return *loss_;
  Duration pause = options_.first_pause;
  Error last;
  int tries = 0;
  while (tries < options_.attempts && (tries == 0 || Clock::now() < until)) {
    if (++tries > 1) {
      std::this_thread::sleep_for(
          pause / 2 + Duration(static_cast<std::int64_t>(jitter_.below(static_cast<std::uint64_t>(pause.count())))));
      pause *= 2;
    }
    auto outcome = attempt();
    if (outcome) return outcome;
    last = outcome.error();
    break_off();
    // Of the configuration; still a failure of the run, not of the command line.
    if (last.kind == ErrorKind::bad_input) return named(Error::environment(last.message, last.remedy));
  }
  loss_ = named(Error::environment("node " + options_.node.name + " is lost: " + std::to_string(tries) +
                                       " attempts failed, the last: " + last.message,
                                   last.remedy.empty() ? "see that the node is up and reachable" : last.remedy));
  lost_ = true;
  return *loss_;
}

Result<void> NodeLink::reach() {
  if (session_) return {};
  auto session = ssh::Session::connect(options_.node.ssh);
  if (!session) return session.error();
  session_ = std::move(session).value();
  return {};
}

// The output; a status other than 0 is an error of the node, which another try would not change.
Result<std::string> NodeLink::run(const std::string& command) {
  auto done = session_->run("sh -c " + shell_quoted(command), sweep_limit);
  if (!done) return done.error();
  if (done.value().status == 0) return std::move(done.value().output);
  const std::string said = last_line(done.value().errors);
  return Error::bad_input(
      said.empty() ? "a command failed with status " + std::to_string(done.value().status) : escape_controls(said),
      said.find("o space left") == std::string::npos ? "" : "make room on the node");
}

std::string NodeLink::agent_command(const std::string& arguments) const {
  return (options_.node.sudo ? "exec sudo -n -- " : "exec ") + shell_quoted(agent_path_) + " " + arguments;
}

// Uploads unless it is there already. What is there is trusted by its checksum only.
Result<std::string> NodeLink::place(const fs::path& local, const std::string& checksum, const std::string& name) {
  const std::string there = state_ + "/bin/" + name + "-" + checksum.substr(0, shown_digits);
  const auto look = [&] { return run(shell_quoted(agent_path_) + " checksum " + shell_quoted(there)); };
  const auto is_it = [&](const Result<std::string>& found) {
    return found.ok() && found.value().starts_with(checksum);
  };
  if (is_it(look())) return there;
  auto uploaded = session_->upload(local, there, executable);
  const auto found = look();
  if (is_it(found)) return there;  // also if somebody else was faster
  if (!uploaded) return Error::bad_input(uploaded.error().message, uploaded.error().remedy);
  if (!found) return found.error();  // nobody knows what is there: the node is slow, or gone
  return wrong_checksum(there, local);
}

// One command, for a shell may take long to start: makes the state folder, looks for the agent in it, and sweeps if it is there.
Result<std::vector<Swept>> NodeLink::ready_node() {
  const std::string agent = "bin/faultline-agent-" + options_.agent.checksum.substr(0, shown_digits);
  const std::string script = "umask 022; mkdir -p " + shell_quoted(options_.state + "/bin") + " && cd " +
                             shell_quoted(options_.state) + " && pwd || exit 1; [ \"$(" + agent + " checksum " + agent +
                             " 2>/dev/null)\" = " + options_.agent.checksum + " ] || exit 0; echo ready; exec " +
                             (options_.node.sudo ? "sudo -n -- " : "") + "\"$PWD\"/" + agent +
                             " sweep --state \"$PWD\" --node " + shell_quoted(options_.node.name);
  for (const bool last : {false, true}) {
    auto said = run(script);
    if (!said) return said.error();
    const std::string& text = said.value();
    const auto line = text.find("/");  // a shell's profile may have said something before
    const auto end = text.find('\n', line);
    if (line == std::string::npos || end == std::string::npos)
      return Error::environment("its shell says: " + escape_controls(clip(text, 200)));
    state_ = text.substr(line, end - line);
    agent_path_ = state_ + "/" + agent;
    constexpr std::string_view ready = "ready\n";
    if (text.compare(end + 1, ready.size(), ready) == 0) return parse_swept(text.substr(end + 1 + ready.size()));
    if (last) break;
    if (auto uploaded = session_->upload(options_.agent.file, agent_path_, executable); !uploaded)
      return Error::bad_input(uploaded.error().message, uploaded.error().remedy);
  }
  return wrong_checksum(agent_path_, options_.agent.file);
}

Result<std::vector<Swept>> NodeLink::connect() {
  using Outcome = Result<std::vector<Swept>>;
  return in_thread<Outcome>([this]() -> Outcome {
    return retry([this]() -> Outcome {
      if (auto reached = reach(); !reached) return reached.error();
      return ready_node();
    });
  });
}

Result<void> NodeLink::open_relay(bool start) {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.time_to_live).count();
  auto channel = session_->open(
      "sh -c " +
      shell_quoted(agent_command(
          "relay --folder " + shell_quoted(folder()) + " --run " + shell_quoted(options_.run_id) + " --node " +
          shell_quoted(options_.node.name) + " --harness \"${SSH_CONNECTION%% *}\" --time-to-live-ms " +
          std::to_string(limit) + " --harness-boot " + shell_quoted(boot_id()) + " --set-clock " +
          (options_.node.settable_clock ? "yes" : "no") + " --start " + (start ? "yes" : "no"))));
  if (!channel) return channel.error();
  channel_.emplace(std::move(channel).value());
  return {};
}

Result<Json> NodeLink::start_keeper() {
  return in_thread<Result<Json>>([this]() -> Result<Json> {
    if (auto reached = reach(); !reached) return named(reached.error());
    if (auto opened = open_relay(true); !opened) return named(opened.error());
    auto hello = exchange({{"do", "hello"}, {"id", next_id_++}}, command_limit);
    if (!hello) return named(hello.error());
    keeper_runs_ = true;
    return hello;
  });
}

// One try over the connection there is, or a new one.
Result<Json> NodeLink::exchange(const Json& request, Duration limit) {
  if (auto reached = reach(); !reached) return reached.error();
  if (!channel_) {
    if (auto opened = open_relay(false); !opened) return opened.error();
  }
  if (auto sent = channel_->send(request.dump()); !sent) return sent.error();
  for (;;) {
    auto line = channel_->read(limit);
    if (!line) return line.error();
    Json reply = Json::parse(line.value(), nullptr, false);
    if (!reply.is_object() || !reply.contains("id"))
      return Error::environment("its agent says: " + escape_controls(clip(line.value(), 200)));
    if (reply["id"] == request["id"]) return reply;
  }
}

Result<Json> NodeLink::perform(Json request, Duration limit, Clock::time_point until) {
  request["id"] = next_id_++;
  auto reply = retry([&] { return exchange(request, limit); }, until);
  if (!reply) return reply.error();
  if (!reply.value().contains("error")) return reply;
  return named(Error::environment(reply.value()["error"].get<std::string>(), reply.value().value("remedy", "")));
}

Result<Json> NodeLink::ask(Json request, Duration limit) {
  if (lost_) return *loss_;
  const bool ends = request["do"] == "end";
  return in_thread<Result<Json>>([&]() -> Result<Json> {
    auto reply = perform(std::move(request), limit);
    if (ends && reply) keeper_runs_ = false;
    return reply;
  });
}

Result<std::string> NodeLink::upload(const fs::path& local) {
  auto program = agent_at(local);
  if (!program)
    return Error::environment("cannot upload " + local.string() + ": it cannot be read",
                              "correct `upload` in the inventory");
  return in_thread<Result<std::string>>([&]() -> Result<std::string> {
    return retry([&]() -> Result<std::string> {
      if (auto reached = reach(); !reached) return reached.error();
      return place(local, program.value().checksum, local.filename().string());
    });
  });
}

Result<void> NodeLink::fetch(const std::string& folder, const std::vector<std::string>& files, const fs::path& to) {
  return in_thread<Result<void>>([&]() -> Result<void> {
    if (lost_) return *loss_;
    if (auto reached = reach(); !reached) return named(reached.error());
    std::error_code error;
    fs::create_directories(to, error);
    std::vector<std::string> wanted = files;
    auto listed = session_->files(folder);
    if (!listed) return named(listed.error());
    for (const std::string& name : listed.value()) wanted.push_back(folder + "/" + name);
    for (const std::string& file : wanted) {
      const fs::path local = to / fs::path(file).filename();
      if (auto fetched = session_->download(file, local, longest_log); !fetched) {
        if (fetched.error().message.ends_with("no such file or folder")) continue;
        return named(fetched.error());
      }
      if (options_.node.secrets.empty()) continue;
      const std::string text = read_whole(local);
      if (const std::string shown = masked(text, options_.node.secrets); shown != text)
        std::ofstream(local, std::ios::binary | std::ios::trunc) << shown;
    }
    return {};
  });
}

Result<Swept> NodeLink::heal(const std::string& folder) {
  return in_thread<Result<Swept>>([&]() -> Result<Swept> {
    if (auto reached = reach(); !reached) return named(reached.error());
    auto healed = run(agent_command("heal --folder " + shell_quoted(folder)));
    if (!healed) return named(healed.error());
    const auto all = parse_swept(healed.value());
    return all.empty() ? Swept{} : all.front();
  });
}

}  // namespace faultline::live::remote
