// The room for messages that a listener is receiving.
#ifndef EBB_RPC_INTERNAL_ASSEMBLY_ROOM_H_
#define EBB_RPC_INTERNAL_ASSEMBLY_ROOM_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"

namespace ebb::rpc::internal {

// Thread-safe.
class AssemblyRoom {
 public:
  explicit AssemblyRoom(int64_t bytes) : bytes_(bytes) {}

  int64_t bytes() const { return bytes_; }
  // Call it before a message of `bytes`, at most bytes(), is kept.
  absl::Status Take(int64_t bytes) {
    MutexLock lock(&mu_);
    if (bytes > bytes_ - taken_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "no room for a message of ", bytes, " bytes in pieces: others have ",
          taken_, " of ", bytes_, "; try again later"));
    }
    taken_ += bytes;
    return absl::OkStatus();
  }
  void Give(int64_t bytes) {
    MutexLock lock(&mu_);
    taken_ -= bytes;
  }
  int64_t taken() const {
    MutexLock lock(&mu_);
    return taken_;
  }

 private:
  const int64_t bytes_;
  mutable Mutex mu_;
  int64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_ASSEMBLY_ROOM_H_
