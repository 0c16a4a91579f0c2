#include "data/internal/input.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace ebb::data::internal {

Input::Input(std::string path, std::unique_ptr<ByteSource> source)
    : path_(std::move(path)),
      source_(std::move(source)),
      hash_(XXH3_createState()),
      buffer_(64 << 10) {
  XXH3_128bits_reset(hash_.get());
}

absl::StatusOr<Input> Input::Open(absl::string_view path,
                                  const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, open(path));
  return Input(std::string(path), std::move(source));
}

absl::Status Input::Fill() {
  if (begin_ > 0) {
    std::copy(buffer_.begin() + begin_, buffer_.begin() + end_,
              buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  EBB_ASSIGN_OR_RETURN(const size_t n,
                       source_->Read(std::span<char>(buffer_).subspan(end_)));
  XXH3_128bits_update(hash_.get(), buffer_.data() + end_, n);
  fingerprint_bytes_ += static_cast<int64_t>(n);
  end_ += n;
  at_end_ = n == 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> Input::ReadLine(absl::string_view* line) {
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
  ++line_number_;
  if (std::max(length, scanned) > kMaxExampleBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", line_number_, ": the line is longer than ",
                     kMaxExampleBytes >> 20,
                     " MiB; is this text, with one example a line?"));
  }
  *line = absl::string_view(buffer_.data() + begin_, length);
  begin_ += length + terminator;
  line->remove_suffix(absl::EndsWith(*line, "\r") ? 1 : 0);
  if (line_number_ == 1) {
    *line = absl::StripPrefix(*line, "\xef\xbb\xbf");
    if (absl::StartsWith(*line, "\xff\xfe") ||
        absl::StartsWith(*line, "\xfe\xff")) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_,
          ":1: the file is text in UTF-16; make it UTF-8, as `iconv -f "
          "UTF-16 -t UTF-8` does"));
    }
  }
  return true;
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

FileFingerprint Input::Fingerprint() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(hash_.get());
  return {.bytes = fingerprint_bytes_,
          .hash_high = hash.high64,
          .hash_low = hash.low64};
}

}  // namespace ebb::data::internal
