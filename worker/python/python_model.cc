#include "worker/python/python_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/fd.h"
#include "common/shm/memory_file.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"
#include "job/base/table_name.h"
#include "worker/engine/value_name.h"

#ifndef EBB_VERSION
#error "EBB_VERSION is not defined"
#endif

namespace ebb::worker {

namespace {

// How long a module may take to build its model.
constexpr absl::Duration kBuildsWithin = absl::Minutes(5);
constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Seconds(10);
// Values of a table, of which the largest job has no more.
constexpr int64_t kMostValues = int64_t{1} << 45;
constexpr int64_t kMostOutputs = int64_t{1} << 24;
constexpr int64_t kMostExamples = int64_t{1} << 40;

// A memory file with a text. The byte behind it is a line that is empty.
absl::StatusOr<Fd> TextFile(absl::string_view text) {
  const auto bytes = static_cast<int64_t>(text.size());
  EBB_ASSIGN_OR_RETURN(Fd file, shm::CreateMemoryFile("ebb-module", bytes + 1));
  EBB_ASSIGN_OR_RETURN(const shm::Mapping mapping,
                       shm::MapToWrite(file.get(), bytes + 1));
  std::fill(mapping.bytes().begin(), mapping.bytes().end(), std::byte{'\n'});
  std::ranges::copy(std::as_bytes(std::span(text)), mapping.bytes().begin());
  return file;
}

models::LabelKind LabelsOf(int64_t classes, int64_t outputs) {
  if (classes == 0) return models::LabelKind::kValue;
  if (classes == 2 && outputs == 1) return models::LabelKind::kBinary;
  return models::LabelKind::kClass;
}

absl::Status Add(const ModelTable& table, std::vector<models::TableShape>* to) {
  if (!job::IsTableName(table.name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a parameter is called '", table.name, "'; ", job::TableNameRule()));
  }
  int64_t size = 1;
  for (const int64_t dim : table.dims) {
    if (dim < 1 || dim > kMostValues / size) {
      return absl::InvalidArgumentError(absl::StrCat(
          table.name, " has the shape (", absl::StrJoin(table.dims, ", "),
          "), which servers cannot hold"));
    }
    size *= dim;
  }
  if (!to->empty() && to->back().name >= table.name) {
    return absl::InvalidArgumentError("the tables are not sorted by name");
  }
  to->push_back({table.name, table.dims, InitRule()});
  return absl::OkStatus();
}

// Names the first table that is another one; empty: they are the same.
std::string Difference(const std::vector<models::TableShape>& here,
                       const std::vector<models::TableShape>& submitted) {
  const auto text = [](const models::TableShape& table) {
    return absl::StrCat(table.name, " (", absl::StrJoin(table.dims, ", "), ")");
  };
  for (size_t i = 0; i < std::max(here.size(), submitted.size()); ++i) {
    const std::string mine = i < here.size() ? text(here[i]) : "no table";
    const std::string theirs =
        i < submitted.size() ? text(submitted[i]) : "no table";
    if (mine != theirs) {
      return absl::StrCat(mine, " where the job has ", theirs);
    }
  }
  return "";
}

// Shortens the mean over the batch.
void Clip(double norm, int64_t rows, std::span<float> sum) {
  double squares = 0;
  for (const float value : sum) squares += double{value} * value;
  const double length = std::sqrt(squares) / static_cast<double>(rows);
  if (norm <= 0 || length <= norm) return;
  const auto factor = static_cast<float>(norm / length);
  for (float& value : sum) value *= factor;
}

}  // namespace

PythonModel::PythonModel(PythonModelOptions options)
    : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<PythonModel>> PythonModel::Create(
    PythonModelOptions options) {
  // The constructor is private.
  std::unique_ptr<PythonModel> model(new PythonModel(std::move(options)));
  EBB_RETURN_IF_ERROR(model->Start());
  return model;
}

// --- The process -------------------------------------------------------------

absl::Status PythonModel::GiveUp(const absl::Status& why) {
  child_.reset();
  conversation_.reset();
  memory_.reset();
  rows_ = 0;
  const absl::Duration pause =
      std::min(kLongestPause, kFirstPause * std::exp2(std::min(deaths_, 8)));
  start_at_ = deaths_ == 0 ? absl::InfinitePast() : SteadyNow() + pause;
  ++deaths_;
  absl::Status told(why.code(),
                    absl::StrCat(options_.path, ", class ", options_.class_name,
                                 ": ", why.message()));
  if (const auto data = why.GetPayload(kFailedData)) {
    told.SetPayload(kFailedData, *data);
  }
  return told;
}

absl::StatusOr<Request> PythonModel::Receive(absl::Duration patience) {
  auto request = child_->Receive(patience);
  if (request.ok()) return request;
  return GiveUp(request.status());
}

absl::Status PythonModel::Start() {
  if (child_ != nullptr) return absl::OkStatus();
  if (const absl::Duration pause = start_at_ - SteadyNow();
      pause > absl::ZeroDuration()) {
    LOG(WARNING) << options_.path << ": Python died " << deaths_
                 << " times; it is started again in " << pause;
    absl::SleepFor(pause);
  }
  if (options_.program.interpreter.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.path,
                     ": this worker computes no models of Python; start it "
                     "with --python /usr/bin/python3 (EBB_PYTHON)"));
  }
  auto child = PythonChild::Start(options_.program);
  if (!child.ok()) return GiveUp(child.status());
  child_ = *std::move(child);
  conversation_ = std::make_unique<Conversation>(/*first_ticket=*/1);
  return Greet();
}

