// Settings that go before what a job file says: "path.to.key=value".
#ifndef EBB_JOB_OVERRIDES_H_
#define EBB_JOB_OVERRIDES_H_

#include <string>
#include <vector>

#include "job/yaml.h"

namespace ebb::job {

// The later one of two for one key counts. Mistakes go into the file.
void ApplyOverrides(const std::vector<std::string>& overrides, JobFile* file);

}  // namespace ebb::job

#endif  // EBB_JOB_OVERRIDES_H_
