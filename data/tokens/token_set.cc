#include "data/tokens/token_set.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "common/tls/sha256.h"
#include "data/bytes/fixed64.h"

namespace ebb::data::tokens {
namespace {

using internal::PutFixed64;
using internal::TakeBytes;
using internal::TakeFixed64;

constexpr absl::string_view kMagic = "EBBQ";
constexpr uint64_t kVersion = 1;
constexpr size_t kHashBytes = 32;
// Numbers of sequences, documents and tokens are below it.
constexpr uint64_t kMostCount = uint64_t{1} << 48;

// A number of at least `least` and at most `most`.
bool TakeCount(absl::string_view* rest, uint64_t least, uint64_t most,
               int64_t* value) {
  uint64_t bits = 0;
  if (!TakeFixed64(rest, &bits) || bits < least || bits > most) return false;
  *value = static_cast<int64_t>(bits);
  return true;
}

bool DecodePayload(absl::string_view rest, TokenFooter* footer) {
  int64_t end = 0;
  if (!TakeCount(&rest, 1, kMostLength, &footer->length) ||
      !TakeCount(&rest, 2, 4, &footer->width) || footer->width == 3 ||
      !TakeCount(&rest, 1, kMostTokenWindowBytes, &footer->window) ||
      !TakeCount(&rest, 1, kMostCount, &footer->sequences) ||
      !TakeCount(&rest, 1, kMostVocabulary, &footer->vocabulary) ||
      !TakeCount(&rest, 0, kMostVocabulary, &end) ||
      !TakeCount(&rest, 0, kMostCount, &footer->documents) ||
      !TakeCount(&rest, 0, kMostCount, &footer->left_out) ||
      !TakeFixed64(&rest, &footer->seed)) {
    return false;
  }
  if (footer->width == 2 && footer->vocabulary > 65536) return false;
  if (end > footer->vocabulary) return false;
  if (end > 0) footer->document_end = end - 1;
  if (footer->window > kMostTokenWindowBytes / footer->sequence_bytes()) {
    return false;
  }
  const auto windows = static_cast<size_t>(footer->windows());
  if (rest.size() % kHashBytes != 0 || rest.size() / kHashBytes != windows) {
    return false;
  }
  for (; !rest.empty(); rest.remove_prefix(kHashBytes)) {
    footer->hashes.emplace_back(rest.substr(0, kHashBytes));
  }
  return true;
}

absl::StatusOr<std::string> ReadFileOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      return absl::NotFoundError(absl::StrCat(path, " is not there"));
    }
    return absl::UnavailableError(
        absl::StrCat(path, " cannot be read: ", strerror(error)));
  }
  // A stream reports a failing read, where an iterator over it would throw.
  std::string bytes;
  std::string piece(size_t{1} << 20, '\0');
  while (in.read(piece.data(), std::ssize(piece)) || in.gcount() > 0) {
    bytes.append(piece, 0, static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) {
    return absl::UnavailableError(absl::StrCat(path, " cannot be read"));
  }
  return bytes;
}

}  // namespace

std::string TokenWindowName(int64_t window) {
  return absl::StrFormat("window-%05d.ebbt", window);
}

int64_t TokenFooter::SequencesOf(int64_t window_number) const {
  return std::min(window, sequences - window_number * window);
}

std::string TokenFooter::Encode() const {
  std::string payload;
  const auto put = [&](int64_t value) {
    PutFixed64(static_cast<uint64_t>(value), &payload);
  };
  put(length);
  put(width);
  put(window);
  put(sequences);
  put(vocabulary);
  put(document_end ? *document_end + 1 : 0);
  put(documents);
  put(left_out);
  PutFixed64(seed, &payload);
  for (const std::string& hash : hashes) payload += hash;
  std::string bytes(kMagic);
  PutFixed64(kVersion, &bytes);
  PutFixed64(payload.size(), &bytes);
  bytes += payload;
  bytes += Sha256(bytes);
  return bytes;
}

