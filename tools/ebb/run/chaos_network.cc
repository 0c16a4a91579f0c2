#include "tools/ebb/run/chaos_network.h"

#include <sys/resource.h>

#include <vector>

#include "common/status_macros.h"

namespace ebb::tools {

namespace {

// Two for each connection of the cluster.
void AllowManyDescriptors() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChaosNetwork>> ChaosNetwork::Make(
    LocalClusterOptions* cluster) {
  AllowManyDescriptors();
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<chaos::Proxy> proxy,
                       chaos::Proxy::Start());
  chaos::Proxy* const door = proxy.get();
  cluster->front = [door](const std::string& daemon,
                          const std::string& address) {
    return door->Front(daemon, address);
  };
  return std::unique_ptr<ChaosNetwork>(new ChaosNetwork(std::move(proxy)));
}

void ChaosNetwork::Know(const LocalCluster& cluster) {
  bool changed = false;
  for (const std::string& daemon : cluster.Daemons()) {
    const pid_t pid = cluster.Pid(daemon);
    changed = changed || std::exchange(daemons_[daemon], pid) != pid;
  }
  if (!changed) return;
  std::vector<chaos::DaemonProcess> processes;
  for (const auto& [daemon, pid] : daemons_) processes.push_back({pid, daemon});
  proxy_->SetDaemons(std::move(processes));
  SetLinks();
}

void ChaosNetwork::Apply(const chaos::Disturb& disturb) {
  if (disturb.op == chaos::Op::kDrop) {
    ForEachPair([&](const std::string& a, const std::string& b) {
      if (chaos::IsBetween(disturb.link, a, b)) proxy_->Drop(a, b);
    });
    return;
  }
  table_.Apply(disturb);
  SetLinks();
}

template <typename Visitor>
void ChaosNetwork::ForEachPair(Visitor visit) const {
  for (auto a = daemons_.begin(); a != daemons_.end(); ++a) {
    for (auto b = std::next(a); b != daemons_.end(); ++b) {
      visit(a->first, b->first);
    }
  }
}

void ChaosNetwork::SetLinks() {
  ForEachPair([&](const std::string& a, const std::string& b) {
    const chaos::LinkState state = table_.StateOf(a, b);
    chaos::LinkState& before = set_[{a, b}];
    if (std::exchange(before, state) != state) proxy_->Set(a, b, state);
  });
}

}  // namespace ebb::tools
