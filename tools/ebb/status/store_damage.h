// Messages for people about a server with a damaged store.
#ifndef EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_
#define EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// The damage, the rescue and the place of the damaged files, for a server whose
// status has `store_damage`. It names the server.
std::string StoreDamageText(const v1::ServerStatus& server);

// The cost of the damage so far: known once the server's partitions are served.
std::string StoreDamageCostText(const v1::ServerStatus& server);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STORE_DAMAGE_H_
