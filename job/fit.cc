#include "job/fit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

constexpr int64_t kMostOfABatch = 128;
constexpr int64_t kMostOfSums = 4096;
constexpr int64_t kFloatsOfSums = int64_t{1} << 20;  // If that is more.
// Where the examples are few, batches are so small that as many workers may
// take part, but not so small that messages cost more than gradients do.
constexpr int64_t kWorkersOfABatch = 16;
constexpr int64_t kLeastOfABatch = 16;
constexpr int64_t kParametersOfAnExample = 65'536;
constexpr int64_t kManyWorkers = 100'000;  // The most of job.proto.
// An epoch of fewer batches has too few for several workers, and its last one,
// which may be short, weighs too much.
constexpr int64_t kLeastBatches = 8;
constexpr int64_t kLeastEpochs = 10;
// Measured in docs/measured/job-defaults.md: with fewer, models of small tables
// have not arrived where they would end.
constexpr int64_t kLeastSteps = 1000;
constexpr int64_t kMostEvaluations = 20;

// A run has so many batches, but servers make so many steps.
constexpr int64_t kBatchesOfARun = 50;
constexpr int64_t kLeastOuterSteps = 20;
constexpr int64_t kMostOfAPeriod = 1'000'000;  // The most of job.proto.

// Late updates that together move an output by more than this do harm. Fewer
// than eight never do (docs/decisions/0025-as-many-workers.md).
constexpr double kToleratedMove = 8;
// The first batches of a run, in which its rate grows.
constexpr int64_t kMostOfAWarmUp = 10;
constexpr double kLeastTolerated = 8;
// Standardised features have 0.75 on average, those of Fashion-MNIST: there
// eight updates move an output by up to 6, with which softmax regression and
// perceptrons were measured. Where the sums of rows are known, they say how far
// an output moves. One worker's updates have a staleness of 1, and are whole.
constexpr double kToleratedMoveBySums = 2;
constexpr double kLeastToleratedBySums = 2;
constexpr double kMostTolerated = 1000;

constexpr double kLeastRate = 0.001;
constexpr double kMostRate = 0.1;
// Holds for models that multiply weights with weights.
constexpr double kMostRateOfLayers = 0.01;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t PowerOfTwoWithin(int64_t most) {
  return static_cast<int64_t>(
      std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, most))));
}

class Fit {
 public:
  Fit(const SourceFacts& data, int64_t parameters, v1::Job* job)
      : data_(data),
        parameters_(parameters),
        job_(*job),
        wishes_(
            workloads::RulesOf(job->model()).WishesOf(*job, data, parameters)) {
  }

  std::vector<Choice> All() {
    ChooseBatchAndEpochs();
    ChooseWorkers();
    ChooseRuns();
    ChooseEvaluations();
    ChooseL2();
    ChooseRate();
    ChooseSchedule();
    ChooseRatesOfTables();
    ChooseTolerated();
    return std::move(choices_);
  }

 private:
  void ChooseBatchAndEpochs();
  void ChooseWorkers();
  void ChooseRuns();
  void ChoosePeriod();
  void ChooseEvaluations();
  void ChooseL2();
  void ChooseRate();
  void ChooseSchedule();
  void ChooseRatesOfTables();
  void ChooseTolerated();

  int64_t BatchOfTheData(std::string* reason) const;
  Choice ChooseEpochs();
  int64_t ExamplesOfAllEpochs() const;
  int64_t BatchForWorkers() const;
  // Returns whether the algorithm asks for batches and workers that fit.
  bool FitsWorkers() const;

  // These are for jobs whose pushes are runs. Numbers beyond their bounds in
  // job.proto are reported elsewhere.
  int64_t WorkersOfRuns() const {
    return std::clamp<int64_t>(job_.workers().max(), 1, kManyWorkers);
  }
  int64_t BatchOfRuns() const {
    return std::clamp<int64_t>(job_.train().batch(), 1, int64_t{1} << 24);
  }
  int64_t BatchesOfAnEpoch() const {
    return (data_.examples - 1) / BatchOfRuns() + 1;
  }
  // Returns the examples of an item that is a run of at most so many batches.
  int64_t ItemOfRuns(int64_t period) const {
    const int64_t item = period * BatchOfRuns();
    const int64_t window = data_.window;
    if (window == 0 || data_.examples <= window || BatchOfRuns() > window) {
      return item;
    }
    return ItemWithinWindow(window, item, BatchOfRuns());
  }
  // See GradientRuleOf.
  v1::Optimizer& MutableRule() {
    return TraitsOf(job_.algorithm().kind()).runs()
               ? *job_.mutable_algorithm()->mutable_inner()
               : *job_.mutable_optimizer();
  }
  // Returns whether each weight of the model is multiplied with one feature, so
  // that all of them together move an output by a step times the features.
  bool IsLinear() const;
  // How far a step of 1 in each weight moves an output; 0: unknown.
  double Reach(std::string* text) const;

