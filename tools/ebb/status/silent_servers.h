// The servers of a job that can be asked, and the message about silent ones:
// their partitions are unknown, and need not be empty.
#ifndef EBB_TOOLS_EBB_STATUS_SILENT_SERVERS_H_
#define EBB_TOOLS_EBB_STATUS_SILENT_SERVERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// A server that should know partitions and did not answer.
struct SilentServer {
  int server = -1;  // -1: no server is known to own them.
  std::vector<int32_t> partitions;
  std::string why;
};

struct JobServers {
  struct There {
    int32_t server = 0;
    std::string address;
    std::vector<int32_t> partitions;
  };
  std::vector<There> there;
  // Not to be asked: away, or loading. A server that loads some of its
  // partitions only is in both.
  std::vector<SilentServer> awaited;
};

// By the job's placement.
JobServers ServersOf(const v1::GetJobResponse& job);

// "no answer from ps-1 (partitions 0-2, 5): it is away, or loads them".
std::string SilentText(const SilentServer& silent);
// [{"server": "ps-1", "partitions": [0, 1, 2, 5]}]
Json SilentJson(const std::vector<SilentServer>& silent);

// "partition 4", "partitions 0-2, 5".
std::string PartitionsText(const std::vector<int32_t>& partitions);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_SILENT_SERVERS_H_
