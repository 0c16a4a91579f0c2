// The network of a local cluster, to be disturbed.
#ifndef EBB_TOOLS_EBB_RUN_CHAOS_NETWORK_H_
#define EBB_TOOLS_EBB_RUN_CHAOS_NETWORK_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/chaos/link_table.h"
#include "tools/chaos/plan.h"
#include "tools/chaos/proxy.h"
#include "tools/ebb/run/local_cluster.h"

namespace ebb::tools {

// Not thread-safe; outlives the cluster.
class ChaosNetwork {
 public:
  // From now on the cluster, which is not started yet, is reached through it.
  static absl::StatusOr<std::unique_ptr<ChaosNetwork>> Make(
      LocalClusterOptions* cluster);

  // To be told in each turn which processes are which.
  void Know(const LocalCluster& cluster);
  // One of the network's.
  void Apply(const chaos::Disturb& disturb);

 private:
  explicit ChaosNetwork(std::unique_ptr<chaos::Proxy> proxy)
      : proxy_(std::move(proxy)) {}
  // For each pair of daemons there ever were: `visit(a, b)`.
  template <typename Visitor>
  void ForEachPair(Visitor visit) const;
  void SetLinks();

  const std::unique_ptr<chaos::Proxy> proxy_;
  chaos::LinkTable table_;
  std::map<std::string, pid_t> daemons_;  // The processes of their last lives.
  std::map<std::pair<std::string, std::string>, chaos::LinkState> set_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_CHAOS_NETWORK_H_
