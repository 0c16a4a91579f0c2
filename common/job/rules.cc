#include "common/job/rules.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/job/keys.h"
#include "common/job/values.h"

namespace ebb::job {
namespace {

// Whether examples name their features by keys of sparse tables.
bool HasKeys(const v1::DataSource& source) {
  return source.has_libffm() || source.has_ratings() || source.has_criteo() ||
         source.libsvm().keys();
}

bool LeavesOut(v1::Filter::Kind kind) {
  return kind == v1::Filter::KIND_THRESHOLD || kind == v1::Filter::KIND_TOP_K;
}

class Rules {
 public:
  Rules(const v1::Job& job, const DataFacts& facts, const SourceMap& sources)
      : job_(job), facts_(facts), sources_(sources) {}

  std::vector<Mistake> Check() {
    CheckSource(job_.data().train(), "data.train", job_.data().has_train());
    CheckSource(job_.data().test(), "data.test", job_.data().has_test());
    if (job_.data().has_test() && job_.data().has_split()) {
      Fail("data.split", "cannot stand beside test", "keep one of the two");
    }
    if (job_.data().standardise() && IsSparse(job_.data().train())) {
      Fail("data.standardise", "would fill the zeros of sparse rows",
           "leave it out, or scale");
    }
    CheckModel();
    CheckOptimizer();
    CheckTraining();
    CheckFilters();
    CheckAlgorithm();
    CheckTables();
    CheckExpectations();
    if (facts_.train.has_value()) CheckAgainstTrainData(*facts_.train);
    if (facts_.test.has_value()) CheckAgainstTestData(*facts_.test);
    return std::move(mistakes_);
  }

 private:
  void CheckSource(const v1::DataSource& source, const std::string& path,
                   bool is_given);
  void CheckIdx(const v1::Idx& idx, const std::string& path);
  void CheckCsv(const v1::Csv& csv, const std::string& path);
  void CheckModel();
  void CheckKeysOfModel();
  void CheckOptimizer();
  void CheckTraining();
  void CheckRollback();
  void CheckPoliciesOfRounds();
  void CheckFilters();
  void CheckAlgorithm();
  void CheckRowsOfRuns(const v1::Table& table, const std::string& path);
  void CheckLocalRule();
  void CheckLbfgs();
  void CheckTables();
  void CheckTable(const v1::Table& table, const std::string& path);
  void CheckExpectations();
  void CheckAgainstTrainData(const SourceFacts& data);
  void CheckLayers(const SourceFacts& data);
  void CheckAgainstTestData(const SourceFacts& data);

  bool HasTestData() const {
    return job_.data().has_test() || job_.data().has_split();
  }
  // Whether the model is the built-in perceptron.
  bool IsPerceptron() const {
    return job_.model().kind() == "mlp" && !job_.model().has_plugin();
  }
  void Fail(const std::string& path, std::string what, std::string hint) {
    mistakes_.push_back(
        {sources_.Find(path), path, std::move(what), std::move(hint)});
  }

