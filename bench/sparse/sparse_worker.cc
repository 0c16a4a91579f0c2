#include "bench/sparse/sparse_worker.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::bench {
namespace {

// Of a message of Fill.
constexpr int64_t kFilledAtOnce = 16384;

}  // namespace

absl::StatusOr<JobRecordPtr> SparseJob(JobId id, int64_t width,
                                       const std::string& checkpoint_every) {
  const std::string name = absl::StrCat("sparse-", id.value());
  const job::JobFile file =
      job::ReadJob(absl::StrCat("name: ", name,
                                "\nmodel: fm\n"
                                "data: {train: {libsvm: none.libsvm}}\n"
                                "train: {batch: 1}\n"
                                "algorithm: sgd\n"
                                "optimizer: {kind: adagrad}\n"
                                "checkpoint: {every: ",
                                checkpoint_every, "}\n"),
                   name);
  if (!file.ok()) return absl::InternalError(job::ToString(file.mistakes));
  job::JobFacts facts;
  facts.sparse_tables.push_back({.name = "rows",
                                 .width = static_cast<int32_t>(width),
                                 .init = InitRule::Zeros()});
  facts.examples = 1;
  EBB_ASSIGN_OR_RETURN(JobRecord record, job::MakeJobRecord(file.job, facts));
  return EndlessJob(id, std::move(record));
}

SparseWorker::SparseWorker(rpc::Transport* transport, JobRecordPtr record,
                           const Placement& placement, int64_t most_rows,
                           uint64_t seed, std::shared_ptr<shm::SharedHeap> heap)
    : width_(static_cast<size_t>(record->plan.sparse_tables[0].width)),
      gradient_(static_cast<size_t>(std::max(kFilledAtOnce, most_rows)) *
                width_),
      pool_(/*keep=*/1, std::move(heap)),
      loop_(transport, std::move(record), placement) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> value(-1, 1);
  for (float& g : gradient_) g = value(random);
}

RowMessage SparseWorker::MessageOf(std::span<const uint64_t> ids) const {
  std::vector<uint64_t> keys;
  keys.reserve(ids.size());
  for (const uint64_t id : ids) keys.push_back(RowSampler::KeyOf(id));
  RowMessage message;
  std::vector<int32_t> places;
  message.order =
      std::make_unique<client::KeyOrder>(record().plan, keys, &places);
  message.keys.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) message.keys[places[i]] = keys[i];
  return message;
}

RowMessage SparseWorker::DrawMessage(RowSampler* sampler, int64_t rows) const {
  const auto drawn = sampler->Draw(rows);
  return MessageOf(std::vector<uint64_t>(drawn.begin(), drawn.end()));
}

std::span<const float> SparseWorker::Gradient(int64_t rows) const {
  return std::span(gradient_).first(static_cast<size_t>(rows) * width_);
}

Payload SparseWorker::MakeGradient(int64_t rows) {
  client::FloatBufferPtr gradient =
      pool_.Take(rows * static_cast<int64_t>(width_));
  std::ranges::copy(Gradient(rows), gradient->span().begin());
  return client::FloatPool::AsPayload(std::move(gradient));
}

absl::Status SparseWorker::Fill(
    int64_t rows, int in_flight,
    absl::FunctionRef<absl::Status(const RowMessage&, int64_t last)> told) {
  const int64_t messages = (rows + kFilledAtOnce - 1) / kFilledAtOnce;
  const Payload whole = MakeGradient(kFilledAtOnce);
  absl::Status status;
  client::ComputeResult push;
  absl::Status pushed = loop_.Push(messages, in_flight, [&](int64_t m) {
    std::vector<uint64_t> ids;
    const int64_t last = std::min((m + 1) * kFilledAtOnce, rows);
    for (int64_t id = m * kFilledAtOnce; id < last; ++id) ids.push_back(id);
    const RowMessage message = MessageOf(ids);
    status.Update(told(message, last));
    push.rows = message.order->Pushes(record().plan, whole);
    return &push;
  });
  EBB_RETURN_IF_ERROR(status);
  return pushed;
}

}  // namespace ebb::bench
