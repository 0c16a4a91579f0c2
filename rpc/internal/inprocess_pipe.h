// A session of the in-process transport: two ends, each with a thread that
// delivers to it.
#ifndef EBB_RPC_INTERNAL_INPROCESS_PIPE_H_
#define EBB_RPC_INTERNAL_INPROCESS_PIPE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "rpc/internal/mailbox.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

class PipeBase {
 public:
  virtual ~PipeBase() = default;
  // Messages under way are lost; each end gets its status, unless it got one
  // before.
  virtual void Break(absl::Status client, absl::Status server) = 0;
  // The same, but the server's end hears nothing until Replug().
  virtual void Unplug(absl::Status client) = 0;
  virtual void Replug() = 0;
};

// `Up` goes from the client to the server, `Down` back. Thread-safe. The lock
// is held while a mailbox's is taken, never while a handler is called.
template <typename Up, typename Down>
class Pipe : public PipeBase,
             public std::enable_shared_from_this<Pipe<Up, Down>> {
 public:
  using Connect = std::function<std::unique_ptr<SessionHandler<Up>>(
      std::shared_ptr<Session<Down>>)>;

  Pipe(std::shared_ptr<Mailbox> client_box, SessionHandler<Down>* handler,
       int bound)
      : bound_(bound) {
    client_.box = std::move(client_box);
    client_.handler = handler;
  }

  // Before anything is sent. `connect` is called by the server's mailbox.
  void Accept(std::shared_ptr<Mailbox> server_box, Connect connect) {
    MutexLock lock(&mu_);
    server_.box = std::move(server_box);
    server_.box->Post(
        [self = this->shared_from_this(), connect = std::move(connect)] {
          self->CreateServer(connect);
        });
  }

  bool SendUp(Up message) {
    return Send(std::move(message), &client_, &server_);
  }
  bool SendDown(Down message) {
    return Send(std::move(message), &server_, &client_);
  }
  void CloseClient() { Close(&client_, &server_); }
  void CloseServer() { Close(&server_, &client_); }

  void Break(absl::Status client, absl::Status server) override {
    MutexLock lock(&mu_);
    broken_ = true;
    Tell(&client_, std::move(client));
    if (!unplugged_) Tell(&server_, std::move(server));
  }

  void Unplug(absl::Status client) override {
    MutexLock lock(&mu_);
    broken_ = true;
    unplugged_ = true;
    Tell(&client_, std::move(client));
  }

  void Replug() override {
    MutexLock lock(&mu_);
    unplugged_ = false;
  }

 private:
  // `In` arrives here.
  template <typename In>
  struct End {
    std::shared_ptr<Mailbox> box;
    SessionHandler<In>* handler = nullptr;
    int queued = 0;       // Messages in `box`.
    bool sending = true;  // Send() works.
    bool told = false;    // OnClosed was called, or is in `box`.
  };

  class Link : public Session<Down> {
   public:
    explicit Link(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
    bool Send(Down message) override {
      return pipe_->SendDown(std::move(message));
    }
    void Close() override { pipe_->CloseServer(); }

   private:
    const std::shared_ptr<Pipe> pipe_;
  };

  void CreateServer(const Connect& connect) {
    {
      MutexLock lock(&mu_);
      if (broken_) return;
    }
    auto handler = connect(std::make_shared<Link>(this->shared_from_this()));
    if (handler == nullptr) {
      Break(absl::UnavailableError("the session was refused"),
            absl::OkStatus());
      return;
    }
    MutexLock lock(&mu_);
    server_.handler = handler.get();
    server_handler_ = std::move(handler);
  }

  template <typename In, typename Other>
  bool Send(In message, End<Other>* from, End<In>* to) {
    MutexLock lock(&mu_);
    if (broken_ || !from->sending) return false;
    if (to->queued == bound_) {
      const absl::Status status = absl::ResourceExhaustedError(
          absl::StrCat("the session is closed: the other side left ", bound_,
                       " messages unread"));
      broken_ = true;
      Tell(&client_, status);
      Tell(&server_, status);
      return false;
    }
    ++to->queued;
    to->box->Post([self = this->shared_from_this(), to,
                   message = std::move(message)]() mutable {
      self->Deliver(std::move(message), to);
    });
    return true;
  }

  template <typename In>
  void Deliver(In message, End<In>* to) {
    SessionHandler<In>* handler = nullptr;
    {
      MutexLock lock(&mu_);
      --to->queued;
      if (broken_) return;
      handler = to->handler;
    }
    if (handler != nullptr) handler->OnMessage(std::move(message));
  }

  // Behind all messages under way, closes the other end; behind all of those
  // that it sent, this one.
  template <typename A, typename B>
  void Close(End<A>* from, End<B>* to) {
    MutexLock lock(&mu_);
    if (broken_ || !from->sending) return;
    from->sending = false;
    to->box->Post([self = this->shared_from_this(), from, to] {
      MutexLock lock(&self->mu_);
      if (self->broken_) return;
      self->Tell(to, absl::OkStatus());
      self->Tell(from, absl::OkStatus());
    });
  }

  template <typename In>
  void Tell(End<In>* end, absl::Status status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (end->told || end->box == nullptr) return;
    end->told = true;
    end->sending = false;
    end->box->Post(
        [self = this->shared_from_this(), end, status = std::move(status)] {
          SessionHandler<In>* handler = nullptr;
          {
            MutexLock lock(&self->mu_);
            std::swap(handler, end->handler);
          }
          if (handler != nullptr) handler->OnClosed(status);
          self->DestroyHandlerOf(end);
        });
  }

  void DestroyHandlerOf(End<Down>*) {}  // Not owned.
  void DestroyHandlerOf(End<Up>*) { server_handler_.reset(); }

  const int bound_;
  // Handler of server_'s mailbox.
  std::unique_ptr<SessionHandler<Up>> server_handler_;
  Mutex mu_;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;     // Nothing more arrives.
  bool unplugged_ ABSL_GUARDED_BY(mu_) = false;  // The server hears nothing.
  // Guarded by mu_; annotations do not follow the pointers taken to them.
  End<Down> client_;
  End<Up> server_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_INPROCESS_PIPE_H_
