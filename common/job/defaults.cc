// FillDefaults of validate.h: the annotated defaults, and the few that depend
// on other keys.
#include "common/job/keys.h"
#include "common/job/validate.h"

namespace ebb::job {
namespace {

// What `test` leaves open about reading its file is as in `train`.
void InheritFromTrain(v1::Data* data) {
  const v1::DataSource& train = data->train();
  v1::DataSource& test = *data->mutable_test();
  if (!test.has_scale() && train.has_scale()) test.set_scale(train.scale());
  if (test.has_csv() && train.has_csv()) {
    v1::Csv merged = train.csv();
    merged.clear_path();
    if (test.csv().ignore_size() > 0) merged.clear_ignore();
    merged.MergeFrom(test.csv());
    *test.mutable_csv() = merged;
  }
  if (test.has_libsvm() && train.has_libsvm()) {
    v1::Libsvm merged = train.libsvm();
    merged.clear_path();
    merged.MergeFrom(test.libsvm());
    *test.mutable_libsvm() = merged;
  }
}

}  // namespace

void FillDefaults(v1::Job* job) {
  if (job->data().has_test()) InheritFromTrain(job->mutable_data());
  if (job->data().has_test() || job->data().has_split()) {
    job->mutable_evaluate();
  }
  FillAnnotatedDefaults(job);
  if (!job->train().has_shuffle_seed()) {
    job->mutable_train()->set_shuffle_seed(job->seed());
  }
  if (job->model().has_activation() && !job->model().has_init()) {
    job->mutable_model()->set_init(job->model().activation() ==
                                           v1::Model::ACTIVATION_RELU
                                       ? v1::Model::INIT_HE
                                       : v1::Model::INIT_GLOROT);
  }
}

}  // namespace ebb::job
