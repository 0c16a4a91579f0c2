// A partition on its way from this server, the source of a move
// (docs/decisions/0006):
//
//   a cut -> its blocks -> a last cut, and nothing is judged any more
//     -> the blocks that are new in it
//
// The target asks (incoming_move.h) and may begin again at any time. Ends with
// the term that it was moved in. Decision logic only. Thread-compatible.
#ifndef EBB_SERVER_OUTGOING_MOVE_H_
#define EBB_SERVER_OUTGOING_MOVE_H_

#include <cstdint>
#include <map>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/cut.h"
#include "server/partition.h"

namespace ebb::server {

class OutgoingMove {
 public:
  // The source judges no push any more in this term.
  bool frozen() const { return frozen_; }

  // Answers a request of the target for the partition in its present term.
  // `busy`: an update runs, so that a cut must wait for OnIdle.
  void Fetch(uint64_t token, FetchRequest request, bool busy, Partition* values,
             ServerActions* out);
  // The update is done: takes the cuts that were asked for meanwhile.
  void OnIdle(Partition* values, ServerActions* out);
  // The term ends. Whatever waits is answered.
  void End(ServerActions* out);

 private:
  struct ParkedFetch {
    uint64_t token;
    FetchRequest request;
  };

  void FetchCut(uint64_t token, const FetchRequest& request, Partition* values,
                ServerActions* out);
  void FetchBlocks(uint64_t token, const FetchRequest& request,
                   ServerActions* out) const;

  bool frozen_ = false;
  // The cut fetched last: for which new term, and its blocks by content id.
  Term new_term_;
  std::map<uint64_t, CutBlock> blocks_;
  std::vector<ParkedFetch> parked_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_OUTGOING_MOVE_H_
