// `ebb predict` in its own process.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICT_HERE_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICT_HERE_H_

#include "tools/ebb/predict/predict_flags.h"

namespace ebb::tools {

// Predicts, prints what came of it, and returns the exit code.
int PredictHere(const PredictFlags& flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICT_HERE_H_
