#include "job/early_end.h"

#include "google/protobuf/util/message_differencer.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

bool EndsEarlyAs(const v1::Job& whole, const v1::Job& ended) {
  const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(whole);
  const bool may_end =
      whole.has_stop() || whole.has_keep_best() || traits.statistics() ||
      (traits.line_search() && whole.algorithm().tolerance() > 0);
  if (!may_end || ended.train().epochs() < 1 ||
      ended.train().epochs() >= whole.train().epochs()) {
    return false;
  }
  v1::Job expected = whole;
  TakeEpochs(ended, &expected);
  return google::protobuf::util::MessageDifferencer::Equals(expected, ended);
}

void TakeEpochs(const v1::Job& whole, v1::Job* job) {
  job->mutable_train()->set_epochs(whole.train().epochs());
  if (whole.algorithm().has_max_rounds()) {
    job->mutable_algorithm()->set_max_rounds(whole.algorithm().max_rounds());
  }
}

}  // namespace ebb::job
