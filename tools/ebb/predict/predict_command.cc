// `ebb predict`.
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tools/command/command.h"
#include "tools/ebb/checkpoint/stored_job_flags.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/predict/predict_flags.h"
#include "tools/ebb/predict/predict_here.h"
#include "tools/ebb/predict/predict_on_workers.h"
#include "tools/process/most_processes.h"

namespace ebb::tools {

void AddPredictCommand(CLI::App* app, int* exit_code) {
  CLI::App* command =
      app->add_subcommand("predict", "Applies a trained model to new data");
  const auto flags = std::make_shared<PredictFlags>();
  AddAccessFlags(command, &flags->model.access);
  command
      ->add_option(
          "MODEL", flags->model.name,
          "An exported .safetensors (also s3://BUCKET/KEY.safetensors), "
          "the folder of an ebb run, or a job of the cluster")
      ->required();
  command
      ->add_option("DATA", flags->data,
                   "File, folder or pattern of examples in the format of the "
                   "training data, without labels; -: the standard input")
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
  command->add_flag("--incomplete", flags->incomplete,
                    "Also take the model of a job that is not complete, as far "
                    "as it is stored");
  command
      ->add_option_function<std::string>(
          "--bad-examples",
          [flags](const std::string& what) {
            flags->skip_bad = what == "skip";
          },
          "What to do about an example that cannot be read: stop, or skip it, "
          "so that it has no prediction (stop)")
      ->check(CLI::IsMember({"stop", "skip"}));
  AddPluginsFlag(command, &flags->plugin_folders);
  command->add_option("--to", flags->to,
                      "Folder or s3://BUCKET/PREFIX for the predictions of "
                      "many workers: a CSV file for each part of the data");
  command
      ->add_option("--workers", flags->run.workers,
                   "Workers of a cluster of its own")
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--servers", flags->run.servers,
                   "Parameter servers of a cluster of its own (1)")
      ->check(CLI::Range(1, kMostServers));
  command
      ->add_option("--part-examples", flags->part_examples,
                   "Examples of a part, a multiple of 1024 (by the data)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  command->add_option("--run-dir", flags->run.folder,
                      "Folder of the cluster's run (runs/predict-N)");
  command->add_flag("--quiet", flags->run.quiet,
                    "Print only errors, and what is asked for: predictions "
                    "without -o, and figures of --score");
  AddDurationFlag(command, "--kill-every", &flags->kill_every,
                  "Kill a daemon every S seconds, and start it again");
  command->add_option("--kill-seed", flags->kill_seed,
                      "Seed of the kills (the job's seed)");
  AddDataFlags(command, &flags->remote);
  command->footer(R"(
Writes a line per example: the prediction, and the probability of each class.
If the model has word vectors, DATA has questions: a line with one word asks for
its nearest words, and "man king woman" for what is to woman as king is to man.
With --score the right word follows.
With --workers or --to a job predicts, on a cluster of its own or the one of
--scheduler. Its workers must reach the model, the data and the folder by the
same paths. _SUCCESS is in the folder once every prediction is there.
docs/export.md has more.
Examples:
  ebb predict model.safetensors new-images.gz -o predictions.csv
  ebb predict model.safetensors new.csv --id customer -o predictions.csv
  tail -n 100 new.csv | ebb predict model.safetensors -
  ebb predict model.safetensors test.csv --score
  ebb predict model.safetensors new.csv --workers 4 --to predictions)");
  command->callback([command, flags, exit_code] {
    const absl::Status open = flags->model.access.Open();
    // A cluster of its own needs the flag; a variable may stand for others.
    flags->cluster = command->get_option("--scheduler")->count() > 0 &&
                     !flags->run.workers.has_value();
    if (!flags->run.servers && !flags->cluster) flags->run.servers = 1;
    *exit_code = !open.ok()            ? Report(open)
                 : flags->on_workers() ? PredictOnWorkers(*flags)
                                       : PredictHere(*flags);
  });
}

}  // namespace ebb::tools
