// What a power loss leaves, against a dumb model of durability: a supervised child performs a random script of writes, truncations, syncs,
// renames and removals; every image that is made of its disk must be one the model allows, and what was synced must be in it.
#include <algorithm>
#include <set>

#include "support.hpp"

namespace faultline::live::test {
namespace {

struct Step {
  enum class What { write, append, truncate, empty, sync, data_sync, sync_folder, rename, remove } what = What::write;
  int file = 0;  // by name
  int to = 0;    // rename
  std::uint64_t offset = 0;
  std::string bytes;
};

constexpr int names = 4;
std::string name_of(int file) { return file == 3 ? "sub/f3" : "f" + std::to_string(file); }
std::string folder_of(int file) { return file == 3 ? "sub" : "."; }

std::vector<Step> random_script(Rng& rng) {
  std::vector<Step> script;
  const std::uint64_t steps = 10 + rng.below(30);
  for (std::uint64_t i = 0; i < steps; ++i) {
    Step step{.what = static_cast<Step::What>(rng.below(9)), .file = static_cast<int>(rng.below(names))};
    step.to = static_cast<int>(rng.below(names));
    step.offset = rng.below(10000);
    // Zeros seldom occur by chance, so that a hole is told from what was written.
    for (std::uint64_t n = 1 + rng.below(rng.chance(0.3) ? 6000 : 300); n > 0; --n)
      step.bytes += static_cast<char>(1 + rng.below(255));
    script.push_back(std::move(step));
  }
  return script;
}

// --- the child ---------------------------------------------------------------------------------------------------------------

int perform(const Step& step, int root) {
  const std::string name = name_of(step.file);
  using enum Step::What;
  if (step.what == rename || step.what == remove) {
    const int done = step.what == rename ? ::renameat(root, name.c_str(), root, name_of(step.to).c_str())
                                         : ::unlinkat(root, name.c_str(), 0);
    return done == 0 || errno == ENOENT ? 0 : 1;
  }
  if (step.what == sync_folder) {
    const int folder = ::openat(root, folder_of(step.file).c_str(), O_RDONLY | O_DIRECTORY);
    const bool done = folder >= 0 && ::fsync(folder) == 0;
    ::close(folder);
    return done ? 0 : 2;
  }
  const bool syncs = step.what == sync || step.what == data_sync;
  int flags = O_RDWR | (syncs ? 0 : O_CREAT);
  if (step.what == append) flags |= O_APPEND;
  if (step.what == empty) flags |= O_TRUNC;
  const int file = ::openat(root, name.c_str(), flags, 0644);
  if (file < 0) return syncs && errno == ENOENT ? 0 : 3;
  const auto size = static_cast<ssize_t>(step.bytes.size());
  bool done = true;
  if (step.what == write) done = ::pwrite(file, step.bytes.data(), step.bytes.size(), step.offset) == size;
  if (step.what == append || step.what == empty) done = ::write(file, step.bytes.data(), step.bytes.size()) == size;
  if (step.what == truncate) done = ::ftruncate(file, step.offset) == 0;
  if (step.what == sync) done = ::fsync(file) == 0;
  if (step.what == data_sync) done = ::fdatasync(file) == 0;
  ::close(file);
  return done ? 0 : 4;
}

// --- the model ---------------------------------------------------------------------------------------------------------------

// A file: what it read as after each change since its last sync, the synced state first.
struct ModelFile {
  std::vector<std::string> versions{""};
  std::set<std::string> names;  // since it was last synced, or its folder was: those it may be found under
  bool must_exist = false;      // it was synced under one of them, and not removed or replaced since
};

struct Model {
  std::vector<ModelFile> files;
  std::map<std::string, int> now;                 // -1: was there, and is not
  std::map<std::string, std::set<int>> possible;  // since the last sync of its folder; -1: absent

