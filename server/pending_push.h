// A push between its arrival and its reply: each segment is answered by
// itself, the last answer sends the reply.
#ifndef EBB_SERVER_PENDING_PUSH_H_
#define EBB_SERVER_PENDING_PUSH_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/options.h"

namespace ebb::server {

// Thread-compatible.
class PendingPush {
 public:
  // `options` names the server that replies; used here only.
  PendingPush(uint64_t token, PushRequest request, Generation generation,
              const ServerOptions& options);

  const PushRequest& request() const { return request_; }
  // Once for each segment; the last one appends the reply to `out`.
  void Answer(size_t segment, Verdict verdict, int64_t mark, Term term,
              ServerActions* out);
  // All segments the same, as none has been answered yet; `term` is this
  // server's of a partition.
  void AnswerAll(Verdict verdict, absl::FunctionRef<Term(PartitionId)> term,
                 ServerActions* out);
  // Answers a push without segments.
  void Reply(ServerActions* out);

 private:
  const uint64_t token_;
  const PushRequest request_;
  PushReply reply_;
  size_t unanswered_;
};

using PendingPushPtr = std::shared_ptr<PendingPush>;

}  // namespace ebb::server

#endif  // EBB_SERVER_PENDING_PUSH_H_
