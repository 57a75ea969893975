#include "disk.hpp"

namespace faultline::raft::sim {
namespace {

class SimFile final : public storage::File {
 public:
  explicit SimFile(std::unique_ptr<faultline::sim::File> file) : file_(std::move(file)) {}

  Result<std::string> read(std::uint64_t offset, std::uint64_t length) override { return file_->read(offset, length); }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override { return file_->write(offset, bytes); }
  Result<storage::Space> preallocate(std::uint64_t length) override {
    const auto granted = file_->preallocate(length);
    if (!granted) return granted.error();
    return granted.value() ? storage::Space::granted : storage::Space::exhausted;
  }
  Result<void> sync() override { return file_->sync(); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<void> truncate(std::uint64_t length) override { return file_->truncate(length); }

 private:
  std::unique_ptr<faultline::sim::File> file_;
};

}  // namespace

Result<std::unique_ptr<storage::File>> SimDisk::open(const std::string& path, Open how) {
  using Theirs = faultline::sim::Disk::Open;
  auto opened = disk_.open(path, how == Open::create ? Theirs::create : Theirs::existing);
  if (!opened) return opened.error();
  return std::unique_ptr<storage::File>(std::make_unique<SimFile>(std::move(opened).value()));
}

}  // namespace faultline::raft::sim