  const v1::Job& job_;
  const DataFacts& facts_;
  const SourceMap& sources_;
  std::vector<Mistake> mistakes_;
};

void Rules::CheckSource(const v1::DataSource& source, const std::string& path,
                        bool is_given) {
  if (!is_given) return;
  switch (source.format_case()) {
    case v1::DataSource::kIdx:
      CheckIdx(source.idx(), path + ".idx");
      break;
    case v1::DataSource::kCsv:
      CheckCsv(source.csv(), path + ".csv");
      break;
    case v1::DataSource::kLibsvm:
    case v1::DataSource::kLibffm:
    case v1::DataSource::kRatings:
    case v1::DataSource::kCriteo:
      break;
    case v1::DataSource::FORMAT_NOT_SET:
      Fail(path, "names no data", "csv: FILE, libsvm: FILE or idx: PREFIX");
      break;
  }
}

void Rules::CheckIdx(const v1::Idx& idx, const std::string& path) {
  const std::string hint = "idx: PREFIX, or idx: {images: FILE, labels: FILE}";
  if (idx.has_prefix() && (idx.has_images() || idx.has_labels())) {
    Fail(path, "has both a prefix and single files", hint);
  } else if (!idx.has_prefix() && !idx.has_images()) {
    Fail(path, idx.has_labels() ? "has labels but no images" : "names no data",
         hint);
  } else if (!idx.has_prefix() && !idx.has_labels()) {
    Fail(path, "has images but no labels", hint);
  }
}

void Rules::CheckCsv(const v1::Csv& csv, const std::string& path) {
  const auto check_column = [&](const std::string& column,
                                const std::string& column_path) {
    int64_t number = 0;
    const bool is_number = absl::SimpleAtoi(column, &number) && number > 0;
    if (csv.has_header() && !csv.header() && !is_number) {
      Fail(column_path,
           absl::StrCat("\"", column,
                        "\" is no number, and without a header columns have "
                        "no names"),
           "count the columns from 1, or header: true");
    }
  };
  if (csv.has_label()) check_column(csv.label(), path + ".label");
  for (int i = 0; i < csv.ignore_size(); ++i) {
    const std::string column_path = absl::StrCat(path, ".ignore[", i, "]");
    check_column(csv.ignore(i), column_path);
    if (csv.has_label() && csv.ignore(i) == csv.label()) {
      Fail(path + ".ignore",
           absl::StrCat("\"", csv.label(), "\" is the label's column"),
           "ignore other columns, or choose another label");
    }
  }
}

void Rules::CheckModel() {
  const v1::Model& model = job_.model();
  if (!facts_.model_kinds.empty() && model.has_kind() &&
      !KnowsModel(facts_, model)) {
    const std::string near = Nearest(model.kind(), facts_.model_kinds);
    Fail("model.kind", absl::StrCat("there is no model \"", model.kind(), "\""),
         absl::StrCat("kind: ", near.empty()
                                    ? absl::StrJoin(facts_.model_kinds, ", ")
                                    : near));
  }
  CheckKeysOfModel();
  if (job_.data().train().has_ratings() &&
      model.labels() == v1::Model::LABELS_CLASSES) {
    Fail("model.labels", "ratings are values, not classes", "labels: values");
  }
  if (!IsPerceptron()) return;
  constexpr int kMaxLayers = 64;
  if (model.layers_size() == 0) {
    Fail("model.layers", "is missing",
         "layers: [FEATURES, 128, CLASSES], as many as the data has");
  } else if (model.layers_size() == 1) {
    Fail("model.layers", "has one layer; at least two are needed",
         "layers: [FEATURES, 128, CLASSES]");
  } else if (model.layers_size() > kMaxLayers) {
    Fail("model.layers", absl::StrCat("has ", model.layers_size(), " layers"),
         absl::StrCat("at most ", kMaxLayers));
  }
}

void Rules::CheckKeysOfModel() {
  const v1::Model& model = job_.model();
  const v1::DataSource& train = job_.data().train();
  // What another was meant by it would learn from, nobody knows.
  if (!KnowsModel(facts_, model)) return;
  if (!TakesKeys(model)) {
    if (!HasKeys(train)) return;
    Fail("data.train",
         absl::StrCat("its examples are 64-bit keys, but ", model.kind(),
                      " learns from columns of numbers"),
         "libsvm: FILE, without keys");
    return;
  }
  // libffm and criteo do for ratings, too, if they have two fields.
  const bool columns = train.has_csv() || train.has_idx();
  if (model.kind() == "matrix_factorisation" &&
      (columns || train.has_libsvm())) {
    Fail("data.train",
         absl::StrCat("its examples are no ratings of items by users, which ",
                      model.kind(), " learns from"),
         "ratings: FILE");
  } else if (columns) {
    Fail("data.train",
         absl::StrCat("its examples are columns of numbers, but ", model.kind(),
                      " learns from 64-bit keys"),
         "libsvm: FILE, or libffm: FILE");
  }
}

void Rules::CheckOptimizer() {
  const v1::Schedule& schedule = job_.optimizer().schedule();
  // What is wrong with the epochs themselves is said elsewhere.
  if (job_.train().epochs() > 0 &&
      schedule.warm_up_epochs() > static_cast<double>(job_.train().epochs())) {
    Fail("optimizer.schedule.warm_up_epochs",
         absl::StrCat(NumberText(schedule.warm_up_epochs()),
                      " epochs are more than the ", job_.train().epochs(),
                      " of the job"),
         "warm_up_epochs: 1");
  }
  const bool is_constant = schedule.kind() == v1::Schedule::KIND_CONSTANT &&
                           schedule.warm_up_epochs() == 0;
  if (job_.optimizer().kind() == v1::Optimizer::KIND_FTRL && !is_constant) {
    Fail("optimizer.schedule", "is nothing that ftrl takes",
         "leave it out: the rates of ftrl fall by themselves");
  }
}

void Rules::CheckTraining() {
  const v1::Train& train = job_.train();
  if (train.has_item_examples() && train.item_examples() < train.batch()) {
    Fail("train.item_examples",
         absl::StrCat(train.item_examples(),
                      " examples are less than a batch of ", train.batch()),
         absl::StrCat("item_examples: ", train.batch() * 8));
  }
  if (train.has_batch_growth() && train.batch_growth().max() < train.batch()) {
    Fail("train.batch_growth.max",
         absl::StrCat(train.batch_growth().max(),
                      " is less than the first batch of ", train.batch()),
         absl::StrCat("max: ", train.batch() * 8));
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
      round.has_value() && *round != kWholeEpoch && *round < train.batch()) {
    Fail("consistency.examples",
         absl::StrCat(*round, " examples are less than a batch of ",
                      train.batch()),
         absl::StrCat("examples: ", train.batch() * 8));
  }
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    CheckPoliciesOfRounds();
  }
  CheckRollback();
  if (job_.workers().min() > job_.workers().max()) {
    Fail("workers.min",
         absl::StrCat(job_.workers().min(), " is more than the maximum of ",
                      job_.workers().max()),
         absl::StrCat("max: ", job_.workers().min()));
  }
}

void Rules::CheckRollback() {
  if (job_.on_poison() == v1::POLICY_ROLLBACK) {
    Fail("on_poison", "cannot roll back: no rate is to blame for a dead worker",
         "on_poison: pause");
  }
  const bool rolls_back = job_.on_nonfinite() == v1::POLICY_ROLLBACK;
  if (job_.has_on_nonfinite_rollback() && !rolls_back) {
    Fail("on_nonfinite_rollback", "says how, but the job does not roll back",
         "on_nonfinite: rollback");
  }
  const int64_t versions = job_.on_nonfinite_rollback().versions();
  if (rolls_back && job_.checkpoint().keep() <= versions) {
    Fail("checkpoint.keep",
         absl::StrCat(job_.checkpoint().keep(), " versions are not more than ",
                      versions, ", which on_nonfinite_rollback goes back"),
         absl::StrCat("keep: ", versions + 1));
  }
}

void Rules::CheckPoliciesOfRounds() {
  // Values that were made with a batch may still be in use when a server lost
  // it and it is skipped the second time: the round would not be exact.
  const auto no_skip = [this](const char* key, v1::Policy policy) {
    if (policy != v1::POLICY_SKIP) return;
    Fail(key, "a batch cannot be skipped by itself in rounds",
         absl::StrCat(key, ": pause"));
  };
  no_skip("on_poison", job_.on_poison());
  no_skip("on_nonfinite", job_.on_nonfinite());
  // Each version is reported, so that a rollback finds a round that all have.
  constexpr int64_t kMostVersions = 1000;
  if (job_.checkpoint().keep() > kMostVersions) {
    Fail("checkpoint.keep",
         absl::StrCat(job_.checkpoint().keep(), " versions are more than ",
                      kMostVersions, ", the most in rounds"),
         absl::StrCat("keep: ", kMostVersions));
  }
}

void Rules::CheckFilters() {
  const v1::Filter& push = job_.filters().push();
  if (LeavesOut(job_.filters().pull().kind())) {
    Fail("filters.pull.kind", "leaves values out, which a pull cannot",
         "kind: int8");
  }
  const bool keeps =
      push.kind() == v1::Filter::KIND_TOP_K ||
      (push.kind() == v1::Filter::KIND_THRESHOLD && push.threshold() > 0);
  if (keeps && job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    Fail("filters.push.kind",
         "keeps parts of gradients back, but a round has all of its own",
         "kind: int8");
  }
}

void Rules::CheckAlgorithm() {
  const v1::Algorithm::Kind kind = job_.algorithm().kind();
  if (HasLocalRule(kind)) CheckLocalRule();
  if (kind == v1::Algorithm::KIND_PLUGIN && !job_.algorithm().has_plugin()) {
    Fail("algorithm.kind", "there is no plugin to load",
         "plugin: libmy_algorithm.so");
  }
  if (kind == v1::Algorithm::KIND_LBFGS) CheckLbfgs();
  if (kind != v1::Algorithm::KIND_DYNSGD) return;
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    Fail("algorithm.kind",
         "goes by how late gradients come, and in rounds none comes late",
         "kind: sgd, or consistency: asp");
  }
  if (job_.optimizer().kind() == v1::Optimizer::KIND_FTRL) {
    Fail("algorithm.kind",
         "makes single steps shorter, but ftrl has one rate for all its steps",
         "kind: sgd, or optimizer: adagrad");
  }
}

