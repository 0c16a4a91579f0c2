// How models that learn by gradients begin, are stored and exported. The sides
// of other workloads derive from this one.
#ifndef EBB_WORKLOADS_GRADIENTS_TOOLS_TOOLS_H_
#define EBB_WORKLOADS_GRADIENTS_TOOLS_TOOLS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "models/model.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/text/json.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

class GradientTools : public ToolsSide {
 public:
  absl::StatusOr<std::shared_ptr<const tools::InitialValues>> ReadInitial(
      const v1::Job& job, const std::vector<job::DenseTable>& tables,
      const tools::InitialValues::Differences& differences,
      const std::vector<double>& origins) const override;
  tools::ModelExport Export(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const override;
  absl::Status Fold(const tools::StoredModel& stored,
                    const models::ModelDescription& description,
                    tools::ModelExport* all) const override;
  std::string ContentText(const tools::StoredModel& stored) const override;
  // Says how much of the weights is exactly 0, as L1 makes it.
  std::string ValuesText(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const override;

 protected:
  // The content of model.json, but for the names of files.
  virtual tools::Json Describe(const tools::StoredModel& stored,
                               const models::ModelDescription& description,
                               const tools::Scaling& scaling) const;
  // Returns what a model of keys computes before the output's function. x are
  // the values of an example's entries, w and v the rows of their keys in the
  // first and second table. Empty: it is another model.
  virtual absl::string_view Score(absl::string_view kind) const;
  // The layers from the first to the last. Empty for a model without layers,
  // and for one of which only the user's code knows them.
  virtual std::vector<tools::Layer> Layers(
      const v1::Job& job, const models::ModelDescription& description) const;
  // Adds tensors behind those of the dense tables.
  virtual void AddOwnTensors(const tools::StoredModel& /*stored*/,
                             tools::ModelExport* /*all*/) const {}

  // An export without tensors: its metadata have the description, the job and
  // the index of its data.
  static tools::ModelExport BeginExport(const tools::StoredModel& stored,
                                        tools::Json description);
  // Adds the shapes of the sparse tables to the metadata.
  static void NoteTables(const tools::StoredModel& stored,
                         tools::ModelExport* all);
  // Refuses to leave out the rows of a model that is nothing else.
  static absl::Status CheckRows(const v1::Job& job,
                                const tools::StoredParts& parts);
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_GRADIENTS_TOOLS_TOOLS_H_