  void Add(absl::string_view key, std::string value, std::string reason) {
    choices_.push_back({std::string(key), std::move(value), std::move(reason)});
  }

  const SourceFacts& data_;
  const int64_t parameters_;
  v1::Job& job_;
  const workloads::Rules::Wishes wishes_;
  std::vector<Choice> choices_;
};

// Epochs go by the batches that much data would have. Then these may become
// smaller, for many workers.
void Fit::ChooseBatchAndEpochs() {
  v1::Train& train = *job_.mutable_train();
  const bool open = !train.has_batch();
  std::string reason;
  if (open) train.set_batch(BatchOfTheData(&reason));
  std::optional<Choice> epochs;
  if (!train.has_epochs()) epochs = ChooseEpochs();
  if (open) {
    const int64_t smaller = BatchForWorkers();
    if (smaller < train.batch()) {
      train.set_batch(smaller);
      reason = absl::StrCat("the examples of all epochs are ",
                            ExamplesOfAllEpochs());
    }
    Add("train.batch", absl::StrCat(train.batch()), reason);
  }
  if (epochs) choices_.push_back(*std::move(epochs));
}

int64_t Fit::BatchOfTheData(std::string* reason) const {
  const v1::Train& train = job_.train();
  // Each batch pushes sums as large as the model.
  int64_t batch = kMostOfABatch;
  if (TraitsOf(job_.algorithm().kind()).statistics()) {
    batch = kMostOfSums;
    if (data_.features > 0) {
      batch = std::max(batch, PowerOfTwoWithin(kFloatsOfSums / data_.features));
    }
  }
  batch = wishes_.most_of_a_batch.value_or(batch);
  *reason = "many examples";
  if (data_.examples > 0) {
    const int64_t share = data_.examples / kLeastBatches;
    if (share < batch) batch = PowerOfTwoWithin(share);
    *reason = absl::StrCat("the examples are ", data_.examples);
  }
  batch = wishes_.batch.value_or(batch);
  // What was given is obeyed, and a batch fits into it.
  const auto fit = [&](bool given, int64_t most, absl::string_view what) {
    if (!given || most >= batch || most < 1) return;
    batch = most;
    *reason = absl::StrCat("as ", what);
  };
  fit(train.has_item_examples(), train.item_examples(), "train.item_examples");
  fit(train.has_batch_growth() && train.batch_growth().has_max(),
      train.batch_growth().max(), "train.batch_growth.max");
  fit(data_.window > 0, data_.window, "the windows of data.train");
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  fit(round.has_value() && *round != kWholeEpoch, round.value_or(0),
      "consistency.examples");
  return batch;
}

// Rounds of an epoch are steps of their own kind (batch learning, lbfgs): how
// many of them are needed does not follow from the data.
Choice Fit::ChooseEpochs() {
  v1::Train& train = *job_.mutable_train();
  if (wishes_.epochs) {
    train.set_epochs(static_cast<int64_t>(wishes_.epochs->value));
    return {"train.epochs", absl::StrCat(train.epochs()),
            wishes_.epochs->reason};
  }
  int64_t step = train.batch();
  // In runs each batch is a step of a worker, in rounds too.
  const bool rounds =
      job_.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
      !TraitsOf(job_.algorithm().kind()).runs();
  if (rounds) {
    const auto round = ParseEpochOrCount(job_.consistency().examples());
    step = std::max(step, round.value_or(kWholeEpoch) == kWholeEpoch
                              ? data_.examples
                              : *round);
  }
  int64_t epochs = kLeastEpochs;
  std::string reason = "the default";
  if (data_.examples > 0 && step > 0 && step < data_.examples) {
    const int64_t steps = CeilDivide(data_.examples, step);
    epochs = std::max(epochs, CeilDivide(kLeastSteps, steps));
    reason = absl::StrCat(steps, rounds ? " rounds" : " batches of ",
                          rounds ? "" : absl::StrCat(step),
                          " an epoch, at least ", kLeastSteps);
  }
  train.set_epochs(epochs);
  return {"train.epochs", absl::StrCat(epochs), std::move(reason)};
}

