#include "nodes.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include <cstdio>

#include <faultline/live/disk.hpp>

namespace faultline::live::remote::test {
namespace {

void run_or_die(const std::vector<std::string>& command) {
  const auto done = run_checked(command, "", "");
  if (!done) throw std::runtime_error(done.error().to_string());
}

constexpr const char* sshd = "/usr/sbin/sshd";

}  // namespace

bool can_host_nodes() {
  if (!live::test::is_root()) return false;
  if (::access(sshd, X_OK) != 0) {
    std::printf("no sshd here (apt install openssh-server): remote nodes cannot be tested\n");
    return false;
  }
  if (const auto works = namespaces_work(); !works) {
    std::printf("%s: remote nodes cannot be tested\n", works.error().to_string().c_str());
    return false;
  }
  return true;
}

bool can_break_disks() {
  const auto works = disk_faults_work();
  if (!works) std::printf("%s: disks cannot be made to fail here\n", works.error().to_string().c_str());
  return works.ok();
}

bool can_queue_packets() {
  const auto works = packet_faults_work();
  if (!works) std::printf("%s: packets cannot be queued here\n", works.error().to_string().c_str());
  return works.ok();
}

Nodes::Nodes(std::vector<NodeName> names) : names_(std::move(names)) {
  journal_ = Leftovers::open(run_id_).value();
  network_ =
      make_network({.nodes = names_, .run_id = run_id_, .kind = NetworkKind::namespaces, .leftovers = journal_.get()})
          .value();
  if (auto up = network_->set_up(); !up) throw std::runtime_error(up.error().to_string());
  make_keys();
  std::error_code ignored;
  fs::create_directories("/run/sshd", ignored);
  for (const NodeName& name : names_) start_sshd(name);
  home_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (auto entered = network_->enter(); !entered) throw std::runtime_error(entered.error().to_string());
}

Nodes::~Nodes() {
  if (home_ >= 0) ::setns(home_, CLONE_NEWNET);
  ::close(home_);
  for (const NodeName& name : names_) {
    // What a test has left on purpose.
    for (const pid_t pid : agents_in(state(name))) ::kill(pid, SIGTERM);
  }
  for (const NodeName& name : names_) {
    EXPECT_TRUE(live::test::eventually([&] { return agents_in(state(name)).empty(); })) << name;
  }
  daemons_.clear();
  EXPECT_TRUE(network_->tear_down().ok());
}

void Nodes::make_keys() {
  const std::string user_key = (folder_ / "id").string();
  run_or_die({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", user_key});
  fs::copy_file(user_key + ".pub", folder_ / "authorized_keys");
  std::ofstream known(folder_ / "known_hosts");
  for (const NodeName& name : names_) {
    fs::create_directories(state(name));
    const std::string host_key = (folder_ / (name + "-host")).string();
    run_or_die({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key});
    known << address(name) << " " << live::test::read_file(host_key + ".pub");
    std::ofstream(folder_ / (name + "-sshd.conf"))
        << "Port 22\nListenAddress " << address(name) << "\nHostKey " << host_key << "\nAuthorizedKeysFile "
        << (folder_ / "authorized_keys").string()
        << "\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
           "MaxStartups 100\nSubsystem sftp internal-sftp\n";
  }
}

void Nodes::start_sshd(const NodeName& node) {
  DaemonSpec spec{.name = node + "'s sshd",
                  .command = {sshd, "-D", "-e", "-f", (folder_ / (node + "-sshd.conf")).string()},
                  .environment = {},
                  .working_directory = {},
                  .log_file = folder_ / (node + "-sshd.log"),
                  .name_space = network_->name_space(node),
                  .ports = {}};
  auto& daemon = daemons_[node];
  daemon = std::make_unique<Daemon>(std::move(spec), journal_.get());
  if (auto started = daemon->start(); !started) throw std::runtime_error(started.error().to_string());
  EXPECT_TRUE(live::test::eventually([&] {
    return live::test::read_file(folder_ / (node + "-sshd.log")).find("Server listening") != std::string::npos;
  }));
}

// The processes of connections lead sessions of their own; they are the children of the listener, and theirs.
void Nodes::end_sshd(const NodeName& node) {
  const pid_t listener = daemons_.at(node)->identity().pid;
  std::vector<pid_t> all{listener};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const pid_t pid : all_processes()) {
      if (const auto stat = read_stat(pid); stat && stat->parent == all[i]) all.push_back(pid);
    }
  }
  (void)daemons_.at(node)->kill().ok();
  for (const pid_t pid : all) {
    if (pid != listener) ::kill(pid, SIGKILL);
  }
}

std::string Nodes::inventory(const std::string& more, const std::string& tables) const {
  std::string text = "user = \"root\"\nkey = \"id\"\nknown-hosts = \"known_hosts\"\nstate = \"" +
                     folder_.path().string() + "/{node}\"\n" + more + "\n";
  for (const NodeName& name : names_) text += "[nodes." + name + "]\naddress = \"" + address(name) + "\"\n";
  return text + tables;
}

fs::path Nodes::write_inventory(const std::string& more, const std::string& tables) const {
  const fs::path file = folder_ / "nodes.toml";
  std::ofstream(file) << inventory(more, tables);
  return file;
}

Inventory Nodes::parsed(const std::string& more, const std::string& tables) const {
  auto inventory_read = parse_inventory(inventory(more, tables), folder_ / "nodes.toml");
  if (!inventory_read) throw std::runtime_error(inventory_read.error().to_string());
  return inventory_read.value();
}

std::string Nodes::rules(const NodeName& node) const {
  std::string ours;
  const auto listed = run_checked({"nft", "list", "tables"}, "", network_->name_space(node).string());
  std::istringstream lines(listed ? listed.value() : "");
  for (std::string line; std::getline(lines, line);) {
    // That one iptables makes and never removes, whoever uses it; its chains are looked at below.
    if (line.find(run_id_) == std::string::npos && line != "table ip mangle") ours += line + "\n";
  }
  const auto chains = run_checked({"iptables-save", "-t", "mangle"}, "", network_->name_space(node).string());
  std::istringstream mangled(chains ? chains.value() : "");
  for (std::string line; std::getline(mangled, line);) {
    if (line.find("fl_") != std::string::npos) ours += line + "\n";
  }
  return ours;
}

fs::path Nodes::raftd() const {
  const fs::path small = folder_ / "raftd";
  if (fs::exists(small)) return small;
  const auto stripped =
      run_command({"strip", "--strip-debug", "-o", small.string(), FL_RAFTD}, "", "", std::chrono::minutes(1));
  return stripped.ok() && stripped.value().status == 0 ? small : fs::path(FL_RAFTD);
}

std::string Nodes::raft_table() const { return "[targets.raft]\nupload = \"" + raftd().string() + "\"\n"; }

void Nodes::set_wire(const NodeName& node, bool up) {
  const auto links = run_checked({"ip", "-o", "link"}, "", network_->name_space(node).string());
  std::istringstream lines(links.value());
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find(": ") + 2;
    const std::string name = line.substr(begin, line.find_first_of(":@", begin) - begin);
    if (name == "lo") continue;
    EXPECT_TRUE(
        run_checked({"ip", "link", "set", name, up ? "up" : "down"}, "", network_->name_space(node).string()).ok());
  }
}

