#include "patch.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stub.hpp"

namespace faultline::live::clock {
namespace {

constexpr std::string_view file_name = "faultline-clock";  // of the shared file, as the process's maps show it
constexpr std::uint64_t no_exec_seal = 8;                  // MFD_NOEXEC_SEAL, Linux 6.3

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + offset, sizeof word);
  return word;
}

// The image all 64-bit processes of this machine begin with.
Result<std::vector<std::byte>> pristine_vdso() {
  const auto own = find_vdso(::getpid());
  if (!own) return own.error();
  const auto* bytes = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  if (bytes == nullptr) return Error::environment("this program itself has no vDSO", "boot without vdso=0");
  return std::vector<std::byte>(bytes, bytes + (own.value().end - own.value().begin));
}

Error foreign_patch(pid_t pid) {
  return Error::environment("another tool has patched the vDSO of process " + std::to_string(pid),
                            "end that tool and restart the process");
}

// The original word of an entry. If it is not pristine, it may still be a jump of ours whose harness is gone.
Result<std::uint64_t> original_word(pid_t pid, std::uint64_t entry, std::uint64_t word, std::uint64_t pristine,
                                    int index) {
  if (word == pristine) return word;
  const std::uint64_t page = jump_target(entry, word) / page_size * page_size;
  const auto bytes = page == 0 ? std::nullopt : read_memory(pid, page + offsetof(Pages, origin), sizeof(Origin));
  Origin origin{};
  if (bytes) std::memcpy(&origin, bytes->data(), sizeof origin);
  if (origin.magic == origin_magic && origin.originals[index] == pristine) return pristine;
  return foreign_patch(pid);
}

Result<void> check_time_namespace(pid_t pid) {
  const auto link_of = [](const std::string& path) {
    std::array<char, 128> text{};
    const auto n = ::readlink(path.c_str(), text.data(), text.size());
    return std::string(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  };
  const std::string own = link_of("/proc/self/ns/time");
  const std::string its = link_of("/proc/" + std::to_string(pid) + "/ns/time");
  if (its.empty() || its == own) return {};
  return Error::environment("process " + std::to_string(pid) + " lives in a time namespace of its own",
                            "start it without one");
}

std::size_t trampoline_size() {
  const StubOffsets offsets = stub_offsets();
  return (offsets.trampoline_end - offsets.trampoline + 15) / 16 * 16;
}
std::size_t room_needed() { return trampoline_size() + file_name.size() + 1; }

// Whether a harness that was killed has left this in the tail: the trampoline, the registers it saved, the file's name, each of them
// perhaps half written or half wiped.
bool is_our_litter(std::span<const std::byte> bytes) {
  const StubOffsets offsets = stub_offsets();
  const auto code = stub_code().subspan(offsets.trampoline, offsets.saved - offsets.trampoline);
  const auto name = std::as_bytes(std::span(file_name));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == std::byte{0}) continue;
    const bool is_register = i >= code.size() && i < trampoline_size();
    if (is_register) continue;
    const std::size_t letter = i - trampoline_size();
    const bool is_ours = i < code.size() ? bytes[i] == code[i] : letter < name.size() && bytes[i] == name[letter];
    if (!is_ours) return false;
  }
  return true;
}

Result<void> write_name(pid_t tid, std::uint64_t address) {
  static_assert((file_name.size() + 1) % 8 == 0);
  for (std::size_t i = 0; i < file_name.size() + 1; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, file_name.data() + i, std::min<std::size_t>(8, file_name.size() - i));
    if (auto written = poke(tid, address + i, word); !written) return written;
  }
  return {};
}

Result<void> wipe_tail(pid_t tid, const Site& site) {
  for (std::size_t i = 0; i < room_needed(); i += 8) {
    if (auto wiped = poke(tid, site.tail + i, 0); !wiped) return wiped;
  }
  return {};
}

Error call_failed(const char* call, std::int64_t result) {
  return Error::environment(
      std::string("the process may not call ") + call + ": " + errno_message(static_cast<int>(-result)),
      "allow it in the seccomp policy of the process");
}

