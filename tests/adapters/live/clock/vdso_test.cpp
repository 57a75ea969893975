#include "adapters/live/clock/vdso.hpp"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <faultline/rng.hpp>

#include "adapters/live/clock/patch.hpp"
#include "adapters/live/clock/process.hpp"
#include "adapters/live/clock/stub.hpp"

namespace faultline::live::clock {
namespace {

using Bytes = std::vector<std::byte>;

Bytes own_vdso() {
  const auto mapping = find_vdso(::getpid());
  const auto* begin = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  return Bytes(begin, begin + (mapping.value().end - mapping.value().begin));
}

template <class T>
T& at(Bytes& image, std::uint64_t offset) {
  return *reinterpret_cast<T*>(image.data() + offset);
}

// Its dynamic entries, as they stand in the image.
Elf64_Dyn* find_dynamic(Bytes& image, Elf64_Sxword tag) {
  const auto& header = at<Elf64_Ehdr>(image, 0);
  for (int i = 0; i < header.e_phnum; ++i) {
    const auto& segment = at<Elf64_Phdr>(image, header.e_phoff + static_cast<std::uint64_t>(i) * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_DYNAMIC) continue;
    for (auto* entry = &at<Elf64_Dyn>(image, segment.p_offset); entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == tag) return entry;
    }
  }
  return nullptr;
}

Elf64_Sym& symbol(Bytes& image, std::string_view name) {
  const std::uint64_t symbols = find_dynamic(image, DT_SYMTAB)->d_un.d_ptr;
  const std::uint64_t strings = find_dynamic(image, DT_STRTAB)->d_un.d_ptr;
  for (std::uint64_t i = 1;; ++i) {
    auto& found = at<Elf64_Sym>(image, symbols + i * sizeof(Elf64_Sym));
    if (name == &at<char>(image, strings + found.st_name)) return found;
  }
}

std::string refusal(const Bytes& image) {
  const auto parsed = parse_vdso(image);
  return parsed ? "" : parsed.error().message;
}

TEST(Vdso, TheMachinesOwnHasEveryEntryAndRoomAtItsEnd) {
  const Bytes image = own_vdso();
  const auto parsed = parse_vdso(image);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  for (const std::size_t entry : parsed.value().entries) {
    EXPECT_GT(entry, 0U);
    EXPECT_EQ(entry % 8, 0U);
  }
  EXPECT_TRUE(std::all_of(image.begin() + static_cast<std::ptrdiff_t>(parsed.value().tail), image.end(),
                          [](std::byte b) { return b == std::byte{0}; }));
}

TEST(Vdso, EitherHashTellsHowManySymbolsThereAre) {
  Bytes image = own_vdso();
  auto* old_hash = find_dynamic(image, DT_HASH);
  auto* new_hash = find_dynamic(image, DT_GNU_HASH);
  const auto both = parse_vdso(image);
  ASSERT_TRUE(both.ok());
  if (new_hash == nullptr || old_hash == nullptr) return;
  old_hash->d_tag = DT_DEBUG;
  const auto gnu_only = parse_vdso(image);
  ASSERT_TRUE(gnu_only.ok()) << gnu_only.error().message;
  EXPECT_EQ(gnu_only.value().entries, both.value().entries);
  find_dynamic(image, DT_GNU_HASH)->d_tag = DT_DEBUG;
  EXPECT_NE(refusal(image).find("no symbol hash"), std::string::npos);
}

TEST(Vdso, RefusesWithTheReason) {
  const Bytes good = own_vdso();
  Bytes image = good;
  image[0] = std::byte{0};
  EXPECT_NE(refusal(image).find("not an ELF image"), std::string::npos);
  image = good;
  at<Elf64_Ehdr>(image, 0).e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_NE(refusal(image).find("not a 64-bit x86 process"), std::string::npos);
  image = good;
  at<Elf64_Ehdr>(image, 0).e_machine = EM_AARCH64;
  EXPECT_NE(refusal(image).find("not a 64-bit x86 process"), std::string::npos);
  image = good;
  symbol(image, "__vdso_time").st_size = 7;
  EXPECT_NE(refusal(image).find("__vdso_time of its vDSO is too short"), std::string::npos);
  image = good;
  symbol(image, "__vdso_gettimeofday").st_value += 4;
  EXPECT_NE(refusal(image).find("__vdso_gettimeofday of its vDSO is not aligned"), std::string::npos);
  image = good;
  symbol(image, "__vdso_clock_gettime").st_shndx = SHN_UNDEF;
  EXPECT_NE(refusal(image).find("no entry __vdso_clock_gettime"), std::string::npos);
  EXPECT_FALSE(parse_vdso({}).ok());
}

TEST(Vdso, AJumpBackIntoAnEntryForbidsTheWholeImage) {
  const Bytes good = own_vdso();
  const auto parsed = parse_vdso(good);
  ASSERT_TRUE(parsed.ok());
  const std::size_t entry = parsed.value().entries[entry_clock_gettime];
  EXPECT_EQ(parsed.value().avoid.returns.size(), 3U);
  for (const std::size_t into : {entry, entry + 4}) {
    Bytes image = good;
    image[entry + 20] = std::byte{0xeb};
    image[entry + 21] = static_cast<std::byte>(into - (entry + 22));
    const auto bent = parse_vdso(image);
    ASSERT_TRUE(bent.ok());
    ASSERT_EQ(bent.value().avoid.places.size(), 4U);
    EXPECT_TRUE(bent.value().avoid.places.back().holds(entry + 100));
    EXPECT_EQ(bent.value().avoid.returns, parsed.value().avoid.returns);
  }
  EXPECT_EQ(torn_by_jump(entry), (Range{entry + 1, entry + 5}));
}

TEST(Vdso, DamagedImagesAreReadWithoutHarm) {
  const Bytes good = own_vdso();
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Rng rng(seed);
    Bytes image = good;
    const std::size_t damages = static_cast<std::size_t>(rng.between(1, 8));
    for (std::size_t i = 0; i < damages; ++i)
      image[static_cast<std::size_t>(rng.between(0, 0x500))] = static_cast<std::byte>(rng.between(0, 255));
    if (rng.between(0, 3) == 0) image.resize(static_cast<std::size_t>(rng.between(0, 0x800)));
    const auto parsed = parse_vdso(image);
    if (!parsed) continue;
    for (const std::size_t entry : parsed.value().entries) EXPECT_LE(entry + 8, image.size());
  }
}

