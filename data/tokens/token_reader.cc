#include "data/tokens/token_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/formats/input.h"

namespace ebb::data::tokens {
namespace {

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

constexpr absl::string_view kDtypeHint =
    "; say --dtype uint16 or --dtype uint32 if it has raw numbers";

// Goes by the name, without the ending of a compressed file.
absl::StatusOr<TokenKind> KindOf(const std::string& path) {
  std::string name = path;
  for (const char* const ending : {".gz", ".zst", ".xz", ".bz2", ".lz4"}) {
    if (absl::EndsWith(name, ending)) {
      name.resize(name.size() - strlen(ending));
      break;
    }
  }
  if (absl::EndsWith(name, ".npy")) return TokenKind::kNumPy;
  if (absl::EndsWith(name, ".bin")) {
    return Wrong(path, " has raw numbers, and its name does not say which",
                 "; give --dtype uint16 or --dtype uint32");
  }
  if (absl::EndsWith(name, ".npz")) {
    return Wrong(path, " is an archive of arrays; save the array of tokens by ",
                 "numpy.save(\"tokens.npy\", tokens)");
  }
  if (absl::EndsWith(name, ".parquet")) {
    return Wrong(path, " is a table, not tokens; save its column of tokens by ",
                 "numpy.save(\"tokens.npy\", tokens)");
  }
  if (absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml")) {
    return Wrong(path, " is a job file, and --tokens takes a text, a .npy or a",
                 " .bin file; name the file of tokens");
  }
  return TokenKind::kText;
}

}  // namespace

absl::StatusOr<TokenSource> FindTokens(const std::string& path,
                                       const std::string& dtype,
                                       std::optional<int64_t> document_end,
                                       const OpenBytes& open) {
  TokenSource source;
  EBB_ASSIGN_OR_RETURN(source.paths, open.FilesOf(path));
  if (source.paths.empty()) return Wrong(path, ": no file has such a name");
  if (!dtype.empty()) {
    source.kind = dtype == "uint16" ? TokenKind::kUint16 : TokenKind::kUint32;
    for (const std::string& one : source.paths) {
      if (absl::EndsWith(one, ".npy")) {
        return Wrong(one, " says its dtype itself; leave --dtype out");
      }
    }
  } else {
    EBB_ASSIGN_OR_RETURN(source.kind, KindOf(source.paths.front()));
    for (const std::string& one : source.paths) {
      EBB_ASSIGN_OR_RETURN(const TokenKind kind, KindOf(one));
      if (kind == source.kind) continue;
      return Wrong(source.paths.front(), " and ", one,
                   " are of different kinds; pack arrays and texts each by "
                   "themselves");
    }
  }
  if (source.kind == TokenKind::kText) {
    if (document_end && *document_end != kEndOfText) {
      return Wrong("--document-end ", *document_end, ": ", source.paths.front(),
                   " is read as text, whose end is ", kEndOfText,
                   "; leave --document-end out", kDtypeHint);
    }
    document_end = kEndOfText;
  }
  if (source.kind == TokenKind::kUint16 && document_end &&
      *document_end > 65535) {
    return Wrong("--document-end ", *document_end,
                 " is no number of uint16; --dtype uint32?");
  }
  source.document_end = document_end;
  return source;
}

absl::Status TokenReader::FillRaw(size_t bytes) {
  raw_.resize(bytes);
  size_t filled = 0;
  while (filled < bytes) {
    EBB_ASSIGN_OR_RETURN(const size_t n,
                         bytes_->Read(std::span(raw_).subspan(filled)));
    if (n == 0) break;
    filled += n;
  }
  raw_.resize(filled);
  return absl::OkStatus();
}

// Files of llm.c begin with a header of 256 numbers, not with tokens.
absl::Status TokenReader::CheckFront() const {
  if (raw_.size() < 8) return absl::OkStatus();
  uint32_t front[2];
  std::memcpy(front, raw_.data(), sizeof(front));
  if ((front[0] == 20240520 || front[0] == 20240801) && front[1] < 100) {
    return Wrong(path(),
                 " begins with the header of a file of llm.c; "
                 "cut it off: tail -c +1025 FILE > tokens.bin");
  }
  return absl::OkStatus();
}

absl::Status TokenReader::OpenNext() {
  last_file_ = next_file_++;
  done_ = 0;
  ended_ = false;
  if (source_.kind != TokenKind::kNumPy) {
    EBB_ASSIGN_OR_RETURN(bytes_, open_(path()));
    is_open_ = true;
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(data::internal::Input file,
                       data::internal::Input::Open(path(), open_));
  EBB_ASSIGN_OR_RETURN(data::internal::NpyArray array,
                       data::internal::NpyArray::Open(std::move(file)));
  const data::internal::NpyType& type = array.type();
  if (type.kind != 'u' || (type.bytes != 2 && type.bytes != 4)) {
    const char* const kind = type.kind == 'f'   ? "float"
                             : type.kind == 'b' ? "bool"
                             : type.kind == 'i' ? "int"
                                                : "uint";
    return array.Bad("has dtype ", kind,
                     type.kind == 'b' ? "" : absl::StrCat(8 * type.bytes),
                     ", and tokens are uint16 or uint32; save "
                     "tokens.astype(\"uint16\") if all are below 65536, else "
                     "tokens.astype(\"uint32\")");
  }
  if (type.swapped) {
    return array.Bad(
        "has its numbers in big-endian order; save tokens.astype(\"<u",
        type.bytes, "\")");
  }
  if (array.dimensions() != 1) {
    return array.Bad(
        "has shape ", array.ShapeText(),
        ", and tokens have one dimension; save tokens.reshape(-1), "
        "if its rows follow one another");
  }
  rest_ = array.rows();
  array_.emplace(std::move(array));
  is_open_ = true;
  return absl::OkStatus();
}

absl::StatusOr<size_t> TokenReader::ReadArray(std::span<uint32_t> out) {
  const auto count = static_cast<size_t>(
      std::min<int64_t>(rest_, static_cast<int64_t>(out.size())));
  if (count == 0) {
    EBB_RETURN_IF_ERROR(array_->CheckEnd());
    array_.reset();
    return size_t{0};
  }
  numbers_.resize(count);
  EBB_RETURN_IF_ERROR(array_->Read(std::span<int64_t>(numbers_)));
  std::ranges::transform(numbers_, out.begin(), [](int64_t number) {
    return static_cast<uint32_t>(number);
  });
  rest_ -= static_cast<int64_t>(count);
  return count;
}

absl::StatusOr<size_t> TokenReader::ReadBytes(std::span<uint32_t> out) {
  const size_t width = source_.kind == TokenKind::kText     ? 1
                       : source_.kind == TokenKind::kUint16 ? 2
                                                            : 4;
  EBB_RETURN_IF_ERROR(FillRaw(out.size() * width));
  if (width > 1 && done_ == 0) EBB_RETURN_IF_ERROR(CheckFront());
  const size_t count = raw_.size() / width;
  if (raw_.size() % width != 0) {
    return Wrong(
        path(), " ends within a token, at byte ",
        done_ * static_cast<int64_t>(width) + static_cast<int64_t>(raw_.size()),
        ", which is no multiple of ", width,
        "; was it copied whole, and is --dtype right?");
  }
  for (size_t i = 0; i < count; ++i) {
    uint32_t token = 0;
    for (size_t b = 0; b < width; ++b) {
      token |= uint32_t{static_cast<uint8_t>(raw_[i * width + b])} << (8 * b);
    }
    out[i] = token;
  }
  if (count > 0 || source_.kind != TokenKind::kText || ended_ || done_ == 0) {
    return count;
  }
  ended_ = true;
  out[0] = kEndOfText;
  return size_t{1};
}

absl::StatusOr<size_t> TokenReader::Read(std::span<uint32_t> out) {
  for (;;) {
    if (!is_open_) {
      if (next_file_ == source_.paths.size()) return size_t{0};
      EBB_RETURN_IF_ERROR(OpenNext());
    }
    place_ = done_;
    EBB_ASSIGN_OR_RETURN(const size_t count, source_.kind == TokenKind::kNumPy
                                                 ? ReadArray(out)
                                                 : ReadBytes(out));
    done_ += static_cast<int64_t>(count);
    if (count > 0) return count;
    if (done_ == 0) return Wrong(path(), " is empty: it has no tokens");
    is_open_ = false;
    bytes_.reset();
  }
}

}  // namespace ebb::data::tokens