void fill(Pages& pages, const Site& site) {
  const auto code = stub_code();
  FL_ASSERT(code.size() <= sizeof pages.code);
  std::memcpy(pages.code, code.data(), code.size());
  pages.origin.magic = origin_magic;
  for (int entry = 0; entry < entry_count; ++entry) {
    pages.origin.originals[entry] = site.undo.words[static_cast<std::size_t>(entry)].original;
    pages.scratch.entries[entry] = site.undo.words[static_cast<std::size_t>(entry)].address;
  }
}

Result<PagesView> open_view(pid_t pid, std::int64_t number) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(number);
  const File file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file || ::ftruncate(file.get(), sizeof(Pages)) != 0)
    return Error::environment("cannot open the shared pages at " + path + ": " + errno_message(errno));
  void* view = ::mmap(nullptr, sizeof(Pages), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (view == MAP_FAILED) return Error::environment("cannot map the shared pages: " + errno_message(errno));
  return PagesView(static_cast<Pages*>(view));
}

Result<void> map_in_process(Borrowed& thread, const Site& site, std::uint64_t number) {
  constexpr std::array<int, 3> protections = {PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE};
  for (std::size_t page = 0; page < protections.size(); ++page) {
    const std::uint64_t address = site.pages + page * page_size;
    const std::array<std::uint64_t, 6> arguments = {
        address, page_size,       static_cast<std::uint64_t>(protections[page]), MAP_SHARED | MAP_FIXED_NOREPLACE,
        number,  page * page_size};
    const auto mapped = thread.call(SYS_mmap, arguments);
    if (!mapped) return mapped.error();
    if (mapped.value() != static_cast<std::int64_t>(address))
      return call_failed("mmap for three shared pages", mapped.value());
  }
  return {};
}

Result<std::uint64_t> create_file(Borrowed& thread, std::uint64_t name) {
  for (const std::uint64_t flags : {MFD_CLOEXEC | no_exec_seal, std::uint64_t{MFD_CLOEXEC}}) {
    const std::array<std::uint64_t, 2> arguments = {name, flags};
    const auto number = thread.call(SYS_memfd_create, arguments);
    if (!number) return number.error();
    if (number.value() >= 0) return static_cast<std::uint64_t>(number.value());
    if (number.value() != -EINVAL) return call_failed("memfd_create", number.value());
  }
  return call_failed("memfd_create", -EINVAL);
}

}  // namespace

void Unmap::operator()(Pages* pages) const { ::munmap(pages, sizeof(Pages)); }

Result<Mapping> find_vdso(pid_t pid) {
  const auto mappings = mappings_of(pid);
  if (mappings.empty()) {
    if (!start_time(pid)) return denied(pid, ESRCH);
    return denied(pid, EACCES);
  }
  const auto vdso = std::find_if(mappings.begin(), mappings.end(), [](const Mapping& m) { return m.name == "[vdso]"; });
  if (vdso != mappings.end()) return *vdso;
  return Error::environment("process " + std::to_string(pid) + " has no vDSO", "boot without vdso=0");
}

Result<Site> inspect(pid_t pid) {
  const auto started = start_time(pid);
  if (!started) return denied(pid, ESRCH);
  const auto vdso = find_vdso(pid);
  if (!vdso) return vdso.error();
  const Mapping& mapping = vdso.value();
  const auto bytes = read_memory(pid, mapping.begin, mapping.end - mapping.begin);
  if (!bytes) return denied(pid, EPERM);
  const auto image = parse_vdso(*bytes);
  if (!image)
    return Error::environment("process " + std::to_string(pid) + ": " + image.error().message, image.error().remedy);
  const auto pristine = pristine_vdso();
  if (!pristine) return pristine.error();
  if (auto same = check_time_namespace(pid); !same) return same.error();
  if (pristine.value().size() != bytes->size())
    return Error::environment("process " + std::to_string(pid) + " has another vDSO than this program");
  const auto clean = parse_vdso(pristine.value());
  if (!clean) return clean.error();
  const std::size_t tail = clean.value().tail;
  if (tail + room_needed() > clean.value().size) {
    return Error::environment(
        "the vDSO of this kernel has no " + std::to_string(room_needed()) + " unused bytes at its end",
        "run another build of the kernel");
  }
  const auto hole = find_hole(mappings_of(pid), mapping, sizeof(Pages));
  if (!hole)
    return Error::environment("process " + std::to_string(pid) + " has no free address within reach of its vDSO");
  Site site{.undo = {.pid = pid, .start_time = *started, .boot_id = boot_identity(), .words = {}},
            .avoid = image.value().avoid.at(mapping.begin),
            .tail = mapping.begin + tail,
            .pages = *hole,
            .littered = image.value().tail > tail};
  if (site.littered && !is_our_litter(std::span(*bytes).subspan(tail))) return foreign_patch(pid);
  const StubOffsets offsets = stub_offsets();
  for (int entry = 0; entry < entry_count; ++entry) {
    const std::size_t offset = image.value().entries[static_cast<std::size_t>(entry)];
    const std::uint64_t address = mapping.begin + offset;
    const auto original =
        original_word(pid, address, word_at(*bytes, offset), word_at(pristine.value(), offset), entry);
    if (!original) return original.error();
    site.undo.words.push_back({.address = address,
                               .original = original.value(),
                               .patched = jump_word(address, *hole + offsets.entries[entry], original.value())});
  }
  return site;
}

