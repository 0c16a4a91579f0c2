// Any bytes as stored marks and as a stored ledger: no crash, and what is
// accepted is the same after being encoded and decoded again.
//
// The first byte of the input chooses the plan, the rest is read as both.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "protocol/ledger.h"
#include "protocol/marks.h"
#include "protocol/plan.h"

namespace ebb {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

JobPlan Plan(uint8_t choice) {
  JobPlan plan;
  plan.batch_by_epoch = {2};
  plan.shard_size = 4;
  plan.epochs = choice % 2 == 0 ? 2 : 3;
  plan.examples = choice % 4 < 2 ? 10 : 70;
  if (choice % 8 >= 4) {
    plan.consistency.kind = ConsistencyKind::kRounds;
    plan.consistency.round_items = 2;
  }
  return plan;
}

void DecodeMarks(const JobPlan& plan, absl::string_view bytes) {
  const auto marks = MarkSet::Decode(plan, bytes);
  if (!marks.ok()) return;
  const auto again = MarkSet::Decode(plan, marks->Encode());
  Check(again.ok() && *again == *marks);
  Check(again->examples() == marks->examples());
  int64_t examples = 0, full = 0;
  for (int64_t n = 0; n < plan.items(); ++n) {
    const ItemId item = plan.ItemAt(n);
    examples += marks->mark(item);
    full += marks->Full(item);
  }
  Check(examples == marks->examples() && full == marks->full_items());
  Check(!plan.rounds() || marks->first_open_round() <= plan.RoundCount());
}

void DecodeLedger(const JobPlan& plan, absl::string_view bytes) {
  const auto ledger = Ledger::Decode(plan, bytes);
  if (!ledger.ok()) return;
  const auto again = Ledger::Decode(plan, ledger->Encode());
  Check(again.ok() && *again == *ledger);
  const AuditResult audit = AuditLedger(plan, *ledger);
  Check(audit.missing >= 0 && audit.doubled >= 0 && audit.skipped >= 0);
  Check(audit.applied == ledger->Total().count);
}

}  // namespace
}  // namespace ebb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ebb::JobPlan plan = ebb::Plan(data[0]);
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  ebb::DecodeMarks(plan, bytes);
  ebb::DecodeLedger(plan, bytes);
  return 0;
}
