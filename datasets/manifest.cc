#include "datasets/manifest.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace ebb::datasets {

namespace {

constexpr absl::string_view kMagic = "EBBDSET\n";
constexpr uint32_t kVersion = 1;
constexpr absl::string_view kScheme = "ebb://";
// Keeps all sums within int64_t.
constexpr int64_t kMaxFileBytes = int64_t{1} << 46;

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

absl::Status Damaged() {
  return absl::DataLossError(
      "the manifest of the data set is damaged, or was not written by ebb; "
      "push the data again");
}

// For a message: short, and without what a terminal would act on.
std::string Shown(absl::string_view text) {
  constexpr size_t kMost = 80;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMost)),
                      text.size() > kMost ? "..." : "", "\"");
}

// Little-endian on every machine.
template <typename Number>
void Put(Number value, std::string* out) {
  for (size_t i = 0; i < sizeof(value); ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

// Takes from the front of `bytes`; false: it is too short.
template <typename Number>
bool Take(absl::string_view* bytes, Number* value) {
  if (bytes->size() < sizeof(Number)) return false;
  Number read = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    read |= static_cast<Number>(
        static_cast<Number>(static_cast<uint8_t>((*bytes)[i])) << (8 * i));
  }
  *value = read;
  bytes->remove_prefix(sizeof(Number));
  return true;
}

int64_t ChunksOf(int64_t bytes) {
  return bytes / kChunkBytes + (bytes % kChunkBytes > 0 ? 1 : 0);
}

// Each file by itself; no folder is a file.
absl::Status CheckFiles(const std::vector<DataFile>& files) {
  if (static_cast<int64_t>(files.size()) > kMaxFiles) {
    return Wrong("the data set has ", files.size(), " files; at most ",
                 kMaxFiles, " are possible: put them together, or in several");
  }
  absl::flat_hash_set<absl::string_view> paths;
  for (const DataFile& file : files) {
    EBB_RETURN_IF_ERROR(CheckPath(file.path));
    if (!paths.insert(file.path).second) {
      return Wrong(Shown(file.path), " is twice in the data set");
    }
    if (file.bytes < 0 || file.bytes > kMaxFileBytes ||
        ChunksOf(file.bytes) != static_cast<int64_t>(file.chunks.size())) {
      return Wrong(Shown(file.path), " of ", file.bytes, " bytes cannot have ",
                   file.chunks.size(), " chunks");
    }
  }
  for (const DataFile& file : files) {
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      const absl::string_view folder =
          absl::string_view(file.path).substr(0, slash);
      if (paths.contains(folder)) {
        return Wrong(Shown(folder), " is a file and a folder of the data set");
      }
    }
  }
  return absl::OkStatus();
}

std::string Encode(const std::vector<DataFile>& files) {
  std::string bytes(kMagic);
  Put(kVersion, &bytes);
  Put(static_cast<uint32_t>(files.size()), &bytes);
  for (const DataFile& file : files) {
    Put(static_cast<uint16_t>(file.path.size()), &bytes);
    bytes += file.path;
    Put(static_cast<uint64_t>(file.bytes), &bytes);
    for (const Checksum& chunk : file.chunks) {
      Put(chunk.high, &bytes);
      Put(chunk.low, &bytes);
    }
  }
  const Checksum all = ChecksumOf(bytes);
  Put(all.high, &bytes);
  Put(all.low, &bytes);
  return bytes;
}

}  // namespace

std::string Checksum::ToHex() const {
  return absl::StrFormat("%016x%016x", high, low);
}

Checksum ChecksumOf(absl::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::string InitialSetOf(absl::string_view id) {
  return absl::StrCat(kInitialPrefix, id);
}

bool IsInitialSet(absl::string_view name) {
  return absl::StartsWith(name, kInitialPrefix);
}

absl::Status CheckSetName(absl::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kMaxSetNameBytes &&
      absl::ascii_isalnum(name[0]) &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
      });
  if (good) return absl::OkStatus();
  return Wrong(Shown(name), " cannot name a data set: at most ",
               kMaxSetNameBytes,
               " letters, digits, '.', '-' and '_' can, a letter or digit "
               "first; choose another with --name");
}

absl::Status CheckSetId(absl::string_view id) {
  const bool good =
      id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
        return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
      });
  if (good) return absl::OkStatus();
  return Wrong(Shown(id), " is not the id of a data set's content");
}

absl::Status CheckPath(absl::string_view path) {
  const auto refuse = [&](absl::string_view why) {
    return Wrong(Shown(path), " cannot be a file of a data set: ", why);
  };
  if (path.empty()) return refuse("it has no name");
  if (path.size() > kMaxPathBytes) {
    return refuse(absl::StrCat("its path is longer than ", kMaxPathBytes,
                               " bytes; rename it"));
  }
  int depth = 0;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == "..") {
      return refuse("paths are relative, without empty parts, . and ..");
    }
    if (part.size() > 255) {
      return refuse("a name in it is longer than 255 bytes; rename it");
    }
    if (absl::StartsWith(part, kReservedPrefix)) {
      return refuse("names that begin with .ebb are ebb's own; rename it");
    }
    if (++depth > kMaxDepth) {
      return refuse(
          absl::StrCat("it lies deeper than ", kMaxDepth, " folders; move it"));
    }
  }
  for (const char c : path) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return refuse("there is a control character in its name; rename it");
    }
  }
  return absl::OkStatus();
}

bool IsUri(absl::string_view path) { return absl::StartsWith(path, kScheme); }