absl::StatusOr<TokenFooter> TokenFooter::Decode(absl::string_view bytes) {
  absl::string_view rest = bytes, magic, payload, checksum;
  uint64_t version = 0, size = 0;
  if (!TakeBytes(&rest, kMagic.size(), &magic) || magic != kMagic ||
      !TakeFixed64(&rest, &version)) {
    return absl::DataLossError(
        absl::StrCat("is no footer of packed tokens: it does not begin with ",
                     kMagic, " and a version"));
  }
  if (version != kVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has version ", version, " of the format, and this ebb reads version ",
        kVersion, "; use the release that packed it, or pack again"));
  }
  if (!TakeFixed64(&rest, &size) || !TakeBytes(&rest, size, &payload) ||
      !TakeBytes(&rest, kHashBytes, &checksum) || !rest.empty()) {
    return absl::DataLossError(absl::StrCat(
        "is cut or too long at ", bytes.size(), " bytes; pack again"));
  }
  TokenFooter footer;
  if (Sha256(bytes.substr(0, bytes.size() - kHashBytes)) != checksum ||
      !DecodePayload(payload, &footer)) {
    return absl::DataLossError(
        "is damaged: its checksum or its content is wrong; pack again");
  }
  return footer;
}

bool IsTokenSet(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(
      absl::StrCat(folder, "/", kTokenFooterName), ignored);
}

absl::StatusOr<TokenSet> TokenSet::Open(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kTokenFooterName);
  const auto read = ReadFileOf(path);
  if (absl::IsNotFound(read.status())) {
    const bool parts = IsTokenSet(absl::StrCat(folder, "/train"));
    return absl::NotFoundError(absl::StrCat(
        folder, " has no packed tokens: there is no ", kTokenFooterName, "; ",
        parts ? absl::StrCat("name ", folder, "/train or ", folder, "/test")
              : "`ebb data pack --tokens` makes such a folder"));
  }
  EBB_RETURN_IF_ERROR(read.status());
  auto footer = TokenFooter::Decode(*read);
  if (!footer.ok()) {
    return absl::Status(footer.status().code(),
                        absl::StrCat(path, " ", footer.status().message()));
  }
  auto bytes = static_cast<int64_t>(read->size());
  for (int64_t w = 0; w < footer->windows(); ++w) {
    const std::string file = absl::StrCat(folder, "/", TokenWindowName(w));
    const int64_t expected = footer->SequencesOf(w) * footer->sequence_bytes();
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (error) {
      return absl::NotFoundError(
          absl::StrCat(file, " cannot be read: ", error.message(),
                       "; the set is not whole: copy it again, or pack again"));
    }
    if (static_cast<int64_t>(size) != expected) {
      return absl::DataLossError(
          absl::StrCat(file, " has ", size, " bytes instead of ", expected,
                       "; the set is not whole: copy it again, or pack again"));
    }
    bytes += expected;
  }
  const std::string hash = Sha256(*read).substr(0, 16);
  return TokenSet(folder, *std::move(footer), absl::BytesToHexString(hash),
                  bytes);
}

absl::Status TokenSet::Read(int64_t window,
                            std::vector<uint32_t>* tokens) const {
  const std::string path = absl::StrCat(folder_, "/", TokenWindowName(window));
  EBB_ASSIGN_OR_RETURN(const std::string bytes, ReadFileOf(path));
  if (Sha256(bytes) != footer_.hashes[static_cast<size_t>(window)]) {
    return absl::DataLossError(
        absl::StrCat(path, ": window ", window,
                     " is damaged: its checksum is wrong; copy the file again, "
                     "or pack again"));
  }
  const auto width = static_cast<size_t>(footer_.width);
  tokens->assign(bytes.size() / width, 0);
  for (size_t i = 0; i < tokens->size(); ++i) {
    uint32_t token = 0;
    for (size_t b = 0; b < width; ++b) {
      token |= uint32_t{static_cast<uint8_t>(bytes[i * width + b])} << (8 * b);
    }
    (*tokens)[i] = token;
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::tokens
