// `ebb predict`.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/traits.h"
#include "models/model_scores.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/stored/bucket_file.h"
#include "tools/ebb/stored/checkpoint_source.h"
#include "tools/ebb/stored/model_doubts.h"
#include "tools/ebb/stored/predictions.h"
#include "tools/ebb/stored/stored_job_flags.h"
#include "tools/ebb/stored/stored_model.h"
#include "tools/ebb/stored/word_questions.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

struct PredictFlags {
  CheckpointPlace model;
  std::string data;
  std::string output;
  std::vector<std::string> plugin_folders;
  bool labelled = false;
  std::string id;
  bool score = false;
};

std::string TemporaryFolder() {
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  return error ? "." : folder.string();
}

// An export that is an object.
absl::StatusOr<StoredModel> LoadFromBucket(const std::string& place) {
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(place));
  EBB_RETURN_IF_ERROR(object->Get());
  auto stored = LoadExportedModel(object->copy());
  // Mapped, the copy stays as long as it is needed.
  if (stored.ok()) return stored;
  return absl::Status(
      stored.status().code(),
      absl::StrCat(place, ": its copy ", stored.status().message()));
}

// `*damaged`: newer versions may be lost.
absl::StatusOr<StoredModel> Load(const PredictFlags& flags, bool* damaged) {
  const std::string& name = flags.model.name;
  if (absl::EndsWith(name, ".safetensors")) {
    if (!flags.model.job.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--job ", flags.model.job, ": ", name, " holds one model"));
    }
    return IsBucket(name) ? LoadFromBucket(name) : LoadExportedModel(name);
  }
  constexpr absl::string_view kNoModel =
      "a model is a file called *.safetensors (ebb checkpoint export), a "
      "folder with checkpoints, or a job that runs";
  std::error_code error;
  if (std::filesystem::is_regular_file(name, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is no model that ebb reads: ", kNoModel));
  }
  // What `ebb checkpoint export` writes where the output is a folder.
  if (std::filesystem::exists(std::filesystem::path(name) / "model.json",
                              error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is an export as .npy files, for other programs; ebb predict "
        "reads one file: export it with -o NAME.safetensors, or name the "
        "run it came from"));
  }
  const auto source = OpenCheckpoints(flags.model);
  if (!source.ok()) {
    const bool nowhere = absl::IsNotFound(source.status()) ||
                         absl::IsUnavailable(source.status());
    if (!nowhere || std::filesystem::exists(name, error)) {
      return source.status();
    }
    return absl::Status(
        source.status().code(),
        absl::StrCat(source.status().message(), "\nhint: ", kNoModel));
  }
  *damaged = WarnOfDamage(**source);
  auto stored = LoadStoredModel(source->get(), TemporaryFolder());
  if (stored.ok()) WarnOfDoubts(source->get(), stored->parameters);
  return stored;
}

// What cannot be written is not computed first.
absl::Status CheckOutput(const PredictFlags& flags) {
  if (flags.output.empty()) return absl::OkStatus();
  if (!IsBucket(flags.output)) return CheckWritable(flags.output);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(flags.output));
  return object->MayPut(true);
}

// Replaces the output at once, which is not empty.
absl::Status WriteOutput(
    const PredictFlags& flags,
    absl::FunctionRef<absl::Status(std::ostream& out)> write) {
  if (!IsBucket(flags.output)) return WriteFile(flags.output, write);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(flags.output));
  EBB_RETURN_IF_ERROR(WriteFile(object->copy(), write));
  return object->Put(true);
}

// "1,000 examples: accuracy 0.8805, log loss 0.3424, ...".
std::string ScoresText(const Figures& figures, int64_t examples) {
  std::string text = absl::StrCat(Count(examples, "example"), ":");
  const char* separator = " ";
  for (const FigureKind& kind : FigureKinds()) {
    const auto value = figures.Find(kind.name);
    if (!value) continue;
    absl::StrAppend(&text, separator, kind.title, " ", FigureText(*value));
    separator = ", ";
  }
  return text + "\n";
}

// What word vectors answer to questions.
absl::Status Answer(const PredictFlags& flags, const StoredModel& stored) {
  if (!flags.id.empty() || flags.labelled) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.labelled ? "--labelled" : "--id",
                     ": questions about words have neither columns nor labels; "
                     "leave it out"));
  }
  EBB_ASSIGN_OR_RETURN(const WordIndex index, WordIndex::Create(stored));
  AnalogyTally tally;
  const auto answer = [&](std::ostream& out) {
    return AnswerQuestions(
        index, stored.job.data().train().text().lower_case(), flags.data,
        [&](absl::string_view text) { out << text; },
        [](const std::string& text) {
          std::cerr << "warning: " << text << "\n";
        },
        flags.score ? &tally : nullptr);
  };
  std::ofstream nowhere;  // The figures alone are wanted.
  EBB_RETURN_IF_ERROR(!flags.output.empty() ? WriteOutput(flags, answer)
                      : flags.score         ? answer(nowhere)
                                            : answer(std::cout));
  if (flags.score) std::cout << TallyText(tally);
  std::cout.flush();
  return std::cout ? absl::OkStatus()
                   : absl::UnavailableError("cannot write the standard output");
}

