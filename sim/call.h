// A pull or push under way: it ends with one answer or one failure.
#ifndef EBB_SIM_CALL_H_
#define EBB_SIM_CALL_H_

#include <cstdint>
#include <memory>
#include <variant>

#include "absl/time/time.h"
#include "client/actions.h"

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

}  // namespace ebb::sim

#endif  // EBB_SIM_CALL_H_
