#include "tools/ebb/predict/predict_here.h"

#include <fstream>
#include <iostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "job/base/traits.h"
#include "job/prediction.h"
#include "tools/command/command.h"
#include "tools/ebb/job/open_anywhere.h"
#include "tools/ebb/predict/predict_model.h"
#include "tools/ebb/predict/predict_output.h"
#include "tools/ebb/predict/prediction_scores.h"
#include "tools/ebb/predict/predictions.h"
#include "tools/ebb/trained/stored_model.h"
#include "tools/files/files.h"
#include "tools/files/standard_input.h"
#include "tools/process/temporary_folder.h"
#include "tools/text/console.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// Errors call the standard input so.
constexpr char kInput[] = "the standard input";

// The file with the examples on this machine.
struct InputFile {
  std::string path;
  std::string called;
};

// The file that is named, or the standard input, which this reads to its end.
absl::StatusOr<InputFile> InputOf(const PredictFlags& flags) {
  if (flags.data != kStandardInput) return InputFile{flags.data, flags.data};
  EBB_ASSIGN_OR_RETURN(std::string kept, KeepStandardInput());
  return InputFile{std::move(kept), kInput};
}

// Files of this machine, buckets and web servers: the user named them.
data::OpenBytes Anywhere(const InputFile& input) {
  return OpenAnywhere([input](absl::string_view path) {
    return path == input.called && input.path != input.called
               ? data::OpenFileAs(input.path, input.called)
               : data::OpenFile(path);
  });
}

// Prints what a model answers to questions.
absl::Status Answer(const PredictFlags& flags,
                    const workloads::ToolsSide& workload,
                    const StoredModel& stored) {
  const workloads::ToolsFacts facts = workload.Facts();
  if (!flags.id.empty() || flags.labelled) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.labelled ? "--labelled" : "--id", ": questions about ",
        facts.about, " have neither columns nor labels; leave it out"));
  }
  if (flags.skip_bad) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--bad-examples skip: ", facts.answers,
        " answer questions, and a line that asks none is a mistake; leave it "
        "out"));
  }
  EBB_ASSIGN_OR_RETURN(const auto questions, workload.Ask(stored));
  if (questions == nullptr) {
    return absl::InternalError(absl::StrCat(
        facts.answers, " answer questions, but nothing asks them"));
  }
  EBB_ASSIGN_OR_RETURN(const InputFile input, InputOf(flags));
  EBB_ASSIGN_OR_RETURN(const std::string lines, ReadFile(input.path));
  const auto answer = [&](std::ostream& out) {
    return questions->Answer(
        lines, input.called, flags.score,
        [&](absl::string_view text) { out << text; },
        [&](const std::string& text) { flags.Warn(text); });
  };
  std::ofstream nowhere;  // The figures alone are wanted.
  EBB_RETURN_IF_ERROR(!flags.output.empty() ? WriteOutput(flags.output, answer)
                      : flags.score         ? answer(nowhere)
                                            : answer(std::cout));
  if (flags.score) std::cout << questions->ScoreText();
  std::cout.flush();
  return std::cout ? absl::OkStatus()
                   : absl::UnavailableError("cannot write the standard output");
}

}  // namespace

int PredictHere(const PredictFlags& flags) {
  const absl::Status writable = CheckOutput(flags.output);
  if (!writable.ok()) return Report(writable);
  bool damaged = false;
  auto stored = LoadModel(flags, &damaged);
  if (!stored.ok()) return Report(stored.status());
  const workloads::ToolsSide& workload =
      workloads::ToolsOf(stored->job.model());
  if (!workload.Facts().answers.empty()) {
    const absl::Status answered = Answer(flags, workload, *stored);
    if (!answered.ok()) return Report(answered);
    return damaged ? kExitFailed : kExitGood;
  }
  if (worker::HasPythonData(stored->job)) {
    return Report(absl::FailedPreconditionError(absl::StrCat(
        flags.model.name, ": ", stored->job.model().module(),
        " reads its own data set, and ebb reads none like it; load the "
        "exported parameters into its model in PyTorch")));
  }
  const auto model = CreateStoredModel(*stored, flags.plugin_folders);
  if (!model.ok()) {
    return Report(absl::Status(
        model.status().code(),
        absl::StrCat(flags.model.name, ": ", model.status().message())));
  }
  const absl::Status found = MakeRowsFindable(
      (*model)->model->description(), FolderOfTemporaryFiles(), &*stored);
  if (!found.ok()) return Report(found);
  // A file of images or of an array has no labels that --labelled could pass
  // over.
  const bool labelled =
      flags.score ||
      (flags.labelled && !job::TraitsOf(stored->job.data().train()).binary());
  const auto file = InputOf(flags);
  if (!file.ok()) return Report(file.status());
  const data::OpenBytes open = Anywhere(*file);
  const job::PredictionInput input = {.path = file->called,
                                      .labelled = labelled,
                                      .id = flags.id,
                                      .skip_bad = flags.skip_bad};
  const auto examples = LoadToPredict(*stored, input, open);
  if (!examples.ok()) return Report(examples.status());
  for (const std::string& remark : examples->remarks()) {
    flags.Warn(absl::StrCat(input.path, ": ", remark));
  }
  if (const std::string text = worker::LeftOutText(*examples); !text.empty()) {
    flags.Warn(absl::StrCat(input.path, ": ", text));
  }
  UnknownKeys unknown;
  PredictionExtras extras = {.id_column = flags.id, .unknown = &unknown};
  if (!flags.id.empty()) {
    auto ids = ReadIds(*stored, input, open);
    if (!ids.ok()) return Report(ids.status());
    extras.ids = *std::move(ids);
  }
  auto scores = ScoresToPredict(flags.model.name, *stored,
                                (*model)->model->description());
  const std::string positive =
      worker::PositiveClassOf(stored->job, stored->index);
  if (flags.score && !scores.ok()) return Report(scores.status());
  if (flags.score) extras.scores = &*scores;
  const auto predict = [&](std::ostream& out) {
    return WritePredictions(
        *stored, *examples, (*model)->model.get(),
        [&](absl::string_view text) { out << text; }, extras);
  };
  const auto warn_of_unknown = [&] {
    const std::string text =
        UnknownKeysText(unknown, examples->examples(),
                        job::TraitsOf(stored->job.data().train()).ratings());
    if (!text.empty()) flags.Warn(absl::StrCat(input.path, ": ", text));
  };
  if (flags.score && flags.output.empty()) {
    std::ofstream nowhere;  // The figures alone are wanted.
    const absl::Status predicted = predict(nowhere);
    if (!predicted.ok()) return Report(predicted);
    warn_of_unknown();
    std::cout << ScoresText(scores->Get(), examples->examples(), positive);
    return damaged ? kExitFailed : kExitGood;
  }
  const absl::Status written = flags.output.empty()
                                   ? predict(std::cout)
                                   : WriteOutput(flags.output, predict);
  if (!written.ok()) return Report(written);
  warn_of_unknown();
  if (flags.output.empty()) {
    std::cout.flush();
    if (!std::cout) {
      return Report(absl::UnavailableError("cannot write the standard output"));
    }
  } else {
    if (!flags.run.quiet) {
      std::cout << Count(examples->examples(), "prediction") << " in "
                << flags.output << "\n";
    }
    if (flags.score) {
      std::cout << ScoresText(scores->Get(), examples->examples(), positive);
    }
  }
  return damaged ? kExitFailed : kExitGood;
}

}  // namespace ebb::tools
