// The reader of configurations (run.toml). It takes a path, so the bytes go into a file in memory.
#include "adapters/cli/settings.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.hpp"

namespace faultline::fuzz {

namespace {

class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("configuration", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    FL_ASSERT(fd_ >= 0);
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& holding(std::string_view bytes) {
    FL_ASSERT(::ftruncate(fd_, 0) == 0);
    FL_ASSERT(::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return path_;
  }

 private:
  int fd_;
  std::string path_;
};

// Validated once, the typed accessors cannot fail.
void read_all(const cli::VerbSpec& verb, const cli::Settings& settings) {
  for (const cli::OptionSpec& option : verb.options) {
    const std::string text = settings.text(option.name);
    switch (option.kind) {
      case cli::OptionKind::flag: static_cast<void>(settings.flag(option.name)); break;
      case cli::OptionKind::number:
        if (!text.empty()) static_cast<void>(settings.number(option.name));
        break;
      case cli::OptionKind::duration: static_cast<void>(settings.optional_duration(option.name)); break;
      case cli::OptionKind::size: static_cast<void>(settings.optional_size(option.name)); break;
      case cli::OptionKind::rate: static_cast<void>(settings.rate(option.name)); break;
      case cli::OptionKind::list: static_cast<void>(settings.list(option.name)); break;
      case cli::OptionKind::value: static_cast<void>(settings.value(option.name)); break;
      default: break;
    }
  }
}

}  // namespace

void settings(std::string_view bytes) {
  static MemoryFile file;
  const cli::VerbSpec& run = *cli::find_verb("run");
  const auto first = cli::Settings::from_file(run, file.holding(bytes));
  if (!first) {
    require(first.error().kind == ErrorKind::bad_input, "what is wrong with a file is bad input",
            first.error().message);
    require(first.error().message.find(": error: ") != std::string::npos, "an error names its place",
            first.error().message);
    return;
  }
  read_all(run, first.value());
  const std::string text = first.value().to_toml();
  const auto back = cli::Settings::from_file(run, file.holding(text));
  if (!back) broken("a configuration written reads", back.error().to_string() + "\n" + text);
  require(back.value().to_toml() == text, "a configuration written comes back equal",
          text + "\n" + back.value().to_toml());
  for (const cli::OptionSpec& option : run.options) {
    if (option.name == "nemesis") continue;  // compared with its parameters, above
    require(back.value().text(option.name) == first.value().text(option.name), "a setting written comes back equal",
            std::string(option.name) + "\n" + text);
  }
  require(back.value().nemesis_parameters() == first.value().nemesis_parameters(),
          "parameters of the nemesis come back equal", text);
}

}  // namespace faultline::fuzz
