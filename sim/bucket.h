// The bucket in which simulated servers share checkpoints, and invariant S11:
// its fence holds.
#ifndef EBB_SIM_BUCKET_H_
#define EBB_SIM_BUCKET_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/objects/memory_objects.h"
#include "common/objects/object_store.h"
#include "protocol/plan.h"
#include "server/store/object_layout.h"
#include "sim/rng.h"
#include "sim/stepped_call.h"

namespace ebb::sim {

class Node;
class World;

// The objects in it, and the versions that exist by the rules of
// docs/formats/object-checkpoints.md: it knows them by each change, and not by
// the code of ObjectCheckpoints. After each change it checks S11:
//
//   - a version that exists is not deleted, nor are values that it names,
//   - a term inherits only versions that existed before and are whole,
//   - it inherits each version that a server was told to be stored, unless its
//     owner left it out since,
//   - a version that exists has its values.
class Bucket {
 public:
  // Small, so that values are several objects.
  static constexpr uint64_t kPieceBytes = 700;

  // `world` outlives it.
  Bucket(World* world, Rng rng) : world_(world), rng_(rng) {}

  // Returns the versions that exist; ascending.
  std::vector<VersionKey> Versions() const;
  // A server was told that the version is stored.
  void Stored(const VersionKey& key);
  // All that is in the bucket of the job may go.
  void JobDeleted(JobId job) { deleted_.insert(job); }

 private:
  friend class BucketRequests;

  struct Contents {
    server::ListedObjects there;
    // Also of what was deleted since: the content behind a name never changes.
    std::map<Term, std::set<server::VersionInTerm>> inherits;
    std::map<std::pair<Term, uint64_t>, server::Kept> kept;
    std::map<server::VersionInTerm, std::vector<server::Pack>> packs;
    // Versions that exist, or did.
    std::set<server::VersionInTerm> existed;
    // Said to be stored, and not left out since.
    std::set<server::VersionInTerm> stored;
  };
  using Partition = std::pair<JobId, PartitionId>;

  // The effects of requests.
  absl::StatusOr<std::string> Put(const std::string& key,
                                  const std::string& bytes,
                                  const PutOptions& options);
  absl::Status Delete(const std::string& key);

  // Null: it is not in a partition of a job.
  Contents* ContentsOf(absl::string_view key, Partition* partition,
                       server::ListedObjects* object);
  static std::set<server::VersionInTerm> Existing(const Contents& contents);
  static bool Whole(const Contents& contents,
                    const server::VersionInTerm& version);
  void Added(const std::string& key, const std::string& bytes);
  void NoteInherits(const std::string& key, Term term, const std::string& bytes,
                    Contents* contents);
  void NoteKept(Term term, uint64_t number, const std::string& bytes,
                Contents* contents);
  void Violate(absl::string_view key, absl::string_view what);

  World* const world_;  // Not owned.
  Rng rng_;
  MemoryObjects objects_;
  std::map<Partition, Contents> partitions_;
  std::set<JobId> deleted_;
};

// The bucket as one life of a server reaches it. Its requests are answered at
// once, except those of a stepped call: there they take time, fail without or
// with their effect, and take effect late, or once more. A list shows a change
// that happens meanwhile, or does not.
class BucketRequests final : public ObjectStore {
 public:
  // Both outlive it.
  BucketRequests(Bucket* bucket, const Node* node)
      : bucket_(bucket), node_(node) {}

  // The requests from now on are those of the call; null: of none.
  void BelongTo(SteppedCall* call) { call_ = call; }
  // How long until the next step of the call.
  absl::Duration NextStep();
  // Returns whether the next operation is a stepped call.
  bool Steps() { return bucket_->rng_.Chance(0.6); }
  // The process is killed. A request that is on its way may arrive all the
  // same. All others fail.
  void Kill() { killed_ = true; }
  bool killed() const { return killed_; }

  const std::string& place() const override {
    return bucket_->objects_.place();
  }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

 private:
  using Effect = std::function<absl::StatusOr<std::string>()>;

  absl::StatusOr<std::string> Change(const std::string& what, Effect effect);
  // To the server, or back. An error: the answer never comes.
  absl::Status Travel();
  bool Faulty() const;
  void Later(const std::string& what, Effect effect);

  Bucket* const bucket_;
  const Node* const node_;
  SteppedCall* call_ = nullptr;
  bool killed_ = false;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_BUCKET_H_
