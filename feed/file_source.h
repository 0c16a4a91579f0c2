// Files that grow and rotate: each line is a message.
#ifndef EBB_FEED_FILE_SOURCE_H_
#define EBB_FEED_FILE_SOURCE_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "feed/message_source.h"

namespace ebb::feed {

struct FileSourceOptions {
  // Patterns such as "/var/log/clicks*.log". Absolute, so that feeders on the
  // same machine mean the same files.
  std::vector<std::string> patterns;
  // A file is known by the hash of so many first bytes, whatever its name, and
  // is not read before it has them. Default 1,024; more if many files begin
  // alike.
  int64_t fingerprint_bytes = 1024;
  // The time between two looks at the files.
  absl::Duration look = absl::Milliseconds(200);
};

// A partition is a file, "file-" and the XXH3 (64 bits) of its first bytes, and
// an offset is a byte: that of a line's begin. So a file that is renamed stays
// the partition that it was, and is read to its end. A file that is cut (as
// copytruncate of logrotate does) is refused, as lines may be lost. The last
// line counts once it has its end. See MessageSource for the threads.
class FileSource final : public MessageSource {
 public:
  // InvalidArgument: an option is wrong.
  static absl::StatusOr<std::unique_ptr<FileSource>> Make(
      FileSourceOptions options);

  absl::StatusOr<data::growing::SourceIdentity> Identity() override;
  absl::Status Begin(const data::growing::Ends& ends) override;
  // FailedPrecondition: a file was cut, two files begin alike, or a line is
  // longer than 16 MiB.
  absl::StatusOr<PollResult> Poll(const std::set<std::string>& full,
                                  absl::Time until) override;
  void Wake() override;

 private:
  using Inode = std::pair<dev_t, ino_t>;
  struct File {
    std::string path;  // The last one.
    Fd file;
    std::string partition;  // Empty: it has too few bytes to be known.
    int64_t position = 0;
    bool listed = false;  // Its path still leads to it.
    absl::Time idle_since;
  };

  FileSource(FileSourceOptions options, Fd wake)
      : options_(std::move(options)), wake_(std::move(wake)) {}

  // Looks which files there are.
  absl::Status Scan(PollResult* result);
  absl::Status Meet(const std::string& path, PollResult* result);
  // Gives a file its partition, if it has enough bytes.
  absl::Status Recognise(File* file, PollResult* result);
  absl::Status GoTo(File* file, const data::growing::PartitionEnd& end) const;
  absl::Status Read(File* file, PollResult* result);
  absl::Status ReadAll(const std::set<std::string>& full, PollResult* result);
  void Note(const std::string& text, PollResult* result);
  // Returns early if there was a Wake().
  void WaitUntil(absl::Time until) const;

  const FileSourceOptions options_;
  const Fd wake_;
  std::map<Inode, File> files_;
  data::growing::Ends ends_;
  std::set<std::string> notes_;  // Each is said once.
};

}  // namespace ebb::feed

#endif  // EBB_FEED_FILE_SOURCE_H_
