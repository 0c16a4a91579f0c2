// The memory files of a process that lie open to readers in others: which of
// them holds given bytes, and where.
#ifndef EBB_COMMON_SHM_FILE_TABLE_H_
#define EBB_COMMON_SHM_FILE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/shm/memory_file.h"

namespace ebb::shm {

// A stretch of a file of the table.
struct Run {
  uint32_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};
// In place of a file: what lies in none, its offset among all of that.
inline constexpr uint32_t kNoFile = 0xffffffff;

// Thread-safe. Files stay until the table goes.
class FileTable {
 public:
  FileTable() = default;
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;

  // `mapping` is where all of the file `fd` lies in this process. `spare` says
  // how many bytes of it readers elsewhere may keep from being used again; it
  // must not call the table. A file that others could write to, or cut short,
  // is not added: false.
  bool Add(int fd, std::span<const std::byte> mapping,
           std::function<int64_t()> spare);

  struct File {
    int fd = -1;  // The table's own.
    int64_t bytes = 0;
  };
  // Absent: none of that number.
  std::optional<File> Get(uint32_t number) const;

  // Returns where the values lie, in their order.
  std::vector<Run> Find(const Payload& values) const;

  // Counts what a reader elsewhere begins to keep of the files. False: there is
  // no room for that, and nothing is counted.
  bool Pin(const std::vector<Run>& runs);
  void Unpin(const std::vector<Run>& runs);
  int64_t pinned_bytes() const;

  // Keeps values until the end: their readers may live on for an unknown time.
  void Keep(std::vector<Payload> values);

 private:
  struct Entry {
    Fd fd;
    std::span<const std::byte> mapping;
    std::function<int64_t()> spare;
    int64_t pinned = 0;
  };

  mutable Mutex mu_;
  std::vector<Entry> files_ ABSL_GUARDED_BY(mu_);
  std::vector<Payload> kept_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_FILE_TABLE_H_