Result<void> clear_tail(const Site& site) {
  const Range tail{site.tail, site.tail + room_needed()};
  auto halt = Halt::all_of(site.undo.pid, {.places = {tail}, .returns = {tail}});
  if (!halt) return halt.error();
  return wipe_tail(halt.value().tid(), site);
}

Result<PagesView> map_pages(Borrowed& thread, const Site& site) {
  const std::uint64_t name = site.tail + trampoline_size();
  if (auto settled = thread.settle(site.tail); !settled) return settled.error();
  if (auto written = write_name(thread.tid(), name); !written) return written.error();
  const auto number = create_file(thread, name);
  if (!number) return number.error();
  auto view = open_view(site.undo.pid, static_cast<std::int64_t>(number.value()));
  Result<void> mapped;
  if (view) {
    fill(*view.value(), site);
    mapped = map_in_process(thread, site, number.value());
  }
  const std::array<std::uint64_t, 1> arguments = {number.value()};
  if (auto closed = thread.call(SYS_close, arguments); !closed) return closed.error();
  if (auto back = thread.give_back(); !back) return back.error();
  if (auto wiped = wipe_tail(thread.tid(), site); !wiped) return wiped.error();
  if (!mapped) return mapped.error();
  return view;
}

bool has_pages(const ClockUndo& undo) {
  if (undo.words.empty()) return false;
  const std::uint64_t place = jump_target(undo.words.front().address, undo.words.front().patched);
  const auto mappings = mappings_of(undo.pid);
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& m) {
    return m.begin <= place && place < m.end && m.name.find(file_name) != std::string::npos;
  });
}

Result<void> put_in(pid_t tid, const ClockUndo& undo) {
  for (const auto& word : undo.words) {
    if (auto poked = poke(tid, word.address, word.patched); !poked) return poked;
  }
  return {};
}

Result<bool> take_out(pid_t tid, const ClockUndo& undo) {
  bool any = false;
  for (const auto& word : undo.words) {
    const auto now = peek(tid, word.address);
    if (!now) return now.error();
    if (now.value() == word.original) continue;
    if (now.value() != word.patched) {
      return Error::environment(
          "another tool has patched the vDSO of process " + std::to_string(undo.pid) + " after us",
          "restart the process");
    }
    if (auto poked = poke(tid, word.address, word.original); !poked) return poked.error();
    any = true;
  }
  return any;
}

Result<TakenOut> halt_and_take_out(const ClockUndo& undo) {
  Avoid avoid;
  for (const auto& word : undo.words) avoid.places.push_back(torn_by_jump(word.address));
  auto halt = Halt::all_of(undo.pid, avoid);
  if (!halt) return halt.error();
  if (start_time(undo.pid) != undo.start_time) return denied(undo.pid, ESRCH);
  if (!has_pages(undo)) return TakenOut{.any = false, .stopped = halt.value().release()};
  const auto out = take_out(halt.value().tid(), undo);
  const Duration stopped = halt.value().release();
  if (!out) return out.error();
  return TakenOut{.any = out.value(), .stopped = stopped};
}

}  // namespace faultline::live::clock
