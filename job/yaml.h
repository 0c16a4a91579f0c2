// Job files: YAML to the Job message and back, one to one.
//
//   const JobFile file = ReadJobFile(path, {"train.epochs=3"});
//   if (!file.ok()) return ToStatus(file.mistakes);
//   ... open the data, fill `facts` ...
//   EBB_RETURN_IF_ERROR(ToStatus(ValidateJob(file.job, facts, file.sources)));
//   FillDefaults(&job);
//
// It knows no key by name: the mapping follows job.proto and its annotations.
#ifndef EBB_JOB_YAML_H_
#define EBB_JOB_YAML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "job/fit.h"

namespace ebb::job {

struct JobFile {
  v1::Job job;  // Absent keys are not filled in.
  SourceMap sources;
  std::vector<Mistake> mistakes;  // By line.

  bool ok() const { return mistakes.empty(); }
};

// Reads a job and checks all that can be checked without its data. `overrides`
// are "path.to.key=value", and go before what the text says; of two for one
// key the later counts. All mistakes are collected. `name` is what messages
// call the file.
JobFile ReadJob(absl::string_view text, absl::string_view name,
                const std::vector<std::string>& overrides = {});

// The name of a job whose file gives it none: that of the file, as far as it
// may be one. "Clicks 2.yaml": clicks-2. Empty: the file has no name for
// people, as the standard input.
std::string NameAfterFile(absl::string_view path);

// The same from a file, after which the job is named if it has no name. A file
// that cannot be read is a mistake like others.
JobFile ReadJobFile(const std::string& path,
                    const std::vector<std::string>& overrides = {});

// ReadJob without overrides: the job, or InvalidArgument with all mistakes.
// `sources` may be null.
absl::StatusOr<v1::Job> ParseJobYaml(absl::string_view text,
                                     absl::string_view name,
                                     SourceMap* sources);

enum class YamlStyle {
  kCompact,    // The keys that are set, a line per key of the job.
  kExplained,  // All defaults filled in, a line and a word for each key.
};

// YAML that ReadJob reads as the same job (kExplained: with defaults, and the
// reasons of `choices`). Ends with a line break.
std::string JobToYaml(const v1::Job& job, YamlStyle style,
                      const std::vector<Choice>& choices = {});

}  // namespace ebb::job

#endif  // EBB_JOB_YAML_H_