CommandResult Nodes::faultline(const std::vector<std::string>& words, Duration limit) const {
  std::vector<std::string> command{FL_FAULTLINE};
  command.insert(command.end(), words.begin(), words.end());
  auto done = run_command(command, "", "", limit);
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().to_string());
  return done ? done.value() : CommandResult{.status = -1, .output = {}, .errors = {}};
}

LocalClusterOptions gossip_on(const Nodes& nodes, const Inventory& inventory, std::vector<std::string>* notes) {
  std::vector<NodeName> names;
  for (const auto& node : inventory.nodes) names.push_back(node.name);
  LocalClusterOptions options = live::test::gossip_options(nodes.folder() / "run", NetworkKind::automatic, names);
  options.machines = make_machines(
      {.inventory = inventory, .target = "gossip", .agent = FL_AGENT, .note = [notes](const std::string& text) {
         if (notes != nullptr) notes->push_back(text);
       }});
  return options;
}

LocalClusterOptions writers_on(const Nodes& nodes, const Inventory& inventory, std::vector<std::string>* notes) {
  LocalClusterOptions options = gossip_on(nodes, inventory, notes);
  options.disks = {.supervised = true, .reads = false, .seed = 5};
  const auto gossip = options.node_spec;
  options.node_spec = [gossip](const NodePlace& self, std::span<const NodePlace> all) {
    NodeSpec spec = gossip(self, all);
    std::string line =
        "echo abcdefgh > closed; sync -d closed; sync .\n"
        "while :; do echo $((i += 1)) >> unsynced; echo $i > synced && sync -d synced; sleep 0.02; done &\n"
        "exec";
    for (const std::string& word : spec.command) line += " '" + word + "'";
    spec.command = {"/bin/sh", "-c", line};
    return spec;
  };
  return options;
}

std::vector<pid_t> agents_in(const fs::path& folder) {
  std::vector<pid_t> found;
  for (const pid_t pid : all_processes()) {
    const std::string line = read_proc("/proc/" + std::to_string(pid) + "/cmdline");
    const auto stat = read_stat(pid);
    const bool ended = !stat || stat->state == 'Z';
    if (!ended && line.find("faultline-agent") != std::string::npos &&
        line.find(folder.string() + "/") != std::string::npos && line.starts_with(folder.string()))
      found.push_back(pid);
  }
  return found;
}

std::map<std::string, int> expect_bites(const CommandResult& done) {
  EXPECT_EQ(done.status, 0) << done.output << done.errors;
  EXPECT_EQ(done.errors.find("was not performed"), std::string::npos) << done.errors;
  const auto verdict = nlohmann::json::parse(done.output, nullptr, false);
  std::map<std::string, int> applied;
  if (!verdict.is_object() || !verdict.contains("faults")) return applied;
  EXPECT_EQ(verdict["verdict"], "valid");
  for (const auto& fault : verdict["faults"]) {
    applied[fault["kind"]] = fault["count"];
    EXPECT_TRUE(fault["bit"].get<bool>()) << fault.dump();
  }
  return applied;
}

bool ends(const Nodes& nodes, const NodeName& node) {
  return live::test::eventually([&] { return agents_in(nodes.state(node)).empty(); }, std::chrono::seconds(30));
}

}  // namespace faultline::live::remote::test
