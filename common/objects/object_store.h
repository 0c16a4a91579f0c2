// Objects under names: a bucket, a folder or memory.
#ifndef EBB_COMMON_OBJECTS_OBJECT_STORE_H_
#define EBB_COMMON_OBJECTS_OBJECT_STORE_H_

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

inline constexpr uint64_t kWholeObject = std::numeric_limits<uint64_t>::max();
// No store holds a larger object than this, and none reads more at once.
inline constexpr uint64_t kMostObjectBytes = uint64_t{512} << 20;
// The longest key.
inline constexpr size_t kMostKeyBytes = 1024;

struct ObjectContent {
  std::string bytes;
  // Another one whenever the object is another.
  std::string etag;
  // The size of the whole object.
  uint64_t size = 0;
};

struct GetOptions {
  uint64_t offset = 0;
  // The most bytes to read; an object that ends before gives fewer.
  uint64_t bytes = kWholeObject;
  // The ETag that the object must still have; empty: any.
  std::string if_match;

  bool whole() const { return offset == 0 && bytes == kWholeObject; }
};

struct PutOptions {
  // The object must not be there yet.
  bool create_only = false;
  // The ETag of the object that is replaced; empty: any, or none.
  std::string if_match;
};

struct ListedObject {
  std::string key;
  uint64_t bytes = 0;
  friend bool operator==(const ListedObject&, const ListedObject&) = default;
};

struct ListOptions {
  std::string prefix;
  // Keys with a "/" after the prefix are listed once, as ObjectPage::folders.
  bool folders = false;
  // ObjectPage::next of the page before; empty: the first page.
  std::string after;
  int64_t most = 1000;
};

struct ObjectPage {
  std::vector<ListedObject> objects;  // Ascending by the bytes of the key.
  std::vector<std::string> folders;   // Whole prefixes that end with "/".
  std::string next;                   // Empty: this is the last page.
};

// The seam between ebb and the places where objects are. Implementations: S3
// (s3_objects.h), a web server (http_objects.h, to read only), a folder
// (folder_objects.h) and memory (memory_objects.h). One contract test runs
// through all of them (object_store_test.cc).
//
// An object is put whole and seen whole. As in a folder, no key may continue
// another after a "/". A list shows every put and delete that
// ended before the list began.
//
// Every call blocks, and ends: it has a deadline, within which it repeats what
// failed in passing. Errors, besides those named: Unavailable (it may pass),
// PermissionDenied, ResourceExhausted (no room), FailedPrecondition (the store
// lacks something), InvalidArgument (no such key can be). Messages name the
// object.
//
// Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Names the place in messages, for example "s3://bucket/prefix/".
  virtual const std::string& place() const = 0;

  // NotFound. Aborted: the object has another ETag than `if_match`. OutOfRange:
  // it ends before `offset`, or at it. ResourceExhausted: more than
  // kMostObjectBytes would have to be read.
  virtual absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                            const GetOptions& options) = 0;

  // Puts the parts as one object; returns its ETag. A condition counts as met
  // if the object is there with the same bytes: so a caller may repeat a put
  // whose outcome it does not know. AlreadyExists: `create_only`, and another
  // object is there. Aborted: the object has another ETag than `if_match`, or
  // is not there. After any other error the object may be there, also later.
  virtual absl::StatusOr<std::string> Put(
      absl::string_view key, std::span<const absl::string_view> parts,
      const PutOptions& options) = 0;

  virtual absl::StatusOr<ObjectPage> List(const ListOptions& options) = 0;

  // Deleting what is not there succeeds.
  virtual absl::Status Delete(absl::string_view key) = 0;
};

// InvalidArgument unless it is a relative path of 1 to kMostKeyBytes bytes,
// with no empty part, none that begins with ".", and no control character.
absl::Status CheckObjectKey(absl::string_view key);

// All objects below the prefix. ResourceExhausted: there are more than `most`.
absl::StatusOr<std::vector<ListedObject>> ListAllObjects(
    ObjectStore* store, absl::string_view prefix, int64_t most = 1'000'000);
// All folders directly below the prefix.
absl::StatusOr<std::vector<std::string>> ListObjectFolders(
    ObjectStore* store, absl::string_view prefix, int64_t most = 1'000'000);

// Puts one string.
absl::StatusOr<std::string> PutObject(ObjectStore* store, absl::string_view key,
                                      absl::string_view bytes,
                                      const PutOptions& options = {});
// The same; AlreadyExists if another object is there.
absl::StatusOr<std::string> CreateObject(ObjectStore* store,
                                         absl::string_view key,
                                         absl::string_view bytes);

// Shows that the store keeps what its users rest on, with objects whose keys
// begin with `prefix`: of 8 creates at once exactly one succeeds, what was put
// is listed, and what was deleted is not. FailedPrecondition names what it does
// not keep. Takes 8 threads while it runs.
absl::Status ProbeObjectStore(ObjectStore* store, absl::string_view prefix);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_OBJECT_STORE_H_
