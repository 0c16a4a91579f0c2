#include "job/labels.h"

#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

bool HasLabels(const v1::Job& job) {
  if (workloads::FactsOf(job).labels) return true;
  const v1::DataSource& train = job.data().train();
  if (train.has_csv()) return train.csv().label() != "none";
  if (TraitsOf(train).records()) {
    return HasFeature(train, {v1::Feature::AS_LABEL});
  }
  if (train.has_npy()) return train.npy().has_labels();
  return !train.has_idx() || train.idx().has_prefix() ||
         train.idx().has_labels();
}

}  // namespace ebb::job
