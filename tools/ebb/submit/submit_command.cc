// `ebb submit`.
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "rpc/data_sets.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/job/job_text.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/ebb/trained/start_model.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct SubmitFlags {
  ClusterAccess access;
  JobFlags job;
  DataFlags data;
  std::string request_id;
  bool json = false;
};

int Submit(const SubmitFlags& flags) {
  if (!IsUtf8(flags.request_id)) {
    return Report(absl::InvalidArgumentError("--request-id is not UTF-8 text"));
  }
  JobChoice choice = flags.job.Choice();
  choice.open = OpenFromCluster(flags.access, flags.data);
  choice.open_model = OpenStoredModels(flags.access);
  auto prepared = PrepareJob(choice);
  if (!prepared.ok()) return Report(prepared.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  if (prepared->initial != nullptr) {
    rpc::DataSetsClient values(flags.access.scheduler, flags.access.security);
    const absl::Status pushed = prepared->initial->Push(&values);
    if (!pushed.ok()) return Report(pushed);
  }
  const std::string request_id =
      flags.request_id.empty() ? NewRequestId() : flags.request_id;
  std::optional<TokenToSubmit> token;
  if (flags.access.security->tls() || !flags.access.token_file.empty()) {
    const auto taken =
        TokenToSubmit::Take(flags.access.token_file, TokenFolder(), request_id);
    if (!taken.ok()) return Report(taken.status());
    token = *taken;
    rpc::SetTokenHash(token->token(), &prepared->record);
  }
  const v1::SubmitJobRequest request = SubmitRequestOf(*prepared, request_id);
  auto answer = client.SubmitJob(request, kAdminDeadline);
  // The same request again is the same job, however the first one ended.
  if (absl::IsUnavailable(answer.status())) {
    answer = client.SubmitJob(request, kAdminDeadline);
  }
  if (!answer.ok()) {
    // A scheduler that did not answer may have taken the job.
    const bool refused = absl::IsInvalidArgument(answer.status()) ||
                         absl::IsAlreadyExists(answer.status()) ||
                         absl::IsPermissionDenied(answer.status());
    if (token && refused) token->Drop();
    const absl::Status why =
        WithAddress(answer.status(), flags.access.scheduler, Asked::kToChange);
    if (!token || refused) return Report(why);
    return Report(absl::Status(
        why.code(), absl::StrCat(why.message(),
                                 "\nhint: if the job is there, its token is "
                                 "in ",
                                 token->file(),
                                 " (--token-file); the same request again is "
                                 "--request-id ",
                                 request_id)));
  }
  std::string token_file;
  if (token) {
    const auto kept = token->Keep(JobId(answer->job()));
    if (!kept.ok()) return Report(kept.status());
    token_file = *kept;
  }
  if (flags.json) {
    Json json = Json::Object();
    json["job"] = answer->job();
    json["name"] = prepared->record.name;
    if (token) json["token_file"] = token_file;
    std::cout << json.ToString();
  } else {
    std::cout << prepared->record.name << " is job " << answer->job() << "\n";
    if (token) {
      std::cout << "its token, which you need to read or change it, is in "
                << token_file << "\n";
    }
    if (!prepared->choices.empty()) {
      std::cout << ChoicesText(prepared->choices) << "\n";
    }
    if (!prepared->note.empty()) std::cout << prepared->note << "\n";
  }
  return kExitGood;
}

}  // namespace

void AddSubmitCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command =
      app->add_subcommand("submit", "Gives a job to a cluster that runs");
  AddAccessFlags(command, &flags->access);
  AddJobFlags(command, &flags->job);
  command
      ->add_option("--request-id", flags->request_id,
                   "Names this submission: given again, it is the same job, "
                   "and no second one")
      ->envname("EBB_REQUEST_ID");
  AddDataFlags(command, &flags->data);
  AddJsonFlag(command, &flags->json);
  command->callback([flags, exit_code] {
    const absl::Status open = flags->access.Open(/*submits=*/true);
    *exit_code = open.ok() ? Submit(*flags) : Report(open);
  });
  command->footer(R"(
Reads the job and its data, and reports all mistakes before anything starts.
Example:
  ebb submit --scheduler localhost:7000 examples/jobs/fashion_mlp.yaml)");
}

}  // namespace ebb::tools