void Rules::CheckTables() {
  if (job_.tables().empty()) return;
  // What tables a plugin has, it says itself.
  if (!TakesKeys(job_.model()) && !job_.model().has_plugin()) {
    if (!KnowsModel(facts_, job_.model())) return;
    Fail("tables", absl::StrCat(job_.model().kind(), " has no sparse tables"),
         "leave it out, or model: sparse_logistic");
    return;
  }
  for (const auto& [name, table] : job_.tables()) {
    CheckTable(table, Join("tables", name));
  }
}

void Rules::CheckTable(const v1::Table& table, const std::string& path) {
  const v1::Optimizer& own = table.optimizer();
  if (own.schedule().has_kind() || own.schedule().warm_up_epochs() > 0) {
    Fail(path + ".optimizer.schedule",
         "is nothing of a table: that of the job holds for all of them",
         "optimizer: {schedule: …} of the job");
  }
  if (table.has_optimizer() && own.kind() == v1::Optimizer::KIND_FTRL) {
    const v1::Schedule& schedule = job_.optimizer().schedule();
    if (schedule.kind() != v1::Schedule::KIND_CONSTANT ||
        schedule.warm_up_epochs() > 0) {
      Fail(path + ".optimizer",
           "the rates of ftrl fall by themselves, but the job has a schedule",
           "optimizer: {schedule: constant} of the job");
    }
    if (job_.algorithm().kind() == v1::Algorithm::KIND_DYNSGD) {
      Fail(path + ".optimizer",
           "dynsgd makes single steps shorter, but ftrl has one rate for all",
           "kind: adagrad");
    }
  }
  CheckRowsOfRuns(table, path);
  if (table.at_limit() == v1::Table::AT_LIMIT_EVICT && !table.has_max_rows()) {
    Fail(path + ".at_limit", "there is no limit without max_rows",
         "max_rows: 1000000");
  }
}

