// Folders that last no longer than what is done in them.
#ifndef EBB_TOOLS_PROCESS_TEMPORARY_FOLDER_H_
#define EBB_TOOLS_PROCESS_TEMPORARY_FOLDER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ebb::tools {

class InterruptedFolders;

// The machine's folder for temporary files: $TMPDIR, or /tmp. The working
// folder, if there is no such folder.
std::string FolderOfTemporaryFiles();

// A new folder, which the destructor removes with its content. A SIGINT,
// SIGTERM or SIGHUP that would end the process removes it, too. A thread does
// that, and not the handler of the signal, and then the process ends by the
// signal, whatever its other threads wait for. A second signal ends it at once.
// Signals that are ignored stay so, and those for a SignalWaiter or an
// InterruptNote reach these. Not thread-safe, but each thread may have some.
//
//   EBB_ASSIGN_OR_RETURN(const TemporaryFolder folder,
//                        TemporaryFolder::Make(FolderOfTemporaryFiles() +
//                        "/ebb"));
//   EBB_RETURN_IF_ERROR(WriteFile(folder / "model", text));
class TemporaryFolder {
 public:
  // The folder is called `front`, and has "-" and six more characters behind
  // it. The folders above it are made, too, and stay. Errors name the folder
  // and what the system says.
  static absl::StatusOr<TemporaryFolder> Make(const std::string& front);

  TemporaryFolder(TemporaryFolder&& other) noexcept
      : path_(std::exchange(other.path_, "")),
        interrupted_(std::move(other.interrupted_)) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }
  // Returns the path of this name in the folder.
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  TemporaryFolder(std::string path,
                  std::shared_ptr<InterruptedFolders> interrupted)
      : path_(std::move(path)), interrupted_(std::move(interrupted)) {}

  std::string path_;  // Empty: it was moved.
  // All temporary folders share it.
  std::shared_ptr<InterruptedFolders> interrupted_;
};

// The words that such a signal prints on the standard error before it ends the
// process, and after the folders are removed, while this object exists. It does
// so also if there is no folder. One at a time.
//
//   const InterruptWords words("interrupted: nothing was written\n");
class InterruptWords {
 public:
  explicit InterruptWords(std::string words);
  InterruptWords(const InterruptWords&) = delete;
  InterruptWords& operator=(const InterruptWords&) = delete;
  ~InterruptWords();

 private:
  std::shared_ptr<InterruptedFolders> interrupted_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_TEMPORARY_FOLDER_H_
