// Applying a trained model to examples without labels, for commands.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICTIONS_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICTIONS_H_

#include <cstdint>
#include <string>

#include "worker/predict/predictions.h"

namespace ebb::tools {

using worker::LoadToPredict;
using worker::PredictionExtras;
using worker::ReadIds;
using worker::UnknownKeys;
using worker::WritePredictions;

// Says to people what `unknown` means for the predictions of `examples`
// examples, of ratings or of other data with keys. Empty: nothing to say.
std::string UnknownKeysText(const UnknownKeys& unknown, int64_t examples,
                            bool ratings);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICTIONS_H_
