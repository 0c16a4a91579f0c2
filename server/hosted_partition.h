// The state that a server keeps of a partition that it owns, or once did.
#ifndef EBB_SERVER_HOSTED_PARTITION_H_
#define EBB_SERVER_HOSTED_PARTITION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_set.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/incoming_move.h"
#include "server/memory/block_pool.h"
#include "server/outgoing_move.h"
#include "server/partition.h"
#include "server/pending_push.h"
#include "server/store/checkpoint_store.h"
#include "server/version_list.h"

namespace ebb::server {

// Thread-compatible.
struct HostedPartition {
  struct QueuedSegment {
    PendingPushPtr push;
    size_t segment;
    bool answered = false;  // Before it was done.
  };

  // The push that would close a round, and waits for the round's operation.
  struct Held {
    QueuedSegment segment;
    std::unique_ptr<Partition::Update> update;
    // It came, but there was no memory for it.
    std::optional<RoundOperation> operation;
  };

  // Served: its values are here, in a term that was granted.
  bool serving() const { return values != nullptr && term != Term(); }

  // Not owned here; it may be on its way.
  bool OwnedElsewhere() const { return term == Term(); }

  // All there is to tell the scheduler.
  PartitionRegistration Registration(PartitionId id,
                                     const StoredJob& job) const;
  // The changes since the last report or registration; nullopt: none.
  std::optional<PartitionMarkReport> TakeReport(PartitionId id,
                                                const StoredJob& job);
  // A registration said all of it.
  void ResetReport();
  // Returns those that a rollback may name, as they are reported.
  std::vector<RoundVersion> StoredVersions(const StoredJob& job) const;

  void BeginTerm(Term now);

  // Forgets its values and all that depends on them: loads, copies on their
  // way here, marks that are stored. Not its versions and terms; and nothing
  // waits for them any more (HostedJob::DropPartition).
  void DropValues();

  // For its values, from before they are loaded or copied until they go.
  PromisedBlocks room;

  Term term;          // Owned under; 0: not owned.
  Term highest_seen;  // The highest of all terms, owned or stored.
  Term parent;        // The parent in the grant.
  std::shared_ptr<Partition> values;  // Null while loading.
  VersionList versions;               // Durable.
  std::deque<VersionKey> to_load;     // Candidates, best first.
  bool listing = false;  // A list of the shared folder's versions is requested.
  bool initial_asked = false;  // The values that it begins with are on the way.
  bool load_waits = false;     // Until the next try.

  // The one writer.
  bool busy = false;
  QueuedSegment running;
  std::optional<Held> held;
  std::deque<QueuedSegment> queue;
  // Taken when the update that runs is done: it is of the term before.
  std::optional<PartitionGrant> next_grant;
  // The term, or a later one, was granted or stored.
  bool Seen(Term of) const {
    return of <= highest_seen || (next_grant && of <= next_grant->term);
  }

  // Versions of the present term.
  int64_t next_sequence = 0;
  bool base_durable = false;  // A version of this very term is stored.
  bool cut_wanted = false;
  absl::Time cut_wanted_since = absl::InfinitePast();
  bool cut_asked = false;           // Not only as its interval is over.
  absl::btree_set<ItemId> unsaved;  // Changed since the last cut.
  std::optional<MarkSet> durable;
  // When the newest versions were written, of which the scheduler may not have
  // heard.
  std::deque<absl::Time> written;
  // So many versions are told, the newest: the others are kept for a rollback
  // that was decided before it heard of the newest.
  size_t most_told = std::numeric_limits<size_t>::max();

  // Moves.
  OutgoingMove outgoing;  // Whatever is asked for in the present term.
  std::unique_ptr<IncomingMove> incoming;  // Null: none is under way.

  // Marks to be reported.
  absl::btree_set<ItemId> changed;
  absl::btree_set<ItemId> changed_durable;
  bool changed_versions = false;
  bool changed_figures = false;  // The kept figures changed.
  bool new_operation = false;    // The last operation is to be reported.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_HOSTED_PARTITION_H_