// Of workers that go on by themselves.
void Rules::CheckRowsOfRuns(const v1::Table& table, const std::string& path) {
  const std::string name = KindOf(job_.algorithm());
  if (!HasLocalRule(job_.algorithm().kind())) return;
  const v1::TableConsistency::Kind consistency = table.consistency().kind();
  if (consistency == v1::TableConsistency::KIND_SSP ||
      consistency == v1::TableConsistency::KIND_BSP) {
    Fail(path + ".consistency",
         absl::StrCat("clocks count batches, and with ", name,
                      " a push has several"),
         "leave it out");
  }
  if (job_.algorithm().kind() != v1::Algorithm::KIND_GEO) return;
  if (table.has_optimizer()) {
    Fail(path + ".optimizer",
         "with geo it is workers that step, and only by plain SGD",
         "leave it out");
  }
  if (table.has_admit()) {
    Fail(path + ".admit",
         "with geo a key's first pushes are a part of its row's value, not "
         "steps that others make up for",
         "leave it out, or kind: downpour of the algorithm");
  }
}

void Rules::CheckLocalRule() {
  const std::string name = KindOf(job_.algorithm());
  const v1::Algorithm::Kind kind = job_.algorithm().kind();
  const v1::Consistency::Kind consistency = job_.consistency().kind();
  if (TakesKeys(job_.model())) {
    if (!TakesRows(kind)) {
      Fail("algorithm.kind",
           absl::StrCat(name,
                        " steps in copies of the whole model, and of one with "
                        "sparse tables a worker has only its batch's rows"),
           "kind: geo, downpour or adag");
    }
    if (job_.algorithm().has_pull_every() &&
        job_.algorithm().pull_every() != 1) {
      Fail("algorithm.pull_every",
           "a model with sparse tables pulls the rows of each batch with it",
           "leave it out");
    }
  }
  const bool averages = kind == v1::Algorithm::KIND_LOCAL_SGD;
  if (averages && consistency != v1::Consistency::KIND_ROUNDS) {
    Fail("algorithm.kind",
         "local_sgd takes the mean of what workers made of a round's items",
         "consistency: {kind: rounds, examples: 8192}");
  }
  // Whether one of a plugin fits rounds its plan says (MakeJobRecord).
  const bool rounds = kind == v1::Algorithm::KIND_PLUGIN &&
                      consistency == v1::Consistency::KIND_ROUNDS;
  if (!averages && !rounds && consistency != v1::Consistency::KIND_ASP) {
    Fail("algorithm.kind",
         absl::StrCat(name,
                      " lets workers go on by themselves, which only asp does"),
         "consistency: asp");
  }
  const bool elastic =
      kind == v1::Algorithm::KIND_AEASGD || kind == v1::Algorithm::KIND_EAMSGD;
  const bool geo = kind == v1::Algorithm::KIND_GEO;
  if ((averages || elastic || geo) &&
      job_.optimizer().kind() != v1::Optimizer::KIND_SGD) {
    Fail("optimizer.kind",
         absl::StrCat("with ", name,
                      " it is workers that step, and only by plain SGD"),
         "kind: sgd");
  }
  if ((elastic || geo) && LeavesOut(job_.filters().push().kind())) {
    Fail("filters.push.kind",
         absl::StrCat("leaves out values of what ", name, " pushes"),
         "kind: int8");
  }
}

