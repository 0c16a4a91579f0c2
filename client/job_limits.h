// How much of a job a worker has under way at once, by the memory it may take
// (ClientOptions::memory_bytes).
#ifndef EBB_CLIENT_JOB_LIMITS_H_
#define EBB_CLIENT_JOB_LIMITS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "client/actions.h"
#include "client/options.h"
#include "protocol/plan.h"

namespace ebb::client {

// Code, threads, connections: measured with a small job, and rounded up.
inline constexpr int64_t kProgramBytes = int64_t{64} << 20;

struct JobLimits {
  // The same as in ClientOptions, or less.
  int32_t batches_in_flight = 1;
  bool prefetch = false;
  // True: a snapshot may be pulled while training holds values, too.
  bool evaluates_beside = false;
  // True: the job goes on while servers are away (away_shares.h).
  bool goes_on = false;

  friend bool operator==(const JobLimits&, const JobLimits&) = default;
};

// Returns what the options ask for, whatever memory there is.
JobLimits MostLimits(const ClientOptions& options, const JobPlan& plan);

// Returns the memory that a job takes with these limits. Each of its parameters
// is in the pulled values, in the vector made of them, in a gradient for each
// batch that is computed or under way, and in values pulled meanwhile (twice if
// these are put together, too). To go on without servers takes the last pulled
// values and the sums of two items. The allocator loses some memory between
// them.
int64_t JobBytes(const ClientOptions& options, const JobPlan& plan,
                 const JobLimits& limits);

// The largest that fit beside the program and `held_bytes`, which the computer
// holds; nullopt: not even the least fit.
std::optional<JobLimits> LimitsFor(const ClientOptions& options,
                                   const JobPlan& plan, int64_t held_bytes);

// Batches that may be computed from the values of one pull.
int32_t MostBatchesPerPull(const ClientOptions& options, const JobPlan& plan);

// Why nothing fits, and what to do, for people.
std::string WhyItDoesNotFit(const ClientOptions& options, const JobPlan& plan,
                            int64_t held_bytes);

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_LIMITS_H_
