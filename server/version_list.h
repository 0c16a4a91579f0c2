// The versions of one partition that a server has stored: what a load may take,
// what a rollback may go to, what retention lets go.
//
// Thread-compatible.
#ifndef EBB_SERVER_VERSION_LIST_H_
#define EBB_SERVER_VERSION_LIST_H_

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb::server {

class VersionList {
 public:
  // `rounds`: of a job in rounds, as far as they are known.
  void Add(const VersionKey& key, std::optional<RoundSpan> rounds) {
    versions_[key] = {rounds, false};
  }
  // Adds a version found in the store; known versions stay unchanged.
  void Found(const VersionKey& key, std::optional<RoundSpan> rounds) {
    versions_.try_emplace(key, Version{rounds, false});
  }
  // It could not be loaded: it counts no more, and the next Prune drops it.
  void Damaged(const VersionKey& key);

  // It is no longer there.
  void Gone(const VersionKey& key) { versions_.erase(key); }

  // The versions that a load tries, the best first: those of the generation,
  // the newest first, then the one it started from.
  std::vector<VersionKey> ToLoad(PartitionId partition, Generation generation,
                                 const RollbackRecord& rollback) const;
  // Returns the term of the newest sound version of the generation, else of the
  // one that it started from; 0: there is none.
  Term NewestTerm(Generation generation, const RollbackRecord& rollback) const;
  // Drops, and returns, all of them.
  std::vector<VersionKey> Clear();
  // The versions that a rollback may name: sound, of the generation's line.
  std::vector<RoundVersion> OfRounds(Generation generation,
                                     const RollbackRecord& rollback) const;
  // The same of any job: without rounds where it has none.
  std::vector<RoundVersion> OfTheLine(Generation generation,
                                      const RollbackRecord& rollback) const;
  // Drops, and returns, all but the newest `keep` sound ones of the line and
  // the one that the generation started from.
  std::vector<VersionKey> Prune(size_t keep, Generation generation,
                                const RollbackRecord& rollback);

 private:
  struct Version {
    std::optional<RoundSpan> rounds;
    bool damaged = false;
  };

  std::map<VersionKey, Version> versions_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_VERSION_LIST_H_
