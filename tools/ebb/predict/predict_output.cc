#include "tools/ebb/predict/predict_output.h"

#include "common/status_macros.h"
#include "tools/buckets/bucket_file.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/files/files.h"

namespace ebb::tools {

absl::Status CheckOutput(const std::string& output) {
  if (output.empty()) return absl::OkStatus();
  if (!IsBucket(output)) return CheckWritable(output);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(output));
  return object->MayPut(true);
}

absl::Status WriteOutput(
    const std::string& output,
    absl::FunctionRef<absl::Status(std::ostream& out)> write) {
  if (!IsBucket(output)) return WriteFile(output, write);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(output));
  EBB_RETURN_IF_ERROR(WriteFile(object->copy(), write));
  return object->Put(true);
}

}  // namespace ebb::tools
