// Files of commands that go to a bucket, or come from one.
#ifndef EBB_TOOLS_BUCKETS_BUCKET_FILE_H_
#define EBB_TOOLS_BUCKETS_BUCKET_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/objects/credentials.h"
#include "common/objects/object_store.h"
#include "common/objects/s3_objects.h"
#include "tools/process/temporary_folder.h"

namespace ebb::tools {

class InterruptNote;

struct BucketFileOptions {
  Environment environment = ProcessEnvironment;
  // Longer files are put, and all files are read, in parts of `part_bytes`.
  uint64_t most_at_once = kMostObjectBytes;
  uint64_t part_bytes = uint64_t{64} << 20;
};

// An object, or the objects below a prefix, and a place for a copy on this
// machine. The destructor deletes the copy, and so does a signal that ends the
// process (TemporaryFolder).
//
//   EBB_ASSIGN_OR_RETURN(auto file, BucketFile::Open("s3://b/model.npz"));
//   EBB_RETURN_IF_ERROR(file->MayPut(false));
//   EBB_RETURN_IF_ERROR(WriteFile(file->copy(), content));
//   EBB_RETURN_IF_ERROR(file->Put(false));
//
// Every call blocks. Errors are those of ObjectStore. Not thread-safe.
class BucketFile {
 public:
  // `place` is s3://BUCKET/KEY. InvalidArgument: it names no object.
  static absl::StatusOr<std::unique_ptr<BucketFile>> Open(
      const std::string& place, const BucketFileOptions& options = {});
  // `place` is s3://BUCKET or s3://BUCKET/PREFIX. What is there is whole if
  // it has an object with the name `last`.
  static absl::StatusOr<std::unique_ptr<BucketFile>> OpenFolder(
      const std::string& place, absl::string_view last,
      const BucketFileOptions& options = {});

  // Use Open or OpenFolder.
  BucketFile(std::unique_ptr<S3Objects> objects, BucketFileOptions options,
             std::string key, std::string last, TemporaryFolder folder)
      : options_(std::move(options)),
        objects_(std::move(objects)),
        key_(std::move(key)),
        last_(std::move(last)),
        folder_(std::move(folder)) {}
  BucketFile(const BucketFile&) = delete;
  BucketFile& operator=(const BucketFile&) = delete;

  // The path of the copy, a file or a folder. There is nothing at first.
  std::string copy() const;
  // A folder for other things that are needed meanwhile.
  const std::string& scratch() const { return folder_.path(); }

  // Checks that a Put could succeed now: for what takes long to compute.
  // AlreadyExists: something is there, and not `replace`.
  absl::Status MayPut(bool replace);
  // Puts the copy. A file is seen whole or not at all. If it is a folder,
  // `last` is put after all others; with `replace` an older one is deleted
  // before. AlreadyExists: something else is there, and not `replace`.
  // Cancelled: SIGINT, SIGTERM or SIGHUP came. The parts of an upload are
  // deleted then, and the destructor can remove the copy. Make no SignalWaiter
  // meanwhile.
  absl::Status Put(bool replace);
  // Makes the copy of the object. NotFound. Cancelled, as for Put.
  absl::Status Get();

 private:
  static absl::StatusOr<std::unique_ptr<BucketFile>> Make(
      const std::string& store, std::string key, std::string last,
      const BucketFileOptions& options);
  absl::Status PutOne(const std::string& key, const std::string& path,
                      bool replace, const InterruptNote& note);

  const BucketFileOptions options_;
  const std::unique_ptr<S3Objects> objects_;
  const std::string key_;   // Empty: it is a folder.
  const std::string last_;  // Empty: it is not a folder.
  const TemporaryFolder folder_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_BUCKETS_BUCKET_FILE_H_
