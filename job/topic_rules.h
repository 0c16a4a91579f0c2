// Rules of jobs that find topics of documents.
#ifndef EBB_JOB_TOPIC_RULES_H_
#define EBB_JOB_TOPIC_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

// Fills in how the servers average counts of words, where the model is one of
// topics. The schedule of the rate goes by the data (fit.h).
void FillTopics(v1::Job* job);

// Returns whether the rate of a step is to fall with the number of steps.
bool RateFallsBySteps(const v1::Job& job);

void CheckTopicRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_TOPIC_RULES_H_
