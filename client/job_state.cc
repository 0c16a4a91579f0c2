#include "client/job_state.h"

#include <utility>

namespace ebb::client {

JobState::JobState(JobRecordPtr the_record, Generation the_generation,
                   WorkerState* the_worker)
    : first_record(std::move(the_record)),
      record(first_record),
      worker(*the_worker),
      generation(the_generation),
      routes(plan().partitions, worker.first_incarnation),
      pusher(worker.options.push_bytes, worker.options.push_window_bytes) {}

const Computation::Batch* JobState::computing() const {
  return worker.computation.Of(record->id, generation);
}

JobLimits JobState::limits() const {
  return LimitsFor(worker.options, plan(), worker.held_bytes)
      .value_or(JobLimits());
}

bool JobState::SendsAgain(ServerId server) const {
  return routes.server(server).short_of_room && !worker.draining;
}

void JobState::StepBackServer(ServerId server) {
  pusher.GiveUp(server);
  routes.NewIncarnation(server);
  for (int32_t i = 0; i < plan().partitions; ++i) {
    const PartitionId p(i);
    if (routes.at(p).server == server) items.StepBack(p);
  }
}

Pusher::Order JobState::OrderFor(const LeasedItems::Run& run,
                                 const ComputeResult& result,
                                 const PulledValues* values, bool skip) const {
  return {*record, generation, stamp(), run,
          result,  values,     skip,    worker.options.push_timeout};
}

}  // namespace ebb::client
