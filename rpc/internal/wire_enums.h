// How the enums of the protocol travel.
#ifndef EBB_RPC_INTERNAL_WIRE_ENUMS_H_
#define EBB_RPC_INTERNAL_WIRE_ENUMS_H_

#include "common/row_kind_number.h"
#include "ebb/v1/common.pb.h"
#include "ebb/v1/session.pb.h"
#include "protocol/messages.h"

namespace ebb::rpc::internal {

// A value travels as its number plus kPlus; kLast is the last that this version
// knows. Where a newer version is trusted to know more (kOthers), an unknown
// number becomes the enum's 0.
template <typename Enum, int plus, Enum last, bool others>
struct EnumOnWire {
  static constexpr int kPlus = plus;
  static constexpr int kLast = static_cast<int>(last);
  static constexpr bool kOthers = others;
};

template <typename Enum>
struct OnWire;
template <>
struct OnWire<ConsistencyKind>
    : EnumOnWire<ConsistencyKind, 1, ConsistencyKind::kRounds, false> {};
template <>
struct OnWire<PoisonPolicy>
    : EnumOnWire<PoisonPolicy, 1, PoisonPolicy::kRollBack, false> {};
template <>
struct OnWire<FilterKind>
    : EnumOnWire<FilterKind, 1, FilterKind::kTopK, false> {};
template <>
struct OnWire<RowKind> : EnumOnWire<RowKind, 0, RowKind::kWriteOnce, false> {};
template <>
struct OnWire<LeaseEnd> : EnumOnWire<LeaseEnd, 1, LeaseEnd::kFailed, false> {};
template <>
struct OnWire<ServerProblem>
    : EnumOnWire<ServerProblem, 0, ServerProblem::kInitialValues, true> {};
template <>
struct OnWire<CallCause>
    : EnumOnWire<CallCause, 0, CallCause::kWrongServer, true> {};

// True if a value and the number of its message's enum belong together.
template <typename Enum, typename Number>
constexpr bool Same(Enum value, Number number) {
  return static_cast<int>(value) + OnWire<Enum>::kPlus ==
         static_cast<int>(number);
}
using Consistency = v1::Plan::Consistency;
static_assert(Same(ConsistencyKind::kAsp, Consistency::KIND_ASP) &&
              Same(ConsistencyKind::kSsp, Consistency::KIND_SSP) &&
              Same(ConsistencyKind::kRounds, Consistency::KIND_ROUNDS) &&
              Same(ConsistencyKind::kRounds, Consistency::Kind_MAX));
static_assert(Same(PoisonPolicy::kPause, v1::Plan::POISON_POLICY_PAUSE) &&
              Same(PoisonPolicy::kSkip, v1::Plan::POISON_POLICY_SKIP) &&
              Same(PoisonPolicy::kRollBack,
                   v1::Plan::POISON_POLICY_ROLL_BACK) &&
              Same(PoisonPolicy::kRollBack, v1::Plan::PoisonPolicy_MAX));
static_assert(Same(FilterKind::kNone, v1::Plan::Filter::KIND_NONE) &&
              Same(FilterKind::kBfloat16, v1::Plan::Filter::KIND_BF16) &&
              Same(FilterKind::kFloat16, v1::Plan::Filter::KIND_FP16) &&
              Same(FilterKind::kInt8, v1::Plan::Filter::KIND_INT8) &&
              Same(FilterKind::kThreshold, v1::Plan::Filter::KIND_THRESHOLD) &&
              Same(FilterKind::kTopK, v1::Plan::Filter::KIND_TOP_K) &&
              Same(FilterKind::kTopK, v1::Plan::Filter::Kind_MAX));
static_assert(v1::ROW_KIND_UNSPECIFIED == NumberOf(RowKind::kTrained) &&
              v1::ROW_KIND_ADDITIVE == NumberOf(RowKind::kAdditive) &&
              v1::ROW_KIND_COUNTS == NumberOf(RowKind::kCounts) &&
              v1::ROW_KIND_WRITE_ONCE == NumberOf(RowKind::kWriteOnce) &&
              Same(RowKind::kWriteOnce, v1::RowKind_MAX));
static_assert(Same(LeaseEnd::kDone, v1::ItemEnd::REASON_DONE) &&
              Same(LeaseEnd::kReturned, v1::ItemEnd::REASON_RETURNED) &&
              Same(LeaseEnd::kRefused, v1::ItemEnd::REASON_REFUSED) &&
              Same(LeaseEnd::kFailed, v1::ItemEnd::REASON_FAILED) &&
              Same(LeaseEnd::kFailed, v1::ItemEnd::Reason_MAX));
static_assert(Same(ServerProblem::kOther, v1::SERVER_PROBLEM_UNSPECIFIED) &&
              Same(ServerProblem::kMemory, v1::SERVER_PROBLEM_MEMORY) &&
              Same(ServerProblem::kDisk, v1::SERVER_PROBLEM_DISK) &&
              Same(ServerProblem::kInitialValues,
                   v1::SERVER_PROBLEM_INITIAL_VALUES) &&
              Same(ServerProblem::kInitialValues, v1::ServerProblem_MAX));
static_assert(kCallCauses == v1::PeerTrouble::Cause_MAX + 1);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_WIRE_ENUMS_H_
