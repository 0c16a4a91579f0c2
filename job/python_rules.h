// Rules of jobs whose model is in a module of Python.
#ifndef EBB_JOB_PYTHON_RULES_H_
#define EBB_JOB_PYTHON_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

// The job has its defaults.
void CheckPythonRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_PYTHON_RULES_H_
