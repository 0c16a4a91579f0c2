#include "rpc/security_watch.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"

namespace ebb::rpc {

namespace {

// gRPC reads them as often (internal/grpc_security.cc).
constexpr absl::Duration kLookAgain = absl::Seconds(1);

}  // namespace

SecurityWatch::SecurityWatch(const TlsFiles& files, RoleSet roles)
    : watch_(files, roles) {
  if (!files.none()) thread_ = std::thread([this] { Run(); });
}

SecurityWatch::~SecurityWatch() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
  }
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
}

void SecurityWatch::Run() {
  MutexLock lock(&mu_);
  while (!stop_) {
    wake_.WaitFor(&mu_, kLookAgain);
    const auto news = watch_.Look(absl::Now());
    if (!news) continue;
    if (news->ok()) {
      LOG(INFO) << "security: the files of TLS have changed: "
                << RoleName(*(*news)->role) << " \"" << (*news)->name
                << "\", valid until " << (*news)->not_after;
    } else {
      LOG(WARNING)
          << "security: the files of TLS have changed, and connections "
             "made from now on can fail: "
          << news->status().message();
    }
  }
}

}  // namespace ebb::rpc
