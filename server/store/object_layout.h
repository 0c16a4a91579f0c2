// The names and the records of checkpoints among objects
// (docs/formats/object-checkpoints.md).
#ifndef EBB_SERVER_STORE_OBJECT_LAYOUT_H_
#define EBB_SERVER_STORE_OBJECT_LAYOUT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/objects/object_store.h"
#include "protocol/plan.h"
#include "server/store/internal/folder_layout.h"
#include "server/store/internal/folder_manifest.h"

namespace ebb::server {

// --- Names -------------------------------------------------------------------
// Numbers that order objects have leading zeros, so that a list has older
// versions before newer ones.

inline constexpr absl::string_view kObjectIdentity = "identity";

// "job-1/"
std::string JobPrefix(JobId job);
// "job-1/server-0/job"
std::string JobRecordKey(JobId job, ServerId server);
// "job-1/p0/"
std::string PartitionPrefix(JobId job, PartitionId partition);

// Below a partition's prefix:
std::string ClaimKey(Term term);
std::string InheritsKey(Term term);
std::string VersionObjectKey(Term term, const VersionFile& version);
std::string KeptKey(Term term, uint64_t number);
// Values are cut into pieces, which are objects.
std::string ValuesKey(const PackName& pack, uint64_t piece);

// The files of a term in a folder of ebb 0.2.
struct OldTerm {
  TermFolder folder;
  std::set<VersionFile> versions;
  std::set<uint64_t> packs;
  std::vector<std::string> unfinished;  // Names of versions that are not whole.
};

// The objects of a partition, as they are listed.
struct ListedObjects {
  std::set<Term> claims;
  std::set<Term> inherits;
  std::map<Term, std::set<VersionFile>> versions;
  std::map<Term, std::set<uint64_t>> kept;
  std::map<PackName, std::set<uint64_t>> pieces;
  // By the name of the folder: another one when a newer term takes it over.
  std::map<std::string, OldTerm> old;

  // The newest term that has any of these but a claim.
  Term NewestWritten() const;
};

// `objects` have the partition's prefix, which is removed. Other names are
// ignored.
ListedObjects ParseListedObjects(absl::string_view prefix,
                                 std::span<const ListedObject> objects);

// --- Records -----------------------------------------------------------------

// A version within its partition.
struct VersionInTerm {
  Term term;
  VersionFile file;
  friend constexpr auto operator<=>(const VersionInTerm&,
                                    const VersionInTerm&) = default;
};

struct InheritedVersion {
  VersionInTerm version;
  ServerId writer;
  friend constexpr auto operator<=>(const InheritedVersion&,
                                    const InheritedVersion&) = default;
};

// The versions that a term goes on from: of older terms, no others exist.
struct Inherits {
  ServerId server;  // The owner of the term.
  std::vector<InheritedVersion> versions;
  friend bool operator==(const Inherits&, const Inherits&) = default;
};

// The versions that an owner keeps when it deletes: of those in older terms,
// and of its own up to `newest`, only these exist, whether objects of others do
// or not.
struct Kept {
  VersionFile newest;
  std::vector<VersionInTerm> versions;
  friend bool operator==(const Kept&, const Kept&) = default;
};

std::string EncodeClaim(ServerId server);
absl::StatusOr<ServerId> DecodeClaim(absl::string_view bytes);
std::string EncodeInherits(const Inherits& inherits);
absl::StatusOr<Inherits> DecodeInherits(absl::string_view bytes);
std::string EncodeKept(const Kept& kept);
absl::StatusOr<Kept> DecodeKept(absl::string_view bytes);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_OBJECT_LAYOUT_H_
