#include "tools/ebb/checkpoint/stored_job_flags.h"

#include "tools/ebb/cluster/access_flags.h"

namespace ebb::tools {

void AddStoredJobFlag(CLI::App* command, std::string* job) {
  command->add_option("--job", *job,
                      "Name or number of the job, if a folder or bucket holds "
                      "several");
}

void AddStoredJob(CLI::App* command, CheckpointPlace* place) {
  AddAccessFlags(command, &place->access);
  command
      ->add_option("JOB", place->name,
                   "Name or number of a job, the folder of an ebb run, the "
                   "--state-dir of an ebb-ps, or a folder or "
                   "s3://BUCKET/PREFIX of --shared-checkpoints")
      ->required();
  AddStoredJobFlag(command, &place->job);
}

}  // namespace ebb::tools