// The objective must be one function, and what is pushed its gradient.
void Rules::CheckLbfgs() {
  if (TakesKeys(job_.model())) {
    Fail("algorithm.kind",
         "lbfgs takes sums over the whole model, and the rows of sparse tables "
         "only become more",
         "kind: sgd or dynsgd");
  }
  const v1::Consistency& consistency = job_.consistency();
  if (consistency.kind() != v1::Consistency::KIND_ROUNDS ||
      ParseEpochOrCount(consistency.examples()) != kWholeEpoch) {
    Fail("algorithm.kind", "each trial of lbfgs is a round of one epoch",
         "consistency: {kind: rounds, examples: epoch}");
  }
  if (job_.optimizer().kind() != v1::Optimizer::KIND_SGD) {
    Fail("optimizer.kind", "lbfgs is an optimizer itself", "leave it out");
  }
  if (job_.on_nonfinite() == v1::POLICY_ROLLBACK) {
    Fail("on_nonfinite", "makes the rate smaller, and lbfgs has none",
         "on_nonfinite: pause");
  }
  const auto whole = [this](const char* key, const v1::Filter& filter) {
    if (filter.kind() == v1::Filter::KIND_UNSPECIFIED ||
        filter.kind() == v1::Filter::KIND_NONE) {
      return;
    }
    Fail(key, "rounds off what lbfgs compares", "kind: none");
  };
  whole("filters.push.kind", job_.filters().push());
  whole("filters.pull.kind", job_.filters().pull());
  if (job_.train().has_clip_norm()) {
    Fail("train.clip_norm",
         "makes something else of gradients, which lbfgs "
         "compares",
         "leave it out");
  }
  if (job_.model().dropout() > 0) {
    Fail("model.dropout", "makes each trial of lbfgs one of another function",
         "leave it out, and take l2");
  }
}

