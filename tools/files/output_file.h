// A large file that is there only when it is whole.
#ifndef EBB_TOOLS_FILES_OUTPUT_FILE_H_
#define EBB_TOOLS_FILES_OUTPUT_FILE_H_

#include <zlib.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// Written beside its place, PATH.new, and renamed by Publish(); without
// Publish() it leaves no file. For one thread.
class OutputFile {
 public:
  // Errors, here and below, name the file and what the system says.
  static absl::StatusOr<OutputFile> Create(const std::string& path, bool gzip);
  OutputFile(OutputFile&& other) noexcept
      : path_(std::exchange(other.path_, "")), file_(std::move(other.file_)) {}
  OutputFile& operator=(OutputFile&& other) = delete;
  ~OutputFile();

  absl::Status Append(absl::string_view bytes);
  // Ends the file: append nothing after it.
  absl::Status Close();
  // Call it after Close(). Replaces the old file.
  absl::Status Publish();

  const std::string& path() const { return path_; }

 private:
  struct CloseFile {
    void operator()(gzFile_s* file) const { gzclose_w(file); }
  };

  OutputFile(std::string path, gzFile file)
      : path_(std::move(path)), file_(file) {}
  std::string Fresh() const { return path_ + ".new"; }

  std::string path_;  // Empty: moved away, or published.
  std::unique_ptr<gzFile_s, CloseFile> file_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_FILES_OUTPUT_FILE_H_
