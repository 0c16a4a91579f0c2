#include "worker/local_rules.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/local_mathematics.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "worker/job_data.h"

namespace ebb::worker {

client::LocalTraining::Maker LocalRulesFrom(
    std::vector<std::string> plugin_folders, int64_t push_bytes) {
  return [folders = std::move(plugin_folders),
          push_bytes](const JobRecord& record)
             -> absl::StatusOr<client::LocalMathematics> {
    EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                         job::ReadSpecification(record));
    const v1::Job& job = specification.job();
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<const Algorithm> algorithm,
                         CreateAlgorithm(job, folders));
    const bool plugin = job.algorithm().kind() == v1::Algorithm::KIND_PLUGIN;
    if (plugin && (algorithm->Plan() != record.plan.algorithm ||
                   (algorithm->Pushes() == PushKind::kChanges) !=
                       specification.algorithm_adds())) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the algorithm of job ", record.name,
          " pushes or pulls otherwise here than the one that it was submitted "
          "with; give this worker the plugin that it was submitted with"));
    }
    EBB_ASSIGN_OR_RETURN(client::LocalMathematics local,
                         client::LocalMathematicsWith(*algorithm, job, record));
    // The rest is for all else that a message has.
    local.limits.most_bytes = push_bytes - push_bytes / 16;
    return local;
  };
}

}  // namespace ebb::worker