absl::StatusOr<std::string> SetOfUri(absl::string_view path) {
  absl::string_view rest = path;
  if (absl::ConsumePrefix(&rest, kScheme)) {
    const absl::string_view set = rest.substr(0, rest.find('/'));
    if (CheckSetName(set).ok()) return std::string(set);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      ": files of a data set are ebb://NAME/PATH; PATH is a file, a "
      "folder or a pattern"));
}

std::string UriOf(absl::string_view set, absl::string_view path) {
  return absl::StrCat(kScheme, set, "/", path);
}

std::optional<DataUri> ParseUri(absl::string_view path) {
  if (!absl::ConsumePrefix(&path, kScheme)) return std::nullopt;
  const size_t slash = path.find('/');
  if (slash == absl::string_view::npos) return std::nullopt;
  DataUri uri = {std::string(path.substr(0, slash)),
                 std::string(path.substr(slash + 1))};
  if (!CheckSetName(uri.set).ok() || !CheckPath(uri.path).ok()) {
    return std::nullopt;
  }
  return uri;
}

absl::StatusOr<Manifest> Manifest::Make(std::vector<DataFile> files) {
  EBB_RETURN_IF_ERROR(CheckFiles(files));
  std::sort(
      files.begin(), files.end(),
      [](const DataFile& a, const DataFile& b) { return a.path < b.path; });
  Manifest manifest;
  manifest.first_chunk_.reserve(files.size());
  for (const DataFile& file : files) {
    manifest.first_chunk_.push_back(manifest.chunks_);
    manifest.chunks_ += static_cast<int64_t>(file.chunks.size());
    manifest.total_bytes_ += file.bytes;
  }
  manifest.bytes_ = Encode(files);
  if (static_cast<int64_t>(manifest.bytes_.size()) > kMaxManifestBytes) {
    return Wrong("the data set is too large: its ", manifest.chunks_,
                 " chunks and ", files.size(), " files are ",
                 manifest.bytes_.size(), " bytes of checksums and names, and ",
                 kMaxManifestBytes, " are possible (about ",
                 kMaxManifestBytes / 16 * kChunkBytes >> 30,
                 " GiB); push it in parts, under several names");
  }
  manifest.id_ = ChecksumOf(manifest.bytes_).ToHex();
  manifest.files_ = std::move(files);
  return manifest;
}

absl::StatusOr<Manifest> Manifest::Decode(absl::string_view bytes) {
  constexpr size_t kTrailer = 16;
  if (static_cast<int64_t>(bytes.size()) > kMaxManifestBytes ||
      bytes.size() < kMagic.size() + kTrailer ||
      !absl::StartsWith(bytes, kMagic)) {
    return Damaged();
  }
  absl::string_view rest = bytes.substr(kMagic.size());
  uint32_t version = 0;
  if (!Take(&rest, &version)) return Damaged();
  if (version > kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data set is of version ", version,
                     ", and this ebb knows ", kVersion, "; use a newer ebb"));
  }
  absl::string_view trailer = bytes.substr(bytes.size() - kTrailer);
  Checksum stored;
  Take(&trailer, &stored.high);
  Take(&trailer, &stored.low);
  const Checksum all = ChecksumOf(bytes.substr(0, bytes.size() - kTrailer));
  uint32_t count = 0;
  if (version != kVersion || !(stored == all) || rest.size() < kTrailer) {
    return Damaged();
  }
  rest.remove_suffix(kTrailer);
  if (!Take(&rest, &count)) return Damaged();
  std::vector<DataFile> files;
  for (uint32_t i = 0; i < count; ++i) {
    DataFile file;
    uint16_t length = 0;
    uint64_t size = 0;
    if (!Take(&rest, &length) || rest.size() < length) return Damaged();
    file.path = std::string(rest.substr(0, length));
    rest.remove_prefix(length);
    if (!Take(&rest, &size) || size > uint64_t{kMaxFileBytes}) return Damaged();
    file.bytes = static_cast<int64_t>(size);
    const int64_t chunks = ChunksOf(file.bytes);
    // Before anything is allocated for them.
    if (chunks > static_cast<int64_t>(rest.size() / 16)) return Damaged();
    file.chunks.resize(static_cast<size_t>(chunks));
    for (Checksum& chunk : file.chunks) {
      Take(&rest, &chunk.high);
      Take(&rest, &chunk.low);
    }
    files.push_back(std::move(file));
  }
  if (!rest.empty()) return Damaged();
  EBB_ASSIGN_OR_RETURN(Manifest manifest, Make(std::move(files)));
  // One content, one encoding.
  if (manifest.bytes_ != bytes) return Damaged();
  return manifest;
}

Manifest::Place Manifest::PlaceOf(int64_t chunk) const {
  // The last file that begins at it or before; of several, all others are
  // empty.
  const auto after =
      std::upper_bound(first_chunk_.begin(), first_chunk_.end(), chunk);
  Place place;
  place.file = after - first_chunk_.begin() - 1;
  place.offset = (chunk - first_chunk_[place.file]) * kChunkBytes;
  place.size = std::min(kChunkBytes, files_[place.file].bytes - place.offset);
  return place;
}

const Checksum& Manifest::ChecksumOfChunk(int64_t chunk) const {
  const int64_t file = PlaceOf(chunk).file;
  return files_[file].chunks[chunk - first_chunk_[file]];
}

std::optional<int64_t> Manifest::Find(absl::string_view path) const {
  const auto at =
      std::lower_bound(files_.begin(), files_.end(), path,
                       [](const DataFile& file, absl::string_view wanted) {
                         return absl::string_view(file.path) < wanted;
                       });
  if (at == files_.end() || at->path != path) return std::nullopt;
  return at - files_.begin();
}

}  // namespace ebb::datasets
