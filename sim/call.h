// Calls under way: each ends with one answer or one failure.
#ifndef EBB_SIM_CALL_H_
#define EBB_SIM_CALL_H_

#include <cstdint>
#include <memory>
#include <variant>

#include "absl/time/time.h"
#include "client/actions.h"
#include "server/store/fetched.h"

namespace ebb::sim {

class WorkerNode;

struct Call {
  WorkerNode* worker = nullptr;  // Not owned.
  uint64_t worker_life = 0;
  std::variant<client::PushId, client::PullId> id;
  absl::Time deadline;
  bool done = false;  // At the worker.
};
using CallPtr = std::shared_ptr<Call>;

class ServerNode;

// A fetch under way, from the target of a move to its source.
struct FetchCall {
  ServerNode* target = nullptr;  // Not owned.
  uint64_t target_life = 0;
  server::FetchTask task;
  bool done = false;  // At the target.
};
using FetchCallPtr = std::shared_ptr<FetchCall>;

}  // namespace ebb::sim

#endif  // EBB_SIM_CALL_H_
