// What people are told of a server that found its store damaged.
#ifndef EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_
#define EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// What was damaged, what became of it and where the damaged files lie; for a
// server whose status has `store_damage`. It names the server.
std::string StoreDamageText(const v1::ServerStatus& server);

// What the damage cost so far: known once the server's partitions are served.
std::string StoreDamageCostText(const v1::ServerStatus& server);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_
