// From a job file to what a scheduler is given: reads the file, opens the
// data, makes the model, and checks them all against each other.
#ifndef EBB_TOOLS_EBB_JOB_SUBMISSION_H_
#define EBB_TOOLS_EBB_JOB_SUBMISSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "job/fit.h"
#include "job/yaml.h"
#include "protocol/plan.h"
#include "tools/ebb/job/start_values.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/ebb/model/job_sizes.h"
#include "worker/fetched_data.h"

namespace ebb::tools {

// Which job, as a command line says it.
struct JobChoice {
  std::string file;
  // The job's text, if it is not all of the file; absent: the file is read.
  std::optional<std::string> text;
  // Kept with the job as its source; absent: the text of the file.
  std::optional<std::string> source;
  // "path.to.key=value", the later before the earlier.
  std::vector<std::string> overrides;
  // Folders from which plugins may come.
  std::vector<std::string> plugin_folders;
  // The specification of the run that goes on, whose values are in its
  // versions: its module is not asked again, and its file of initial values is
  // not read again. Empty: the job is new.
  std::string stored;
  // How its data is opened. Default: as files; what a cluster keeps
  // (ebb://NAME/PATH) is refused.
  data::OpenBytes open = worker::OpenFilesOnly(
      "data sets are kept by a cluster, of which this command knows none; "
      "`ebb submit` and `ebb job check` read them");
  // How the model of another job is read (`start:`). Null: it is refused.
  ModelOpener open_model;
};

struct PreparedJob {
  v1::Job job;       // All defaults filled in, all paths from the root.
  JobRecord record;  // Without an id.
  std::string source;
  // The first values of its tables; null: the job does not say it, or goes on.
  // It is to be pushed before the job is submitted.
  std::shared_ptr<const InitialValues> initial;
  DataExtent data;
  // The text of each class, as the files have it; empty where there are none.
  std::vector<std::string> classes;
  // The one of two classes that precision, recall and F1 are of; empty where
  // there are others or none.
  std::string positive_class;
  // "column 'price'": where the labels of a table are. Empty for other data.
  std::string label;
  // The defaults that follow from the data.
  std::vector<job::Choice> choices;
  // For people; mostly empty. It has a line for each override that leaves out a
  // part of the file's job, and for bad examples that are left out of the data.
  std::string note;
};

// Makes a job with `validate` that of its first fold, for commands that only
// look at it.
void TakeFirstFold(JobChoice* choice);

// Reads and checks everything; blocks on the disk. InvalidArgument when
// something is wrong, the message being all mistakes, each with its place, as
// they are to be printed.
absl::StatusOr<PreparedJob> PrepareJob(const JobChoice& choice);

// The request that submits it; `request_id` makes repeating it safe.
v1::SubmitJobRequest SubmitRequestOf(const PreparedJob& prepared,
                                     absl::string_view request_id);

// A new name for a submission.
std::string NewRequestId();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_SUBMISSION_H_
