// A value that ebb chose for a key which a job left open.
#ifndef EBB_JOB_BASE_CHOICE_H_
#define EBB_JOB_BASE_CHOICE_H_

#include <string>

namespace ebb::job {

// A key that the job left open.
struct Choice {
  std::string key;     // Its path: "train.batch".
  std::string value;   // In the form of a job file.
  std::string reason;  // "117 examples, 8 batches an epoch".
};

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_CHOICE_H_