void Rules::CheckExpectations() {
  const v1::Expect& expect = job_.expect();
  if (!HasTestData()) {
    const std::string hint = "data: {test: …}, or data: {split: 0.2}";
    if (job_.has_evaluate()) {
      Fail("evaluate", "there is no test data", hint);
    }
    if (expect.has_accuracy() || expect.has_loss()) {
      Fail("expect", "there is no test data", hint);
    }
    return;
  }
  if (!expect.has_accuracy()) return;
  if (job_.model().kind() == "linear" && !job_.model().has_plugin()) {
    Fail("expect.accuracy", "a linear model has a loss, but no accuracy",
         "loss: \"<= 0.4\"");
  } else if (PredictsNumbers(job_)) {
    Fail("expect.accuracy",
         "a model that predicts numbers has a loss, but no accuracy",
         "loss: \"<= 0.4\"");
  }
  const auto accuracy = ParseComparison(expect.accuracy());
  if (accuracy.has_value() && (accuracy->bound < 0 || accuracy->bound > 1)) {
    Fail("expect.accuracy",
         absl::StrCat("an accuracy lies between 0 and 1, and so must ",
                      NumberText(accuracy->bound)),
         "accuracy: \">= 0.87\"");
  }
}

void Rules::CheckAgainstTrainData(const SourceFacts& data) {
  if (data.examples < 1) {
    Fail("data.train", "has no examples", "a file with a row per example");
    return;
  }
  if (job_.train().batch() > data.examples) {
    Fail("train.batch",
         absl::StrCat("a batch of ", job_.train().batch(), " is more than the ",
                      data.examples, " examples of data.train"),
         absl::StrCat("batch: ", std::max<int64_t>(1, data.examples / 8)));
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (round.has_value() && *round > data.examples) {
    Fail("consistency.examples",
         absl::StrCat(*round, " are more than the ", data.examples,
                      " examples of data.train"),
         "examples: epoch");
  }
  if (job_.model().has_plugin()) return;
  const std::string& kind = job_.model().kind();
  const bool is_linear_classifier = kind == "logistic" || kind == "softmax";
  const bool tells_two_apart =
      kind == "logistic" || (TakesKeys(job_.model()) && !PredictsNumbers(job_));
  if (is_linear_classifier && data.classes == 0) {
    Fail("model.kind",
         absl::StrCat(kind,
                      " tells classes apart, but the labels of data.train are "
                      "numbers to predict"),
         "kind: linear");
  } else if (kind != "linear" && data.classes == 1) {
    Fail("data.train", "has only one class", "choose another label");
  } else if (tells_two_apart && data.classes > 2) {
    Fail(
        "model.kind",
        absl::StrCat(
            kind, " tells two classes apart, but data.train has ", data.classes,
            data.class_places.empty()
                ? ""
                : absl::StrCat("; the first of each: ", data.class_places)),
        TakesKeys(job_.model())
            ? absl::StrCat("keep two of them, or model: {kind: ",
                           kind == "sparse_logistic" ? "fm" : kind,
                           ", labels: values}")
            : "kind: softmax");
  } else if (IsPerceptron()) {
    CheckLayers(data);
  }
}

void Rules::CheckLayers(const SourceFacts& data) {
  const auto& layers = job_.model().layers();
  if (layers.size() < 2) return;  // Said elsewhere.
  const int64_t inputs = layers[0];
  const int64_t outputs = layers[layers.size() - 1];
  const int64_t right_outputs = std::max<int64_t>(data.classes, 1);
  const bool outputs_fit =
      outputs == right_outputs || (outputs == 1 && data.classes == 2);
  std::vector<int64_t> right(layers.begin(), layers.end());
  right.front() = data.features;
  if (!outputs_fit) right.back() = right_outputs;
  const std::string hint =
      absl::StrCat("layers: [", absl::StrJoin(right, ", "), "]");
  if (inputs != data.features) {
    Fail("model.layers",
         absl::StrCat("the first layer has ", inputs,
                      " inputs, but the examples of data.train have ",
                      data.features, " features"),
         hint);
  }
  if (!outputs_fit) {
    const std::string labels =
        data.classes == 0
            ? "the labels of data.train are numbers to predict"
            : absl::StrCat("data.train has ", data.classes, " classes");
    Fail("model.layers",
         absl::StrCat("the last layer has ", outputs, " outputs, but ", labels),
         hint);
  } else if (data.classes == 0 && job_.expect().has_accuracy()) {
    Fail("expect.accuracy",
         "a model that predicts numbers has a loss, but no accuracy",
         "loss: \"<= 0.4\"");
  }
}

void Rules::CheckAgainstTestData(const SourceFacts& data) {
  const std::string path = job_.data().has_split() ? "data.split" : "data.test";
  if (data.examples < 1) {
    Fail(path, "leaves no examples to test on",
         job_.data().has_split() ? "split: 0.2"
                                 : "a file with a row per example");
    return;
  }
  if (!facts_.train.has_value()) return;
  if (data.features != facts_.train->features) {
    Fail(
        path,
        absl::StrCat("its examples have ", data.features,
                     " features, those of data.train ", facts_.train->features),
        "both must have the same columns");
  }
  if (facts_.train->classes > 0 && data.classes > facts_.train->classes) {
    Fail(path,
         absl::StrCat("it has ", data.classes, " classes, data.train ",
                      facts_.train->classes),
         "no class may occur in the test data alone");
  }
  if (facts_.train->classes > 0 && data.classes == 0) {
    Fail(path, "its labels are no classes, those of data.train are",
         "both must have the same labels");
  }
}

}  // namespace

