#include "tools/ebb/report/stored_run.h"

#include "common/status_macros.h"
#include "job/specification.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/trained/stored_model.h"

namespace ebb::tools {

absl::StatusOr<StoredRun> LoadStoredRun(const RunFolder& folder) {
  CheckpointPlace place;
  place.name = folder.File(".");
  EBB_ASSIGN_OR_RETURN(const auto source, OpenCheckpoints(place));
  StoredRun run;
  EBB_ASSIGN_OR_RETURN(run.specification,
                       job::ReadSpecification(source->job()));
  EBB_ASSIGN_OR_RETURN(run.model,
                       LoadStoredModel(source.get(), folder.File(".")));
  return run;
}

}  // namespace ebb::tools
