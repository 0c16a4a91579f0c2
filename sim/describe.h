// Messages in a few words, for traces.
#ifndef EBB_SIM_DESCRIBE_H_
#define EBB_SIM_DESCRIBE_H_

#include <string>

#include "protocol/messages.h"

namespace ebb::sim {

std::string Describe(const VersionKey& key);
std::string Describe(const PushRequest& push);
std::string Describe(const PushReply& reply);
std::string Describe(const PullRequest& pull);
std::string Describe(const PullReply& reply);
std::string Describe(const ServerToScheduler& message);
std::string Describe(const SchedulerToServer& message);
std::string Describe(const WorkerToScheduler& message);
std::string Describe(const SchedulerToWorker& message);

}  // namespace ebb::sim

#endif  // EBB_SIM_DESCRIBE_H_
