#include "events.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace faultline::raft::daemon {

Events::~Events() {
  if (file_ > 2) ::close(file_);
}

Result<void> Events::open(const std::filesystem::path& file) {
  if (file.empty()) return {};
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (opened < 0) {
    return Error::environment(fmt::format("cannot open {}: {}", file.string(), std::strerror(errno)),
                              "give --events a file that can be written");
  }
  file_ = opened;
  return {};
}

void Events::write(std::string_view kind, std::string_view text) {
  const auto ns = [](auto time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  };
  const nlohmann::json escaped = std::string(text);
  const std::string line =
      fmt::format("{{\"wall\":{},\"mono\":{},\"node\":{},\"term\":{},\"event\":\"{}\",\"text\":{}}}\n",
                  ns(std::chrono::system_clock::now()), ns(std::chrono::steady_clock::now()), node_.value, term_.load(),
                  kind, escaped.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const std::lock_guard lock(mutex_);
  [[maybe_unused]] const ssize_t written = ::write(file_, line.data(), line.size());
}

}  // namespace faultline::raft::daemon
