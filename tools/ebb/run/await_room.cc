#include "tools/ebb/run/await_room.h"

#include "tools/ebb/status/full_disk.h"

namespace ebb::tools {

absl::Status AwaitRoom(absl::FunctionRef<absl::Status()> write,
                       absl::FunctionRef<void(const absl::Status&)> tell,
                       absl::FunctionRef<bool(absl::Duration)> pause) {
  constexpr absl::Duration kPause = absl::Milliseconds(500);
  absl::Status written = write();
  if (!absl::IsResourceExhausted(written)) return written;
  tell(written);
  for (absl::Duration waited; waited < FullDisk::kPatience; waited += kPause) {
    if (!pause(kPause)) return written;
    written = write();
    if (!absl::IsResourceExhausted(written)) return written;
  }
  return written;
}

}  // namespace ebb::tools