absl::Status PythonModel::Greet() {
  EBB_ASSIGN_OR_RETURN(const Request first, Receive(kBuildsWithin));
  if (const auto* fail = std::get_if<Fail>(&first.body)) {
    return GiveUp(absl::FailedPreconditionError(fail->why));
  }
  const auto* const hello = std::get_if<Hello>(&first.body);
  if (hello == nullptr || first.code != kEngineFormat ||
      hello->version != EBB_VERSION) {
    return GiveUp(absl::FailedPreconditionError(
        absl::StrCat("the package of Python is of ebb ",
                     hello == nullptr ? "another version" : hello->version,
                     ", and this program of ", EBB_VERSION,
                     ": install the same version of both")));
  }
  EBB_RETURN_IF_ERROR(SendModule(first.sequence));
  auto description = ReadModel();
  if (!description.ok()) {
    return child_ == nullptr ? description.status()
                             : GiveUp(description.status());
  }
  const std::vector<models::TableShape>& submitted =
      initial_.empty() ? options_.tables : description_.tables;
  if (const auto difference = Difference(description->tables, submitted);
      !submitted.empty() && !difference.empty()) {
    return GiveUp(absl::FailedPreconditionError(absl::StrCat(
        "is another model than was submitted: it has ", difference)));
  }
  description_ = *std::move(description);
  EBB_RETURN_IF_ERROR(MakeRoom(/*rows=*/1));
  EBB_RETURN_IF_ERROR(AwaitNext());
  if (initial_.empty()) {
    const std::span<float> values = memory_->values();
    initial_.assign(values.begin(), values.end());
  }
  return absl::OkStatus();
}

