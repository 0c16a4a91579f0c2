// The folder of one `ebb run`: everything that the run writes is in it.
//
//   logs/        the daemons' logs            job.yaml     the whole job
//   state/       their stores                 metrics.csv  a line per sample
//   tmp/         for what they may scribble   report.*     the result
//   scheduler.address               run, specification   what --resume needs
//   tls/         certificates, and `token`, that of the job: with --tls
#ifndef EBB_TOOLS_EBB_REPORT_RUN_FOLDER_H_
#define EBB_TOOLS_EBB_REPORT_RUN_FOLDER_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

// A moment of a run.
struct RunSample {
  double seconds = 0;
  Progress progress;
};

// Locked for as long as it exists: one run at a time.
class RunFolder {
 public:
  // Makes runs/NAME-N with the first free N or, if `folder` is not empty, that
  // one, which must be empty or missing. AlreadyExists: it is not.
  static absl::StatusOr<RunFolder> Make(absl::string_view name,
                                        const std::string& folder);
  // Opens one to go on in: `folder`, or the runs/NAME-N with the highest N.
  // NotFound: there is none. FailedPrecondition: another ebb runs in it.
  static absl::StatusOr<RunFolder> Open(absl::string_view name,
                                        const std::string& folder);

  RunFolder(RunFolder&& other) noexcept
      : path_(std::move(other.path_)),
        shown_(std::move(other.shown_)),
        lock_fd_(std::exchange(other.lock_fd_, -1)) {}
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  // From the root.
  const std::string& path() const { return path_; }
  // The path as a person would write it.
  const std::string& shown() const { return shown_; }
  std::string File(absl::string_view name) const;
  std::string Log(absl::string_view daemon) const;
  std::string State(absl::string_view daemon) const;

  // The daemons whose stores are in it, e.g. "ps-0".
  std::vector<std::string> Stores() const;

  // Adds lines to metrics.csv: all of them or, on an error, none.
  // ResourceExhausted: the disk is full.
  absl::Status AppendSamples(std::span<const RunSample> samples) const;
  // Reads the samples of earlier parts of the run.
  std::vector<RunSample> ReadSamples() const;
  // Reads those in the text of a metrics.csv. Leaves out lines without sense.
  static std::vector<RunSample> SamplesOf(absl::string_view text);

 private:
  RunFolder(std::string path, std::string shown, int lock_fd)
      : path_(std::move(path)), shown_(std::move(shown)), lock_fd_(lock_fd) {}
  static absl::StatusOr<RunFolder> Lock(const std::string& folder);

  std::string path_;
  std::string shown_;
  int lock_fd_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_RUN_FOLDER_H_
