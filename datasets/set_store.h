// A folder of data sets: each is seen at FOLDER/NAME, whole and of one push.
//
//   FOLDER/NAME                       a link to the content that is published
//   FOLDER/.ebb-data/NAME/ID/         that content, its manifest beside
//   FOLDER/.ebb-data/NAME/ID.pushing/ what is being pushed
//   FOLDER/.ebb-data/NAME/ID.removed/ what is being deleted
//
// A push writes beside the published content. Publishing renames one link: a
// process that opens the set gets the old or the new content, and a reader of
// the old may go on until the next push of that name begins. Only checksums of
// pushed data are trusted: a push that was killed continues where it was,
// whatever lies there.
#ifndef EBB_DATASETS_SET_STORE_H_
#define EBB_DATASETS_SET_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/kill_point.h"
#include "common/mutex.h"
#include "datasets/manifest.h"
#include "datasets/target.h"

namespace ebb::datasets {

struct SetStoreOptions {
  // Made, if it is missing and may be.
  std::string folder;
  // False: NotFound, where nothing was ever pushed to it.
  bool make = true;
  // Most bytes of all data sets together. It includes those that are being
  // pushed or were replaced, their manifests, and 4 KiB for each file. Default
  // 0: what the disk has.
  int64_t max_bytes = 0;
  // Most data sets, with those that are being pushed. Default 10,000.
  int64_t max_sets = 10'000;
  // How long a call waits for another, perhaps of another process, that renames
  // or deletes. Default a minute; 0: Unavailable at once, for threads that
  // others need.
  absl::Duration lock_patience = absl::Minutes(1);
  KillPoints kill_points;
};

// At which a process with a store may be killed.
std::span<const absl::string_view> StoreKillPoints();

// A data set as it is published, or as it is being pushed.
struct SetSummary {
  std::string name;
  std::string id;
  int64_t files = 0;
  int64_t bytes = 0;
  absl::Time published;  // Or its push began.
  bool pushing = false;
};

// Thread-safe; several processes may have one folder. All calls block on the
// disk.
class SetStore : public Target, public Source {
 public:
  // The errors of making the folder.
  static absl::StatusOr<std::unique_ptr<SetStore>> Open(
      SetStoreOptions options);
  ~SetStore() override;

  absl::StatusOr<Begun> BeginPush(absl::string_view name,
                                  absl::string_view manifest,
                                  bool verify) override;
  absl::StatusOr<std::vector<int64_t>> FindMissing(absl::string_view name,
                                                   absl::string_view id,
                                                   int64_t first,
                                                   int64_t count) override;
  absl::Status PutChunk(absl::string_view name, absl::string_view id,
                        int64_t chunk, absl::string_view bytes) override;
  absl::Status Publish(absl::string_view name, absl::string_view id) override;

  absl::StatusOr<std::string> GetManifest(absl::string_view name) override;
  absl::StatusOr<std::string> GetChunk(absl::string_view name,
                                       absl::string_view id,
                                       int64_t chunk) override;

  // Lists all sets by name. For each name the published one comes before the
  // one that is being pushed.
  absl::StatusOr<std::vector<SetSummary>> List();
  // Removes the set with all pushes under the name. NotFound: there is none.
  absl::Status Remove(absl::string_view name);

  const std::string& folder() const { return options_.folder; }

 private:
  // A content whose chunks are being written.
  struct Push;
  using PushPtr = std::shared_ptr<Push>;
  using ManifestPtr = std::shared_ptr<const Manifest>;

  explicit SetStore(SetStoreOptions options);

  std::string SetFolder(absl::string_view name) const;
  // The paths of one content.
  std::string Published(absl::string_view name, absl::string_view id) const;
  std::string Pushing(absl::string_view name, absl::string_view id) const;
  std::string Link(absl::string_view name) const;
  // The id that the link names; empty: there is none. FailedPrecondition:
  // something else stands there.
  absl::StatusOr<std::string> Current(absl::string_view name) const;
  std::string LockFile() const;
  // While it lives, no other holder changes which contents there are.
  absl::StatusOr<Fd> LockAll() const;
  // Contents in the folder of a set that are neither published nor `keep`.
  std::vector<std::string> OthersOf(absl::string_view name,
                                    absl::string_view current,
                                    absl::string_view keep) const;
  // Gives those up. Locked.
  absl::Status Drop(absl::string_view name,
                    const std::vector<std::string>& contents);
  absl::Status RemovePublished(absl::string_view name, absl::string_view id);
  // ResourceExhausted: `bytes` are too much for `pushing`, even without the
  // contents in `dropped`. Both have paths. Locked.
  absl::Status CheckRoom(int64_t bytes, const std::string& pushing,
                         const std::set<std::string>& dropped);
  // ResourceExhausted: one more set would be too many. Locked.
  absl::Status CheckSets() const;
  int64_t BytesOf(const std::string& content);
  // Forgets the state of the push.
  void Forget(const Push& push, absl::string_view name)
      ABSL_LOCKS_EXCLUDED(mu_);
  // A file of the push could not be made durable.
  absl::Status Lost(const Push& push, absl::string_view name,
                    const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  // Locked.
  absl::Status LinkTo(absl::string_view name, absl::string_view id);

  // The manifest in the folder of a content, read once.
  absl::StatusOr<ManifestPtr> ManifestIn(const std::string& content)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<PushPtr> FindPush(absl::string_view name, absl::string_view id)
      ABSL_LOCKS_EXCLUDED(mu_);

  const SetStoreOptions options_;
  Mutex mu_;
  // By the folders of contents; a few of them.
  std::map<std::string, ManifestPtr> manifests_ ABSL_GUARDED_BY(mu_);
  // By name and id.
  std::map<std::pair<std::string, std::string>, PushPtr> pushes_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_SET_STORE_H_
