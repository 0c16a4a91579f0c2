// Calls whose messages travel in pieces, over gRPC: the caller's end and the
// server's. The users of this file know what the messages are.
#ifndef EBB_RPC_INTERNAL_GRPC_PIECES_H_
#define EBB_RPC_INTERNAL_GRPC_PIECES_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/steady_time.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/assembly_room.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/piece_progress.h"
#include "rpc/internal/traffic.h"
#include "rpc/pieces.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// The size up to which a message travels whole, and the size of its pieces
// otherwise. Both leave room for the fields beside the values.
struct PieceSizes {
  explicit PieceSizes(const TransportOptions& options)
      : whole(std::min<int64_t>(int64_t{64} << 20,
                                options.max_message_bytes / 2)),
        piece(std::min<int64_t>(int64_t{4} << 20,
                                options.max_message_bytes / 2)) {}

  int64_t whole;
  int64_t piece;
};

// The server's end of one call. It reads the request, hands it over, and writes
// the answer.
//
//   reading ──▶ the handler's ──▶ writing ──▶ over
//
// gRPC's part of it lives until OnDone; what the handler's `done` holds may
// live longer. They meet in the ticket, whose first word alone ends the
// handler's part.
class PiecesCall
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  class Ticket {
   public:
    explicit Ticket(PiecesCall* call) : call_(call) {}
    // The last copy of `done` is gone.
    ~Ticket() {
      Finish(absl::UnavailableError("the request was not answered"));
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    void Answer(Payload response) {
      if (!finished_.exchange(true)) call_->Answer(std::move(response));
    }
    void Finish(const absl::Status& status) {
      if (finished_.exchange(true)) return;
      call_->traffic_->CallEnded();
      call_->Finish(ToGrpc(status));
    }

   private:
    PiecesCall* const call_;
    std::atomic<bool> finished_ = false;  // Nothing else is ordered by it.
  };
  // With the request's first piece, before the room for the rest is taken:
  // whether its sender may send it. Counts a refusal.
  using Check = std::function<absl::Status(const Payload& beginning)>;
  // With the whole request: takes a ticket, or refuses the call.
  using Begin = std::function<void(PiecesCall*, const Payload& request)>;

  // The calls of a listener share it.
  struct Listener {
    AssemblyRoom room;
    PieceProgress progress;
  };

  // `context` is gRPC's. `listener`, `traffic` and `guard`, which counts
  // refusals, are not owned. Deletes itself in OnDone.
  PiecesCall(grpc::CallbackServerContext* context, Listener* listener,
             Traffic* traffic, const Guard* guard, int64_t piece_bytes,
             Check check, Begin begin)
      : context_(context),
        listener_(listener),
        traffic_(traffic),
        guard_(guard),
        piece_bytes_(piece_bytes),
        check_(std::move(check)),
        begin_(std::move(begin)),
        request_(listener->room.bytes()) {
    StartRead(&in_);
  }

  // `traffic` counts the call from now on.
  std::shared_ptr<Ticket> MakeTicket() {
    auto ticket = std::make_shared<Ticket>(this);
    bool cancelled = false;
    {
      MutexLock lock(&mu_);
      ticket_ = ticket;
      cancelled = cancelled_;
    }
    // OnCancel came first, and found no ticket to end.
    if (cancelled) ticket->Finish(CallerIsGone());
    return ticket;
  }
  // It ends before it gets a ticket.
  void Refuse(const absl::Status& status) { Finish(ToGrpc(status)); }

 private:
  ~PiecesCall() override = default;

  static absl::Status CallerIsGone() {
    return absl::CancelledError("the caller is gone");
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      GiveRoom();
      return Refuse(
          absl::InvalidArgumentError("the message ends before its last piece"));
    }
    const bool first = request_.message_bytes() == 0;
    absl::Status added = request_.Add(ToPayload(in_));
    if (added.ok() && first) {
      if (const absl::Status may = check_(request_.beginning()); !may.ok()) {
        return Refuse(may);
      }
      added = TakeRoom();
    }
    if (!added.ok()) {
      GiveRoom();
      guard_->Count(absl::IsResourceExhausted(added) ? Refusal::kCalls
                                                     : Refusal::kMessage);
      return Refuse(added);
    }
    if (!first) {
      listener_->progress.Came(*progress_, in_.Length(), SteadyNow());
    }
    in_.Clear();
    if (!request_.complete()) return StartRead(&in_);
    GiveRoom();
    begin_(this, request_.Take());
  }

  absl::Status TakeRoom() {
    const absl::Time now = SteadyNow();
    absl::Status taken = listener_->room.Take(request_.message_bytes());
    if (!taken.ok()) {
      listener_->progress.GiveUpStuck(now);  // For the next try.
      return taken;
    }
    // gRPC runs none of a call's reactions inside TryCancel.
    progress_ = listener_->progress.Begin(
        now, [context = context_] { context->TryCancel(); });
    return absl::OkStatus();
  }
  void GiveRoom() {
    if (!progress_) return;
    listener_->progress.End(*progress_);
    progress_.reset();
    listener_->room.Give(request_.message_bytes());
  }

  // Not counted any more when the caller hears of it and calls again.
  void Answer(Payload response) {
    traffic_->CallEnded();
    answer_.emplace(std::move(response), piece_bytes_);
    WriteNext();
  }
  void WriteNext() {
    out_ = ToByteBuffer(answer_->Next());
    if (answer_->done()) {
      StartWriteAndFinish(&out_, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      StartWrite(&out_);
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) return WriteNext();
    Finish(ToGrpc(CallerIsGone()));
  }

  void OnCancel() override {
    std::shared_ptr<Ticket> ticket;
    {
      MutexLock lock(&mu_);
      cancelled_ = true;
      ticket = ticket_.lock();
    }
    if (ticket != nullptr) ticket->Finish(CallerIsGone());
  }
  void OnDone() override { delete this; }

  grpc::CallbackServerContext* const context_;
  Listener* const listener_;
  Traffic* const traffic_;
  const Guard* const guard_;
  const int64_t piece_bytes_;
  const Check check_;
  const Begin begin_;
  grpc::ByteBuffer in_;
  PieceAssembler request_;
  std::optional<PieceProgress::Handle> progress_;  // While it has room.
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::weak_ptr<Ticket> ticket_ ABSL_GUARDED_BY(mu_);
  std::optional<PieceCutter> answer_;
  grpc::ByteBuffer out_;
};

