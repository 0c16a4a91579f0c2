#include "data/formats/images/tar_members.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr int64_t kTarBlock = 512;
// The longest name, and the longest list of attributes.
constexpr int64_t kLongestTarText = 1 << 20;

// A field of a header, up to its zero.
absl::string_view TarField(std::span<const char> header, size_t at,
                           size_t bytes) {
  const char* const begin = header.data() + at;
  return {begin, strnlen(begin, bytes)};
}

// Octal digits, perhaps with spaces around; or, as GNU writes large ones, the
// number itself after a first bit of 1. -1: it is neither.
int64_t TarNumber(std::span<const char> header, size_t at, size_t bytes) {
  const auto first = static_cast<uint8_t>(header[at]);
  int64_t value = 0;
  if ((first & 0x80) != 0) {
    if (first != 0x80) return -1;  // It does not fit, or is below 0.
    for (size_t i = 1; i < bytes; ++i) {
      if (value >> 54 != 0) return -1;
      value = value << 8 | static_cast<uint8_t>(header[at + i]);
    }
    return value;
  }
  const absl::string_view digits =
      absl::StripAsciiWhitespace(TarField(header, at, bytes));
  for (const char digit : digits) {
    if (digit < '0' || digit > '7') return -1;
    value = value << 3 | (digit - '0');
  }
  return value;
}

// True if the sum of its bytes is what it says. The sum counts as spaces.
bool HasChecksum(std::span<const char> header) {
  constexpr size_t kAt = 148;
  constexpr size_t kBytes = 8;
  int64_t sum = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool of_sum = i >= kAt && i < kAt + kBytes;
    sum += of_sum ? ' ' : static_cast<uint8_t>(header[i]);
  }
  return TarNumber(header, kAt, kBytes) == sum;
}

std::string NameInHeader(std::span<const char> header) {
  const absl::string_view name = TarField(header, 0, 100);
  const bool posix = absl::string_view(header.data() + 257, 6) ==
                     absl::string_view("ustar\0", 6);
  const absl::string_view prefix =
      posix ? TarField(header, 345, 155) : absl::string_view();
  return prefix.empty() ? std::string(name) : absl::StrCat(prefix, "/", name);
}

}  // namespace

absl::Status TarMembers::Cut() const {
  return Bad("is cut: it ends at byte ", file_.offset(), ", ",
             name_.empty()
                 ? "before its first member"
                 : absl::StrCat("in or after the member ", Excerpt(name_)),
             ", without the zeros that end an archive; was it copied whole?");
}

absl::StatusOr<bool> TarMembers::Next(TarMember* member) {
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, NextInArchive(member));
    if (more) return true;
    EBB_ASSIGN_OR_RETURN(const bool further, file_.NextFile());
    if (!further) return false;
    ++archive_;
    members_ = 0;
    name_.clear();
  }
}

absl::StatusOr<bool> TarMembers::ReadHeader(Block* header) {
  EBB_RETURN_IF_ERROR(Skip(left_ + padding_));
  left_ = padding_ = 0;
  EBB_ASSIGN_OR_RETURN(const size_t n, file_.Read(*header));
  if (n < header->size()) {
    if (members_ == 0) {
      return Bad("is no tar archive: it has ", n,
                 " bytes, fewer than the header of a member");
    }
    return Cut();
  }
  if (std::all_of(header->begin(), header->end(),
                  [](char c) { return c == '\0'; })) {
    EBB_RETURN_IF_ERROR(CheckEnd());
    return false;
  }
  if (!HasChecksum(*header)) {
    if (members_ == 0) {
      return Bad("is no tar archive: it begins with ",
                 Excerpt(absl::string_view(header->data(), 8)),
                 ", and its header has a wrong checksum");
    }
    return Bad("is damaged at byte ", file_.offset() - kTarBlock,
               ": the header after the member ", Excerpt(name_),
               " has a wrong checksum");
  }
  ++members_;
  return true;
}

absl::Status TarMembers::CheckEnd() {
  std::vector<char> rest(64 << 10);
  for (;;) {
    const int64_t at = file_.offset();
    EBB_ASSIGN_OR_RETURN(const size_t n, file_.Read(rest));
    const auto other = std::find_if(rest.begin(), rest.begin() + n,
                                    [](char c) { return c != '\0'; });
    if (other != rest.begin() + n) {
      return Bad("goes on at byte ", at + (other - rest.begin()),
                 ", after its end; archives are joined by `tar -A`, or named "
                 "one by one");
    }
    if (n < rest.size()) return absl::OkStatus();
  }
}

