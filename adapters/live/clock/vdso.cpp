#include "vdso.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace faultline::live::clock {
namespace {

constexpr std::uint8_t jump_opcode = 0xe9;
constexpr std::uint64_t jump_length = 5;

// Reads at offsets that the image itself names, which may be wrong.
class Image {
 public:
  explicit Image(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  [[nodiscard]] std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  [[nodiscard]] std::string_view text_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return {};
    const auto* start = reinterpret_cast<const char*>(bytes_.data()) + offset;
    return {start, ::strnlen(start, bytes_.size() - offset)};
  }

 private:
  std::span<const std::byte> bytes_;
};

struct Dynamic {
  std::uint64_t symbols = 0, strings = 0, hash = 0, gnu_hash = 0;
};

Error malformed(const std::string& what) { return Error::environment("its vDSO cannot be read: " + what); }

// The dynamic section holds addresses; `load` is the address of the image's first byte in the same terms.
Result<Dynamic> find_dynamic(const Image& image, const Elf64_Ehdr& header) {
  std::optional<std::uint64_t> load;
  std::optional<Elf64_Phdr> dynamic;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment = image.at<Elf64_Phdr>(header.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr));
    if (!segment) return malformed("its program headers lie outside");
    if (segment->p_type == PT_LOAD && !load) load = segment->p_vaddr - segment->p_offset;
    if (segment->p_type == PT_DYNAMIC) dynamic = segment;
  }
  if (!load || !dynamic) return malformed("it has no dynamic section");
  Dynamic found;
  for (std::uint64_t offset = dynamic->p_offset; offset < dynamic->p_offset + dynamic->p_filesz;
       offset += sizeof(Elf64_Dyn)) {
    const auto entry = image.at<Elf64_Dyn>(offset);
    if (!entry || entry->d_tag == DT_NULL) break;
    const std::uint64_t value = entry->d_un.d_ptr - *load;
    if (entry->d_tag == DT_SYMTAB) found.symbols = value;
    if (entry->d_tag == DT_STRTAB) found.strings = value;
    if (entry->d_tag == DT_HASH) found.hash = value;
    if (entry->d_tag == DT_GNU_HASH) found.gnu_hash = value;
  }
  if (found.symbols == 0 || found.strings == 0) return malformed("it has no symbols");
  return found;
}

// DT_HASH says it outright; with DT_GNU_HASH the last chain tells: follow the highest bucket to the entry whose low bit ends it.
std::optional<std::uint32_t> count_symbols(const Image& image, const Dynamic& dynamic) {
  if (dynamic.hash != 0) return image.at<std::uint32_t>(dynamic.hash + 4);
  if (dynamic.gnu_hash == 0) return std::nullopt;
  const auto buckets = image.at<std::uint32_t>(dynamic.gnu_hash);
  const auto first = image.at<std::uint32_t>(dynamic.gnu_hash + 4);
  const auto words = image.at<std::uint32_t>(dynamic.gnu_hash + 8);
  if (!buckets || !first || !words) return std::nullopt;
  const std::uint64_t table = dynamic.gnu_hash + 16 + std::uint64_t{*words} * 8;
  const std::uint64_t chains = table + std::uint64_t{*buckets} * 4;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < *buckets; ++i) {
    const auto bucket = image.at<std::uint32_t>(table + std::uint64_t{i} * 4);
    if (!bucket) return std::nullopt;
    last = std::max(last, *bucket);
  }
  if (last < *first) return *first;
  for (std::uint64_t i = last;; ++i) {
    const auto link = image.at<std::uint32_t>(chains + (i - *first) * 4);
    if (!link) return std::nullopt;
    if ((*link & 1) != 0) return static_cast<std::uint32_t>(i + 1);
  }
}

