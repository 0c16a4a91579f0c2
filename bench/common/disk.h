// The bytes that a process and a disk move, as the kernel counts them.
#ifndef EBB_BENCH_COMMON_DISK_H_
#define EBB_BENCH_COMMON_DISK_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ebb::bench {

// Bytes that the process caused to be written to storage so far
// (proc_pid_io(5)). NotFound: it is gone.
absl::StatusOr<int64_t> BytesWritten(pid_t process);
// The most that was resident since ForgetPeak (proc_pid_status(5), VmHWM).
absl::StatusOr<int64_t> PeakResidentBytes(pid_t process);
absl::Status ForgetPeak(pid_t process);

// Writes back dirty pages of all files below the folder, and drops them from
// the page cache.
absl::Status DropFromCache(const std::string& folder);
// Reads all files below the folder one after the other, in large pieces. The
// bytes.
absl::StatusOr<int64_t> ReadAll(const std::string& folder);

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_DISK_H_
