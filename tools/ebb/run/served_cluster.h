// A cluster on this machine for the process that starts it, as ebb.local of
// Python does. The process writes requests, an object of JSON on each line:
//
//   {"number": 1, "do": "state"}
//   {"number": 2, "do": "signal", "name": "ps-0", "signal": 9}
//   {"number": 3, "do": "add_worker", "name": "worker-1"}
//   {"number": 4, "do": "run_program", "name": "a", "argv": ["L2Jpbi90cnVl"],
//    "folder": ["Lw=="], "environment": ["UEFUSD0vYmlu"]}   (in base64)
//   {"number": 5, "do": "stop_program", "name": "a"}
//   {"do": "end"}   (in good order; it has no answer)
//
// Each answer is such a line with the request's number. Number 0 comes once the
// servers serve. Anything may have an "error" instead.
//
//   {"number": 0, "address": "127.0.0.1:7000"}
//   {"number": 1, "processes": {"ps-0": 123, ...}, "given_up": {"a": "why"},
//    "ends": [{"name": "ps-0", "pid": 99, "code": -9, "life_s": 1.5}],
//    "finished": ["a"]}   (a negative code is a signal's; the last 256 ends)
//   {"number": 2, "sent": true}
//   {"number": 3}
#ifndef EBB_TOOLS_EBB_RUN_SERVED_CLUSTER_H_
#define EBB_TOOLS_EBB_RUN_SERVED_CLUSTER_H_

#include <sys/types.h>

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "tools/ebb/run/local_cluster.h"

namespace ebb::tools {

struct ServedClusterOptions {
  // It is there, with the folders `logs`, `state` and `tmp` in it. A cluster
  // that was there before goes on.
  std::string folder;
  // The cluster ends at once when this is not the parent of the process any
  // more; 0: it does not look.
  pid_t parent = 0;
  LocalClusterOptions cluster;
};

// Keeps the cluster until a request ends it. It ends at once if a signal comes,
// if `requests` end, or without the parent. Blocks. The errors of RunFolder and
// of LocalCluster::Start; nothing was written then.
absl::Status ServeCluster(ServedClusterOptions options, int requests,
                          std::ostream& answers);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_SERVED_CLUSTER_H_
