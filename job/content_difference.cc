#include "job/content_difference.h"

#include "google/protobuf/util/message_differencer.h"
#include "job/specification.h"
#include "protocol/plan_codec.h"

namespace ebb::job {

namespace {

using google::protobuf::util::MessageDifferencer;

v1::Specification ContentOf(v1::Specification specification) {
  specification.clear_source();
  specification.clear_request_id();
  specification.clear_submitted_unix_ms();
  specification.clear_token_hash();
  // They follow from the job, and older releases did not note them.
  for (v1::DenseTable& table : *specification.mutable_tables()) {
    table.clear_dims();
  }
  return specification;
}

std::string EncodedPlan(const JobRecord& record) {
  JobRecord plan;
  plan.plan = record.plan;
  return EncodeJobRecord(plan);
}

}  // namespace

std::string ContentDifference(const JobRecord& a, const JobRecord& b) {
  if (a.name != b.name) return "name";
  const auto one = ReadSpecification(a);
  const auto other = ReadSpecification(b);
  if (!one.ok() || !other.ok()) {
    return a.specification == b.specification ? "" : "specification";
  }
  if (!MessageDifferencer::Equals(one->job(), other->job())) return "job file";
  if (one->train_index() != other->train_index() ||
      one->test_index() != other->test_index()) {
    return "data";
  }
  if (!MessageDifferencer::Equals(ContentOf(*one), ContentOf(*other))) {
    return "specification";
  }
  return EncodedPlan(a) == EncodedPlan(b) ? "" : "plan";
}

}  // namespace ebb::job
