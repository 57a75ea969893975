#include "zip.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "files.hpp"

namespace faultline::serve {

namespace {

constexpr std::size_t most_files = 10'000;
constexpr std::size_t deepest = 8;
constexpr std::uint32_t deflated = 8;
constexpr std::uint32_t version = 20;
constexpr std::uint32_t utf8_names = 1U << 11U;
constexpr std::uint32_t midnight_1980 = 0x0021'0000;  // the least a ZIP can say; times of the files are in them

void append(std::string& out, std::uint32_t n, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

std::string deflate_bytes(const std::string& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  std::string in = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class Archive {
 public:
  void add(const std::string& name, const std::string& bytes) {
    const auto crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    const std::string packed = deflate_bytes(bytes);
    std::string common;
    append(common, version, 2);
    append(common, utf8_names, 2);
    append(common, deflated, 2);
    append(common, midnight_1980, 4);
    append(common, crc, 4);
    append(common, static_cast<std::uint32_t>(packed.size()), 4);
    append(common, static_cast<std::uint32_t>(bytes.size()), 4);
    append(common, static_cast<std::uint32_t>(name.size()), 2);
    append(common, 0, 2);
    const auto offset = static_cast<std::uint32_t>(out_.size());
    out_ += "PK\x03\x04" + common + name + packed;
    directory_ += "PK\x01\x02";
    append(directory_, version, 2);
    directory_ += common;
    append(directory_, 0, 2);  // comment
    append(directory_, 0, 2);  // disk
    append(directory_, 0, 2);  // internal attributes
    append(directory_, 0, 4);  // external attributes
    append(directory_, offset, 4);
    directory_ += name;
    ++count_;
  }

  std::string take() {
    const auto start = static_cast<std::uint32_t>(out_.size());
    out_ += directory_ + "PK\x05\x06";
    append(out_, 0, 4);  // disks
    append(out_, count_, 2);
    append(out_, count_, 2);
    append(out_, static_cast<std::uint32_t>(directory_.size()), 4);
    append(out_, start, 4);
    append(out_, 0, 2);
    return std::move(out_);
  }

 private:
  std::string out_, directory_;
  std::uint32_t count_ = 0;
};

std::vector<std::string> names_in(const std::filesystem::path& root, const std::vector<std::string>& folder) {
  std::vector<std::string> names;
  auto handle = open_folder_below(root, folder);
  if (!handle) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(handle->fd()), &::closedir);
  if (!listing) return names;
  handle->release();  // the listing's from now on
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Found {
  std::vector<std::vector<std::string>> files;
  std::uint64_t bytes = 0;
};

void find_files(const std::filesystem::path& root, const std::vector<std::string>& folder, std::size_t depth,
                Found& found) {
  for (const std::string& name : names_in(root, folder)) {
    std::vector<std::string> parts = folder;
    parts.push_back(name);
    if (const auto file = open_below(root, parts)) {
      found.bytes += file->size;
      found.files.push_back(std::move(parts));
    } else if (depth < deepest) {
      find_files(root, parts, depth + 1, found);
    }
    if (found.files.size() > most_files) return;
  }
}

}  // namespace

std::optional<std::string> zip_below(const std::filesystem::path& root, const std::vector<std::string>& folder,
                                     const std::string& prefix, std::uint64_t limit) {
  Found found;
  find_files(root, folder, 0, found);
  if (found.files.size() > most_files || found.bytes > limit) return std::nullopt;
  Archive archive;
  std::uint64_t left = limit;
  for (const auto& parts : found.files) {
    const auto bytes = read_below(root, parts, left);
    if (!bytes) continue;
    left -= bytes->size();
    std::string name = prefix;
    for (std::size_t i = folder.size(); i < parts.size(); ++i) name += "/" + parts[i];
    archive.add(name, *bytes);
  }
  return archive.take();
}

}  // namespace faultline::serve
