// The report of a run whose daemons have ended: its last figures, the verdict,
// its files, and how the run goes on.
#ifndef EBB_TOOLS_EBB_RUN_FINISHED_RUN_H_
#define EBB_TOOLS_EBB_RUN_FINISHED_RUN_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/report/run_report.h"

namespace ebb::tools {

// In all of these, `job` is the run's job as it was submitted, and an error
// becomes a problem of the report.

// Reports whether the run predicts, and was interrupted before it had a part.
// Looks into the folder of the predictions, since workers that were told to
// leave may have finished theirs after the last status.
bool PredictedNothing(const v1::Job& job, const RunReport& report);

// Puts why the job stopped, and what helps, before all other problems. `why` is
// that of WhyStopped; empty: the report stays as it is. Reads what the daemons
// stored in the folder.
void ExplainStop(absl::string_view why, const v1::Job& job,
                 const RunFolder& folder, RunReport* report);

// Adds the epochs that the job had, the figures of the stored model that no
// worker measures, and whether expectations are met. Judges a run that was not
// interrupted. Reads the stored model and the job's data.
void FinishReport(const v1::Job& job, const RunFolder& folder,
                  RunReport* report);

// Writes a file with this content.
using FileWriter = absl::FunctionRef<absl::Status(const std::string& path,
                                                  absl::string_view content)>;

// Writes report.html and report.json into the folder, and one of them also to
// the file `copy`: the page if its name ends in .html. Empty: there is no copy.
// The report then names what a person finds in the folder.
void WriteReport(const RunFolder& folder, const std::vector<RunSample>& samples,
                 const std::string& copy, FileWriter write_file,
                 RunReport* report);

// Copies the report that lies in the folder to the file `copy`: the page if its
// name ends in .html, else the JSON. The errors of reading and writing.
absl::Status CopyReport(const RunFolder& folder, const std::string& copy);

// Reports whether all is applied, audited and judged. Otherwise --resume can
// add to the run: a server that did not answer may be audited then, and a run
// that was interrupted may be judged.
bool NothingLeft(const RunReport& report);

// The command that goes on with the run in `folder`.
std::string CommandToGoOn(const JobChoice& choice, absl::string_view folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_FINISHED_RUN_H_
