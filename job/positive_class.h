// The class that precision, recall and F1 are of (data.positive).
#ifndef EBB_JOB_POSITIVE_CLASS_H_
#define EBB_JOB_POSITIVE_CLASS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/validate.h"

namespace ebb::job {

// The place of the class among two: 1, unless the key names the other one.
// `classes` are their texts or numbers. Absent: the key names neither.
std::optional<int64_t> FindPositive(const v1::Data& data,
                                    std::span<const std::string> classes);

// The rules of the key that hold for any data, and those for data with these
// labels.
void CheckPositive(const v1::Job& job, Complaints* found);
void CheckPositiveAgainst(const v1::Job& job, const SourceFacts& train,
                          Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_POSITIVE_CLASS_H_
