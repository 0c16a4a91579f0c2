// The listening ends of the gRPC transport.
#ifndef EBB_RPC_INTERNAL_GRPC_LISTENER_H_
#define EBB_RPC_INTERNAL_GRPC_LISTENER_H_

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "rpc/internal/guard.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/traffic.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// A service that can be shut down in order: BeginShutdown, the server's own
// shutdown, EndShutdown.
class StoppableService {
 public:
  virtual ~StoppableService() = default;
  virtual grpc::Service* service() = 0;
  // Refuses new calls and ends sessions.
  virtual void BeginShutdown() = 0;
  // Waits until no handler runs.
  virtual void EndShutdown() = 0;
};

// `traffic` and `kept_keys` are not owned and outlive the service.
std::unique_ptr<StoppableService> MakePsService(const PsServices& services,
                                                const TransportOptions& options,
                                                Traffic* traffic, Guard guard,
                                                KeptKeys* kept_keys);
std::unique_ptr<StoppableService> MakeSchedulerService(
    const SchedulerServices& services, const TransportOptions& options,
    Guard guard);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_LISTENER_H_
