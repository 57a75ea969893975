#include <faultline/live/inventory.hpp>

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>

#include <faultline/text.hpp>

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> node_keys{
    "user", "key", "known-hosts", "check-host-key", "port", "sudo", "settable-clock", "client-port", "peer-port"};
constexpr std::array<std::string_view, 11> target_keys{"binary",  "upload",         "setup",    "teardown",
                                                       "start",   "stop",           "kill",     "pid-file",
                                                       "pattern", "data-directory", "log-files"};

std::string with_home(const std::string& path) {
  if (!path.starts_with("~/")) return path;
  const char* home = std::getenv("HOME");
  return (home == nullptr ? std::string("~") : std::string(home)) + path.substr(1);
}

bool is_name(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || also.find(c) != std::string_view::npos;
  });
}

// The names in braces.
std::vector<std::string> placeholders(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = text.find('{', at)) != std::string::npos; ++at) {
    const auto end = text.find('}', at);
    if (end != std::string::npos) names.push_back(text.substr(at + 1, end - at - 1));
  }
  return names;
}

// Reads tables, and collects what is wrong with them.
class Reader {
 public:
  explicit Reader(fs::path file) : file_(std::move(file)) {}

  void wrong(const toml::source_position& at, const std::string& what) {
    problems_.emplace(std::pair(at.line, at.column),
                      fmt::format("{}:{}:{}: error: {}", file_.string(), at.line, at.column, what));
  }
  void unknown(const toml::key& key, const std::string& where, const std::vector<std::string_view>& known) {
    const std::string_view near = nearest(key.str(), known);
    wrong(key.source().begin, fmt::format("unknown key '{}{}'{}", where, escape_controls(key.str()),
                                          near.empty() ? fmt::format("; known: {}", fmt::join(known, ", "))
                                                       : fmt::format("; did you mean '{}'?", near)));
  }

  void read(const toml::node& node, const std::string& name, std::string& into) {
    const auto* text = node.as_string();
    if (text == nullptr || (**text).empty()) return wrong(node.source().begin, name + ": text is expected");
    into = **text;
  }
  void read(const toml::node& node, const std::string& name, bool& into) {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) return wrong(node.source().begin, name + ": true or false is expected");
    into = **flag;
  }
  void read(const toml::node& node, const std::string& name, std::uint16_t& into) {
    const auto* number = node.as_integer();
    if (number == nullptr || **number < 1 || **number > 65535)
      return wrong(node.source().begin, name + ": a port is expected, 1 to 65535");
    into = static_cast<std::uint16_t>(**number);
  }
  void read(const toml::node& node, const std::string& name, std::vector<std::string>& into) {
    const auto* array = node.as_array();
    if (array == nullptr) return wrong(node.source().begin, name + ": an array of strings is expected");
    for (const toml::node& item : *array) read(item, name, into.emplace_back());
  }
  void read(const toml::node& node, const std::string& name, Duration& into) {
    const auto* text = node.as_string();
    const auto parsed = text == nullptr ? Result<Duration>(Error::bad_input("")) : parse_duration(**text);
    if (!parsed) return wrong(node.source().begin, name + R"(: a duration needs a unit: "15s", "1m")");
    constexpr auto least = std::chrono::seconds(1);
    if (parsed.value() < least) return wrong(node.source().begin, name + ": at least 1s is expected");
    into = parsed.value();
  }
  // Their values are not repeated in messages.
  void read_variables(const toml::node& node, const std::string& name, std::map<std::string, std::string>& into) {
    const auto* table = node.as_table();
    if (table == nullptr) return wrong(node.source().begin, name + ": a table of text is expected");
    for (const auto& [key, value] : *table) {
      if (!is_name(key.str(), "_") || key.str().starts_with("FAULTLINE_")) {
        wrong(key.source().begin,
              fmt::format("{}: '{}' cannot be the name of a variable", name, escape_controls(key.str())));
      } else if (const auto* text = value.as_string(); text == nullptr) {
        wrong(value.source().begin, fmt::format("{}.{}: text is expected", name, key.str()));
      } else {
        into[std::string(key.str())] = **text;
      }
    }
  }

  // In the order of the file.
  [[nodiscard]] std::vector<std::string> problems() const {
    std::vector<std::string> all;
    for (const auto& [place, problem] : problems_) all.push_back(problem);
    return all;
  }

 private:
  fs::path file_;
  std::multimap<std::pair<toml::source_index, toml::source_index>, std::string> problems_;  // by line and column
};

class Parser {
 public:
  explicit Parser(const fs::path& file) : read_(file) { inventory_.file = file; }

