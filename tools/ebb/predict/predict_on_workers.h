// `ebb predict` by many workers.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICT_ON_WORKERS_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICT_ON_WORKERS_H_

#include "tools/ebb/predict/predict_flags.h"

namespace ebb::tools {

// Predicts, prints what came of it, and returns the exit code. Fills in the
// options of the run.
int PredictOnWorkers(PredictFlags& flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICT_ON_WORKERS_H_