int64_t Fit::ExamplesOfAllEpochs() const {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t epochs = std::max<int64_t>(1, job_.train().epochs());
  return data_.examples > kMost / epochs ? kMost : data_.examples * epochs;
}

// The batch with which the usual number of workers learns what one does.
int64_t Fit::BatchForWorkers() const {
  if (!FitsWorkers()) return job_.train().batch();
  const int64_t least =
      std::max({kLeastOfABatch, wishes_.least_of_a_batch.value_or(0),
                PowerOfTwoWithin(parameters_ / kParametersOfAnExample)});
  const int64_t wanted = PowerOfTwoWithin(ExamplesOfAllEpochs() /
                                          (kStepsOfAWorker * kWorkersOfABatch));
  return std::max(least, wanted);
}

void Fit::ChooseWorkers() {
  v1::Workers& workers = *job_.mutable_workers();
  if (workers.has_max()) return;
  const v1::Train& train = job_.train();
  const int64_t batch = std::max<int64_t>(
      {1, train.batch(),
       train.has_batch_growth() ? train.batch_growth().max() : 0});
  const int64_t steps = ExamplesOfAllEpochs() / batch;
  const int64_t most =
      std::clamp(steps / kStepsOfAWorker, kFewWorkers, kManyWorkers);
  workers.set_max(std::max(most, workers.min()));
  if (!FitsWorkers()) return;
  Add("workers.max", absl::StrCat(workers.max()),
      absl::StrCat(steps, steps == 1 ? " step" : " steps",
                   " in all, one worker for ", kStepsOfAWorker, ", at least ",
                   kFewWorkers));
}

// Says how long a run is, and how many make a round.
void Fit::ChooseRuns() {
  if (!TraitsOf(job_.algorithm().kind()).runs()) return;
  v1::Algorithm& algorithm = *job_.mutable_algorithm();
  if (!algorithm.has_period()) ChoosePeriod();
  if (!algorithm.has_run_warm_up()) {
    algorithm.set_run_warm_up(
        std::clamp<int64_t>(algorithm.period() / 2, 0, kMostOfAWarmUp));
  }
  v1::Consistency& consistency = *job_.mutable_consistency();
  if (consistency.has_examples() ||
      consistency.kind() != v1::Consistency::KIND_ROUNDS) {
    return;
  }
  // A run for each worker, and as many in each round of an epoch.
  const int64_t period =
      std::clamp<int64_t>(job_.algorithm().period(), 1, kMostOfAPeriod);
  const int64_t workers = WorkersOfRuns();
  int64_t runs = workers;
  if (data_.examples > 0) {
    const int64_t of_epoch = CeilDivide(data_.examples, ItemOfRuns(period));
    runs = CeilDivide(of_epoch, CeilDivide(of_epoch, workers));
  }
  int64_t round = runs * ItemOfRuns(period);
  if (data_.examples > 0) round = std::min(round, data_.examples);
  consistency.set_examples(absl::StrCat(round));
  Add("consistency.examples", consistency.examples(),
      absl::StrCat(runs, runs == 1 ? " run" : " runs", " of ", period,
                   period == 1 ? " batch" : " batches", " for up to ", workers,
                   workers == 1 ? " worker" : " workers"));
}

