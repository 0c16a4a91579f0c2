// The model that `ebb predict` is given.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICT_MODEL_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICT_MODEL_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/predict/predict_flags.h"
#include "tools/ebb/trained/stored_model.h"
#include "tools/process/temporary_folder.h"

namespace ebb::tools {

// Reads an exported file, or what is stored of a job. Prints warnings. Sets
// `*damaged` if newer versions may be lost. The errors of LoadStoredModel.
absl::StatusOr<StoredModel> LoadModel(const PredictFlags& flags, bool* damaged);

// The file that workers read the model from: the one that is named, or one that
// is made of what is stored of a job. The latter is at first in a folder which
// this command alone knows; workers on this machine read it there. For a
// cluster that runs, the command that has claimed the folder of the parts gives
// the file the place that the job names. The destructor removes what was made.
class ModelFile {
 public:
  ModelFile(ModelFile&& other) noexcept
      : path_(std::move(other.path_)),
        damaged_(other.damaged_),
        folder_(std::move(other.folder_)),
        place_(std::exchange(other.place_, "")) {}
  ~ModelFile();

  static ModelFile Named(const std::string& path) {
    return ModelFile(path, false, std::nullopt);
  }
  // Writes the model into a new folder whose name begins with `beside`.
  static absl::StatusOr<ModelFile> Make(const ModelExport& model,
                                        const std::string& beside,
                                        bool damaged);

  const std::string& path() const { return path_; }
  bool made() const { return folder_.has_value(); }
  bool damaged() const { return damaged_; }  // Newer versions may be lost.

  // Moves a file that was made to `place`, beside its folder. The caller has
  // the claim of the folder of the parts: no other command uses the place.
  absl::Status Publish(const std::string& place);
  // A job may still need the file. Returns its path; empty: none was made.
  std::string Keep() { return std::exchange(place_, ""); }

 private:
  ModelFile(std::string path, bool damaged,
            std::optional<TemporaryFolder> folder)
      : path_(std::move(path)), damaged_(damaged), folder_(std::move(folder)) {}

  std::string path_;
  bool damaged_ = false;
  std::optional<TemporaryFolder> folder_;  // Absent: nothing was made.
  std::string place_;  // Is to be removed; empty: nothing is there.
};

// The file for workers whose parts go to `to`.
absl::StatusOr<ModelFile> ModelFileOf(const PredictFlags& flags,
                                      const std::string& to);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICT_MODEL_H_
