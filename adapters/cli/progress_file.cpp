#include "progress_file.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <chrono>
#include <cmath>

#include <faultline/history.hpp>

namespace faultline::cli {

namespace {
constexpr Duration write_every = std::chrono::milliseconds(500);
constexpr Duration rate_over = std::chrono::seconds(1);
}  // namespace

ProgressFile::ProgressFile(const std::filesystem::path& directory, const Settings& settings)
    : file_(directory / "progress.json"),
      seed_(settings.text("seed")),
      target_(settings.given("endpoints") ? settings.text("endpoints") : settings.text("target")),
      workload_(settings.text("workload")),
      limit_(settings.duration("time-limit")) {
  write();
}

ProgressFile::~ProgressFile() {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

void ProgressFile::phase(std::string_view name) {
  phase_ = name;
  write();
}

void ProgressFile::follow_fault(const Event& event) {
  if (event.type == EventType::invoke) return;
  if (event.f.starts_with("start-")) ++faults_[event.f.substr(6)];
  if (event.f.starts_with("stop-")) {
    const auto found = faults_.find(event.f.substr(5));
    if (found != faults_.end() && --found->second <= 0) faults_.erase(found);
  }
  if (event.f == "heal-all") faults_.clear();
}

void ProgressFile::record(const Event& event) {
  if (event.process < 0) return follow_fault(event);
  switch (event.type) {
    case EventType::invoke: ++begun_; break;
    case EventType::ok: ++ok_; break;
    case EventType::fail: ++failed_; break;
    case EventType::info: ++info_; break;
  }
}

void ProgressFile::tick(Instant now, std::optional<std::size_t> violations) {
  now_ = now;
  violations_ = violations;
  const Duration since = watch_.elapsed() - rated_;
  if (since >= rate_over) {
    const std::uint64_t done = ok_ + failed_ + info_;
    rate_ = static_cast<double>(done - counted_) / std::chrono::duration<double>(since).count();
    counted_ = done;
    rated_ += since;
  }
  write_if_due();
}

void ProgressFile::checked(const CheckProgress& progress) {
  check_ = progress;
  write_if_due();
}

void ProgressFile::write_if_due() {
  if (watch_.elapsed() - written_ >= write_every) write();
}

void ProgressFile::write() {
  written_ = watch_.elapsed();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json object{
      {"schema", 1},
      {"pid", ::getpid()},
      {"phase", phase_},
      {"updated", std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count()},
      {"seed", seed_},
      {"target", target_},
      {"workload", workload_},
      {"time", now_.time_since_epoch().count()},
      {"limit", limit_.count()},
      {"operations", begun_},
      {"ok", ok_},
      {"fail", failed_},
      {"info", info_},
      {"rate", std::round(rate_)},
  };
  object["faults"] = nlohmann::json::array();
  for (const auto& [kind, count] : faults_) object["faults"].push_back(kind);
  object["online"] = violations_ ? nlohmann::ordered_json(*violations_) : nlohmann::ordered_json();
  object["check"] = nlohmann::ordered_json();
  if (check_) {
    object["check"] = {{"keys", check_->keys_total},
                       {"decided", check_->keys_valid + check_->keys_invalid + check_->keys_unknown},
                       {"invalid", check_->keys_invalid},
                       {"states", check_->configurations}};
  }
  const std::string text = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  [[maybe_unused]] const auto written = write_file(file_, text);
}

}  // namespace faultline::cli
