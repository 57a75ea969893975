#include "node_disk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include <faultline/time.hpp>
namespace faultline::live {
namespace {

namespace fs = std::filesystem;

Error wrong(const Fault& fault, const std::string& what) {
  return Error::bad_input("fault '" + fault.kind + "': " + what);
}

// Parameters by name, with defaults; the first that is wrong is remembered.
class Reader {
 public:
  explicit Reader(const Fault& fault) : fault_(fault) {}

  std::string word(const std::string& name, std::string otherwise) {
    const Value& value = fault_.parameters.is_map() ? fault_.parameters.get(name) : nothing_;
    if (value.is_null()) return otherwise;
    if (!value.is_string()) return complain("'" + name + "' must be a word"), otherwise;
    return std::string(value.as_text());
  }
  std::uint64_t count(const std::string& name, std::uint64_t otherwise) {
    const Value& value = fault_.parameters.is_map() ? fault_.parameters.get(name) : nothing_;
    if (value.is_null()) return otherwise;
    if (!value.is_integer() || value.as_integer() < 1)
      return complain("'" + name + "' must be a whole number from 1"), otherwise;
    return static_cast<std::uint64_t>(value.as_integer());
  }
  double number(const std::string& name, double otherwise, double least, double most) {
    const Value& value = fault_.parameters.is_map() ? fault_.parameters.get(name) : nothing_;
    if (value.is_null()) return otherwise;
    const double number = value.is_real()      ? value.as_real()
                          : value.is_integer() ? static_cast<double>(value.as_integer())
                                               : least - 1;
    if (number >= least && number <= most) return number;
    complain("'" + name + "' is out of range");
    return otherwise;
  }
  std::uint64_t size(const std::string& name, std::uint64_t otherwise);
  Duration duration(const std::string& name, Duration otherwise);
  int error(const std::string& name);
  void complain(const std::string& what) {
    if (!problem_) problem_ = wrong(fault_, what);
  }
  template <class T>
  Result<T> done(T value) {
    if (problem_) return *problem_;
    return value;
  }

 private:
  const Fault& fault_;
  const Value nothing_;
  std::optional<Error> problem_;
};

std::uint64_t Reader::size(const std::string& name, std::uint64_t otherwise) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> units{{{"B", 1},
                                                                                    {"KB", 1000},
                                                                                    {"MB", 1000000},
                                                                                    {"GB", 1000000000},
                                                                                    {"KiB", 1 << 10},
                                                                                    {"MiB", 1 << 20},
                                                                                    {"GiB", 1 << 30}}};
  const std::string text = word(name, "");
  if (text.empty()) return otherwise;
  std::uint64_t n = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [known, factor] : units) {
    if (failed == std::errc{} && unit == known) return n * factor;
  }
  complain("'" + name + "' must be a size such as \"64KiB\"");
  return otherwise;
}

Duration Reader::duration(const std::string& name, Duration otherwise) {
  const std::string text = word(name, "");
  if (text.empty()) return otherwise;
  const auto parsed = parse_duration(text);
  if (parsed && parsed.value() >= Duration::zero()) return parsed.value();
  complain("'" + name + "' must be a duration such as \"50ms\"");
  return otherwise;
}

int Reader::error(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, int>, 4> known{
      {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}}};
  const std::string text = word(name, "EIO");
  for (const auto& [word, number] : known) {
    if (word == text) return number;
  }
  complain("'" + name + "' must be EIO, ENOSPC, EROFS or EDQUOT");
  return EIO;
}

}  // namespace

Result<DiskLoss> disk_loss_of(const Fault& fault) {
  Reader read(fault);
  const std::string word = read.word("disk", "keep");
  const auto loss = disk_loss_of(std::string_view(word));
  if (!loss) read.complain("'disk' must be keep, lose_unsynced, torn or reordered");
  return read.done(loss.value_or(DiskLoss::keep));
}

Result<DiskRule> disk_rule_of(const Fault& fault) {
  Reader read(fault);
  const std::string file = read.word("file", "");
  DiskRule rule;
  if (fault.kind == "io_error") {
    const std::string call = read.word("call", "write");
    if (call != "read" && call != "write") read.complain("'call' must be read or write");
    rule = ErrorRule{call == "read", read.error("errno"), read.number("probability", 1, 0, 1), file};
  } else if (fault.kind == "fsync_error") {
    const std::string pages = read.word("pages", "drop");
    if (pages != "drop" && pages != "keep") read.complain("'pages' must be drop or keep");
    rule = SyncErrorRule{read.error("errno"), pages == "drop", read.count("nth", 1), file};
  } else if (fault.kind == "enospc") {
    rule = SpaceRule{read.size("bytes", 0)};
  } else if (fault.kind == "slow_disk") {
    rule = SlowRule{read.duration("latency", std::chrono::milliseconds(50))};
  } else {
    FL_ASSERT(fault.kind == "crash_point");
    const auto call = disk_call_of(read.word("call", "fsync"));
    if (!call) read.complain("'call' is none that is known");
    const std::string edge = read.word("edge", "before");
    if (edge != "before" && edge != "after") read.complain("'edge' must be before or after");
    rule = CrashRule{call.value_or(DiskCall::fsync), read.count("nth", 1), edge == "after", file, {}};
  }
  return read.done(std::move(rule));
}

Result<RotPlan> rot_of(const Fault& fault) {
  Reader read(fault);
  RotPlan plan{.cuts = fault.kind == "truncate", .amount = 1, .file = read.word("file", "")};
  plan.amount = plan.cuts ? read.size("bytes", 1) : read.count("bits", 1);
  return read.done(std::move(plan));
}

Result<double> speed_of(const Fault& fault) {
  Reader read(fault);
  constexpr double least = 0.001, usual = 0.1;
  return read.done(read.number("speed", usual, least, 1));
}

LocalDisk::LocalDisk(std::unique_ptr<DiskSupervisor> supervisor) : supervisor_(std::move(supervisor)) {}

Result<DiskSupervisor::ChildStep> LocalDisk::prepare() {
  Rng none(0);
  if (auto kept = supervisor_->lose(DiskLoss::keep, none); !kept) return kept.error();
  return supervisor_->expect();
}

Result<std::vector<FileEdit>> LocalFiles::rot(const RotPlan& plan, const fs::path& file, Rng& rng) {
  auto edits = plan_rot(data_, plan, file, rng);
  if (!edits) return edits.error();
  if (auto made = make_edits(edits.value()); !made) return made.error();
  return edits;
}

}  // namespace faultline::live
