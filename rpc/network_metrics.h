// The metrics of a daemon's connections, whatever daemon it is.
#ifndef EBB_RPC_NETWORK_METRICS_H_
#define EBB_RPC_NETWORK_METRICS_H_

#include "common/metrics/open_metrics.h"
#include "rpc/security.h"

namespace ebb::rpc {

// Adds whether it speaks TLS, until when its certificate is valid, and what it
// refused. Reads that certificate.
void AddNetwork(const Security& security, metrics::OpenMetrics* text);

}  // namespace ebb::rpc

#endif  // EBB_RPC_NETWORK_METRICS_H_
