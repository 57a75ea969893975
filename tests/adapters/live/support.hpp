// What the tests of adapters/live share: folders of their own, a cluster of gossip nodes, and looks at the machine from outside.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <faultline/live/local_cluster.hpp>

#include "adapters/live/descriptor.hpp"
#include "adapters/live/procfs.hpp"

namespace faultline::live::test {

namespace fs = std::filesystem;

// A fresh folder that also holds the state directory (FAULTLINE_STATE) and the scratch folders (TMPDIR) of this test.
class Folder {
 public:
  Folder() {
    const std::string base = (fs::temp_directory_path() / "fl-test-XXXXXX").string();
    std::vector<char> name(base.begin(), base.end());
    name.push_back(0);
    path_ = ::mkdtemp(name.data());
    fs::create_directories(path_ / "state");
    fs::create_directories(path_ / "tmp");
    if (const char* before = std::getenv("TMPDIR"); before != nullptr) temporary_before_ = before;
    ::setenv("FAULTLINE_STATE", (path_ / "state").c_str(), 1);
    ::setenv("TMPDIR", (path_ / "tmp").c_str(), 1);
  }
  ~Folder() {
    ::unsetenv("FAULTLINE_STATE");
    ::unsetenv("TMPDIR");
    if (!temporary_before_.empty()) ::setenv("TMPDIR", temporary_before_.c_str(), 1);
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
  std::string temporary_before_;
};

// Says so if a test that needs root passes over.
inline bool is_root() {
  if (::geteuid() == 0) return true;
  std::printf("not root: network namespaces cannot be tested here\n");
  return false;
}

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator(); ++it) {
    names.push_back(it->path().filename().string());
  }
  return names;
}

inline std::vector<std::string> namespaces_of(const std::string& run_id) {
  std::vector<std::string> found;
  for (const auto& name : entries("/run/netns")) {
    if (name.starts_with("fl-" + run_id + "-")) found.push_back(name);
  }
  return found;
}

inline std::size_t open_descriptors() { return entries("/proc/self/fd").size(); }

// Whether it becomes so within the limit.
inline bool eventually(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// What the server sends until it closes; empty if it cannot be reached within the limit.
inline std::string ask(const Endpoint& endpoint, Duration limit) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();
  const timeval time{.tv_sec = micros / 1000000, .tv_usec = micros % 1000000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  ::inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  std::string text;
  char chunk[1024];
  for (ssize_t n = 0; (n = ::recv(socket.get(), chunk, sizeof chunk, 0)) > 0;)
    text.append(chunk, static_cast<std::size_t>(n));
  return text;
}

using Status = std::map<std::string, std::string>;

inline Status parse_status(const std::string& text) {
  Status status;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    status[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  return status;
}

inline std::string gossip_program() {
  const char* chosen = std::getenv("FAULTLINE_TEST_GOSSIP");
#ifdef FL_GOSSIP
  if (chosen == nullptr) return FL_GOSSIP;
#endif
  return chosen != nullptr ? chosen : "";
}

inline LocalClusterOptions gossip_options(const fs::path& run_directory, NetworkKind network,
                                          std::vector<NodeName> nodes = {"n1", "n2", "n3"}) {
  LocalClusterOptions options;
  options.nodes = std::move(nodes);
  options.run_directory = run_directory;
  options.network = network;
  options.ready_limit = std::chrono::seconds(30);
  options.node_spec = [](const NodePlace& self, std::span<const NodePlace> all) {
    NodeSpec spec{.command = {gossip_program(), self.name, self.addresses.peer_listen.to_string(),
                              self.addresses.client.to_string()},
                  .environment = {}};
    for (const auto& other : all) {
      if (other.name != self.name)
        spec.command.push_back(other.name + "=" + other.addresses.peer_advertise.to_string());
    }
    return spec;
  };
  options.ready = [](const NodePlace& node, Duration limit) -> Result<void> {
    if (!ask(node.addresses.client, limit).empty()) return {};
    return Error::environment("it does not answer");
  };
  options.leads = [](const NodePlace& node, Duration limit) {
    return parse_status(ask(node.addresses.client, limit))["leads"] == "1";
  };
  return options;
}

// The highest number `node` has heard of `what`, e.g. "stream.n2"; 0 if none, -1 if it does not answer. REQUIRES: this thread has
// entered the client network.
inline long heard(const LocalCluster& cluster, const NodeName& node, const std::string& what) {
  Status status = parse_status(ask(cluster.place(node).addresses.client, std::chrono::seconds(2)));
  if (status.empty()) return -1;
  return std::atol(status[what].c_str());
}

// Whether the number grows by at least `more` within the limit.
inline bool grows(const LocalCluster& cluster, const NodeName& node, const std::string& what, long more = 3,
                  Duration limit = std::chrono::seconds(10)) {
  const long before = heard(cluster, node, what);
  return eventually([&] { return heard(cluster, node, what) >= before + more; }, limit);
}

}  // namespace faultline::live::test
