#include "data/formats/input.h"

// Beside the library's plain functions, those with the widest instructions.
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#endif

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/formats/foreign.h"

namespace ebb::data::internal {

namespace {

// The last parts of a path: "cat/1.png" of "/data/cat/1.png" for two.
absl::string_view EndOf(absl::string_view path, int parts) {
  size_t at = path.size();
  while (parts-- > 0 && at > 0) {
    const size_t slash = path.rfind('/', at - 1);
    if (slash == absl::string_view::npos) return path;
    at = slash;
  }
  return path.substr(std::min(path.size(), at + 1));
}

constexpr size_t kLarge = size_t{128} << 10;

// Only large pieces are hashed with wide instructions: where much is parsed
// between pieces, the processor would change its pace for each of them.
void AddToHash(XXH3_state_t* hash, const char* bytes, size_t size) {
#ifdef XXH_DISPATCH_DISABLE_REPLACE
  if (size >= kLarge) {
    XXH3_128bits_update_dispatch(hash, bytes, size);
    return;
  }
#endif
  XXH3_128bits_update(hash, bytes, size);
}

bool IsEmpty(absl::string_view line) {
  const bool begins = !line.empty() && line[0] > ' ';
  return !begins && line.find_first_not_of(" \t") == absl::string_view::npos;
}

}  // namespace

Input::Input(std::vector<std::string> paths, OpenBytes open,
             const InputOptions& options)
    : paths_(std::move(paths)),
      open_(std::move(open)),
      options_(options),
      hash_(XXH3_createState()),
      buffer_((64 << 10) + kBytesBehindLine) {}

absl::StatusOr<Input> Input::Open(std::vector<std::string> paths,
                                  const OpenBytes& open,
                                  const InputOptions& options) {
  Input input(std::move(paths), open, options);
  EBB_RETURN_IF_ERROR(input.OpenCurrent());
  return input;
}

absl::StatusOr<Input> Input::Open(absl::string_view path,
                                  const OpenBytes& open) {
  return Open(std::vector<std::string>{std::string(path)}, open);
}

absl::Status Input::OpenCurrent() {
  source_.reset();  // What is cached must fit together with what is open.
  EBB_ASSIGN_OR_RETURN(source_, open_(path()));
  if (file_ == 0 || !options_.together) {
    XXH3_128bits_reset(hash_.get());
    fingerprint_bytes_ = 0;
  }
  if (options_.together) {
    // With the zero that ends it.
    const std::string name(EndOf(path(), options_.name_parts));
    XXH3_128bits_update(hash_.get(), name.c_str(), name.size() + 1);
  }
  line_number_ = 0;
  lines_ = 0;
  begin_ = 0;
  end_ = 0;
  at_end_ = false;
  in_place_ = options_.in_place;
  place_ = {};
  given_ = 0;
  return CheckFront();
}

absl::Status Input::CheckFront() {
  if (in_place_) {
    EBB_ASSIGN_OR_RETURN(const auto shown, source_->Show(kForeignBytes));
    if (shown) {
      place_ = *shown;
      return CheckFront(place_);
    }
    in_place_ = false;
  }
  while (!at_end_ && end_ - begin_ < kForeignBytes) {
    EBB_RETURN_IF_ERROR(Fill());
  }
  return CheckFront(absl::string_view(buffer_.data(), end_));
}

absl::Status Input::CheckFront(absl::string_view front) const {
  if (options_.any_format) return absl::OkStatus();
  return RefuseForeign(path(), front.substr(0, kForeignBytes),
                       options_.content);
}

absl::StatusOr<std::optional<absl::string_view>> Input::ViewInPlace(
    size_t size) {
  if (place_.size() < size) {
    HashGiven();
    place_ = {};
    EBB_ASSIGN_OR_RETURN(const auto shown, source_->Show(size));
    if (!shown) {
      in_place_ = false;
      return std::nullopt;
    }
    place_ = *shown;
  } else if (given_ >= kLarge) {
    HashGiven();
  }
  const absl::string_view view = place_.substr(0, size);
  place_.remove_prefix(view.size());
  given_ += view.size();
  fingerprint_bytes_ += static_cast<int64_t>(view.size());
  if (view.size() < size) HashGiven();  // The end of the file.
  return view;
}

// After they were used, and not before: then a checksum is what waits for them
// to come from memory, which takes longer than it needs for its sums anyhow.
void Input::HashGiven() {
  if (given_ == 0) return;
  AddToHash(hash_.get(), place_.data() - given_, given_);
  source_->Pass(given_);
  given_ = 0;
}

absl::Status Input::Fill() {
  HashGiven();
  place_ = {};
  if (begin_ > 0) {
    std::copy(buffer_.begin() + begin_, buffer_.begin() + end_,
              buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  size_t room = buffer_.size() - kBytesBehindLine;
  if (end_ == room) {
    room *= 2;
    buffer_.resize(room + kBytesBehindLine);
  }
  EBB_ASSIGN_OR_RETURN(
      const size_t n,
      source_->Read(std::span<char>(buffer_).subspan(end_, room - end_)));
  AddToHash(hash_.get(), buffer_.data() + end_, n);
  fingerprint_bytes_ += static_cast<int64_t>(n);
  end_ += n;
  at_end_ = n == 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> Input::ReadRawLine(absl::string_view* line) {
  if (line_number_ == 0) {
    EBB_RETURN_IF_ERROR(RefuseOtherText(
        path(), absl::string_view(buffer_.data() + begin_,
                                  std::min(end_ - begin_, kForeignBytes))));
  }
  size_t scanned = 0;
  size_t length = 0;
  size_t terminator = 1;
  for (;;) {
    const char* const start = buffer_.data() + begin_;
    const void* const newline =
        memchr(start + scanned, '\n', end_ - begin_ - scanned);
    if (newline != nullptr) {
      length = static_cast<const char*>(newline) - start;
      break;
    }
    scanned = end_ - begin_;
    if (at_end_) {
      if (scanned == 0) return false;
      length = scanned;
      terminator = 0;
      break;
    }
    if (scanned > kMaxExampleBytes) break;
    EBB_RETURN_IF_ERROR(Fill());
  }
  const bool too_long = std::max(length, scanned) > kMaxExampleBytes;
  *line = absl::string_view(buffer_.data() + begin_,
                            too_long ? kMaxExampleBytes : length);
  // The first line is all of the file.
  const bool no_newline = line_number_ == 0 && (too_long || terminator == 0);
  ++line_number_;
  if (no_newline &&
      line->substr(0, line->size() - 1).find('\r') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        path(),
        ": its lines end with a carriage return (CR) alone, as old Macs wrote "
        "them; write line feeds instead, as `tr '\\r' '\\n' < ",
        path(), "` does"));
  }
  if (too_long) {
    return absl::InvalidArgumentError(
        absl::StrCat(path(), ":", line_number_, ": the line is longer than ",
                     kMaxExampleBytes >> 20,
                     " MiB; is this text, with one example a line?"));
  }
  begin_ += length + terminator;
  line->remove_suffix(absl::EndsWith(*line, "\r") ? 1 : 0);
  if (line_number_ == 1) *line = absl::StripPrefix(*line, "\xef\xbb\xbf");
  return true;
}

absl::StatusOr<bool> Input::ReadLine(absl::string_view* line) {
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, ReadRawLine(line));
    if (!more) {
      EBB_ASSIGN_OR_RETURN(const bool further, NextFile());
      if (!further) return false;
      continue;
    }
    if (IsComment(*line)) continue;
    if (!IsEmpty(*line)) ++lines_;
    return true;
  }
}