TEST(Vdso, AJumpLeadsWhereItShouldAndKeepsTheLastBytes) {
  const std::uint64_t original = 0x1122334455667788;
  for (const std::int64_t distance : {5L, -4096L, 0x7fff0000L, -0x7fff0000L}) {
    const std::uint64_t from = 0x7ffe00001000;
    const std::uint64_t to = from + static_cast<std::uint64_t>(distance);
    ASSERT_TRUE(in_reach(from, to));
    const std::uint64_t word = jump_word(from, to, original);
    EXPECT_EQ(word & 0xff, 0xe9U);
    EXPECT_EQ(jump_target(from, word), to);
    EXPECT_EQ(word >> 40, original >> 40);
  }
  EXPECT_FALSE(in_reach(0x7ffe00001000, 0x7ffe00001000 + 0x80001000));
  EXPECT_EQ(jump_target(0x1000, original), 0U);
}

TEST(Mappings, AreReadAsTheKernelListsThem) {
  const auto mappings = parse_mappings(
      "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus daemon\n"
      "7fff00000000-7fff00001000 rw-p 00000000 00:00 0 \n"
      "garbage\n"
      "7fffb2c0d000-7fffb2c0f000 r-xp 00000000 00:00 0                          [vdso]\n");
  const std::vector<Mapping> expected{{0x400000, 0x452000, "/usr/bin/dbus daemon"},
                                      {0x7fff00000000, 0x7fff00001000, ""},
                                      {0x7fffb2c0d000, 0x7fffb2c0f000, "[vdso]"}};
  EXPECT_EQ(mappings, expected);
}

TEST(Mappings, AHoleIsFreeWithinReachAndNotWhereAStackGrows) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    Rng rng(seed);
    std::vector<Mapping> mappings;
    std::uint64_t place = 0x7ff000000000;
    const auto count = rng.between(1, 12);
    for (std::int64_t i = 0; i < count; ++i) {
      place += static_cast<std::uint64_t>(rng.between(0, rng.between(0, 1) == 0 ? 8 : 0x60000)) * page_size;
      const std::uint64_t end = place + static_cast<std::uint64_t>(rng.between(1, 0x40000)) * page_size;
      mappings.push_back({place, end, rng.between(0, 3) == 0 ? "[stack]" : ""});
      place = end;
    }
    const auto near = mappings[static_cast<std::size_t>(rng.between(0, count - 1))];
    const auto hole = find_hole(mappings, near, sizeof(Pages));
    if (!hole) continue;
    const std::uint64_t end = *hole + sizeof(Pages);
    EXPECT_EQ(*hole % page_size, 0U);
    EXPECT_TRUE(in_reach(near.end, *hole) && in_reach(near.begin, end)) << "seed " << seed;
    EXPECT_LE(end, 0x7ffffffff000U);
    for (const Mapping& m : mappings) {
      EXPECT_TRUE(end <= m.begin || *hole >= m.end) << "seed " << seed;
      if (m.name == "[stack]" && end <= m.begin) {
        const bool next = std::none_of(mappings.begin(), mappings.end(), [&](const Mapping& other) {
          return other.begin >= end && other.end <= m.begin && other.begin < m.begin;
        });
        if (next) {
          EXPECT_LE(end + 0x1000000, m.begin) << "seed " << seed;
        }
      }
    }
  }
}

TEST(Mappings, NoHoleIsSaidToBeNone) {
  const std::vector<Mapping> full{
      {0x10000, 0x7fff00000000, ""}, {0x7fff00000000, 0x7fff00002000, "[vdso]"}, {0x7fff00002000, 0x7ffffffff000, ""}};
  EXPECT_FALSE(find_hole(full, full[1], sizeof(Pages)));
}

std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> chunk{};
  for (std::size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) text.append(chunk.data(), n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

// What is copied elsewhere must not expect anything there.
TEST(ClockStub, HasNoRelocationNoVectorRegisterAndNoCallOutside) {
  const std::string relocations = output_of("readelf -rW " FL_CLOCK_LIBRARY);
  EXPECT_NE(relocations.find(".rela.text"), std::string::npos) << "nothing was examined";
  EXPECT_EQ(relocations.find(".relafl_clock_stub"), std::string::npos) << relocations;
  const std::string code = output_of("objdump -d --no-show-raw-insn -j fl_clock_stub " FL_CLOCK_LIBRARY " 2>/dev/null");
  EXPECT_NE(code.find("syscall"), std::string::npos) << "nothing was examined";
  for (const char* forbidden :
       {"%xmm", "%ymm", "%zmm", "%st", "%fs:", "%gs:", "@plt", "__stack_chk", "__asan", "__ubsan"})
    EXPECT_EQ(code.find(forbidden), std::string::npos) << forbidden;
  EXPECT_LE(stub_code().size(), sizeof(Pages::code));
}

}  // namespace
}  // namespace faultline::live::clock
