// How late the gradients of a job come, and what that costs: steps that are
// scaled down, and workers that wait for others.
#ifndef EBB_TOOLS_TEXT_LATENESS_H_
#define EBB_TOOLS_TEXT_LATENESS_H_

#include <optional>
#include <string>

#include "ebb/v1/common.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// Returns the mean factor of the rate of an update; nothing: no server said.
std::optional<double> MeanFactor(const v1::ScaledUpdates& scaled);
// See protocol/effective_staleness.h. Nothing: also if no server said.
std::optional<double> EffectiveStaleness(const v1::ScaledUpdates& scaled);

// How long workers waited for a clock bound, all together, in seconds, and the
// part of the workers' time that this is. Nothing: it is not known.
std::optional<double> BoundWaitSeconds(const v1::JobStatus& job);
std::optional<double> BoundWaitShare(const v1::JobStatus& job);

// "by 0.71 on average (5,120 of 9,380 updates), 3 of them to nothing;
// effective staleness 9.2". Empty: no update was scaled.
std::string ScaledText(const v1::ScaledUpdates& scaled);
// "workers waited 12.3 s for others, 4.1 % of their time". Empty: it is not
// known.
std::string BoundWaitText(const v1::JobStatus& job);

// Adds the members "scaled_updates", "bound_wait_seconds" and "worker_seconds".
// What is not known is null.
void AddLateness(const v1::JobStatus& job, Json* json);

// Adds the first to the second.
void AddTo(const v1::ScaledUpdates& some, v1::ScaledUpdates* sum);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_LATENESS_H_