// The caller's end of one call. Its owner keeps it until `done` was called,
// once, with the whole answer or why there is none.
class PiecesCaller
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  using Stub = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>;
  using Done = std::function<void(const grpc::Status& status, absl::Status read,
                                  const Payload& answer)>;

  // An answer of more than `most_bytes` is refused.
  PiecesCaller(Payload request, int64_t piece_bytes, int64_t most_bytes)
      : request_(std::move(request), piece_bytes), answer_(most_bytes) {}

  grpc::ClientContext context;

  void Start(Stub* stub, const char* method, Done done) {
    done_ = std::move(done);
    stub->PrepareBidiStreamingCall(&context, method, grpc::StubOptions(), this);
    StartRead(&in_);
    WriteNext();
    StartCall();
  }

 private:
  void WriteNext() {
    out_ = ToByteBuffer(request_.Next());
    if (request_.done()) {
      StartWriteLast(&out_, grpc::WriteOptions());
    } else {
      StartWrite(&out_);
    }
  }
  // The status says why, where it is not.
  void OnWriteDone(bool ok) override {
    if (ok && !request_.done()) WriteNext();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    read_ = answer_.Add(ToPayload(in_));
    in_.Clear();
    if (!read_.ok()) return context.TryCancel();
    StartRead(&in_);
  }
  void OnDone(const grpc::Status& status) override {
    if (read_.ok() && status.ok() && !answer_.complete()) {
      read_ = absl::InvalidArgumentError(
          "the answer ends before its last piece: a bug of the server");
    }
    // What it holds may hold this.
    std::exchange(done_, nullptr)(status, read_, answer_.Take());
  }

  PieceCutter request_;
  PieceAssembler answer_;
  grpc::ByteBuffer out_;
  grpc::ByteBuffer in_;
  absl::Status read_;
  Done done_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_PIECES_H_