absl::Status PythonModel::SendModule(uint64_t sequence) {
  std::string words;
  const auto add = [&words](absl::string_view word) {
    absl::StrAppend(&words, word, absl::string_view("\0", 1));
  };
  add(options_.path);
  add(options_.class_name);
  for (const auto& [name, value] : options_.options) {
    add(name);
    add(value);
  }
  const ModuleBody body = {options_.features, options_.classes, options_.seed,
                           static_cast<int64_t>(options_.data.size())};
  EBB_ASSIGN_OR_RETURN(const Fd file, TextFile(options_.text));
  child_->socket().Send(Encode({Kind::kModule, 0, sequence}, body, words),
                        file.get());
  for (const PythonDataSet& set : options_.data) {
    words.clear();
    add(set.path);
    add(set.function);
    add(set.fingerprint);
    for (const auto& [name, value] : set.options) {
      add(name);
      add(value);
    }
    const std::string message = EncodeBytes({Kind::kDataSet, 0, 0}, {}, words);
    if (set.path.empty()) {
      child_->socket().Send(message);
    } else {
      EBB_ASSIGN_OR_RETURN(const Fd text, TextFile(set.text));
      child_->socket().Send(message, text.get());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<models::ModelDescription> PythonModel::ReadModel() {
  EBB_ASSIGN_OR_RETURN(const Request request, Receive(kBuildsWithin));
  if (const auto* fail = std::get_if<Fail>(&request.body)) {
    absl::Status status = absl::InvalidArgumentError(fail->why);
    if (request.code > 0) {
      status.SetPayload(kFailedData,
                        absl::Cord(absl::StrCat(request.code - 1)));
    }
    return status;
  }
  const auto* const model = std::get_if<worker::Model>(&request.body);
  const int64_t least_outputs = options_.data.empty() ? 1 : 0;
  if (model == nullptr || model->tables < 1 || model->outputs < least_outputs ||
      model->outputs > kMostOutputs) {
    return absl::InternalError("Python does not say what the model is");
  }
  averages_.clear();
  models::ModelDescription description;
  description.features = options_.features;
  description.outputs = model->outputs;
  description.classes = options_.classes;
  description.labels = options_.data.empty()
                           ? LabelsOf(options_.classes, model->outputs)
                           : models::LabelKind::kNone;
  for (int64_t i = 0; i < model->tables; ++i) {
    EBB_ASSIGN_OR_RETURN(const Request next, Receive(kBuildsWithin));
    const auto* const table = std::get_if<ModelTable>(&next.body);
    if (table == nullptr) {
      return absl::InternalError("Python does not say what a table is");
    }
    EBB_RETURN_IF_ERROR(Add(*table, &description.tables));
    if (!(table->share >= 0 && table->share <= 1)) {
      return absl::InvalidArgumentError(absl::StrCat(
          table->name, " has the share ", table->share, " of a batch"));
    }
    if (table->share > 0) averages_[table->name] = table->share;
  }
  if (description.ParameterCount() > kMostValues) {
    return absl::InvalidArgumentError("servers cannot hold as many parameters");
  }
  EBB_RETURN_IF_ERROR(ReadData());
  return description;
}

absl::Status PythonModel::ReadData() {
  std::vector<data::FileFingerprint> found;
  for (const PythonDataSet& set : options_.data) {
    EBB_ASSIGN_OR_RETURN(const Request request, Receive(kBuildsWithin));
    const auto* const one = std::get_if<Found>(&request.body);
    if (one == nullptr || one->examples < 1 || one->examples > kMostExamples) {
      return absl::InternalError("Python does not say what the data set is");
    }
    found.push_back({one->examples, one->hash_high, one->hash_low});
    if (data_sets_.empty()) continue;
    EBB_RETURN_IF_ERROR(CheckSameExamples(set.name, found.back(),
                                          data_sets_[found.size() - 1]));
  }
  data_sets_ = std::move(found);
  return absl::OkStatus();
}

absl::Status PythonModel::Ready() {
  EBB_RETURN_IF_ERROR(Start());
  absl::Status status =
      conversation_->starved() ? absl::OkStatus() : AwaitNext();
  // It may have asked for a batch before it died.
  if (status.ok() && child_->over()) {
    status = GiveUp(absl::UnavailableError("Python died"));
  }
  return absl::IsUnavailable(status) ? Start() : status;
}

absl::Status PythonModel::AwaitNext() {
  EBB_ASSIGN_OR_RETURN(const Request request, Receive(kBuildsWithin));
  if (const auto* fail = std::get_if<Fail>(&request.body)) {
    return GiveUp(absl::InvalidArgumentError(fail->why));
  }
  const auto* const next = std::get_if<Next>(&request.body);
  if (next == nullptr) {
    return GiveUp(absl::InternalError("Python does not ask for a batch"));
  }
  conversation_->On(request.sequence, *next);
  return absl::OkStatus();
}

int64_t PythonModel::RowFloats() const {
  if (!options_.data.empty()) return sizeof(int64_t) / sizeof(float);
  return description_.features + 1 + description_.outputs;
}

absl::Status PythonModel::MakeRoom(int64_t rows) {
  if (rows <= rows_) return absl::OkStatus();
  // There is one more size only with each power of two.
  const auto room =
      static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
  const int64_t parameters = description_.ParameterCount();
  const int64_t row = RowFloats();
  EBB_ASSIGN_OR_RETURN(
      const Fd file, shm::CreateMemoryFile(
                         "ebb-model", (2 * parameters + room * row) *
                                          static_cast<int64_t>(sizeof(float))));
  EBB_ASSIGN_OR_RETURN(ProgramMemory memory,
                       ProgramMemory::Map(file.get(), parameters, room * row));
  memory_ = std::move(memory);
  rows_ = room;
  child_->socket().Send(
      Encode({Kind::kShared, 0, 0},
             SharedBody{parameters, room, description_.features,
                        description_.outputs}),
      file.get());
  return absl::OkStatus();
}

// --- What it computes --------------------------------------------------------

absl::Status PythonModel::Check(std::span<const float> params,
                                const models::BatchView& batch,
                                bool labelled) const {
  const int64_t features = description_.features;
  if (static_cast<int64_t>(params.size()) != description_.ParameterCount()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are ", params.size(), " parameters, and the model has ",
        description_.ParameterCount()));
  }
  if (!options_.data.empty()) {
    if (static_cast<int64_t>(batch.numbers.size()) == batch.rows) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat(
        options_.path,
        " reads its own data set, and no other examples; load "
        "the exported parameters into its model to compute these"));
  }
  if (batch.is_sparse() || batch.is_keyed()) {
    return absl::InvalidArgumentError(
        "models of Python take dense features so far");
  }
  if (batch.features != features ||
      static_cast<int64_t>(batch.dense.size()) != batch.rows * features ||
      (labelled && static_cast<int64_t>(batch.labels.size()) != batch.rows)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the batch has ", batch.features, " features, the model ", features));
  }
  return absl::OkStatus();
}

