// Decides what an engine does with the requests of its program: which batch is
// out, which answers are stale, and when it is over. It owns what is handed
// out: the values of a batch from its offer to its end, and its result until
// the thread that offered it takes this back.
//
//   offered ──Next──> giving ──Given──> out ──Push──> taken
//                        └──the values cannot be had──> back, as a failure
//   out ──Fail, or Next before Push──> back, as a failure
//   out ──LookUp──> back, as a part of an evaluation, whose next part is given
//                   as the answer to LookUp
//    └──the engine leaves──> back, without a failure, unless the program died
//
// The next batch may be given before it is offered: ahead, while the program
// computes the one before, or while the sums of that one are still being taken.
// It is then in the other half of the memory:
//
//   ready ──Next──> out, early ──Push──> taking ──EarlyTaken──> ended
//     └──a batch is out──> given ahead: out, early
//
// What was given ahead was not asked for, and the program begins it after the
// Push or Fail of the batch that is out. If it asks instead, it has not seen
// the message yet, and gets the same batch as the answer.
//
// The offer of the same batch finds it at any of these steps, and what is
// offered is there at once. Any other batch that is offered makes the program's
// a stale one: it was computed in vain.
//
// Values and sums of a half are the program's from the answer to Next to Push,
// Fail or Evaluated. At all other times they are the engine's. While it gives,
// the engine writes to them, so no request is answered with a batch before
// Given.
//
// No I/O. Thread-compatible.
#ifndef EBB_WORKER_ENGINE_CONVERSATION_H_
#define EBB_WORKER_ENGINE_CONVERSATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/actions.h"
#include "protocol/messages.h"
#include "worker/engine/messages.h"
#include "worker/engine/row_memory.h"

namespace ebb::worker {

// The place of a batch in its run, where the program steps by itself.
struct PartOfRun {
  // The program has the values that it came to with the batch before.
  bool goes_on = false;
  bool ends = false;
};

// A batch or an evaluation that is to be computed, and its values.
struct Work {
  bool is_batch() const { return std::holds_alternative<PlaceBody>(what); }

  std::variant<PlaceBody, EvaluateBody> what;
  // Null: the caller keeps them, or they were dropped when the batch began
  // early.
  client::PulledValuesPtr values = nullptr;
  std::shared_ptr<const RowMemory> rows = nullptr;  // Has its rows.
  std::optional<PartOfRun> part = std::nullopt;  // Absent: there are no runs.
};

// A batch that the program handed in. Its sums are in this half.
struct HandedIn {
  Work work;
  uint64_t sequence = 0;
  PushBody body;
  int half = 0;
  bool waits = true;  // For an answer.
};

using Result = std::variant<client::ComputeResult, EvaluationResult>;

// The result of a batch that failed.
client::ComputeResult FailedBatch(std::string why, bool non_finite = false);

// The engine does this first. Then it sends `answer`, unless it is empty.
struct Decision {
  enum class Act {
    kNothing,
    // Puts the values of what is offered into the first half of the memory, and
    // zeros into the sums. The answer is that of Given.
    kGive,
    kTakeSums,    // The answer follows from the sums.
    kEndStepped,  // The batch is done, and has no sums.
    kEndFailed,   // The batch failed, for `why`.
    kEndEvaluated,
    kLookUp,  // The part of the evaluation ends. The answer is the next part.
    kLeave,   // The answer comes when it has left.
    // The same for the batch that is out early: then EarlyTaken; and its result
    // is kept until it is offered.
    kTakeEarlySums,
    kEndEarlyFailed,
    // What is offered has ended already, early.
    kEndEarly,
  };
  Act act = Act::kNothing;
  std::string answer;
  std::string why;
  std::optional<HandedIn> handed_in;  // Its sums are to be taken.
};

class Conversation {
 public:
  // Tickets begin there.
  explicit Conversation(uint64_t first_ticket) : next_ticket_(first_ticket) {}

  // --- The engine's side -----------------------------------------------------
  // There is something to compute. The caller carries out the decision. A batch
  // of other values than these, which was given early, is stale. Batches of
  // runs are never given early.
  Decision Offer(const PlaceBody& place,
                 client::PulledValuesPtr values = nullptr,
                 std::optional<PartOfRun> part = std::nullopt);
  Decision Offer(const EvaluateBody& evaluation,
                 client::PulledValuesPtr values = nullptr);
  // Returns what is offered. There must be something.
  const Work& work() const { return *offered_; }
  // The memory has what kGive said; `counts` are those of its rows, which are
  // in `rows`. Returns the answer to the program that waits, or nothing if it
  // was told of the end meanwhile.
  std::string Given(absl::string_view counts = "",
                    std::shared_ptr<const RowMemory> rows = nullptr);
  // What is offered is over: nothing is out from here on. No effect if it is
  // over already, or if the result is not of its kind.
  void Finish(Result result);
  void FinishFailed(const std::string& why);
  // The program handed in what is offered, and the thread that offered it takes
  // the sums. Nothing is out from here on.
  void HandIn(HandedIn handed_in);
  // What was offered last has a result, or was handed in.
  bool has_ended() const { return result_ || handed_in_; }
  std::optional<HandedIn> TakeHandedIn() {
    return std::exchange(handed_in_, std::nullopt);
  }
  // What was offered last is done or taken back. A program that was not given
  // it yet still waits. Returns its result, if it has one.
  std::optional<Result> Withdraw();
  // The batch cannot be offered before the program tells of its rows. Returns
  // the answer to a program that waits, or nothing.
  std::string Want(const PlaceBody& place);
  // It is not wanted any more.
  void Unwant() { wanted_.reset(); }
  // The evaluation whose next part the program waits for is not this engine's
  // any more. Returns the answer to the program, or nothing.
  std::string LoseLookUp();
  // Nothing more will come. Returns the answer to a program that waits, or
  // nothing.
  std::string End(EndReason reason);
  // The batch that waits for the program.
  std::optional<PlaceBody> offered() const;
  // The half of the memory where what is offered is, or will be.
  int half() const { return half_; }
  // What is offered is with the program.
  bool is_out() const { return stage_ == Stage::kOut; }