absl::StatusOr<bool> Input::NextFile() {
  HashGiven();
  if (file_ + 1 == paths_.size()) return false;
  if (!options_.together) fingerprints_.push_back(Fingerprint());
  ++file_;
  EBB_RETURN_IF_ERROR(OpenCurrent());
  return true;
}

absl::StatusOr<bool> Input::ReadFurtherLine(absl::string_view* line) {
  return ReadRawLine(line);
}

absl::StatusOr<size_t> Input::Read(std::span<char> out) {
  size_t done = 0;
  while (done < out.size()) {
    if (begin_ == end_) {
      if (at_end_) break;
      EBB_RETURN_IF_ERROR(Fill());
    }
    const size_t n = std::min(out.size() - done, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, n, out.data() + done);
    begin_ += n;
    done += n;
  }
  return done;
}

absl::StatusOr<absl::string_view> Input::ReadView(size_t size) {
  if (in_place_ && begin_ == end_) {
    EBB_ASSIGN_OR_RETURN(const auto view, ViewInPlace(size));
    if (view) return *view;
  }
  // A buffer of several views is filled, and what is left over is moved, less
  // often.
  constexpr size_t kMostRoom = size_t{512} << 10;
  const size_t room = std::min(4 * size, kMostRoom) + kBytesBehindLine;
  if (buffer_.size() < room) buffer_.resize(room);
  while (end_ - begin_ < size && !at_end_) EBB_RETURN_IF_ERROR(Fill());
  const size_t n = std::min(size, end_ - begin_);
  const absl::string_view view(buffer_.data() + begin_, n);
  begin_ += n;
  return view;
}

absl::StatusOr<uint64_t> Input::Skip(uint64_t bytes) {
  uint64_t done = 0;
  while (done < bytes) {
    if (begin_ == end_) {
      if (at_end_) break;
      EBB_RETURN_IF_ERROR(Fill());
    }
    const uint64_t n = std::min<uint64_t>(bytes - done, end_ - begin_);
    begin_ += n;
    done += n;
  }
  return done;
}

std::string Input::name() const {
  const size_t more = paths_.size() - 1;
  if (more == 0) return paths_[0];
  return absl::StrCat(paths_[0], " and ", more, " more file",
                      more == 1 ? "" : "s");
}

FileFingerprint Input::Fingerprint() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(hash_.get());
  return {.bytes = fingerprint_bytes_,
          .hash_high = hash.high64,
          .hash_low = hash.low64};
}

std::vector<FileFingerprint> Input::Fingerprints() const {
  std::vector<FileFingerprint> all = fingerprints_;
  all.push_back(Fingerprint());
  return all;
}

}  // namespace ebb::data::internal
