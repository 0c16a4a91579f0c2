// FillDefaults of validate.h: the annotated defaults, and the few that depend
// on other keys. Those that depend on the data are in fit.cc.
#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "job/run_rules.h"
#include "job/validate.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

// What `test` leaves open about reading its file is as in `train`.
void InheritFromTrain(v1::Data* data) {
  const v1::DataSource& train = data->train();
  v1::DataSource& test = *data->mutable_test();
  if (!test.has_scale() && train.has_scale()) test.set_scale(train.scale());
  if (!test.has_comment() && train.has_comment() && !TraitsOf(test).binary()) {
    test.set_comment(train.comment());
  }
  if (TraitsOf(test).records() && test.features().empty()) {
    *test.mutable_features() = train.features();
  }
  // Descriptors say what messages mean, for both.
  if (test.has_protobuf() && train.has_protobuf() &&
      !test.protobuf().has_descriptors() &&
      train.protobuf().has_descriptors()) {
    test.mutable_protobuf()->set_descriptors(train.protobuf().descriptors());
  }
  const FieldDescriptor* format = FormatOf(test);
  // A data set of Python is another function's.
  if (format == nullptr || format != FormatOf(train) || train.has_python()) {
    return;
  }
  // A list that `test` has stands in place of that of `train`.
  const auto& reflection = *test.GetReflection();
  Message& own = *reflection.MutableMessage(&test, format);
  const std::unique_ptr<Message> inherited(own.New());
  inherited->CopyFrom(reflection.GetMessage(train, format));
  const Descriptor& type = *own.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& key = *type.field(i);
    if (KeyOf(key).format() == v1::FORMAT_PATH || IsSet(own, key)) {
      own.GetReflection()->ClearField(inherited.get(), &key);
    }
  }
  own.MergeFrom(*inherited);
}

// Reports whether features are quantities to the model. To one of the user's
// own they may be anything.
bool TakesQuantities(const v1::Job& job) {
  const v1::Model& model = job.model();
  return KnowsModel({}, model) && !MayHaveSparseTables(model) &&
         !IsOwn(model) && !TraitsOf(model).program() &&
         workloads::FactsOf(job).quantities;
}

// Features in other units than 1 (the bytes of images, prices) make every step
// too long for some and too short for others.
void FillStandardise(v1::Job* job) {
  if (!job->has_data() || job->data().has_standardise()) return;
  v1::Data& data = *job->mutable_data();
  data.set_standardise(TakesQuantities(*job) && !data.train().has_scale() &&
                       !IsSparse(data.train()));
}

// Labels in the hundred thousands are out of reach of steps that suit features
// of deviation 1. A line search makes its own, and compares losses with slopes.
void FillStandardiseLabels(v1::Job* job) {
  if (!job->has_data() || job->data().has_standardise_labels()) return;
  const v1::Model& model = job->model();
  const bool one_output = TraitsOf(model).perceptron() &&
                          !model.layers().empty() &&
                          model.layers(model.layers_size() - 1) == 1;
  const bool numbers = PredictsNumbers(*job) || one_output;
  if (!numbers || IsOwn(model) || !workloads::FactsOf(*job).quantities) {
    return;
  }
  job->mutable_data()->set_standardise_labels(
      !TraitsOf(job->algorithm().kind()).line_search());
}

// Fills the labels, which FillAnnotatedDefaults would call classes.
void FillLabels(v1::Job* job) {
  if (!job->has_model() || !TraitsOf(job->data().train()).ratings()) return;
  v1::Model& model = *job->mutable_model();
  const auto* labels =
      model.GetDescriptor()->FindFieldByNumber(v1::Model::kLabelsFieldNumber);
  if (model.has_labels() || !BelongsToKind(model, *labels)) return;
  model.set_labels(v1::Model::LABELS_VALUES);
}

// Steps that stay long end in noise, the more so the later they come.
void FillSchedule(const v1::Job& job, v1::Optimizer* rule) {
  v1::Schedule& schedule = *rule->mutable_schedule();
  if (schedule.has_kind()) return;
  if (workloads::FactsOf(job).schedule_by_data) return;
  const bool falls = TraitsOf(rule->kind()).steps_of_the_rate() &&
                     !job.train().has_batch_growth();
  schedule.set_kind(falls ? v1::Schedule::KIND_COSINE
                          : v1::Schedule::KIND_CONSTANT);
}

// The parts of such models are tasks. Each is an item with one position, and is
// made once.
void FillTasks(v1::Job* job) {
  if (!workloads::AlgorithmTraitsOf(*job).tasks()) return;
  v1::Train& train = *job->mutable_train();
  if (!train.has_epochs()) train.set_epochs(1);
  if (!train.has_batch()) train.set_batch(1);
  if (!train.has_item_examples()) train.set_item_examples(1);
  // A job can use as many workers as it has parts.
  if (!job->workers().has_max()) {
    constexpr int64_t kMany = 1000;
    const int64_t most =
        std::clamp<int64_t>(workloads::FactsOf(*job).tasks, 1, kMany);
    job->mutable_workers()->set_max(std::max(most, job->workers().min()));
  }
}