int Predict(const PredictFlags& flags) {
  const absl::Status writable = CheckOutput(flags);
  if (!writable.ok()) return Report(writable);
  bool damaged = false;
  auto stored = Load(flags, &damaged);
  if (!stored.ok()) return Report(stored.status());
  if (job::TraitsOf(stored->job.model()).words()) {
    const absl::Status answered = Answer(flags, *stored);
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
  const absl::Status found = MakeRowsFindable((*model)->model->description(),
                                              TemporaryFolder(), &*stored);
  if (!found.ok()) return Report(found);
  // A file of images or of an array has no labels that --labelled could pass
  // over.
  const bool labelled =
      flags.score ||
      (flags.labelled && !job::TraitsOf(stored->job.data().train()).binary());
  const auto examples = LoadToPredict(*stored, flags.data, labelled, flags.id);
  if (!examples.ok()) return Report(examples.status());
  for (const std::string& remark : examples->remarks()) {
    std::cerr << "warning: " << flags.data << ": " << remark << "\n";
  }
  UnknownKeys unknown;
  PredictionExtras extras = {.id_column = flags.id, .unknown = &unknown};
  if (!flags.id.empty()) {
    auto ids = ReadIds(*stored, flags.data, labelled, flags.id);
    if (!ids.ok()) return Report(ids.status());
    extras.ids = *std::move(ids);
  }
  const auto units = worker::LabelScaleOf(stored->job, stored->index).units;
  auto scores = models::ScoresOf((*model)->model->description(), units);
  if (flags.score && !scores) {
    const bool labels =
        (*model)->model->description().labels != models::LabelKind::kNone;
    return Report(absl::InvalidArgumentError(absl::StrCat(
        flags.model.name,
        labels ? ": the predictions of this plugin's model are not ones that "
                 "figures are made of"
               : ": the model looks at no labels, so there are none to score "
                 "its predictions by",
        "; leave out --score")));
  }
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
    if (!text.empty()) {
      std::cerr << "warning: " << flags.data << ": " << text << "\n";
    }
  };
  if (flags.score && flags.output.empty()) {
    std::ofstream nowhere;  // The figures alone are wanted.
    const absl::Status predicted = predict(nowhere);
    if (!predicted.ok()) return Report(predicted);
    warn_of_unknown();
    std::cout << ScoresText(scores->Get(), examples->examples());
    return damaged ? kExitFailed : kExitGood;
  }
  const absl::Status written =
      flags.output.empty() ? predict(std::cout) : WriteOutput(flags, predict);
  if (!written.ok()) return Report(written);
  warn_of_unknown();
  if (flags.output.empty()) {
    std::cout.flush();
    if (!std::cout) {
      return Report(absl::UnavailableError("cannot write the standard output"));
    }
  } else {
    std::cout << Count(examples->examples(), "prediction") << " in "
              << flags.output << "\n";
    if (flags.score) {
      std::cout << ScoresText(scores->Get(), examples->examples());
    }
  }
  return damaged ? kExitFailed : kExitGood;
}

}  // namespace

void AddPredictCommand(CLI::App* app, int* exit_code) {
  CLI::App* command =
      app->add_subcommand("predict", "Applies a trained model to new data");
  const auto flags = std::make_shared<PredictFlags>();
  AddAccessFlags(command, &flags->model.access);
  command
      ->add_option(
          "MODEL", flags->model.name,
          "An exported .safetensors (also s3://BUCKET/KEY.safetensors), "
          "the folder of an ebb run, or a running job")
      ->required();
  command
      ->add_option("DATA", flags->data,
                   "File, folder or pattern of examples in the format of the "
                   "training data, without labels")
      ->required();
  AddStoredJobFlag(command, &flags->model.job);
  command->add_option(
      "-o,--output", flags->output,
      "CSV file or s3://BUCKET/KEY to write (the standard output)");
  command->add_flag("--labelled", flags->labelled,
                    "Skip the labels that the file has");
  command->add_option("--id", flags->id,
                      "Column of DATA, by name or number from 1, to copy as "
                      "the first column of the predictions");
  command->add_flag(
      "--score", flags->score,
      "Compare the predictions with the labels that the file has. Without -o "
      "no predictions are written. For IDX, DATA is the prefix of both files");
  AddPluginsFlag(command, &flags->plugin_folders);
  command->footer(R"(
Writes a line per example: the prediction, and the probability of each class.
If the model is word_vectors, DATA has questions: a line with one word asks for
its nearest words, and "man king woman" for what is to woman as king is to man.
With --score the right word follows.
Examples:
  ebb predict model.safetensors new-images.gz -o predictions.csv
  ebb predict model.safetensors new.csv --id customer -o predictions.csv
  ebb predict model.safetensors test.csv --score)");
  command->callback([flags, exit_code] {
    const absl::Status open = flags->model.access.Open();
    *exit_code = open.ok() ? Predict(*flags) : Report(open);
  });
}

}  // namespace ebb::tools
