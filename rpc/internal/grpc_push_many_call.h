// The server's end of a call with several pushes.
#ifndef EBB_RPC_INTERNAL_GRPC_PUSH_MANY_CALL_H_
#define EBB_RPC_INTERNAL_GRPC_PUSH_MANY_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/internal/traffic.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

// One call with several pushes, which ends when all are answered. gRPC's part
// of it lives until OnDone; the answers, which the `done` of each push shares,
// may live longer.
class PushManyCall : public grpc::ServerUnaryReactor {
 public:
  class Answers {
   public:
    Answers(PushManyCall* call, grpc::ByteBuffer* response, Traffic* traffic,
            size_t pushes)
        : call_(call),
          response_(response),
          traffic_(traffic),
          missing_(pushes),
          answers_(pushes, Unanswered()),
          states_(pushes, State::kNew) {}

    // The push is about to be handed over. False: it must not be any more.
    bool Begin(size_t i) {
      MutexLock lock(&mu_);
      if (dropped_ || cancelled_) traffic_->CallEnded();
      if (dropped_) return false;
      if (!cancelled_) states_[i] = State::kBegun;
      return true;
    }
    void Set(size_t i, PushAnswer answer) {
      std::vector<PushAnswer> all;
      {
        MutexLock lock(&mu_);
        if (cancelled_ || states_[i] == State::kAnswered) return;
        SetLocked(i, std::move(answer));
        if (missing_ > 0) return;
        all.swap(answers_);
      }
      Finish(all);
    }
    // It will not be answered. Nor are, before the caller sends others, those
    // behind it: they may be held for it.
    void Drop(size_t i) {
      std::vector<PushAnswer> all;
      {
        MutexLock lock(&mu_);
        if (cancelled_ || states_[i] == State::kAnswered) return;
        dropped_ = true;
        for (; i < states_.size() && states_[i] != State::kNew; ++i) {
          if (states_[i] == State::kBegun) SetLocked(i, Unanswered());
        }
        if (missing_ > 0) return;
        all.swap(answers_);
      }
      Finish(all);
    }
    // The pushes that were handed over go on.
    void Cancel() {
      {
        MutexLock lock(&mu_);
        if (missing_ == 0 || cancelled_) return;
        cancelled_ = true;
        for (const State state : states_) {
          if (state == State::kBegun) traffic_->CallEnded();
        }
      }
      call_->Finish(ToGrpc(absl::CancelledError("the caller is gone")));
    }

   private:
    enum class State { kNew, kBegun, kAnswered };

    void SetLocked(size_t i, PushAnswer answer)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      answers_[i] = std::move(answer);
      // Not counted any more when the caller hears of it and calls again.
      if (states_[i] == State::kBegun) traffic_->CallEnded();
      states_[i] = State::kAnswered;
      --missing_;
    }
    void Finish(const std::vector<PushAnswer>& all) {
      *response_ = ToByteBuffer(EncodePushAnswers(all));
      call_->Finish(grpc::Status::OK);
    }

    PushManyCall* const call_;
    grpc::ByteBuffer* const response_;
    Traffic* const traffic_;  // Not owned.
    Mutex mu_;
    bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
    bool dropped_ ABSL_GUARDED_BY(mu_) = false;  // Any of them.
    size_t missing_ ABSL_GUARDED_BY(mu_);
    std::vector<PushAnswer> answers_ ABSL_GUARDED_BY(mu_);
    std::vector<State> states_ ABSL_GUARDED_BY(mu_);
  };

  // Held by the `done` of one push.
  class Ticket {
   public:
    Ticket(std::shared_ptr<Answers> answers, size_t i)
        : answers_(std::move(answers)), i_(i) {}
    // The last copy of `done` is gone.
    ~Ticket() { answers_->Drop(i_); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    void Answer(PushAnswer answer) { answers_->Set(i_, std::move(answer)); }

   private:
    const std::shared_ptr<Answers> answers_;
    const size_t i_;
  };

  std::shared_ptr<Answers> MakeAnswers(grpc::ByteBuffer* response,
                                       Traffic* traffic, size_t pushes) {
    auto answers = std::make_shared<Answers>(this, response, traffic, pushes);
    answers_ = answers;
    return answers;
  }

 private:
  static absl::Status Unanswered() {
    return absl::UnavailableError("the request was not answered");
  }

  void OnCancel() override {
    if (const auto answers = answers_.lock()) answers->Cancel();
  }
  void OnDone() override { delete this; }
  bool InternalInlineable() override { return true; }

  std::weak_ptr<Answers> answers_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_PUSH_MANY_CALL_H_
