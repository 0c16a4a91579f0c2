// A study on the disk: what a program asked for and told, by `ebb sweep ask`
// and `ebb sweep tell`.
//
// The journal is a file of JSON objects, one a line. Every line is on the disk
// before its answer is given, and a line that was cut off by a death counts as
// not written. What the study is follows from the lines: they are told again to
// a Study when the journal is opened.
//
//   {"study": "digits", "definition": "3348cf77bd838ecf"}
//   {"ask": 0, "request": "a", "unix_ms": 1795770002229, "set": {"rate":
//   "0.1"}}
//   {"trial": 0, "epoch": 1, "epochs": 9, "value": 0.5}
//   {"trial": 0, "value": 0.6}     (its result: the trial is over)
//   {"trial": 0, "failed": true}
#ifndef EBB_TOOLS_EBB_SWEEP_STUDY_JOURNAL_H_
#define EBB_TOOLS_EBB_SWEEP_STUDY_JOURNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sweep/study.h"
#include "sweep/sweep_file.h"
#include "tools/text/json.h"

namespace ebb::tools {

// Not thread-safe. Several processes may have the file open: each call locks
// it, reads what the others wrote, and lets it go. All methods block on the
// disk. After an error of the disk the journal is not to be used any more: open
// it anew.
class StudyJournal {
 public:
  // Makes the file if there is none. FailedPrecondition: it is of another
  // study, or not the file of a study; then it stays as it is. DataLoss: a line
  // other than the last cannot be read.
  static absl::StatusOr<std::unique_ptr<StudyJournal>> Open(
      const sweep::SweepFile& file, const std::string& path);
  ~StudyJournal();
  StudyJournal(const StudyJournal&) = delete;
  StudyJournal& operator=(const StudyJournal&) = delete;

  // The next trial: {"trial": 3, "set": {…}}; or {"trial": null, "why": …}. The
  // same request, unless it is empty, gets the same trial again.
  absl::StatusOr<Json> Ask(const std::string& request, int64_t now_unix_ms);
  // Takes a line, such as {"trial": 3, "epoch": 1, "epochs": 9, "value": 0.5}.
  // The name of the metric may stand instead of "value".
  // Returns {"trial": 3, "counted": true, "go_on": true}. `counted` is false if
  // it was told before or the trial was over, and then nothing changes.
  // InvalidArgument: the line means nothing.
  absl::StatusOr<Json> Tell(absl::string_view line);

  const std::vector<sweep::Trial>& trials() const { return study_.trials(); }

 private:
  StudyJournal(const sweep::SweepFile& file, std::string path, int fd)
      : file_(file), path_(std::move(path)), fd_(fd), study_(file.sweep, {}) {}

  // Reads the lines that were written since the last time.
  absl::Status Read();
  absl::Status ReadLines(absl::string_view text);
  // A line of the journal, which was told before.
  absl::Status Replay(const std::string& line);
  // A line's news of a trial.
  struct Told {
    int64_t trial = 0;
    std::optional<int32_t> epoch;
    int32_t epochs = 0;
    std::optional<double> value;
    bool failed = false;
  };
  absl::StatusOr<Told> ParseTold(absl::string_view line) const;
  // True if it changes anything; an error: it does not fit what was told.
  absl::StatusOr<bool> IsNew(const Told& told) const;
  void Apply(const Told& told);
  const sweep::Trial* Find(int64_t number) const;
  absl::Status Append(const std::string& line);

  const sweep::SweepFile& file_;  // Not owned.
  const std::string path_;
  const int fd_;
  int64_t read_ = 0;   // Bytes: all whole lines up to there.
  int64_t lines_ = 0;  // In them.
  sweep::Study study_;
  std::map<std::string, int64_t> requests_;  // Trials.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_STUDY_JOURNAL_H_
