// Why a run is over although its job is not complete, and what helps.
#ifndef EBB_TOOLS_EBB_RUN_STOPPED_JOB_H_
#define EBB_TOOLS_EBB_RUN_STOPPED_JOB_H_

#include <string>

#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/rollback/sound_versions.h"

namespace ebb::tools {

// Empty: the job goes on, or will once the decided work is done or the operator
// who paused it resumes it.
std::string WhyStopped(const v1::JobStatus& job);

// True if what helps depends on the values that are stored.
bool ValuesMatter(const v1::JobStatus& job);

// The remedy that makes the run go on, to follow WhyStopped, as "hint: ...";
// empty: there is none. `stored` is what the run left.
std::string WhatHelps(const v1::JobStatus& job, const v1::Job& specification,
                      const SoundVersions& stored);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_STOPPED_JOB_H_
