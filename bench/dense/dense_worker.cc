#include "bench/dense/dense_worker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "optimizer/gradient.h"

namespace ebb::bench {

absl::StatusOr<JobRecordPtr> DenseJob(JobId id, int64_t bytes,
                                      DenseJobOptions options) {
  if (options.optimizer.empty()) {
    options.optimizer =
        absl::StrFormat("{kind: sgd, rate: %.17g}", kTransferRate);
  }
  const std::string name = absl::StrCat("dense-", id.value());
  const job::JobFile file = job::ReadJob(
      absl::StrCat(
          "name: ", name,
          "\nmodel: softmax\n"
          "data: {train: {csv: none.csv}}\n"
          "train: {batch: 1}\n"
          "algorithm: sgd\n"
          "optimizer: ",
          options.optimizer, "\ncheckpoint: {every: ", options.checkpoint_every,
          "}\n",
          options.partitions == 0
              ? std::string()
              : absl::StrCat("partitions: ", options.partitions, "\n")),
      name);
  if (!file.ok()) return absl::InternalError(job::ToString(file.mistakes));
  job::JobFacts facts;
  facts.tables = {{"w", bytes / int64_t{sizeof(float)}, InitRule::Zeros()}};
  facts.examples = 1;
  EBB_ASSIGN_OR_RETURN(JobRecord record, job::MakeJobRecord(file.job, facts));
  return EndlessJob(id, std::move(record));
}

DenseWorker::DenseWorker(rpc::Transport* transport, JobRecordPtr record,
                         const Placement& placement, int64_t pushed,
                         std::shared_ptr<shm::SharedHeap> heap)
    : pool_(/*keep=*/1, std::move(heap)),
      loop_(transport, std::move(record), placement, pushed) {}

// Again once the server reads the worker's memory, as that of every batch is
// made anew.
void DenseWorker::MakeGradient() {
  result_.gradient = {};
  client::FloatBufferPtr gradient = pool_.Take(record().plan.parameters);
  const std::span<float> floats = gradient->span();
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = GradientAt(i);
  result_.gradient = client::FloatPool::AsPayload(std::move(gradient));
}

absl::StatusOr<TransferSample> DenseWorker::Run(const Transfer& transfer) {
  TransferSample sample;
  if (transfer.direction == Direction::kPush) MakeGradient();
  absl::Status status;
  const double cpu = CpuSeconds(0);
  sample.seconds = SecondsOf([&] {
    if (transfer.direction == Direction::kPush) {
      status = loop_.Push(transfer.operations, transfer.in_flight,
                          [&](int64_t) { return &result_; });
    } else {
      status = loop_.Pull(
          transfer.operations, transfer.in_flight,
          [](int64_t) { return nullptr; },
          [&](int64_t, const client::PulledValues& values) {
            return CheckPulled(values);
          });
    }
  });
  sample.worker_cpu_seconds = CpuSeconds(0) - cpu;
  sample.latencies = loop_.TakeLatencies();
  EBB_RETURN_IF_ERROR(status);
  return sample;
}

// Reads every value. Partitions are pulled apart, maybe while pushes go on.
absl::Status DenseWorker::CheckPulled(
    const client::PulledValues& values) const {
  for (size_t p = 0; p < values.partitions.size(); ++p) {
    uint32_t sum = 0;
    GradientCursor floats(values.partitions[p]);
    while (floats.remaining() > 0) {
      const GradientView run = floats.Next(floats.remaining());
      sum += WordSum({run.bytes(), run.size() * sizeof(float)});
    }
    const int64_t pushes = values.updates[p];
    const auto [first, last] =
        record().plan.ParameterRange(PartitionId(static_cast<int32_t>(p)));
    const uint32_t expected =
        SumAfter(pushes, static_cast<size_t>(first), static_cast<size_t>(last));
    if (sum == expected) continue;
    return absl::InternalError(
        absl::StrCat("pulled values of partition ", p, " whose sum is ", sum,
                     ", but must be ", expected, " after ", pushes, " pushes"));
  }
  return absl::OkStatus();
}

}  // namespace ebb::bench
