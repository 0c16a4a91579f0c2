// The commands of `ebb`: each adds itself to the command line, and runs when
// the line is parsed and names it.
#ifndef EBB_TOOLS_EBB_COMMAND_H_
#define EBB_TOOLS_EBB_COMMAND_H_

#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/ebb/cluster/cluster_access.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/stored/checkpoint_source.h"

namespace ebb::tools {

// The exit codes of `ebb`.
enum ExitCode {
  kExitGood = 0,
  kExitFailed = 1,  // It ran, and something is wrong.
  kExitUsage = 2,   // A wrong flag or job file: nothing was started.
  kExitInterrupted = 130,
};

// Each sets `*exit_code` when it runs. The app and the code outlive the parse.
void AddRunCommand(CLI::App* app, int* exit_code);
void AddChaosCommand(CLI::App* app, int* exit_code);
void AddSubmitCommand(CLI::App* app, int* exit_code);
void AddStatusCommand(CLI::App* app, int* exit_code);
void AddExplainCommand(CLI::App* app, int* exit_code);
void AddPauseCommand(CLI::App* app, int* exit_code);
void AddScaleCommand(CLI::App* app, int* exit_code);
// Below `ebb checkpoint`.
void AddExportCommand(CLI::App* checkpoint, int* exit_code);
void AddRollbackCommand(CLI::App* checkpoint, int* exit_code);
void AddResumeCommand(CLI::App* app, int* exit_code);
void AddCancelCommand(CLI::App* app, int* exit_code);
void AddForgetCommand(CLI::App* app, int* exit_code);
void AddEventsCommand(CLI::App* app, int* exit_code);
void AddAuditCommand(CLI::App* app, int* exit_code);
void AddJobCommand(CLI::App* app, int* exit_code);
void AddCheckpointCommand(CLI::App* app, int* exit_code);
void AddPredictCommand(CLI::App* app, int* exit_code);
void AddBenchCommand(CLI::App* app, int* exit_code);
// The commands below `ebb bench`.
void AddBenchAlgorithmsCommand(CLI::App* bench, int* exit_code);
void AddBenchCheckpointCommand(CLI::App* bench, int* exit_code);
void AddBenchDenseCommand(CLI::App* bench, int* exit_code);
void AddBenchGpuCommand(CLI::App* bench, int* exit_code);
void AddBenchSparseCommand(CLI::App* bench, int* exit_code);
void AddBenchRecoveryCommand(CLI::App* bench, int* exit_code);
void AddBenchGoodputCommand(CLI::App* bench, int* exit_code);
void AddBenchJobCommand(CLI::App* bench, int* exit_code);
void AddBenchMovesCommand(CLI::App* bench, int* exit_code);
void AddBenchReportCommand(CLI::App* bench, int* exit_code);
void AddBenchScalingCommand(CLI::App* bench, int* exit_code);
void AddGenerateCommand(CLI::App* app, int* exit_code);
void AddDataCommand(CLI::App* app, int* exit_code);
void AddHealthCommand(CLI::App* app, int* exit_code);
void AddCertsCommand(CLI::App* app, int* exit_code);
void AddSimCommand(CLI::App* app, int* exit_code);
void AddCompletionCommand(CLI::App* app, int* exit_code);

// --- What several commands share ---------------------------------------------

// --scheduler, from EBB_SCHEDULER where it is not given, and those of TLS.
void AddAccessFlags(CLI::App* command, ClusterAccess* access);
// --job, where a folder may hold several.
void AddStoredJobFlag(CLI::App* command, std::string* job);
// JOB, which may be a cluster's or a folder, with both of the above.
void AddStoredJob(CLI::App* command, CheckpointPlace* place);
// JOB.yaml, --set, --epochs, --seed, --allow-plugins.
struct JobFlags {
  std::string file;
  std::vector<std::string> set;
  std::string epochs;
  std::string seed;
  std::vector<std::string> plugin_folders;

  JobChoice Choice() const;
};
void AddJobFlags(CLI::App* command, JobFlags* flags);
// --allow-plugins: folders that are there.
void AddPluginsFlag(CLI::App* command, std::vector<std::string>* folders);
// A duration such as "500ms"; a bare number is seconds.
void AddDurationFlag(CLI::App* command, const std::string& name,
                     absl::Duration* value, const std::string& help);

// The message for a word of the command line that should name a command and
// does not (the parser would only ask for one); empty: there is none.
std::string UnknownCommand(const CLI::App& app, int argc,
                           const char* const* argv);

// Prints an error as people read it: a job's mistakes as they are. Returns the
// exit code that fits.
int Report(const absl::Status& status);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_COMMAND_H_
