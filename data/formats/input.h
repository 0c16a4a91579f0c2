// The files of a source, one after the other, as lines or as bytes, each
// fingerprinted on the way.
#ifndef EBB_DATA_FORMATS_INPUT_H_
#define EBB_DATA_FORMATS_INPUT_H_

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/fingerprint.h"
#include "data/formats/foreign.h"

namespace ebb::data::internal {

// The bytes behind a line that may be read, whatever they are.
inline constexpr size_t kBytesBehindLine = 64;

// The longest line of text and the largest IDX example: what a reader holds.
inline constexpr int64_t kMaxExampleBytes = int64_t{16} << 20;

struct InputOptions {
  // True if files may begin as those that ebb does not read (foreign.h). Else
  // these are refused.
  bool any_format = false;
  // The content that is not refused.
  Content content = Content::kOther;
  // True if all files have one fingerprint, that of their names and bytes. For
  // folders of many files.
  bool together = false;
  // With `together`: how many parts of a path are the file's name, from the
  // end.
  int name_parts = 1;
  // True if ReadView() gives the bytes of plain files where they are, without
  // a copy. They may change meanwhile (CheckUnchanged()).
  bool in_place = false;
};

// One file is open at a time; the next one is opened when the last has been
// read to its end. Errors of opening one, and of a file that is well known but
// none that ebb reads (foreign.h), come from Open() or from the read that needs
// it.
class Input {
 public:
  // `paths` has at least one.
  static absl::StatusOr<Input> Open(std::vector<std::string> paths,
                                    const OpenBytes& open,
                                    const InputOptions& options = {});
  static absl::StatusOr<Input> Open(absl::string_view path,
                                    const OpenBytes& open);

  // Lines that begin with `comment` are passed over from now on.
  void SkipComments(std::string comment) { comment_ = std::move(comment); }

  bool IsComment(absl::string_view line) const {
    return !comment_.empty() && line.substr(0, comment_.size()) == comment_;
  }

  // Sets `*line` to the next line without its end (\n or \r\n; the last one of
  // a file may lack it) and without the byte order mark of its file; false at
  // the end of the last file. The line is valid until the next call, and
  // kBytesBehindLine further bytes may be read.
  // kInvalidArgument beyond kMaxExampleBytes, where a file is not in UTF-8, and
  // where its lines end with \r alone.
  absl::StatusOr<bool> ReadLine(absl::string_view* line);
  // The same for the rest of an example that takes several lines: passes over
  // nothing, and the end of this file is the end.
  absl::StatusOr<bool> ReadFurtherLine(absl::string_view* line);

  // Fills the front of `out` and returns how much of it: less than all of it
  // only at the end of the file. Does not go on to the next one.
  absl::StatusOr<size_t> Read(std::span<char> out);
  // Returns the next `size` bytes: fewer only at the end of the file. They are
  // valid until the next call. Holds them in memory, so the caller bounds
  // `size`.
  absl::StatusOr<absl::string_view> ReadView(size_t size);

  // kUnavailable: another program changed the file while it was read, so bytes
  // of ReadView() may be wrong. What reads to the end of a file is told anyhow;
  // this is for what finds a mistake before.
  absl::Status CheckUnchanged() const {
    return source_ == nullptr ? absl::OkStatus() : source_->CheckUnchanged();
  }

  // Passes over bytes of this file and returns how many: less only at its end.
  absl::StatusOr<uint64_t> Skip(uint64_t bytes);

  // Goes on to the next file; false where there is none.
  absl::StatusOr<bool> NextFile();

  // All files.
  const std::vector<std::string>& paths() const { return paths_; }
  // Path of the file that has the line read last; at the end the last file.
  const std::string& path() const { return paths_[file_]; }
  // All files, for messages: "a.csv", "a.csv and 2 more files".
  std::string name() const;
  // The number of the line read last in its file, from 1.
  int64_t line_number() const { return line_number_; }
  // True if that is the first of a file but the very first file; comments and
  // empty lines are none.
  bool begins_further_file() const { return file_ > 0 && lines_ == 1; }
  // The bytes given out so far.
  int64_t offset() const { return fingerprint_bytes_ - Buffered(); }
  // Fingerprints of the files in their order, each once it has been read to its
  // end; or the only one, once all have been.
  std::vector<FileFingerprint> Fingerprints() const;

 private:
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  Input(std::vector<std::string> paths, OpenBytes open,
        const InputOptions& options);

  // The file that is next to read.
  absl::Status OpenCurrent();
  // Adds to the buffer, making room first; sets at_end_ when nothing is left.
  absl::Status Fill();
  // Refuses a file by its front.
  absl::Status CheckFront();
  absl::Status CheckFront(absl::string_view front) const;
  // ReadView() in place. Absent: the bytes are to be read.
  absl::StatusOr<std::optional<absl::string_view>> ViewInPlace(size_t size);
  // Adds what was given out in place to the fingerprint.
  void HashGiven();
  int64_t Buffered() const { return static_cast<int64_t>(end_ - begin_); }
  FileFingerprint Fingerprint() const;
  // The next line of this file, with a mark and whatever it is.
  absl::StatusOr<bool> ReadRawLine(absl::string_view* line);

  std::vector<std::string> paths_;
  OpenBytes open_;
  InputOptions options_;
  std::string comment_;
  // Fingerprints of the files that are read; the members below are about the
  // open file.
  std::vector<FileFingerprint> fingerprints_;
  size_t file_ = 0;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_;
  int64_t fingerprint_bytes_ = 0;
  int64_t line_number_ = 0;
  int64_t lines_ = 0;  // Lines of them that were given out and are not empty.
  // buffer_[begin_, end_) is read but not given out. kBytesBehindLine are
  // always free behind it.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;
  // True if the source shows the bytes. Then place_ is what it has shown and
  // was not given out. `given_` bytes before it were, and are to be hashed.
  bool in_place_ = false;
  absl::string_view place_;
  size_t given_ = 0;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_INPUT_H_
