// A folder of data sets: each is seen at FOLDER/NAME, whole and of one push.
//
//   FOLDER/NAME                       a link to the content that is published
//   FOLDER/.ebb-data/NAME/ID/         that content, its manifest beside
//   FOLDER/.ebb-data/NAME/ID.pushing/ what is being pushed
//
// A push writes beside what is there; publishing it renames one link, so who
// looks sees the old or the new, and who reads the old may go on until the next
// push of that name begins. What was pushed is believed by its checksums alone:
// a push that is killed goes on where it was, whatever lies there.
#ifndef EBB_COMMON_DATASETS_SET_STORE_H_
#define EBB_COMMON_DATASETS_SET_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/datasets/manifest.h"
#include "common/datasets/target.h"
#include "common/fd.h"
#include "common/kill_point.h"
#include "common/mutex.h"

namespace ebb::datasets {

struct SetStoreOptions {
  // Made, if it is missing.
  std::string folder;
  // Of all data sets together, those included that are being pushed or were
  // replaced. Default 0: what the disk has.
  int64_t max_bytes = 0;
  KillPoints kill_points;
};

// At which a process with a store may be killed.
std::span<const absl::string_view> StoreKillPoints();

// A data set as it is published.
struct SetSummary {
  std::string name;
  std::string id;
  int64_t files = 0;
  int64_t bytes = 0;
  absl::Time published;
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

  // All that are published, by name.
  absl::StatusOr<std::vector<SetSummary>> List();
  // With all that was pushed under the name. NotFound: there is none.
  absl::Status Remove(absl::string_view name);

  const std::string& folder() const { return options_.folder; }

 private:
  // A content of which chunks are written.
  struct Push;
  using PushPtr = std::shared_ptr<Push>;
  using ManifestPtr = std::shared_ptr<const Manifest>;

  explicit SetStore(SetStoreOptions options);

  std::string SetFolder(absl::string_view name) const;
  // Of one content.
  std::string Published(absl::string_view name, absl::string_view id) const;
  std::string Pushing(absl::string_view name, absl::string_view id) const;
  std::string Link(absl::string_view name) const;
  // The id that the link names; empty: there is none. FailedPrecondition:
  // something else stands there.
  absl::StatusOr<std::string> Current(absl::string_view name) const;
  // Nobody else changes which contents there are.
  absl::StatusOr<Fd> LockAll() const;
  // Gives up what is neither published nor `keep`. Locked.
  absl::Status DropOthers(absl::string_view name, absl::string_view current,
                          absl::string_view keep);
  // ResourceExhausted: `bytes` more are too much. Locked.
  absl::Status CheckRoom(int64_t bytes, absl::string_view but_of);
  int64_t BytesOf(const std::string& content);
  // Locked.
  absl::Status LinkTo(absl::string_view name, absl::string_view id);

  // Of the folder of a content, read once.
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

#endif  // EBB_COMMON_DATASETS_SET_STORE_H_