absl::Status PythonModel::Bring(std::span<const float> params,
                                const models::BatchView& batch, bool labelled) {
  EBB_RETURN_IF_ERROR(Check(params, batch, labelled));
  EBB_RETURN_IF_ERROR(Ready());
  EBB_RETURN_IF_ERROR(MakeRoom(batch.rows));
  std::ranges::copy(params, memory_->values().begin());
  const std::span<float> examples = memory_->others();
  if (!options_.data.empty()) {
    std::memcpy(examples.data(), batch.numbers.data(),
                batch.numbers.size_bytes());
    return absl::OkStatus();
  }
  std::ranges::copy(batch.dense, examples.begin());
  if (labelled) {
    std::ranges::copy(batch.labels,
                      examples.begin() + rows_ * description_.features);
  }
  return absl::OkStatus();
}

template <typename What>
absl::Status PythonModel::Compute(const What& what,
                                  const models::BatchView& batch,
                                  std::span<float> grad,
                                  models::BatchStats* stats) {
  // It is given at once, for it is asked for.
  conversation_->Offer(what);
  memory_->GiveSums();
  child_->socket().Send(conversation_->Given());
  for (;;) {
    const auto request = child_->Receive(options_.patience);
    if (!request.ok()) {
      return GiveUp(absl::Status(
          request.status().code(),
          absl::StrCat(request.status().message(), " while it computed ",
                       batch.rows, " examples of epoch ", batch.epoch + 1,
                       ", shard ", batch.shard + 1, ", from ",
                       batch.first_position)));
    }
    Outcome outcome = Answer(*request, batch, grad);
    if (!outcome.status) continue;
    conversation_->Withdraw();
    deaths_ = 0;
    *stats = outcome.stats;
    return *outcome.status;
  }
}

PythonModel::Outcome PythonModel::Answer(const Request& request,
                                         const models::BatchView& batch,
                                         std::span<float> grad) {
  return std::visit(
      [&](const auto& body) { return Answer(request, body, batch, grad); },
      request.body);
}

