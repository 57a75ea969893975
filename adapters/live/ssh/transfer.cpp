// Files by SFTP.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "handles.hpp"

namespace faultline::live::ssh {
namespace {

// Each is answered before the next, so they are as large as servers take (OpenSSH: 256 KiB a message).
constexpr std::size_t chunk_size = 200 << 10;

// What SFTP's numbers mean, as far as they mean something.
std::string sftp_text(sftp_session sftp) {
  switch (sftp_get_error(sftp)) {
    case SSH_FX_NO_SUCH_FILE: return "no such file or folder";
    case SSH_FX_PERMISSION_DENIED: return "permission denied";
    case SSH_FX_CONNECTION_LOST:
    case SSH_FX_NO_CONNECTION: return "the connection is broken";
    default: return "the server says failure";
  }
}

// SFTP has no word for a full disk; the node's free space tells.
bool is_full(sftp_session sftp, const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  sftp_statvfs_t found = sftp_statvfs(sftp, folder.empty() ? "." : folder.c_str());
  if (found == nullptr) return false;
  const bool full = found->f_bavail * found->f_frsize < 1 << 16;
  sftp_statvfs_free(found);
  return full;
}

}  // namespace

Result<sftp_session> Session::Impl::files() {
  if (sftp) return sftp.get();
  SftpHandle fresh(sftp_new(session.get()));
  if (!fresh || sftp_init(fresh.get()) != SSH_OK) {
    Error error = failed("cannot transfer files");
    error.remedy = "switch on the sftp subsystem of its sshd";
    return error;
  }
  sftp = std::move(fresh);
  return sftp.get();
}

Result<void> Session::upload(const std::filesystem::path& local, const std::string& remote, unsigned mode) {
  std::ifstream in(local, std::ios::binary);
  if (!in) return Error::environment("cannot read " + local.string());
  auto opened = impl_->files();
  if (!opened) return opened.error();
  sftp_session sftp = opened.value();
  // Nodes may share a file system, and harnesses a node.
  const std::string part = remote + "." + std::to_string(::getpid()) + "-" +
                           std::to_string(reinterpret_cast<std::uintptr_t>(this)) + ".part";
  const auto failed = [&](const std::string& what) -> Error {
    const std::string why = is_full(sftp, remote) ? "its disk is full" : sftp_text(sftp);
    sftp_unlink(sftp, part.c_str());
    return Error::environment(impl_->address.to_string() + ": cannot " + what + " " + remote + ": " + why,
                              "make room on the node, or choose another state folder in the inventory");
  };
  {
    const FileHandle file(sftp_open(sftp, part.c_str(), O_WRONLY | O_CREAT | O_TRUNC, mode));
    if (!file) return failed("create");
    std::vector<char> chunk(chunk_size);
    for (;;) {
      in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
      const auto size = static_cast<std::size_t>(in.gcount());
      if (size == 0) break;
      if (sftp_write(file.get(), chunk.data(), size) != static_cast<ssize_t>(size)) return failed("write");
    }
  }
  if (sftp_chmod(sftp, part.c_str(), mode) != SSH_OK) return failed("set the mode of");
  // The rename of SFTP does not replace.
  if (sftp_rename(sftp, part.c_str(), remote.c_str()) == SSH_OK) return {};
  sftp_unlink(sftp, remote.c_str());
  if (sftp_rename(sftp, part.c_str(), remote.c_str()) != SSH_OK) return failed("rename");
  return {};
}

Result<void> Session::download(const std::string& remote, const std::filesystem::path& local, std::uint64_t most) {
  auto opened = impl_->files();
  if (!opened) return opened.error();
  sftp_session sftp = opened.value();
  const auto failed = [&] {
    return Error::environment(impl_->address.to_string() + ": cannot read " + remote + ": " + sftp_text(sftp));
  };
  const FileHandle file(sftp_open(sftp, remote.c_str(), O_RDONLY, 0));
  if (!file) return failed();
  const std::unique_ptr<sftp_attributes_struct, Freer<sftp_attributes_free>> found(sftp_fstat(file.get()));
  if (!found) return failed();
  if (found->size > most && sftp_seek64(file.get(), found->size - most) != 0) return failed();
  std::ofstream out(local, std::ios::binary | std::ios::trunc);
  std::vector<char> chunk(chunk_size);
  for (std::uint64_t left = most; left > 0;) {
    const ssize_t n = sftp_read(file.get(), chunk.data(), std::min<std::uint64_t>(chunk.size(), left));
    if (n < 0) return failed();
    if (n == 0) break;
    out.write(chunk.data(), n);
    left -= static_cast<std::uint64_t>(n);
  }
  out.close();
  if (!out) return Error::environment("cannot write " + local.string(), "free some disk space");
  return {};
}

Result<std::vector<std::string>> Session::files(const std::string& folder) {
  auto opened = impl_->files();
  if (!opened) return opened.error();
  const std::unique_ptr<sftp_dir_struct, Freer<sftp_closedir>> all(sftp_opendir(opened.value(), folder.c_str()));
  std::vector<std::string> names;
  if (!all) {
    if (sftp_get_error(opened.value()) == SSH_FX_NO_SUCH_FILE) return names;
    return Error::environment(impl_->address.to_string() + ": cannot read " + folder + ": " +
                              sftp_text(opened.value()));
  }
  for (;;) {
    const std::unique_ptr<sftp_attributes_struct, Freer<sftp_attributes_free>> entry(
        sftp_readdir(opened.value(), all.get()));
    if (!entry) break;
    if (entry->type == SSH_FILEXFER_TYPE_REGULAR && entry->name != nullptr) names.emplace_back(entry->name);
  }
  return names;
}

}  // namespace faultline::live::ssh