absl::StatusOr<bool> TarMembers::NextInArchive(TarMember* member) {
  long_name_.clear();
  pax_size_.clear();
  Block header;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, ReadHeader(&header));
    if (!more) return false;
    name_ = long_name_.empty() ? NameInHeader(header) : long_name_;
    int64_t bytes = TarNumber(header, 124, 12);
    if (!pax_size_.empty() && !absl::SimpleAtoi(pax_size_, &bytes)) bytes = -1;
    if (bytes < 0 || bytes > (int64_t{1} << 60)) {
      return Bad("is damaged: the size of the member ", Excerpt(name_),
                 " is no number");
    }
    const auto set_content = [&] {
      left_ = bytes;
      padding_ = (kTarBlock - bytes % kTarBlock) % kTarBlock;
    };
    switch (const char type = header[156]) {
      case '\0':
      case '0':
      case '7':
        set_content();
        if (absl::EndsWith(name_, "/")) break;  // An old folder.
        *member = {name_, bytes};
        return true;
      case '5':
        set_content();
        break;
      case 'g':  // Attributes of the archive.
      case 'K':  // The long target of a link.
        set_content();
        continue;
      case 'L':
        set_content();
        EBB_RETURN_IF_ERROR(ReadText("a name", bytes, &long_name_));
        long_name_.resize(strnlen(long_name_.data(), long_name_.size()));
        continue;
      case 'x': {
        set_content();
        std::string records;
        EBB_RETURN_IF_ERROR(ReadText("attributes", bytes, &records));
        EBB_RETURN_IF_ERROR(TakePax(records));
        continue;
      }
      case '1':
      case '2':
        return Bad("the member ", Excerpt(name_),
                   " is a link; pack the files themselves, as `tar "
                   "--dereference --hard-dereference` does");
      case 'S':
        return Bad("the member ", Excerpt(name_),
                   " is stored without its holes; pack it without --sparse");
      default:
        return Bad("the member ", Excerpt(name_), " is of the type ",
                   Excerpt(absl::string_view(&type, 1)),
                   "; ebb reads files and folders");
    }
    long_name_.clear();
    pax_size_.clear();
  }
}

absl::Status TarMembers::ReadText(absl::string_view what, int64_t bytes,
                                  std::string* text) {
  if (bytes > kLongestTarText) {
    return Bad("before the member ", Excerpt(name_), " there is ", what, " of ",
               bytes, " bytes; at most ", kLongestTarText, " are possible");
  }
  return Read(text);
}

// Each record is "LENGTH KEY=VALUE\n", where the length counts all of it.
absl::Status TarMembers::TakePax(absl::string_view records) {
  while (!records.empty()) {
    const size_t space = records.find(' ');
    size_t length = 0;
    if (space == absl::string_view::npos ||
        !absl::SimpleAtoi(records.substr(0, space), &length) ||
        length < space + 2 || length > records.size() ||
        records[length - 1] != '\n') {
      return Bad("is damaged: the attributes before a member, at ",
                 Excerpt(records), ", are not as POSIX has them");
    }
    const absl::string_view record =
        records.substr(space + 1, length - space - 2);
    records.remove_prefix(length);
    const size_t equal = record.find('=');
    const absl::string_view key = record.substr(0, equal);
    const absl::string_view value =
        equal == absl::string_view::npos ? "" : record.substr(equal + 1);
    if (key == "path") long_name_ = std::string(value);
    if (key == "size") pax_size_ = std::string(value);
    if (absl::StartsWith(key, "GNU.sparse.")) {
      return Bad("the member after ", Excerpt(name_),
                 " is stored without its holes; pack it without --sparse");
    }
  }
  return absl::OkStatus();
}

absl::Status TarMembers::Read(std::string* bytes) {
  constexpr size_t kStep = size_t{1} << 20;
  bytes->clear();
  while (left_ > 0) {
    // A cut archive may promise more than there is memory for.
    const size_t wanted = std::min<size_t>(left_, kStep);
    const size_t before = bytes->size();
    bytes->resize(before + wanted);
    EBB_ASSIGN_OR_RETURN(
        const size_t n,
        file_.Read(std::span<char>(*bytes).subspan(before, wanted)));
    if (n < wanted) return Cut();
    left_ -= static_cast<int64_t>(n);
  }
  return absl::OkStatus();
}

absl::Status TarMembers::Skip(int64_t bytes) {
  std::vector<char> buffer(std::min<int64_t>(bytes, 64 << 10));
  while (bytes > 0) {
    const size_t wanted = std::min<int64_t>(bytes, std::ssize(buffer));
    EBB_ASSIGN_OR_RETURN(const size_t n,
                         file_.Read(std::span(buffer).first(wanted)));
    if (n < wanted) return Cut();
    bytes -= static_cast<int64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::internal
