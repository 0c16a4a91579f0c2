// The figures of what a job's model predicts.
#ifndef EBB_WORKER_JOB_SCORES_H_
#define EBB_WORKER_JOB_SCORES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "common/scores/scores.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "models/model.h"

namespace ebb::worker {

// The place of the class that the job calls positive, among two. With other
// labels it means nothing.
int64_t PlaceOfPositive(const v1::Job& job, const data::Index& train);

// Adds up what the job's model predicts, in the user's units and for the class
// that the job calls positive. Absent: as of models::ScoresOf.
std::optional<Scores> ScoresOf(const v1::Job& job, const data::Index& train,
                               const models::ModelDescription& description);

// The text or number of the class that precision, recall and F1 are of. Empty:
// the labels of the training data are not two classes.
std::string PositiveClassOf(const v1::Job& job, const data::Index& train);

}  // namespace ebb::worker

#endif  // EBB_WORKER_JOB_SCORES_H_