// A plugin that is named is meant. In rounds no gradient is late, and a rule
// whose rates fall by themselves has no single step to make shorter.
void FillAlgorithm(v1::Job* job) {
  if (job->algorithm().has_kind()) return;
  const bool plain =
      job->consistency().kind() == v1::Consistency::KIND_ROUNDS ||
      TraitsOf(job->optimizer().kind()).rates_fall();
  job->mutable_algorithm()->set_kind(
      job->algorithm().has_plugin() ? v1::Algorithm::KIND_PLUGIN
      : plain                       ? v1::Algorithm::KIND_SGD
                                    : v1::Algorithm::KIND_STALENESS_AWARE);
}

// Where pushes are runs, workers step by an optimizer of their own, and servers
// as the algorithm's keys say. Rounds are the exact form of it.
void FillRuns(v1::Job* job) {
  if (!TraitsOf(job->algorithm().kind()).runs()) return;
  v1::Consistency& consistency = *job->mutable_consistency();
  if (!consistency.has_kind()) {
    consistency.set_kind(v1::Consistency::KIND_ROUNDS);
  }
  v1::Algorithm& algorithm = *job->mutable_algorithm();
  if (!algorithm.program_steps()) {
    v1::Optimizer& inner = *algorithm.mutable_inner();
    if (!inner.has_kind()) inner.set_kind(v1::Optimizer::KIND_ADAMW);
    FillSchedule(*job, &inner);
  }
  const bool rounds = consistency.kind() == v1::Consistency::KIND_ROUNDS;
  const double weak = rounds ? 0.5 : 0;
  if (!algorithm.has_momentum()) algorithm.set_momentum(weak);
  if (!algorithm.has_rate()) {
    algorithm.set_rate(algorithm.momentum() > weak ? 0.7 : 1);
  }
  v1::Optimizer outer = OuterRuleOf(algorithm);
  // Numbers that cannot be are reported where they were given.
  if (!(outer.rate() > 0)) outer.clear_rate();
  if (!(outer.momentum() < 1)) outer.clear_momentum();
  v1::Optimizer& given = *job->mutable_optimizer();
  if (given.has_kind() && given.kind() != outer.kind()) return;  // Refused.
  outer.MergeFrom(given);
  given = outer;
}

// How many workers are of use to the default algorithm, the data says.
void FillWorkers(v1::Job* job) {
  if (job->workers().has_max() ||
      TraitsOf(job->algorithm().kind()).fits_workers()) {
    return;
  }
  job->mutable_workers()->set_max(kFewWorkers);
}

// The servers' rule is a part of some algorithms.
void FillOptimizer(v1::Job* job) {
  if (job->optimizer().has_kind()) return;
  const std::string& word = TraitsOf(job->algorithm().kind()).optimizer();
  if (word.empty()) return;
  v1::Optimizer* optimizer = job->mutable_optimizer();
  SetFromText(word, *optimizer->GetDescriptor()->FindFieldByName("kind"),
              optimizer);
}

}  // namespace

// What a table leaves open of a rule of the job's kind is as in the job.
void InheritOptimizer(v1::Job* job) {
  for (auto& [name, table] : *job->mutable_tables()) {
    if (!table.has_optimizer()) continue;
    v1::Optimizer& own = *table.mutable_optimizer();
    if (own.has_kind() && own.kind() != job->optimizer().kind()) continue;
    v1::Optimizer merged = job->optimizer();
    merged.clear_schedule();
    // One of the two; the table's own goes before the job's.
    if (own.has_ema()) merged.clear_swa();
    if (own.has_swa()) merged.clear_ema();
    merged.MergeFrom(own);
    own = merged;
  }
}

void FillDefaults(v1::Job* job) {
  workloads::RulesOf(job->model()).Fill(job);
  if (job->data().has_test()) InheritFromTrain(job->mutable_data());
  FillStandardise(job);
  FillLabels(job);
  FillStandardiseLabels(job);
  if (HasTestData(*job)) job->mutable_evaluate();
  if (job->has_stop() && !job->stop().has_patience() &&
      !job->stop().has_reach()) {
    job->mutable_stop()->set_patience(3);
  }
  // Training that diverges may first meet a gradient that is not finite.
  if (job->on_divergence() == v1::ON_DIVERGENCE_ROLLBACK &&
      !job->has_on_nonfinite()) {
    job->set_on_nonfinite(v1::POLICY_ROLLBACK);
  }
  if (job->on_nonfinite() == v1::POLICY_ROLLBACK) {
    job->mutable_on_nonfinite_rollback();
  }
  FillTasks(job);
  FillAlgorithm(job);
  FillRuns(job);
  FillWorkers(job);
  FillOptimizer(job);
  FillAnnotatedDefaults(job->mutable_optimizer());
  InheritOptimizer(job);
  // How large a round of runs is, the batch says (fit.cc).
  const bool open_round = TraitsOf(job->algorithm().kind()).runs() &&
                          !job->consistency().has_examples();
  FillAnnotatedDefaults(job);
  if (open_round) job->mutable_consistency()->clear_examples();
  FillSchedule(*job, job->mutable_optimizer());
  FillAnnotatedDefaults(job->mutable_optimizer());  // For the schedule's kind.
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
