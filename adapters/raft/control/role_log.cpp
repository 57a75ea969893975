#include "role_log.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

namespace faultline::raft {
namespace {

// "leader in term 3, leader 1" of an event "role"; empty for other lines.
std::string role_in(const std::string& line) {
  if (line.find("\"event\":\"role\"") == std::string::npos) return {};
  const auto event = nlohmann::json::parse(line, nullptr, false);
  if (!event.is_object()) return {};
  const std::string text = event.value("text", "");
  return text.substr(0, text.find(' '));
}

class RoleLog final : public live::RoleSource {
 public:
  explicit RoleLog(std::filesystem::path file) : file_(std::move(file)) {}

  std::vector<std::string> taken() override {
    std::vector<std::string> roles;
    std::ifstream in(file_, std::ios::binary);
    in.seekg(read_);
    for (std::string line; std::getline(in, line) && !in.eof();) {  // a line without its end is not written yet
      read_ = in.tellg();
      if (std::string role = role_in(line); !role.empty()) roles.push_back(std::move(role));
    }
    return roles;
  }

 private:
  const std::filesystem::path file_;
  std::streamoff read_ = 0;
};

}  // namespace

std::unique_ptr<live::RoleSource> make_role_log(std::filesystem::path file) {
  return std::make_unique<RoleLog>(std::move(file));
}

}  // namespace faultline::raft