template <typename Body>
PythonModel::Outcome PythonModel::Answer(const Request& request,
                                         const Body& body,
                                         const models::BatchView& batch,
                                         std::span<float> grad) {
  Outcome outcome;
  Decision decision;
  if constexpr (requires { conversation_->On(request.sequence, body); }) {
    decision = conversation_->On(request.sequence, body);
  } else {
    decision.answer = EncodeStatus(
        request.sequence, absl::FailedPreconditionError("it is not the time"));
  }
  if constexpr (std::is_same_v<Body, Push>) {
    if (decision.act == Decision::Act::kTakeSums) {
      outcome.status = TakeSums(batch, body.body, grad);
      outcome.stats.examples = batch.rows;
      outcome.stats.loss_sum = body.body.loss_sum;
      decision.answer = EncodeStatus(request.sequence, *outcome.status);
    }
  }
  if constexpr (std::is_same_v<Body, Evaluated>) {
    if (decision.act == Decision::Act::kEndEvaluated) {
      outcome.status = body.error.empty() ? absl::OkStatus()
                                          : Failed(body.error, request.code);
      outcome.stats.examples = batch.rows;
      outcome.stats.loss_sum = body.body.loss_sum;
      outcome.stats.correct = std::max<int64_t>(body.body.correct, -1);
    }
  }
  if (decision.act == Decision::Act::kEndFailed) {
    outcome.status = Failed(decision.why, request.code);
  } else if (decision.act == Decision::Act::kLeave) {
    outcome.status = absl::UnavailableError("Python leaves");
  }
  if (!decision.answer.empty()) child_->socket().Send(decision.answer);
  return outcome;
}

absl::Status PythonModel::Failed(const std::string& why, uint32_t code) const {
  absl::Status status = absl::InvalidArgumentError(why);
  if (code > 0)
    status.SetPayload(kFailedRow, absl::Cord(absl::StrCat(code - 1)));
  return status;
}

absl::Status PythonModel::TakeSums(const models::BatchView& batch,
                                   const PushBody& push,
                                   std::span<float> grad) {
  const double loss_sum = push.loss_sum;
  const auto factor = static_cast<float>(push.factor);
  if (const auto odd = memory_->TakeSums(grad, /*half=*/0, factor)) {
    int64_t left = *odd;
    for (const models::TableShape& table : description_.tables) {
      if (left < table.size()) {
        return absl::OutOfRangeError(absl::StrCat(
            "the gradient of ", NameOfValue(table.name, table.dims, left),
            " is ", grad[*odd], "; the loss is ",
            loss_sum / static_cast<double>(batch.rows)));
      }
      left -= table.size();
    }
  }
  if (!std::isfinite(loss_sum)) {
    return absl::OutOfRangeError(absl::StrCat("the loss is ", loss_sum));
  }
  Clip(options_.clip_norm, batch.rows, grad);
  return absl::OkStatus();
}

absl::Status PythonModel::Gradient(std::span<const float> params,
                                   const models::BatchView& batch,
                                   std::span<float> grad,
                                   models::BatchStats* stats) {
  EBB_RETURN_IF_ERROR(Bring(params, batch, /*labelled=*/true));
  const PlaceBody place = {batch.epoch, batch.shard, batch.first_position,
                           batch.first_position + batch.rows};
  return Compute(place, batch, grad, stats);
}

absl::Status PythonModel::Evaluate(std::span<const float> params,
                                   const models::BatchView& batch,
                                   models::BatchStats* stats) {
  EBB_RETURN_IF_ERROR(Bring(params, batch, /*labelled=*/true));
  return Compute(EvaluateBody{.rows = batch.rows, .labelled = 1}, batch, {},
                 stats);
}

absl::Status PythonModel::EvaluateAndPredict(std::span<const float> params,
                                             const models::BatchView& batch,
                                             models::BatchStats* stats,
                                             std::vector<float>* outputs) {
  EBB_RETURN_IF_ERROR(Evaluate(params, batch, stats));
  TakeOutputs(batch.rows, outputs);
  return absl::OkStatus();
}

absl::Status PythonModel::Predict(std::span<const float> params,
                                  const models::BatchView& batch,
                                  std::vector<float>* outputs) {
  EBB_RETURN_IF_ERROR(Bring(params, batch, /*labelled=*/false));
  models::BatchStats none;
  EBB_RETURN_IF_ERROR(
      Compute(EvaluateBody{.rows = batch.rows}, batch, {}, &none));
  TakeOutputs(batch.rows, outputs);
  return absl::OkStatus();
}

// The process may write to them meanwhile, so they are copied and not looked
// at.
void PythonModel::TakeOutputs(int64_t rows, std::vector<float>* outputs) const {
  const std::span<float> from = memory_->others().subspan(
      rows_ * (description_.features + 1), rows * description_.outputs);
  outputs->assign(from.begin(), from.end());
}

}  // namespace ebb::worker
