// The items of one job that are on lease, towards the scheduler: it takes
// leases, renews them by progress, and says how each item ended. What was
// pulled for an item goes with the last of them.
//
// Thread-compatible.
#ifndef EBB_CLIENT_ITEM_LEASES_H_
#define EBB_CLIENT_ITEM_LEASES_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_state.h"
#include "client/leased_items.h"
#include "client/pull_ahead.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class ItemLeases {
 public:
  // Neither is owned, and both outlive it.
  ItemLeases(JobState* job, PullAhead* pulls) : job_(*job), pulls_(*pulls) {}

  // `lease` is of the present generation. An answer about an item that is gone
  // changes nothing.
  void Take(Lease lease, absl::Time now);
  // Goes over to the generation: returns all items, and drops what the job
  // holds of the generation before.
  void GoOver(Generation generation, ClientActions* out);

  // --- The end of an item ----------------------------------------------------
  void End(ItemId item, LeaseEnd end, ClientActions* out);
  // Every item that all partitions have.
  void EndDone(ClientActions* out);
  // The round is closed: its items are refused.
  void EndRound(int64_t round, ClientActions* out);
  // `run` could not be computed or pushed.
  void Fail(const LeasedItems::Run& run, const ComputeResult& why,
            ClientActions* out);
  void Fail(const LeasedItems::Run& run, absl::string_view why,
            ClientActions* out);
  // The first item, if there is one.
  void FailFirst(absl::string_view why, ClientActions* out);
  void FailAll(absl::string_view why, ClientActions* out);
  // A message between this worker and the server, named by `what`, is over a
  // limit: others may try all items.
  void GiveUpAll(absl::string_view what, ServerId server,
                 const absl::Status& why, ClientActions* out);
  void ReturnAll(ClientActions* out);
  // Say nothing: the scheduler knows.
  void Drop(ItemId item);
  void DropAll();

  // --- Careful leases --------------------------------------------------------
  // Returns whether the batch may begin. Under a careful lease it asks the
  // scheduler first, and may when a lease answered.
  bool MayBegin(const LeasedItems::Run& batch, absl::Time now,
                ClientActions* out);
  // A question or its answer may be lost with the connection.
  void AskAnew() { asked_.reset(); }

  // --- Renewal ---------------------------------------------------------------
  // `view_clock`: a server says that the worker is in no view.
  void SendProgress(std::optional<int64_t> view_clock, absl::Time now,
                    ClientActions* out);
  // Renews the leases where that is due, while something advances. `loads`: the
  // job waits to be loaded again, which is progress, too.
  void OnTick(bool loads, absl::Time now, ClientActions* out);
  absl::Time NextTick() const;

 private:
  // The batch that was asked about last.
  struct Asked {
    ItemId item;
    int64_t batch = 0;
    bool answered = false;
  };

  ItemEnd EndOf(ItemId item, LeaseEnd end) const;
  // A message about this item.
  Progress ProgressOf(const ItemProgress& item) const;

  JobState& job_;
  PullAhead& pulls_;
  std::optional<Asked> asked_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ITEM_LEASES_H_
