// Writes the files of a packed set: windows, and at the end the footer.
#ifndef EBB_DATA_PACK_WINDOW_WRITER_H_
#define EBB_DATA_PACK_WINDOW_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "data/pack/footer.h"
#include "data/pack/window.h"
#include "data/reader.h"

namespace ebb::data::pack {

// Thread-compatible. Holds one window in memory.
class WindowWriter {
 public:
  // `footer` says everything but what the writer finds: the files, the windows
  // and their sums. `folder` is there and empty.
  WindowWriter(std::string folder, Footer footer, bool compress);

  // The next example. Blocks when a window is full. kResourceExhausted,
  // kUnavailable: it cannot be written.
  absl::Status Add(const Example& example);
  // Writes the rest and the footer, durably. There were as many examples as the
  // footer says.
  absl::Status Finish();

  const Footer& footer() const { return footer_; }

 private:
  absl::Status WriteWindow();
  absl::Status NextFile();

  const std::string folder_;
  const bool compress_;
  Footer footer_;
  Window window_;
  std::string path_;  // The open file's.
  Fd file_;
};

// Creates the file, writes it, and waits until it is on the disk.
absl::Status WriteDurably(const std::string& path, absl::string_view bytes);
absl::Status WriteAll(int fd, const std::string& path, const char* bytes,
                      size_t size);
// "PATH cannot be written: …; free space on its disk".
absl::Status CannotWrite(const std::string& path);
// Waits until the names in the folder are on the disk.
absl::Status SyncFolder(const std::string& path);

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_WRITER_H_