void Fit::ChoosePeriod() {
  v1::Algorithm& algorithm = *job_.mutable_algorithm();
  if (data_.examples < 1) {
    algorithm.set_period(kBatchesOfARun);
    return;
  }
  const int64_t workers = WorkersOfRuns();
  const int64_t batch = BatchOfRuns();
  const int64_t batches = BatchesOfAnEpoch();
  const int64_t in_all = (ExamplesOfAllEpochs() - 1) / batch + 1;
  const int64_t most = std::clamp<int64_t>(
      in_all / (workers * kLeastOuterSteps), 1, kBatchesOfARun);
  const v1::Consistency& consistency = job_.consistency();
  const bool in_rounds = consistency.kind() == v1::Consistency::KIND_ROUNDS;
  const int64_t round =
      ParseEpochOrCount(consistency.examples()).value_or(kWholeEpoch);
  int64_t period = most;
  if (job_.train().has_item_examples()) {
    const int64_t item = job_.train().item_examples() / batch;
    period = in_rounds ? item : std::min(most, item);
  } else if (in_rounds && round != kWholeEpoch) {
    period = round / (workers * batch);
  } else if (in_rounds) {
    // All rounds of an epoch have as many.
    const int64_t rounds = CeilDivide(batches, workers * most);
    period = CeilDivide(batches, rounds * workers);
  }
  // No run is longer than an epoch.
  const int64_t longest =
      std::clamp<int64_t>(data_.examples / batch, 1, kMostOfAPeriod);
  period = std::clamp<int64_t>(period, 1, longest);
  std::string reason = absl::StrCat(in_all, in_all == 1 ? " batch" : " batches",
                                    " in all, for up to ", workers,
                                    workers == 1 ? " worker" : " workers");
  if (data_.window > 0 && data_.examples > data_.window) {
    // Without rounds a run may be a part of an item.
    const int64_t possible = CeilDivide(ItemOfRuns(period), batch);
    period = in_rounds ? possible : std::min(period, possible);
    absl::StrAppend(&reason, ", within windows of ", data_.window, " examples");
  }
  algorithm.set_period(period);
  Add("algorithm.period", absl::StrCat(period), reason);
}

bool Fit::FitsWorkers() const {
  return data_.examples > 0 && TraitsOf(job_.algorithm().kind()).fits_workers();
}

void Fit::ChooseEvaluations() {
  if (!job_.has_evaluate() || job_.evaluate().has_every()) return;
  const int64_t epochs = job_.train().epochs();
  const int64_t every = std::max<int64_t>(1, epochs / kMostEvaluations);
  const std::string text =
      absl::StrCat(every, every == 1 ? " epoch" : " epochs");
  job_.mutable_evaluate()->set_every(text);
  Add("evaluate.every", text,
      absl::StrCat(epochs, epochs == 1 ? " epoch" : " epochs"));
}

// As much as scikit-learn's logistic and ridge regression have by default keeps
// weights small of which the data says little: those of rare categories, and
// all of them if there are more than examples. A rule with a penalty of its own
// does the same for data that is not so wide.
void Fit::ChooseL2() {
  v1::Model& model = *job_.mutable_model();
  if (model.has_l2() || IsOwn(model)) return;
  if (wishes_.l2) {
    model.set_l2(wishes_.l2->value);
    Add("model.l2", NumberText(model.l2()), wishes_.l2->reason);
    return;
  }
  if (TraitsOf(model).keyed() || !IsLinear() || data_.examples < 1) return;
  const bool wide = data_.features > data_.examples;
  const v1::Optimizer& rule = GradientRuleOf(job_);
  const bool penalised =
      rule.weight_decay() > 0 || rule.l1() > 0 || rule.l2() > 0;
  if (penalised && !wide) return;
  model.set_l2(1 / static_cast<double>(data_.examples));
  Add("model.l2", NumberText(model.l2()),
      absl::StrCat("1 divided by the number of examples, ", data_.examples));
}

bool Fit::IsLinear() const {
  const v1::Model& model = job_.model();
  if (!IsOwn(model)) return TraitsOf(model).linear();
  const int64_t outputs = std::max<int64_t>(data_.classes, 1);
  return parameters_ > 0 && parameters_ <= (data_.features + 1) * outputs;
}

double Fit::Reach(std::string* text) const {
  if (data_.row_sum > 0) {
    *text = absl::StrFormat("the mean row sum %.4g", data_.row_sum);
    return data_.row_sum;
  }
  *text = absl::StrCat("the number of features, ", data_.features);
  return static_cast<double>(data_.features);
}

