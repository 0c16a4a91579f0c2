#include "tools/ebb/stream/message_format.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/growing/message_decoder.h"
#include "ebb/v1/job.pb.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

// How the messages are stored is not scaled: the job that reads them says how.
data::SourceSpec SpecOf(const v1::Job& job) {
  data::SourceSpec spec = worker::TrainingSource(job, data::LabelKind::kClass);
  spec.scale = 1;
  spec.standardise = spec.standardise_labels = false;
  spec.looks_at_labels = true;
  spec.split.reset();
  return spec;
}

std::string ModelFor(absl::string_view format) {
  const bool keyed =
      format == "libffm" || format == "criteo" || format == "ratings";
  return keyed ? "fm" : "linear";
}

// A job that would read such data.
absl::StatusOr<v1::Job> JobOfMessages(const std::string& format,
                                      const std::vector<std::string>& set) {
  const std::string text =
      absl::StrCat("name: messages\ndata: {train: {", format,
                   ": messages}}\nmodel: ", ModelFor(format), "\n");
  std::vector<std::string> keys;
  for (const std::string& one : set) {
    keys.push_back(absl::StartsWith(one, "data.") ||
                           absl::StartsWith(one, "model")
                       ? one
                       : absl::StrCat("data.train.", one));
  }
  job::JobFile file = job::ReadJob(text, "--format", keys);
  EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  job::FillDefaults(&file.job);
  return file.job;
}

absl::StatusOr<MessageFormat> FormatOfJob(const v1::Job& job) {
  MessageFormat format;
  format.spec = SpecOf(job);
  if (!data::growing::IsMessageFormat(format.spec.kind)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--format ", format.spec.format_word(),
        ": messages of one line each are csv, libsvm, libffm, ratings, criteo "
        "or json_lines"));
  }
  format.data_source = job.data().train().SerializeAsString();
  return format;
}

}  // namespace

absl::StatusOr<MessageFormat> ParseMessageFormat(
    const std::string& format, const std::vector<std::string>& set) {
  for (const char c : format) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_')
      continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--format ", format, " is no format; csv is one, for example"));
  }
  EBB_ASSIGN_OR_RETURN(const v1::Job job, JobOfMessages(format, set));
  return FormatOfJob(job);
}

absl::StatusOr<MessageFormat> StoredMessageFormat(
    absl::string_view data_source) {
  v1::Job job;
  if (!job.mutable_data()->mutable_train()->ParseFromArray(
          data_source.data(), static_cast<int>(data_source.size()))) {
    return absl::DataLossError(
        "the set does not say how its messages are read; a program other than "
        "ebb began it");
  }
  const auto& source = job.data().train();
  const bool keyed =
      source.has_libffm() || source.has_criteo() || source.has_ratings();
  EBB_ASSIGN_OR_RETURN(const v1::Job model,
                       JobOfMessages(keyed ? "libffm" : "csv", {}));
  *job.mutable_model() = model.model();
  job::FillDefaults(&job);
  return FormatOfJob(job);
}

}  // namespace ebb::tools
