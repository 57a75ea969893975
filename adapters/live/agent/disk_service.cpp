#include "disk_service.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "adapters/live/descriptor.hpp"
#include "disk_json.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json none() { return Json::object(); }

Rng draws_of(const Json& request) { return Rng(request.at("seed").get<std::uint64_t>()); }

// The last edit first, as each may build on those before it.
Result<std::vector<std::string>> take_all_back(const std::vector<FileEdit>& edits) {
  std::vector<std::string> done;
  for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) {
    const auto back = take_back(*edit);
    if (!back) return back.error();
    if (back.value()) done.push_back("put back what was changed in " + edit->file.string());
  }
  return done;
}

}  // namespace

Result<std::vector<std::string>> take_back_edits(const fs::path& file) {
  std::ifstream in(file);
  if (!in) return std::vector<std::string>();
  std::vector<FileEdit> edits;
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    auto edit = edit_from_json(json);
    if (!edit) return edit.error();
    edits.push_back(std::move(edit).value());
  }
  return take_all_back(edits);
}

void DiskService::place(fs::path data, fs::path beside) {
  data_ = std::move(data);
  beside_ = std::move(beside);
}

Result<Json> DiskService::perform(const std::string& what, const Json& request, NodeDaemon* daemon) {
  if (data_.empty()) return Error::environment("no data folder has been prepared");
  if (what == "supervise") return supervise(request);
  if (what == "pick") {
    Rng rng = draws_of(request);
    const auto file =
        rotting_file(data_, request.at("glob").get<std::string>(), daemon != nullptr ? daemon->identity().pid : 0, rng);
    return Json{{"file", file ? Json(to_hex(file->string())) : Json()}};
  }
  if (what == "rot") return rot(request);
  if (what == "take_back") return take_back(request);
  if (!supervisor_ || daemon == nullptr) return Error::environment("the disk of the daemon is not supervised");
  if (what == "add") return add(request, *daemon);
  if (what == "met") return met(request);
  if (what == "remove") {
    const auto rule = request.at("rule").get<DiskSupervisor::RuleId>();
    rules_.erase(rule);
    const DiskRuleEffect effect = supervisor_->remove(rule);
    return Json{{"count", effect.count}, {"pages", effect.pages}};
  }
  Result<void> done;
  if (what == "can_lose") {
    done = supervisor_->can_lose(daemon->state() == NodeDaemon::State::down ? 0 : daemon->identity().pid);
  } else if (what == "lose") {
    Rng rng = draws_of(request);
    const auto lost = supervisor_->lose(static_cast<DiskLoss>(request.at("loss").get<int>()), rng);
    if (!lost) return lost.error();
    return Json{{"pages", lost.value().pages}, {"entries", lost.value().entries}};
  } else if (what == "probe") {
    done = supervisor_->probe();
  } else if (what == "forget") {
    supervisor_->forget();
  } else {
    return Error::environment("there is no request '" + what + "' about disks");
  }
  if (!done) return done.error();
  return none();
}

// The shadow lies beside the data, on its file system.
Result<Json> DiskService::supervise(const Json& request) {
  std::error_code error;
  if (!fs::exists(beside_, error)) {
    auto made = make_scratch_folder(journal_, beside_);
    if (!made) return made.error();
    scratch_ = made.value();
  }
  auto supervisor = DiskSupervisor::make({.data = data_,
                                          .shadow = beside_ / "shadow",
                                          .seed = request.at("seed").get<std::uint64_t>(),
                                          .reads = request.at("reads").get<bool>()});
  if (!supervisor) return supervisor.error();
  supervisor_ = std::move(supervisor).value();
  return none();
}

