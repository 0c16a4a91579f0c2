#include "scheduler/job/job_parts.h"

#include <utility>

namespace ebb::scheduler {

JobParts::JobParts(const SchedulerOptions& options, JobRecordPtr record,
                   JobState state, Rollbacks::BeginGeneration begin_generation)
    : tables(options, std::move(record), std::move(state)),
      owners(&tables),
      view(&tables),
      backups(options, tables.plan(), tables.marks, tables.leases),
      keeper(&tables, &view, &backups),
      rounds(&tables, &owners, &keeper),
      moves(&tables, &owners),
      granter(&tables, &owners, &moves, &view, &rounds),
      demand(&tables),
      evaluations(&tables, &owners, &backups),
      pauses(&tables, &owners),
      rollbacks(&tables, &rounds, &evaluations, std::move(begin_generation)),
      best(&tables, &rounds, &evaluations, &rollbacks),
      finish(&tables, &owners, &keeper, &rounds, &granter, &rollbacks),
      losses(&tables, &pauses, &rollbacks),
      failures(&tables, &keeper, &granter, &pauses, &rollbacks),
      data(&tables),
      offers({.job = &tables,
              .owners = &owners,
              .backups = &backups,
              .keeper = &keeper,
              .rounds = &rounds,
              .demand = &demand,
              .evaluations = &evaluations,
              .best = &best,
              .poison = &failures.poison()}),
      held(&tables, &view, &backups, &keeper, &failures),
      registrar({.job = &tables,
                 .owners = &owners,
                 .keeper = &keeper,
                 .rounds = &rounds,
                 .granter = &granter,
                 .evaluations = &evaluations,
                 .failures = &failures}),
      mover({.job = &tables,
             .owners = &owners,
             .moves = &moves,
             .granter = &granter,
             .registrar = &registrar}),
      takeover(&tables, &owners, &granter) {}

}  // namespace ebb::scheduler
