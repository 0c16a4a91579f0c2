// ZIP: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. A header
// stands before each member, so that an archive can be read from its front.
#include "data/formats/arrays/npz.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr absl::string_view kNpzEnding = ".npz";
constexpr size_t kMostArraysShown = 20;

struct NpzPath {
  std::string archive;
  std::string array;  // Empty: the path names none.
};

NpzPath SplitNpzPath(absl::string_view path) {
  const size_t at = path.rfind(".npz/");
  if (at == absl::string_view::npos) return {std::string(path), ""};
  const size_t end = at + kNpzEnding.size();
  return {std::string(path.substr(0, end)), std::string(path.substr(end + 1))};
}

// The least significant byte stands first.
uint64_t LittleEndian(std::span<const char> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

struct MemberHeader {
  std::string name;
  bool deflated = false;
  uint32_t crc = 0;
  uint64_t stored = 0;  // Bytes in the archive.
  uint64_t bytes = 0;
};

// One array of an archive. Begin() is called first.
class NpzArray : public ByteSource {
 public:
  NpzArray(NpzPath path, std::unique_ptr<ByteSource> archive)
      : path_(std::move(path)),
        archive_(std::move(archive)),
        buffer_(64 << 10) {}
  ~NpzArray() override {
    if (inflating_) inflateEnd(&stream_);
  }
  NpzArray(const NpzArray&) = delete;
  NpzArray& operator=(const NpzArray&) = delete;

  // Goes on to the array.
  absl::Status Begin() {
    EBB_ASSIGN_OR_RETURN(const std::vector<std::string> before, NamesBefore());
    if (!found_) return NotThere(before);
    left_ = header_.stored;
    crc_ = static_cast<uint32_t>(crc32(0, nullptr, 0));
    if (!header_.deflated) return absl::OkStatus();
    inflating_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK;
    if (inflating_) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat(path_.archive, ": no memory to inflate it"));
  }

  // Goes on to the array, or to the end of the archive. Returns the names of
  // the arrays that it passes over. Called once.
  absl::StatusOr<std::vector<std::string>> NamesBefore() {
    std::vector<std::string> names;
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const bool more, ReadHeader(names.empty()));
      found_ = more && IsArray(header_.name);
      if (!more || found_) return names;
      names.emplace_back(absl::StripSuffix(header_.name, ".npy"));
      EBB_RETURN_IF_ERROR(Skip(header_.stored));
    }
  }

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    if (ended_) return 0;
    EBB_ASSIGN_OR_RETURN(const size_t n,
                         header_.deflated ? Inflate(out) : ReadStored(out));
    given_ += n;
    crc_ = static_cast<uint32_t>(
        crc32_z(crc_, reinterpret_cast<const Bytef*>(out.data()), n));
    if (n > 0) return n;
    ended_ = true;
    if (left_ != 0 || given_ != header_.bytes || crc_ != header_.crc) {
      return Damaged("its checksum or its size is wrong");
    }
    EBB_RETURN_IF_ERROR(CheckRest());
    return 0;
  }

 private:
  bool IsArray(absl::string_view member) const {
    return !path_.array.empty() &&
           (member == path_.array ||
            absl::StripSuffix(member, ".npy") == path_.array);
  }
  // Goes on to the end of the archive. NumPy reads the last of two arrays of
  // one name, and Begin() finds the first.
  absl::Status CheckRest() {
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const bool more, ReadHeader(/*first=*/false));
      if (!more) return absl::OkStatus();
      if (IsArray(header_.name)) {
        return Wrong("has two arrays ", Excerpt(path_.array),
                     "; write it anew with one of each name");
      }
      EBB_RETURN_IF_ERROR(Skip(header_.stored));
    }
  }
  template <typename... Args>
  absl::Status Wrong(const Args&... args) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_.archive, ": ", args...));
  }
  absl::Status Damaged(absl::string_view why) const {
    return absl::DataLossError(absl::StrCat(path_.archive, ": the array ",
                                            Excerpt(header_.name),
                                            " is damaged: ", why));
  }
  absl::Status Cut() const {
    return absl::DataLossError(absl::StrCat(
        path_.archive, ": is cut: it ends within ",
        header_.name.empty()
            ? "its first header"
            : absl::StrCat("or after the array ", Excerpt(header_.name)),
        "; was it copied whole?"));
  }

  absl::Status NotThere(const std::vector<std::string>& names) const {
    const size_t shown = std::min(names.size(), kMostArraysShown);
    const std::string has = absl::StrCat(
        names.size(), names.size() == 1 ? " array: " : " arrays: ",
        absl::StrJoin(names.begin(), names.begin() + shown, ", ",
                      [](std::string* out, const std::string& name) {
                        absl::StrAppend(
                            out, IsUtf8Text(name) ? name : Excerpt(name));
                      }),
        shown < names.size() ? ", ..." : "");
    if (path_.array.empty()) {
      return Wrong("is an archive of ", has, "; name one of them, as ",
                   path_.archive, "/", names.empty() ? "X" : names.front());
    }
    return absl::NotFoundError(absl::StrCat(
        path_.archive, ": has no array ", Excerpt(path_.array), ", but ", has));
  }

  // Fills the front of `out` with bytes of the archive.
  absl::StatusOr<size_t> ReadArchive(std::span<char> out) {
    if (begin_ == end_) {
      EBB_ASSIGN_OR_RETURN(end_, archive_->Read(buffer_));
      begin_ = 0;
    }
    const size_t n = std::min(out.size(), end_ - begin_);
    std::copy_n(buffer_.data() + begin_, n, out.data());
    begin_ += n;
    return n;
  }

  absl::Status ReadWhole(std::span<char> out) {
    while (!out.empty()) {
      EBB_ASSIGN_OR_RETURN(const size_t n, ReadArchive(out));
      if (n == 0) return Cut();
      out = out.subspan(n);
    }
    return absl::OkStatus();
  }

  absl::Status Skip(uint64_t bytes) {
    std::vector<char> passed(std::min<uint64_t>(bytes, 64 << 10));
    while (bytes > 0) {
      const auto part =
          std::span(passed).first(std::min<uint64_t>(bytes, passed.size()));
      EBB_RETURN_IF_ERROR(ReadWhole(part));
      bytes -= part.size();
    }
    return absl::OkStatus();
  }

  // Reads the header of the next member; false after the last.
  absl::StatusOr<bool> ReadHeader(bool first) {
    constexpr uint64_t kLocal = 0x04034b50;
    constexpr uint64_t kDirectory = 0x02014b50;
    constexpr uint64_t kEnd = 0x06054b50;
    std::array<char, 30> raw;
    EBB_RETURN_IF_ERROR(ReadWhole(std::span(raw).first(4)));
    const uint64_t magic = LittleEndian(std::span(raw).first(4));
    if (magic == kDirectory || magic == kEnd) return false;
    if (magic != kLocal) {
      if (first) {
        return Wrong("is no archive of NumPy, as it begins with ",
                     Excerpt(absl::string_view(raw.data(), 4)),
                     "; numpy.savez writes one");
      }
      return absl::DataLossError(absl::StrCat(
          path_.archive, ": is damaged: no header follows the array ",
          Excerpt(header_.name)));
    }
    EBB_RETURN_IF_ERROR(ReadWhole(std::span(raw).subspan(4)));
    const auto at = [&](size_t place, size_t bytes) {
      return LittleEndian(std::span(raw).subspan(place, bytes));
    };
    const uint64_t flags = at(6, 2);
    const uint64_t method = at(8, 2);
    header_.crc = static_cast<uint32_t>(at(14, 4));
    header_.stored = at(18, 4);
    header_.bytes = at(22, 4);
    header_.name.resize(at(26, 2));
    std::vector<char> extra(at(28, 2));
    EBB_RETURN_IF_ERROR(ReadWhole(std::span<char>(header_.name)));
    EBB_RETURN_IF_ERROR(ReadWhole(extra));
    TakeLargeSizes(extra);
    header_.deflated = method == 8;
    if ((flags & 1) != 0) {
      return Wrong("the array ", Excerpt(header_.name), " is encrypted");
    }
    if ((flags & 8) != 0) {
      return Wrong("the array ", Excerpt(header_.name),
                   " was written to a pipe, so its size does not stand before "
                   "it; save it to a file, as numpy.savez does");
    }
    if (method != 0 && method != 8) {
      return Wrong("the array ", Excerpt(header_.name),
                   " is compressed by method ", method,
                   " of ZIP; numpy.savez_compressed writes method 8");
    }
    return true;
  }

  // Sizes of 64 bits, where those of 32 bits say that there are such.
  void TakeLargeSizes(std::span<const char> extra) {
    constexpr uint64_t kLarge = 0xffffffff;
    while (extra.size() >= 4) {
      const uint64_t id = LittleEndian(extra.first(2));
      const uint64_t length = LittleEndian(extra.subspan(2, 2));
      extra = extra.subspan(4);
      if (length > extra.size()) return;
      std::span<const char> field = extra.first(length);
      extra = extra.subspan(length);
      if (id != 1) continue;
      for (uint64_t* const size : {&header_.bytes, &header_.stored}) {
        if (*size != kLarge || field.size() < 8) continue;
        *size = LittleEndian(field.first(8));
        field = field.subspan(8);
      }
    }
  }

  // Bytes of the member, as the archive has them.
  absl::StatusOr<size_t> ReadStored(std::span<char> out) {
    const uint64_t wanted = std::min<uint64_t>(out.size(), left_);
    if (wanted == 0) return 0;
    EBB_ASSIGN_OR_RETURN(const size_t n, ReadArchive(out.first(wanted)));
    if (n == 0) return Cut();
    left_ -= n;
    return n;
  }

  absl::StatusOr<size_t> Inflate(std::span<char> out) {
    constexpr size_t kMost = size_t{1} << 30;
    const size_t room = std::min(out.size(), kMost);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out == room && !inflated_) {
      if (stream_.avail_in == 0) {
        EBB_ASSIGN_OR_RETURN(const size_t n, ReadStored(packed_));
        stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
        stream_.avail_in = static_cast<uInt>(n);
      }
      const int result = inflate(&stream_, Z_NO_FLUSH);
      inflated_ = result == Z_STREAM_END;
      if (result != Z_OK && result != Z_STREAM_END) {
        return Damaged(stream_.msg != nullptr ? stream_.msg
                                              : "it ends too early");
      }
    }
    return room - stream_.avail_out;
  }

  const NpzPath path_;
  const std::unique_ptr<ByteSource> archive_;
  // Bytes of the archive that are read: buffer_[begin_, end_) are not used.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  MemberHeader header_;
  bool found_ = false;  // The archive has the array.
  uint64_t left_ = 0;   // Bytes of the member in the archive.
  uint64_t given_ = 0;  // Bytes of the array that Read() gave.
  uint32_t crc_ = 0;    // The checksum of these.
  z_stream stream_ = {};
  bool inflating_ = false;
  bool inflated_ = false;
  std::array<char, 16 << 10> packed_;
  bool ended_ = false;
};

}  // namespace

bool IsNpz(absl::string_view path) {
  return absl::EndsWith(path, kNpzEnding) || absl::StrContains(path, ".npz/");
}

OpenBytes WithNpz(OpenBytes open) {
  return [open = std::move(open)](absl::string_view path)
             -> absl::StatusOr<std::unique_ptr<ByteSource>> {
    if (!IsNpz(path)) return open(path);
    NpzPath parts = SplitNpzPath(path);
    EBB_ASSIGN_OR_RETURN(auto archive, open(parts.archive));
    auto array =
        std::make_unique<NpzArray>(std::move(parts), std::move(archive));
    EBB_RETURN_IF_ERROR(array->Begin());
    return array;
  };
}

absl::StatusOr<std::vector<std::string>> NpzNames(const std::string& path,
                                                  const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(auto archive, open(path));
  return NpzArray({path, ""}, std::move(archive)).NamesBefore();
}

}  // namespace ebb::data::internal
