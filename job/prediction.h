// Jobs that predict instead of training (Job.predict). Their items are ranges
// of the input in the order of its files, and each is one batch.
#ifndef EBB_JOB_PREDICTION_H_
#define EBB_JOB_PREDICTION_H_

#include <string>

#include "ebb/v1/job.pb.h"

namespace ebb::job {

// The content of such a job beside its model and its output.
struct PredictionInput {
  std::string path;       // A file, a folder or a pattern.
  bool labelled = false;  // The input has labels, which are passed over.
  std::string id;         // A column to copy; empty: none.
  // Examples that cannot be read are left out. Else they are errors.
  bool skip_bad = false;
};

// Makes `job`, whose data.train is that of the trained model, one that predicts
// from this input.
void SetPrediction(const PredictionInput& input, v1::Job* job);
PredictionInput PredictionInputOf(const v1::Job& job);

}  // namespace ebb::job

#endif  // EBB_JOB_PREDICTION_H_