  // Goes with each batch that the program is given from here on.
  void set_steps(const StepsBody& steps) { steps_ = steps; }

  // --- The next batch --------------------------------------------------------
  // True if Ready may be called: the batch that is offered is out, and the
  // other half is not the program's.
  bool takes_ready() const {
    return is_out() && offered_->is_batch() && !early_out();
  }
  // The batch that most likely comes next is ready in the half where nothing is
  // out. What is offered must be out, or just ended. The values are not held,
  // for the servers' blocks lie behind them. Returns what the program is told:
  // the batch itself, as an answer or ahead; or nothing.
  std::string Ready(const PlaceBody& place, int half,
                    const client::PulledValuesPtr& values = nullptr);
  // The program asks for it while it hands in the batch before. Returns the
  // answer: the batch if it is ready, else that the program asks by Next.
  std::string AskEarly(uint64_t sequence);
  // There is one that the program may be given, or has been given.
  bool has_next() const {
    return early_ && early_->stage <= Early::Stage::kOut;
  }
  // The sums of this ticket are taken. The result is kept for the offer that
  // comes (kEarly), or is that of what is offered by now, which is over then
  // (kOffered); or it is of no use.
  enum class Taken { kEarly, kOffered, kGone };
  Taken EarlyTaken(uint64_t ticket, client::ComputeResult result = {});
  // The batch that the program has, or has computed, before it is offered.
  std::optional<PlaceBody> early() const;
  // The same, unless the program still computes the one before.
  std::optional<PlaceBody> begun_early() const {
    return is_out() && early_out() ? std::nullopt : early();
  }
  // The program has handed it in, and nothing is offered.
  bool awaits_offer() const {
    return early_ && early_->stage >= Early::Stage::kTaking && !offered_;
  }
  // The program waits, and nothing is offered.
  bool starved() const { return asked_.has_value() && !offered_.has_value(); }

  // --- The program's side ----------------------------------------------------
  // A request that comes twice, with one sequence, has one answer twice: the
  // program was interrupted while it read the first.
  Decision On(uint64_t sequence, const Next& next);
  Decision On(uint64_t sequence, const Push& push);
  Decision On(uint64_t sequence, const Stepped& stepped);
  Decision On(uint64_t sequence, const Fail& fail);
  Decision On(uint64_t sequence, const Evaluated& evaluated);
  Decision On(uint64_t sequence, const LookUp& look_up);
  Decision On(uint64_t sequence, const Leave& leave);

 private:
  // The batch is with the engine, on its way, or with the program; or it was
  // handed in early, and its sums are being taken.
  enum class Stage { kOffered, kGiving, kOut, kTaking };
  struct Early {
    enum class Stage { kReady, kOut, kTaking, kEnded };

    PlaceBody place;
    int half = 0;
    std::weak_ptr<const client::PulledValues> values;
    Stage stage = Stage::kReady;
    uint64_t ticket = 0;
    client::ComputeResult result;  // Empty until it has ended.
  };

  Decision OfferEarly(Early early);
  // Nothing is offered from here on.
  void Close();
  void EndEarly(const std::string& why);
  Decision Give();
  Decision GiveEarly();
  // Returns the message that gives what is ready while another batch is out.
  std::string GiveAhead();
  // Returns what was given ahead as an answer, if the program has no other
  // batch and may not have seen it; else nothing.
  std::string GivenAhead(uint64_t sequence);
  // The program has the batch of this ticket.
  void Seen(uint64_t ticket);
  bool early_out() const {
    return early_ && early_->stage == Early::Stage::kOut;
  }
  bool IsEarlyOut(uint64_t ticket) const {
    return early_out() && early_->ticket == ticket;
  }
  // The program has it from now on; returns its message.
  std::string PutOut(const Work& work, int half, uint64_t ticket,
                     absl::string_view counts);
  Decision Ended(uint64_t sequence) const;
  // The batch, or evaluation, of this ticket is out.
  template <typename Kind>
  bool IsOut(uint64_t ticket) const {
    return stage_ == Stage::kOut && ticket == ticket_ &&
           std::holds_alternative<Kind>(offered_->what);
  }

  std::optional<Work> offered_;
  // The end of the last offer, kept for the thread that offered it.
  std::optional<HandedIn> handed_in_;
  std::optional<Result> result_;
  Stage stage_ = Stage::kOffered;
  uint64_t ticket_ = 0;
  uint64_t next_ticket_;
  std::optional<uint64_t> asked_;  // The Next, or LookUp, that waits.
  bool looks_up_ = false;          // It is a LookUp.
  std::optional<PlaceBody> wanted_;
  int half_ = 0;
  bool ready_ = false;     // What is offered is in the memory already.
  uint64_t given_to_ = 0;  // The Next that was answered last.
  std::string given_;      // And the answer.
  std::optional<Early> early_;
  // The batch that was given ahead last, if the program may not have seen it.
  std::optional<BatchBody> ahead_;
  int ahead_half_ = 0;
  StepsBody steps_;
  std::optional<EndReason> ended_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_CONVERSATION_H_