Result<std::array<std::size_t, entry_count>> find_entries(const Image& image, const Dynamic& dynamic) {
  const auto count = count_symbols(image, dynamic);
  if (!count) return malformed("it has no symbol hash");
  std::array<std::size_t, entry_count> entries{};
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto symbol = image.at<Elf64_Sym>(dynamic.symbols + std::uint64_t{i} * sizeof(Elf64_Sym));
    if (!symbol) return malformed("its symbols lie outside");
    const auto name =
        std::find(entry_names.begin(), entry_names.end(), image.text_at(dynamic.strings + symbol->st_name));
    if (name == entry_names.end() || symbol->st_shndx == SHN_UNDEF) continue;
    if (symbol->st_size < 8) return Error::environment("the entry " + std::string(*name) + " of its vDSO is too short");
    if (symbol->st_value % 8 != 0 || !image.at<std::uint64_t>(symbol->st_value))
      return Error::environment("the entry " + std::string(*name) + " of its vDSO is not aligned");
    entries[static_cast<std::size_t>(name - entry_names.begin())] = symbol->st_value;
  }
  for (int entry = 0; entry < entry_count; ++entry) {
    if (entries[entry] == 0)
      return Error::environment("its vDSO has no entry " + std::string(entry_names[static_cast<std::size_t>(entry)]));
  }
  return entries;
}

// Whether an instruction that may begin at this offset jumps, or calls, or returns from a call, into the range.
bool may_enter(const Image& image, std::uint64_t offset, Range range) {
  const auto opcode = image.at<std::uint8_t>(offset).value_or(0);
  const auto second = image.at<std::uint8_t>(offset + 1).value_or(0);
  const auto short_target = offset + 2 + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(second)});
  const auto near_target = [&](std::uint64_t length) {
    const auto distance = image.at<std::int32_t>(offset + length - 4).value_or(0);
    return offset + length + static_cast<std::uint64_t>(std::int64_t{distance});
  };
  const bool is_short = opcode == 0xeb || (opcode & 0xf0) == 0x70;  // loop and jrcxz no compiler emits
  if (is_short) return range.holds(short_target);
  if (opcode == jump_opcode) return range.holds(near_target(5));
  if (opcode == 0xe8) return range.holds(near_target(5)) || range.holds(offset + 5);
  if (opcode == 0x0f && (second & 0xf0) == 0x80) return range.holds(near_target(6));
  if (opcode == 0xff) return range.holds(offset + 2) && offset + 2 > range.begin;
  return false;
}

Avoid what_to_avoid(const Image& image, std::span<const std::size_t> entries, std::size_t size) {
  Avoid avoid;
  bool entered = false;
  for (const std::size_t entry : entries) {
    const Range jump{entry, entry + jump_length};
    for (std::size_t offset = 0; offset < size; ++offset) entered = entered || may_enter(image, offset, jump);
    avoid.returns.push_back(torn_by_jump(entry));
  }
  avoid.places = avoid.returns;
  if (entered) avoid.places.push_back({0, size});
  return avoid;
}

}  // namespace

Avoid Avoid::at(std::uint64_t begin) const {
  Avoid moved = *this;
  for (auto* ranges : {&moved.places, &moved.returns}) {
    for (Range& range : *ranges) range = {begin + range.begin, begin + range.end};
  }
  return moved;
}

Range torn_by_jump(std::uint64_t entry) { return {entry + 1, entry + jump_length}; }

Result<VdsoImage> parse_vdso(std::span<const std::byte> bytes) {
  const Image image(bytes);
  const auto header = image.at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return malformed("it is not an ELF image");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64) {
    return Error::environment("it is not a 64-bit x86 process", "use the clock fault on x86-64 processes only");
  }
  const auto dynamic = find_dynamic(image, *header);
  if (!dynamic) return dynamic.error();
  const auto entries = find_entries(image, dynamic.value());
  if (!entries) return entries.error();
  const auto last = std::find_if(bytes.rbegin(), bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
  const auto used = static_cast<std::size_t>(bytes.rend() - last);
  return VdsoImage{.entries = entries.value(),
                   .tail = (used + 15) / 16 * 16,
                   .size = bytes.size(),
                   .avoid = what_to_avoid(image, entries.value(), used)};
}

bool in_reach(std::uint64_t from, std::uint64_t to) {
  const auto distance = static_cast<std::int64_t>(to - (from + jump_length));
  return distance == static_cast<std::int32_t>(distance);
}

std::uint64_t jump_word(std::uint64_t from, std::uint64_t to, std::uint64_t original) {
  FL_ASSERT(in_reach(from, to));
  const auto distance = static_cast<std::uint32_t>(to - (from + jump_length));
  return (original & ~((std::uint64_t{1} << 40) - 1)) | std::uint64_t{distance} << 8 | jump_opcode;
}

std::uint64_t jump_target(std::uint64_t from, std::uint64_t word) {
  if ((word & 0xff) != jump_opcode) return 0;
  return from + jump_length + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(word >> 8)});
}

}  // namespace faultline::live::clock
