// Trained word vectors, by the numbers of the words.
#ifndef EBB_WORKLOADS_WORDS_TOOLS_WORD_EXPORT_H_
#define EBB_WORKLOADS_WORDS_TOOLS_WORD_EXPORT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

// The tensors "words" and "contexts" of a model that was read from versions: a
// row for each word of the vocabulary. A word without a row has what rows begin
// with. They refer to the model.
std::vector<TensorStream> WordTensors(const StoredModel& stored);

// The vectors of the words, (words, dim), of a model from versions or of one
// that was exported. DataLoss: an export has others.
absl::StatusOr<std::vector<float>> WordVectorsOf(const StoredModel& stored);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_WORDS_TOOLS_WORD_EXPORT_H_