  Result<Inventory> parse(const toml::table& table) {
    const toml::table* nodes = nullptr;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "state")
        read_.read(node, name, inventory_.state);
      else if (name == "time-to-live")
        read_.read(node, name, inventory_.time_to_live);
      else if (name == "variables" || name == "secrets")
        take_variables(name, name, node, defaults_);
      else if (name == "targets")
        take_targets(node);
      else if (name == "nodes" && node.is_table())
        nodes = node.as_table();
      else if (!take_node_key(name, name, node, defaults_))
        read_.unknown(key, "", known_at_top());
    }
    if (nodes == nullptr || nodes->empty()) {
      read_.wrong({1, 1}, "there are no nodes: write [nodes.n1] with address = \"10.0.0.1\"");
    } else {
      take_nodes(*nodes);
    }
    check_placeholders(table["state"].node());
    const std::vector<std::string> problems = read_.problems();
    if (problems.empty()) return inventory_;
    return Error::bad_input(fmt::format("{}", fmt::join(problems, "\n")));
  }

 private:
  static std::vector<std::string_view> known_at_top() {
    std::vector<std::string_view> known(node_keys.begin(), node_keys.end());
    for (const std::string_view key : {"state", "time-to-live", "variables", "secrets", "nodes", "targets"})
      known.push_back(key);
    return known;
  }

  fs::path beside_file(const std::string& path) const {
    const fs::path given = with_home(path);
    return given.is_absolute() || given.empty() ? given : inventory_.file.parent_path() / given;
  }

  void take_variables(const std::string& key, const std::string& name, const toml::node& value, InventoryNode& node) {
    std::map<std::string, std::string> read;
    read_.read_variables(value, name, read);
    constexpr std::size_t shortest_secret = 4;
    for (auto& [variable, text] : read) {
      if (key == "secrets") {
        if (text.size() < shortest_secret)
          read_.wrong(value.source().begin,
                      fmt::format("{}.{}: too short to be masked; at least 4 characters", name, variable));
        node.secrets.push_back(text);
      }
      node.variables[variable] = std::move(text);
    }
  }

  bool take_node_key(const std::string& key, const std::string& name, const toml::node& value, InventoryNode& node) {
    std::string text;
    if (key == "user")
      read_.read(value, name, node.ssh.user);
    else if (key == "check-host-key")
      read_.read(value, name, node.ssh.check_host_key);
    else if (key == "port")
      read_.read(value, name, node.ssh.port);
    else if (key == "sudo")
      read_.read(value, name, node.sudo);
    else if (key == "settable-clock")
      read_.read(value, name, node.settable_clock);
    else if (key == "client-port")
      read_.read(value, name, node.client_port);
    else if (key == "peer-port")
      read_.read(value, name, node.peer_port);
    else if (key == "key" || key == "known-hosts") {
      read_.read(value, name, text);
      (key == "key" ? node.ssh.key : node.ssh.known_hosts) = beside_file(text);
    } else {
      return false;
    }
    return true;
  }

  void take_nodes(const toml::table& table) {
    std::vector<std::pair<toml::source_position, InventoryNode>> found;
    std::set<std::string> addresses;
    for (const auto& [key, node] : table) {
      const std::string where = fmt::format("nodes.{}", escape_controls(key.str()));
      if (!is_name(key.str(), "-_") || !node.is_table()) {
        read_.wrong(key.source().begin, where + ": a node is a table, its name letters, digits, - and _");
        continue;
      }
      InventoryNode entry = defaults_;
      entry.name = key.str();
      for (const auto& [inner, value] : *node.as_table()) {
        const std::string name(inner.str());
        const std::string full = where + "." + name;
        if (name == "address")
          read_.read(value, full, entry.address);
        else if (name == "ssh-address")
          read_.read(value, full, entry.ssh.host);
        else if (name == "variables" || name == "secrets")
          take_variables(name, full, value, entry);
        else if (!take_node_key(name, full, value, entry)) {
          std::vector<std::string_view> known(node_keys.begin(), node_keys.end());
          for (const std::string_view other : {"address", "ssh-address", "variables", "secrets"})
            known.push_back(other);
          read_.unknown(inner, where + ".", known);
        }
      }
      if (entry.address.empty())
        read_.wrong(key.source().begin, where + ": it has no address; write address = \"10.0.0.1\"");
      else if (!addresses.insert(entry.address).second)
        read_.wrong(key.source().begin,
                    where + ": another node has this address, too; faults tell nodes by their addresses");
      if (entry.ssh.host.empty()) entry.ssh.host = entry.address;
      found.emplace_back(key.source().begin, std::move(entry));
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
    });
    for (auto& [at, entry] : found) inventory_.nodes.push_back(std::move(entry));
  }

  void take_targets(const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) return read_.wrong(node.source().begin, "targets: write [targets.etcd]");
    for (const auto& [key, target] : *table) {
      const std::string where = fmt::format("targets.{}", escape_controls(key.str()));
      if (!target.is_table()) {
        read_.wrong(key.source().begin, where + ": a table is expected");
        continue;
      }
      InventoryTarget& into = inventory_.targets[std::string(key.str())];
      const std::map<std::string_view, std::string*> texts{
          {"binary", &into.binary},   {"upload", &into.upload},
          {"setup", &into.setup},     {"teardown", &into.teardown},
          {"start", &into.start},     {"stop", &into.stop},
          {"kill", &into.kill},       {"pid-file", &into.pid_file},
          {"pattern", &into.pattern}, {"data-directory", &into.data_directory}};
      for (const auto& [inner, value] : *target.as_table()) {
        const std::string full = fmt::format("{}.{}", where, inner.str());
        const auto text = texts.find(inner.str());
        if (text != texts.end()) {
          read_.read(value, full, *text->second);
          places_.emplace_back(text->second, value.source().begin);
        } else if (inner.str() == "log-files") {
          read_.read(value, full, into.log_files);
        } else {
          read_.unknown(inner, where + ".", {target_keys.begin(), target_keys.end()});
        }
      }
      check_target(into, where, key.source().begin);
    }
  }

  void check_target(InventoryTarget& target, const std::string& where, const toml::source_position& at) {
    if (!target.upload.empty()) target.upload = beside_file(target.upload).string();
    if (!target.binary.empty() && !target.upload.empty())
      read_.wrong(at, where + ": either binary (on the node) or upload (from here)");
    if (!target.pid_file.empty() && !target.pattern.empty()) read_.wrong(at, where + ": either pid-file or pattern");
    if (!target.start.empty()) return;
    if (!target.stop.empty() || !target.kill.empty() || !target.pid_file.empty() || !target.pattern.empty())
      read_.wrong(at, where + ": stop, kill, pid-file and pattern go with start");
  }

  // In commands braces are the shell's.
  void check_placeholders(const toml::node* state) {
    const auto check = [&](const std::string& text, const toml::source_position& at) {
      for (const std::string& name : placeholders(text)) {
        for (const InventoryNode& node : inventory_.nodes) {
          if (name == "node" || name == "address" || name == "client-port" || name == "peer-port" ||
              node.variables.contains(name))
            continue;
          read_.wrong(
              at, fmt::format(
                      "{{{}}} is none of {{node}}, {{address}}, {{client-port}}, {{peer-port}} and the variables of {}",
                      escape_controls(name), node.name));
          break;
        }
      }
    };
    if (state != nullptr) check(inventory_.state, state->source().begin);
    for (const auto& [text, at] : places_) {
      const bool is_path =
          std::any_of(inventory_.targets.begin(), inventory_.targets.end(), [&, of = text](const auto& named) {
            const InventoryTarget& t = named.second;
            return of == &t.binary || of == &t.pid_file || of == &t.pattern || of == &t.data_directory;
          });
      if (is_path) check(*text, at);
    }
    for (const auto& [name, target] : inventory_.targets) {
      for (const std::string& log : target.log_files) check(log, {1, 1});
    }
  }

  Inventory inventory_;
  InventoryNode defaults_;
  Reader read_;
  std::vector<std::pair<std::string*, toml::source_position>> places_;  // of the targets' texts
};

}  // namespace

Result<Inventory> parse_inventory(const std::string& text, const fs::path& file) {
  toml::table table;
  try {
    table = toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    return Error::bad_input(fmt::format("{}:{}:{}: error: {}", file.string(), at.line, at.column, error.description()));
  }
  return Parser(file).parse(table);
}

Result<Inventory> read_inventory(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return Error::bad_input(fmt::format("{}: no such inventory, or it cannot be read", file.string()),
                            "--inventory names a TOML file with [nodes.NAME] tables");
  }
  return parse_inventory({std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()}, file);
}

std::string fill_in(const std::string& text, const InventoryNode& node) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    if (end == std::string::npos) {
      out += text[at++];
      continue;
    }
    const std::string name = text.substr(at + 1, end - at - 1);
    const auto variable = node.variables.find(name);
    if (name == "node")
      out += node.name;
    else if (name == "address")
      out += node.address;
    else if (name == "client-port")
      out += std::to_string(node.client_port);
    else if (name == "peer-port")
      out += std::to_string(node.peer_port);
    else
      out += variable == node.variables.end() ? text.substr(at, end + 1 - at) : variable->second;
    at = end + 1;
  }
  return out;
}

}  // namespace faultline::live::remote
