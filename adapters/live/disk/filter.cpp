#include "filter.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace faultline::live::disk {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t native = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t native = 0;
#endif

struct Program {
  std::array<sock_filter, 160> code{};
  unsigned short length = 0;

  constexpr void add(std::uint32_t what, std::uint32_t k, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code[length++] = {static_cast<std::uint16_t>(what), if_true, if_false, k};
  }
  constexpr void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  constexpr void answer(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
  constexpr void on(std::uint32_t number, std::uint32_t action) {
    add(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    answer(action);
  }
};

// The low half of an argument, on a little-endian machine.
constexpr std::size_t argument(std::size_t index) {
  return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t);
}

constexpr std::array seen_calls = {
    SYS_write,     SYS_pwrite64,  SYS_writev,          SYS_pwritev,
    SYS_pwritev2,  SYS_sendfile,  SYS_splice,          SYS_ftruncate,
    SYS_truncate,  SYS_fallocate, SYS_copy_file_range, SYS_fsync,
    SYS_fdatasync, SYS_sync,      SYS_syncfs,          SYS_sync_file_range,
    SYS_openat,    SYS_openat2,   SYS_renameat,        SYS_renameat2,
    SYS_linkat,    SYS_unlinkat,  SYS_mkdirat,         SYS_symlinkat,
    SYS_mknodat,   SYS_io_submit,
#if defined(__x86_64__)
    SYS_open,      SYS_creat,     SYS_rename,          SYS_link,
    SYS_unlink,    SYS_rmdir,     SYS_mkdir,           SYS_symlink,
    SYS_mknod,
#endif
};
constexpr std::array read_calls = {SYS_read, SYS_pread64, SYS_readv, SYS_preadv, SYS_preadv2};
constexpr std::array refused_calls = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

constexpr Program program(bool reads) {
  constexpr std::uint32_t no_such_call = SECCOMP_RET_ERRNO | ENOSYS;
  constexpr std::uint32_t foreign_numbers = 0x40000000;  // of x32
  Program p;
  p.load(offsetof(seccomp_data, arch));
  p.add(BPF_JMP | BPF_JEQ | BPF_K, native, 1, 0);
  p.answer(no_such_call);
  p.load(offsetof(seccomp_data, nr));
  p.add(BPF_JMP | BPF_JGE | BPF_K, foreign_numbers, 0, 1);
  p.answer(no_such_call);
  for (const long number : seen_calls) p.on(static_cast<std::uint32_t>(number), SECCOMP_RET_USER_NOTIF);
  if (reads) {
    for (const long number : read_calls) p.on(static_cast<std::uint32_t>(number), SECCOMP_RET_USER_NOTIF);
  }
  for (const long number : refused_calls) p.on(static_cast<std::uint32_t>(number), no_such_call);
  // A mapping that is shared and writable.
  p.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5);
  p.load(argument(2));
  p.add(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 8);
  p.load(argument(3));
  p.add(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 6);
  p.answer(SECCOMP_RET_USER_NOTIF);
  // A descriptor that is switched to O_DIRECT or O_SYNC.
  p.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3);
  p.load(argument(1));
  p.add(BPF_JMP | BPF_JEQ | BPF_K, F_SETFL, 0, 1);
  p.answer(SECCOMP_RET_USER_NOTIF);
  p.answer(SECCOMP_RET_ALLOW);
  p.answer(SECCOMP_RET_ALLOW);
  return p;
}

constinit Program plain = program(false);
constinit Program with_reads = program(true);

int send_descriptor(int socket, int descriptor) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int install(int socket, Program& filter) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  const sock_fprog loaded{filter.length, filter.code.data()};
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &loaded);
  if (listener < 0 && errno == EINVAL) {
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &loaded);
  }
  if (listener < 0) return -1;
  if (send_descriptor(socket, static_cast<int>(listener)) != 0) return -1;
  ::close(static_cast<int>(listener));
  return 0;
}

}  // namespace

int install_filter(int socket) { return install(socket, plain); }
int install_filter_with_reads(int socket) { return install(socket, with_reads); }

// The flag is looked at before the program is, so that a program that is none tells which.
bool waits_are_killable_only() {
  const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) < 0 && errno == EFAULT;
}

}  // namespace faultline::live::disk