void Fit::ChooseRate() {
  if (job_.algorithm().program_steps()) return;
  v1::Optimizer& optimizer = MutableRule();
  if (optimizer.has_rate() || !TraitsOf(optimizer.kind()).steps_of_the_rate())
    return;
  double rate = kLeastRate;
  std::string reason = "the default of models of keys";
  const bool linear = IsLinear();
  if (wishes_.rate) {
    rate = wishes_.rate->value;
    reason = wishes_.rate->reason;
  } else if (linear || !TraitsOf(job_.model()).keyed()) {
    std::string of;
    const double reach = Reach(&of);
    const double most = linear ? kMostRate : kMostRateOfLayers;
    if (reach > 0) {
      rate = std::clamp(1 / reach, kLeastRate, most);
      reason = absl::StrCat("1 divided by ", of);
      if (1 / reach > most) absl::StrAppend(&reason, ", at most ", most);
      if (1 / reach < kLeastRate) {
        absl::StrAppend(&reason, ", at least ", kLeastRate);
      }
    } else {
      reason = "the features are not known";
    }
  }
  optimizer.set_rate(rate);
  Add(absl::StrCat(GradientRuleKey(job_), ".rate"), NumberText(rate), reason);
}

void Fit::ChooseSchedule() {
  if (job_.algorithm().program_steps()) return;
  v1::Schedule& schedule = *MutableRule().mutable_schedule();
  if (schedule.has_kind()) return;
  // By the batch and the epochs.
  const auto wish = workloads::RulesOf(job_.model())
                        .WishesOf(job_, data_, parameters_)
                        .schedule;
  if (!wish) return;
  schedule.MergeFrom(wish->schedule);
  Add(absl::StrCat(GradientRuleKey(job_), ".schedule"), wish->text,
      wish->reason);
}

// A table whose optimizer is of another kind than the job's has a rate of its
// own: a batch takes a step only of the rows that it names, never of many
// weights at a time.
void Fit::ChooseRatesOfTables() {
  for (auto& [name, table] : *job_.mutable_tables()) {
    if (!table.has_optimizer() || table.optimizer().has_rate() ||
        !TraitsOf(table.optimizer().kind()).steps_of_the_rate()) {
      continue;
    }
    const bool same = table.optimizer().kind() == job_.optimizer().kind();
    const double rate = same ? job_.optimizer().rate() : kLeastRate;
    table.mutable_optimizer()->set_rate(rate);
    Add(absl::StrCat("tables.", name, ".optimizer.rate"), NumberText(rate),
        same ? "as optimizer.rate" : "the default of tables");
  }
}

// Adam and RMSProp move every weight by the rate, whatever the gradient. How
// far the weights of hidden layers move an output together is not known. An
// example of keys has only a few.
void Fit::ChooseTolerated() {
  v1::Algorithm& algorithm = *job_.mutable_algorithm();
  if (algorithm.has_tolerated() || !TraitsOf(algorithm.kind()).fits_workers()) {
    return;
  }
  std::string reason = "the default";
  double tolerated = kLeastTolerated;
  const bool keyed = TraitsOf(job_.model()).keyed();
  if (TraitsOf(job_.optimizer().kind()).steps_of_the_rate() &&
      (keyed || IsLinear())) {
    std::string of;
    const double reach = keyed && data_.row_sum <= 0 ? 0 : Reach(&of);
    const double rate = job_.optimizer().rate();
    if (rate * reach > 0) {
      const bool sums = IsLinear() && data_.row_sum > 0;
      const double move = sums ? kToleratedMoveBySums : kToleratedMove;
      const double least = sums ? kLeastToleratedBySums : kLeastTolerated;
      const double wish = std::floor(move / (rate * reach));
      tolerated = std::clamp(wish, least, kMostTolerated);
      reason = absl::StrCat(move, " divided by the rate, ", NumberText(rate),
                            ", and ", of);
      if (wish > kMostTolerated) {
        absl::StrAppend(&reason, ", at most ", kMostTolerated);
      }
      if (wish < least) absl::StrAppend(&reason, ", at least ", least);
    }
  }
  algorithm.set_tolerated(tolerated);
  if (data_.examples > 0) {
    Add("algorithm.tolerated", NumberText(tolerated), std::move(reason));
  }
}

}  // namespace

std::vector<Choice> FitToData(const SourceFacts& data, int64_t parameters,
                              v1::Job* job) {
  return Fit(data, parameters, job).All();
}

int64_t ItemWithinWindow(int64_t window, int64_t most, int64_t batch) {
  int64_t within = 0;
  int64_t least = window;
  for (int64_t part = 1; part <= window / part; ++part) {
    if (window % part != 0) continue;
    for (const int64_t divisor : {part, window / part}) {
      if (divisor < batch) continue;
      if (divisor <= most) within = std::max(within, divisor);
      least = std::min(least, divisor);
    }
  }
  return within > 0 ? within : least;
}

}  // namespace ebb::job
