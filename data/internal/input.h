// One file of a source, as lines or as bytes, fingerprinted on the way.
#ifndef EBB_DATA_INTERNAL_INPUT_H_
#define EBB_DATA_INTERNAL_INPUT_H_

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/fingerprint.h"

namespace ebb::data::internal {

// The longest line of text and the largest IDX example: what a reader holds.
inline constexpr int64_t kMaxExampleBytes = int64_t{16} << 20;

class Input {
 public:
  static absl::StatusOr<Input> Open(absl::string_view path,
                                    const OpenBytes& open);

  // Sets `*line` to the next line without its end (\n or \r\n; the last one
  // may lack it) and without the byte order mark of the file; false at the
  // end. The line is valid until the next call. kInvalidArgument beyond
  // kMaxExampleBytes, and where the file is in UTF-16.
  absl::StatusOr<bool> ReadLine(absl::string_view* line);

  // Fills the front of `out` and returns how much of it: less than all of it
  // only at the end of the file.
  absl::StatusOr<size_t> Read(std::span<char> out);

  const std::string& path() const { return path_; }
  // The number of the line read last, from 1.
  int64_t line_number() const { return line_number_; }
  // The bytes given out so far.
  int64_t offset() const { return fingerprint_bytes_ - Buffered(); }
  // Of the whole file, once it has been read to its end.
  FileFingerprint Fingerprint() const;

 private:
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  Input(std::string path, std::unique_ptr<ByteSource> source);

  // Adds to the buffer, making room first; sets at_end_ when nothing is left.
  absl::Status Fill();
  int64_t Buffered() const { return static_cast<int64_t>(end_ - begin_); }

  std::string path_;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_;
  int64_t fingerprint_bytes_ = 0;
  int64_t line_number_ = 0;
  // buffer_[begin_, end_) is read but not given out.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_INPUT_H_