bool KnowsModel(const DataFacts& facts, const v1::Model& model) {
  constexpr absl::string_view kOwn[] = {
      "linear",          "logistic", "softmax", "mlp",
      "sparse_logistic", "fm",       "ffm",     "matrix_factorisation",
      "wide_deep",       "deepfm"};
  const auto among = [&](const auto& kinds) {
    return std::find(std::begin(kinds), std::end(kinds), model.kind()) !=
           std::end(kinds);
  };
  return facts.model_kinds.empty() ? model.has_plugin() || among(kOwn)
                                   : among(facts.model_kinds);
}

bool TakesKeys(const v1::Model& model) {
  constexpr absl::string_view kKinds[] = {
      "sparse_logistic", "fm",     "ffm",
      "wide_deep",       "deepfm", "matrix_factorisation"};
  return !model.has_plugin() && std::find(std::begin(kKinds), std::end(kKinds),
                                          model.kind()) != std::end(kKinds);
}

bool PredictsNumbers(const v1::Job& job) {
  const v1::Model& model = job.model();
  return job.data().train().has_ratings() ||
         model.labels() == v1::Model::LABELS_VALUES ||
         (!model.has_plugin() &&
          (model.kind() == "linear" || model.kind() == "matrix_factorisation"));
}

bool HasLocalRule(v1::Algorithm::Kind algorithm) {
  return algorithm != v1::Algorithm::KIND_UNSPECIFIED &&
         algorithm != v1::Algorithm::KIND_SGD &&
         algorithm != v1::Algorithm::KIND_DYNSGD &&
         algorithm != v1::Algorithm::KIND_LBFGS;
}

bool TakesRows(v1::Algorithm::Kind algorithm) {
  return algorithm == v1::Algorithm::KIND_GEO ||
         algorithm == v1::Algorithm::KIND_DOWNPOUR ||
         algorithm == v1::Algorithm::KIND_ADAG;
}

bool IsSparse(const v1::DataSource& source) {
  return source.has_libsvm() || HasKeys(source);
}

std::vector<Mistake> CheckRules(const v1::Job& job, const DataFacts& facts,
                                const SourceMap& sources) {
  return Rules(job, facts, sources).Check();
}

}  // namespace ebb::job
