// NodeLink: one remote node as the harness talks to it: a thread that owns the ssh session and the channel to the keeper there.
//
// Requests go one after the other, each with an id; when the connection breaks, a new one repeats the request under the same id, so it acts
// once. After 5 tries, with pauses that double and are drawn within a half of themselves, the node is lost: this request and all later ones
// fail at once. While nothing is asked the thread renews the lease of the faults on the node, every 2 s or a third of it; that is how a node that
// vanishes is noticed when nobody asks it anything. A renewal that has found nobody for the whole time to live is not tried again: by then the
// node has undone its faults and ended its daemon.
//
// Messages name the node and hold no value of a secret variable.
// Thread rules: any thread may ask; each call waits for the link's thread. open() first, once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <faultline/live/inventory.hpp>
#include <faultline/live/ssh.hpp>
#include <faultline/result.hpp>
#include <faultline/rng.hpp>

namespace faultline::live::remote {

using Json = nlohmann::json;

// Hides the values of secrets in what is shown.
std::string masked(std::string text, const std::vector<std::string>& secrets);

// A word of a command line for /bin/sh.
std::string shell_quoted(const std::string& text);

// The agent program of this build, and its checksum.
struct AgentProgram {
  std::filesystem::path file;
  std::string checksum;
};
// Beside this program, or where it is installed.
Result<AgentProgram> find_agent();
Result<AgentProgram> agent_at(const std::filesystem::path& file);

// What a sweep found of one earlier run on a node.
struct Swept {
  std::string run_id;
  bool live = false;
  std::int64_t age_ms = 0;
  std::vector<std::string> done, remaining;
};
std::vector<Swept> parse_swept(const std::string& lines);

struct LinkOptions {
  InventoryNode node;
  std::string state;  // folder on the node
  std::string run_id;
  Duration time_to_live{};
  AgentProgram agent;
  int attempts = 5;
  Duration first_pause = std::chrono::milliseconds(200);
};

class NodeLink {
 public:
  explicit NodeLink(LinkOptions options);
  ~NodeLink();
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  // Connects, uploads the agent unless it is there, and sweeps; what was found.
  Result<std::vector<Swept>> connect();
  // Starts the keeper; its answer to `hello`. REQUIRES: connect() succeeded.
  Result<Json> start_keeper();
  // REQUIRES: start_keeper() succeeded. An error of the node's own leaves the connection alone.
  Result<Json> ask(Json request, Duration limit = std::chrono::seconds(30));
  // Copies a local file to the node, under its checksum; the path there.
  Result<std::string> upload(const std::filesystem::path& local);
  // Copies these files, and all files of the folder, to the local folder; those that are not there are left out.
  Result<void> fetch(const std::string& folder, const std::vector<std::string>& files, const std::filesystem::path& to);
  // Undoes on the node what a dead run left in this folder. REQUIRES: connect() succeeded.
  Result<Swept> heal(const std::string& folder);

  [[nodiscard]] const InventoryNode& node() const { return options_.node; }
  // The run's folder on the node. REQUIRES: connect() succeeded.
  [[nodiscard]] std::string folder() const { return state_ + "/" + options_.run_id + "-" + options_.node.name; }
  [[nodiscard]] bool is_lost() const { return lost_; }
  // Why it is lost, if it is. From any thread, at once.
  [[nodiscard]] std::optional<Error> loss() const { return lost_ ? loss_ : std::nullopt; }

 private:
  using Task = std::function<void()>;
  using Clock = std::chrono::steady_clock;
  template <class T>
  T in_thread(std::function<T()> work);
  void work();
  // In the thread:
  Result<void> reach();
  Result<void> open_relay(bool start);
  Result<std::string> run(const std::string& command);
  Result<std::vector<Swept>> ready_node();
  Result<std::string> place(const std::filesystem::path& local, const std::string& checksum, const std::string& name);
  Result<Json> perform(Json request, Duration limit, Clock::time_point until = Clock::time_point::max());
  Result<Json> exchange(const Json& request, Duration limit);
  void break_off();
  [[nodiscard]] Error named(const Error& error) const;
  [[nodiscard]] std::string agent_command(const std::string& arguments) const;
  // No try begins after `until`.
  template <class Attempt>
  auto retry(Attempt attempt, Clock::time_point until = Clock::time_point::max()) -> decltype(attempt());
  void renew();

  LinkOptions options_;
  std::string state_, agent_path_;  // on the node, absolute
  std::atomic<bool> lost_{false};
  std::optional<Error> loss_;  // written before lost_ is set, never after
  Rng jitter_;
  std::unique_ptr<ssh::Session> session_;
  std::optional<ssh::Channel> channel_;
  bool keeper_runs_ = false;
  std::int64_t next_id_ = 1;

  std::mutex mutex_;  // guards the next two
  std::deque<Task> tasks_;
  bool closing_ = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace faultline::live::remote
