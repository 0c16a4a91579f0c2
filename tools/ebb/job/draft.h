// Holds what is known of a job while it is prepared. submission.h says how.
#ifndef EBB_TOOLS_EBB_JOB_DRAFT_H_
#define EBB_TOOLS_EBB_JOB_DRAFT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "job/fit.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/job/data_facts.h"
#include "tools/ebb/job/start_values.h"
#include "tools/ebb/model/beginning.h"
#include "tools/ebb/model/job_sizes.h"
#include "worker/python/python_model.h"

namespace ebb::tools {

// A job file that is being prepared, and all that is found to be wrong with it,
// each thing once.
struct Draft {
  data::OpenBytes open = data::OpenFile;
  v1::Job full;  // With all defaults.
  job::JobFile file;
  // The stored job of a run that goes on; nothing: it is a new job.
  std::optional<v1::Specification> stored;
  job::DataFacts known;
  DataExtent extent;
  std::vector<std::string> notes;
  // The module, once it was asked.
  std::unique_ptr<worker::PythonModel> module;
  // The values that the workload chose from the data.
  Beginning begun;
  // StartValues::with_rows of the model with which the job starts.
  decltype(StartValues::with_rows) with_rows;
  // The source of the data, for errors that say that it is not there.
  std::string data_hint;

  // Notes the bad examples that are left out of the data at `key`, beyond those
  // that are known of already.
  void NoteLeftOut(const data::Dataset& data, absl::string_view key,
                   int64_t known_already = 0);

  // Notes what the owner should know of the columns of the training data.
  void NoteRemarks(const data::Dataset& data, absl::string_view key);

  // A mistake for each line of the message, of the key `path` unless the line
  // names another. OK: none.
  void Fail(const absl::Status& status, absl::string_view path);

  // Applies the rules of the job file to what is known by now.
  void Validate();

  // True if there is a mistake of `key`, or of a key in it.
  bool WrongIn(absl::string_view key) const;
};

// InvalidArgument, as people read a mistake of the key `path`, unless the
// status names another itself.
absl::Status Refuse(const absl::Status& status, absl::string_view path,
                    const job::SourceMap& sources);

// Parameters of the dense tables.
int64_t ParametersOf(const job::JobFacts& facts);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DRAFT_H_