Result<Json> DiskService::add(const Json& request, NodeDaemon& daemon) {
  auto rule = rule_from_json(request.at("rule"));
  if (!rule) return rule.error();
  if (auto* crash = std::get_if<CrashRule>(&rule.value()))
    crash->crash = [daemon = &daemon] { (void)daemon->kill().ok(); };
  if (auto* watch = std::get_if<WatchRule>(&rule.value())) {
    const std::uint64_t number = watches_.size();
    watch->seen = [met = met_, number] { met->meet(number); };
    if (request["rule"].at("holds").get<bool>()) watch->holds = [met = met_, number] { return met->holds(number); };
    watches_.push_back(supervisor_->add(std::move(rule).value()));
    return Json{{"rule", watches_.back()}, {"watch", number}};
  }
  const auto id = supervisor_->add(std::move(rule).value());
  rules_.insert(id);
  return Json{{"rule", id}};
}

Json DiskService::met(const Json& request) {
  for (const auto number : request.value("let_go", std::vector<std::uint64_t>())) met_->let_go(number);
  return {{"met", met_->all()}};
}

// Written anew under its own name, or left as it was.
Result<void> DiskService::write_down() const {
  const fs::path file = folder_ / edits_name;
  const fs::path fresh = file.string() + ".new";
  std::string text;
  for (const FileEdit& edit : edits_) text += to_json(edit).dump() + "\n";
  const Descriptor out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool written = out && ::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(out.get()) == 0 && ::rename(fresh.c_str(), file.c_str()) == 0;
  if (written) return {};
  return Error::environment("cannot write " + file.string() + ": " + errno_text(errno), "make room on the node");
}

Result<Json> DiskService::rot(const Json& request) {
  Rng rng = draws_of(request);
  const RotPlan plan{
      .cuts = request.at("cuts").get<bool>(), .amount = request.at("amount").get<std::uint64_t>(), .file = {}};
  const auto edits = plan_rot(data_, plan, from_hex(request.at("file").get<std::string>()).value_or(""), rng);
  if (!edits) return edits.error();
  const std::size_t before = edits_.size();
  edits_.insert(edits_.end(), edits.value().begin(), edits.value().end());
  if (auto written = write_down(); !written) {
    edits_.resize(before);
    return written.error();
  }
  if (auto made = make_edits(edits.value()); !made) return made.error();
  Json list = Json::array();
  for (const FileEdit& edit : edits.value()) list.push_back(to_json(edit));
  return Json{{"edits", list}};
}

// Only what was made here.
Result<Json> DiskService::take_back(const Json& request) {
  auto edit = edit_from_json(request.at("edit"));
  if (!edit) return edit.error();
  const auto found = std::find(edits_.begin(), edits_.end(), edit.value());
  if (found == edits_.end()) return Json{{"whole", false}};
  const auto back = live::take_back(*found);
  if (!back) return back.error();
  edits_.erase(found);
  if (auto written = write_down(); !written) return written.error();
  return Json{{"whole", back.value()}};
}

// What the last process had not written durably stays, as it is only the process that ended.
Result<void> DiskService::prepare(DaemonSpec& spec) {
  Rng nothing(0);
  if (auto kept = supervisor_->lose(DiskLoss::keep, nothing); !kept) return kept.error();
  const auto step = supervisor_->expect();
  if (!step) return step.error();
  spec.before_exec = step.value().run;
  spec.before_exec_descriptor = step.value().descriptor;
  return {};
}

void DiskService::started() {
  if (supervisor_) supervisor_->forked();
}

std::vector<std::string> DiskService::release() {
  std::vector<std::string> done;
  for (const auto rule : rules_) supervisor_->remove(rule);
  for (std::uint64_t number = 0; number < watches_.size(); ++number) {
    supervisor_->remove(watches_[number]);
    met_->let_go(number);
  }
  if (!rules_.empty()) done.push_back("ended " + std::to_string(rules_.size()) + " faults of its disk");
  rules_.clear();
  return done;
}

Result<std::vector<std::string>> DiskService::end() {
  supervisor_.reset();
  auto done = take_all_back(edits_);
  if (done) {
    edits_.clear();
    std::error_code ignored;
    fs::remove(folder_ / edits_name, ignored);
  }
  if (scratch_) {
    std::error_code error;
    fs::remove_all(beside_, error);
    if (error) return Error::environment("cannot remove " + beside_.string() + ": " + error.message());
    journal_.healed(*scratch_);
    scratch_.reset();
  }
  return done;
}

}  // namespace faultline::live::agent
