// A daemon's log lines about its TLS files, when they change while it runs: its
// new identity, or a warning that they cannot be used. Connections would only
// fail in that case.
//
//   const rpc::SecurityWatch watch(flags.tls.files, {Role::kWorker});
//   EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
//                        rpc::Security::Create(flags.tls, {Role::kWorker}));
#ifndef EBB_RPC_SECURITY_WATCH_H_
#define EBB_RPC_SECURITY_WATCH_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "common/tls/identity_watch.h"
#include "common/tls/role.h"
#include "common/tls/tls_settings.h"

namespace ebb::rpc {

// Starts from the files as they are when it is made; without files it does
// nothing.
class SecurityWatch {
 public:
  SecurityWatch(const TlsFiles& files, RoleSet roles);
  ~SecurityWatch();
  SecurityWatch(const SecurityWatch&) = delete;
  SecurityWatch& operator=(const SecurityWatch&) = delete;

 private:
  void Run();

  IdentityWatch watch_;  // Used by the thread.
  Mutex mu_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_SECURITY_WATCH_H_