  void name_becomes(const std::string& name, int file) {
    now[name] = file;
    possible[name].insert(file);
  }
  int at(const std::string& name) const {
    const auto found = now.find(name);
    return found == now.end() ? -1 : found->second;
  }
  void step(const Step& step) {
    const std::string name = name_of(step.file);
    using enum Step::What;
    int file = at(name);
    if (step.what == rename) return rename_to(file, name, name_of(step.to));
    if (step.what == remove) {
      if (file >= 0) files[file].must_exist = false;
      if (file >= 0) name_becomes(name, -1);
      return;
    }
    if (step.what == sync_folder) return sync_names(folder_of(step.file));
    if (step.what == sync || step.what == data_sync) {
      if (file < 0) return;
      files[file].versions = {files[file].versions.back()};
      files[file].must_exist = true;
      return;
    }
    if (file < 0) {
      file = static_cast<int>(files.size());
      files.push_back({});
      files[file].names.insert(name);
      name_becomes(name, file);
    }
    std::vector<std::string>& versions = files[file].versions;
    std::string bytes = versions.back();
    if (step.what == truncate) bytes.resize(step.offset, '\0');
    if (step.what == empty) versions.emplace_back("");
    if (step.what == empty) bytes = step.bytes;
    if (step.what == append) bytes += step.bytes;
    if (step.what == write) {
      if (bytes.size() < step.offset + step.bytes.size()) bytes.resize(step.offset + step.bytes.size(), '\0');
      bytes.replace(step.offset, step.bytes.size(), step.bytes);
    }
    versions.push_back(bytes);
  }
  void rename_to(int file, const std::string& from, const std::string& to) {
    if (file < 0 || from == to) return;
    if (const int replaced = at(to); replaced >= 0) files[replaced].must_exist = false;
    files[file].names.insert(to);
    name_becomes(to, file);
    name_becomes(from, -1);
  }
  void sync_names(const std::string& folder) {
    for (int i = 0; i < names; ++i) {
      const std::string name = name_of(i);
      // A rename between folders is one change: where one folder is synced, what the other has of it is durable, too; that is not asked.
      if (folder_of(i) != folder) continue;
      const int file = at(name);
      possible[name] = {file};
      if (file >= 0) files[file].must_exist = true;
    }
  }
};

std::string sector_of(const std::string& bytes, std::size_t sector) {
  std::string part = sector * 512 < bytes.size() ? bytes.substr(sector * 512, 512) : "";
  part.resize(512, '\0');
  return part;
}

// Each sector as it was in one of these versions; of what was synced, there is only one.
bool is_mixed_from(const std::string& bytes, const std::vector<std::string>& versions) {
  std::size_t longest = 0;
  for (const std::string& version : versions) longest = std::max(longest, version.size());
  if (bytes.size() > longest) return false;
  for (std::size_t sector = 0; sector * 512 < bytes.size(); ++sector) {
    const std::size_t length = std::min<std::size_t>(512, bytes.size() - sector * 512);
    const std::string found = sector_of(bytes, sector).substr(0, length);
    if (std::none_of(versions.begin(), versions.end(),
                     [&](const std::string& v) { return sector_of(v, sector).substr(0, length) == found; }))
      return false;
  }
  return std::any_of(versions.begin(), versions.end(), [&](const std::string& v) { return v.size() <= bytes.size(); });
}

bool may_read_as(const ModelFile& file, const std::string& bytes, DiskLoss loss) {
  if (loss == DiskLoss::lose_unsynced) return bytes == file.versions.front();
  return is_mixed_from(bytes, file.versions);
}

// Empty: the image is one that a power loss may leave.
std::string objection(const Model& model, const fs::path& image, DiskLoss loss) {
  const auto found = files_in(image);
  for (int i = 0; i < names; ++i) {
    const std::string name = name_of(i);
    const auto set = model.possible.find(name);
    std::set<int> possible = set == model.possible.end() ? std::set<int>{-1} : set->second;
    const auto file = found.find(name);
    if (file == found.end()) {
      if (!possible.contains(-1)) return name + " is gone";
      continue;
    }
    const bool fits = std::any_of(possible.begin(), possible.end(),
                                  [&](int id) { return id >= 0 && may_read_as(model.files[id], file->second, loss); });
    if (!fits) return name + " reads as none of the files it may be";
  }
  for (std::size_t id = 0; id < model.files.size(); ++id) {
    const ModelFile& file = model.files[id];
    if (!file.must_exist) continue;
    const bool exists = std::any_of(file.names.begin(), file.names.end(), [&](const std::string& name) {
      return found.contains(name) && may_read_as(file, found.at(name), loss);
    });
    if (!exists) return "file " + std::to_string(id) + ", which was synced, is gone";
  }
  return "";
}

// A name that was ever absent since its folder's sync may be so again: before the first sync that is every name.
Model model_of(const std::vector<Step>& script, std::size_t steps) {
  Model model;
  for (int i = 0; i < names; ++i) model.possible[name_of(i)] = {-1};
  for (std::size_t i = 0; i < steps; ++i) model.step(script[i]);
  return model;
}

void check_scripts(bool performs, std::uint64_t from, std::uint64_t to) {
  std::uint64_t images = 0, pages = 0, entries = 0;
  for (std::uint64_t seed = from; seed < to; ++seed) {
    Rng rng(seed);
    const std::vector<Step> script = random_script(rng);
    DiskFolder folder;
    fs::create_directories(folder.data() / "sub");
    auto supervisor = supervise(folder, {.performs = performs});
    const int root = ::open(folder.data().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int status = run_child(*supervisor, [&] {
      for (const Step& step : script) {
        if (const int failed = perform(step, root); failed != 0) return failed;
      }
      return 0;
    });
    ::close(root);
    ASSERT_EQ(status, 0) << "seed " << seed;
    const Model model = model_of(script, script.size());
    for (const DiskLoss loss :
         {DiskLoss::lose_unsynced, DiskLoss::torn, DiskLoss::torn, DiskLoss::reordered, DiskLoss::reordered}) {
      const auto report = supervisor->image(loss, rng, folder.image());
      ASSERT_TRUE(report.ok()) << report.error().to_string();
      ASSERT_EQ(objection(model, folder.image(), loss), "")
          << "seed " << seed << ", loss " << static_cast<int>(loss) << ", image " << images;
      fs::remove_all(folder.image());
      ++images;
      pages += report.value().pages;
      entries += report.value().entries;
    }
    // In place it is the same, and only once.
    ASSERT_TRUE(supervisor->lose(DiskLoss::lose_unsynced, rng).ok());
    ASSERT_EQ(objection(model, folder.data(), DiskLoss::lose_unsynced), "") << "seed " << seed << ", in place";
    const auto again = supervisor->lose(DiskLoss::reordered, rng);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again.value().pages + again.value().entries, 0U);
  }
  EXPECT_GT(pages, images / 4);
  EXPECT_GT(entries, images / 4);
}

// FL_DISK_SEEDS=N tries so many more.
std::uint64_t seeds(std::uint64_t usual) {
  const char* wanted = std::getenv("FL_DISK_SEEDS");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

TEST(DiskDurability, EveryCrashImageIsOneTheModelAllowsAndHasWhatWasSynced) { check_scripts(true, 0, seeds(200)); }

TEST(DiskDurability, ImagesAreSoundWhereCallsAreOnlyLogged) { check_scripts(false, 10000, 10000 + seeds(60)); }

}  // namespace
}  // namespace faultline::live::test
