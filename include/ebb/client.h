// ebb in your own C++ program: a loop of yours trains a job, and each example
// of each epoch is applied exactly once, whatever dies on the way.
//
//   ebb::Client client({.scheduler = "localhost:7000"});
//   absl::StatusOr<ebb::JoinedJob> job = client.Join("my-job");
//   if (!job.ok()) return Fail(job.status());
//   std::vector<float> model(job->parameters()), gradient(job->parameters());
//   for (ebb::Batch& batch : job->Batches()) {
//     batch.Pull(model);                       // The model's values now.
//     double loss = Gradient(model, batch.examples(), gradient);  // Yours.
//     if (!batch.Push(gradient, loss).ok()) break;
//   }
//   if (!job->status().ok()) return Fail(job->status());
//
// The job is an ordinary one, submitted with `ebb submit`; its file says how
// many examples there are, how the model is laid out and which optimizer the
// servers use. Any number of such programs may work on one job, start and stop
// at any time, and be killed. Programs and ebb-workers that share a job must
// mean the same mathematics by it.
//
// Errors are values; nothing throws. Link with ebb::client
// (find_package(ebb)). A program of 50 lines is in examples/client/.
#ifndef EBB_INCLUDE_EBB_CLIENT_H_
#define EBB_INCLUDE_EBB_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb {

namespace client {
class JobLoop;
}

// What a trial of the model on data of yours gave.
struct Evaluation {
  int64_t examples = 0;
  double loss_sum = 0;  // Over the examples.
  int64_t correct = 0;  // -1 where labels are numbers.
};

struct ClientOptions {
  // HOST:PORT of the scheduler.
  std::string scheduler = "localhost:7000";
  // What the program is called in `ebb status` and in logs; default:
  // client-PID.
  std::string name;
  // Files in PEM: a certificate of the role worker, its key, and the authority
  // whose certificates are believed. None: plain text, within this machine.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_authority;
  // A file with the job's token, as `ebb submit` writes it; empty: the job has
  // none, or nobody has a certificate. Default empty.
  std::string token_file;
  // Plain text to other machines, too: for networks of one's own.
  bool insecure = false;
  // How long leaving a job may take: what was pushed is delivered, items go
  // back. Default 5 s.
  absl::Duration grace = absl::Seconds(5);
  // Whether the next values are pulled while a batch is computed. Faster, but
  // they lack this batch. Default true.
  bool prefetch = true;
  // Where the job has evaluations: tries these values. Called on a thread of
  // the library's own, never while a batch is out. Absent: the job's
  // ebb-workers do it, or nobody.
  std::function<absl::StatusOr<Evaluation>(std::span<const float> model)>
      evaluate;
  // Called with one line per event that an operator should know, on any
  // thread, one at a time. Absent: nobody is told.
  std::function<void(absl::string_view line)> log;
};

// Some examples to compute next. Hand in their gradient with Push, or say with
// Fail that there is none. Belongs to the thread that has it; good until the
// next batch is asked for, and used only while its job is there.
class Batch {
 public:
  // The examples: their numbers in the training data, from 0, in the order in
  // which the job reads it. (With `split`, numbers within the training part.)
  std::span<const int64_t> examples() const;
  int64_t size() const { return static_cast<int64_t>(examples().size()); }
  // Which pass over the data this is, from 0.
  int32_t epoch() const;

  // Writes the model's values, all tables one after the other, into `model`.
  // They are here already: does not block. InvalidArgument unless it has
  // parameters() elements.
  absl::Status Pull(std::span<float> model) const;

  // Hands in the *sum* over the examples of the gradients, laid out as the
  // values, and the sum of their losses (which is only reported). Copies; does
  // not wait for the servers. From here on the batch takes effect exactly
  // once, though perhaps by somebody else's hands.
  //
  // InvalidArgument: the wrong number of elements; try again. OutOfRange: it
  // is not finite; nothing is sent, and the job's `on_nonfinite` says what
  // happens. FailedPrecondition: it was pushed or failed before, or the job
  // was left.
  absl::Status Push(std::span<const float> gradient, double loss_sum = 0);

  // It cannot be computed. Somebody else tries; what cannot be computed again
  // and again stops the job, with these words (`quarantine_after`).
  void Fail(absl::string_view why);

 private:
  friend class JoinedJob;
  Batch() = default;

  client::JobLoop* loop_ = nullptr;  // Not owned.
  uint64_t ticket_ = 0;
  int32_t epoch_ = 0;
  std::span<const int64_t> examples_;
};

// A job that this program works on. One thread at a time uses it and its
// batches; its other threads are its own.
class JoinedJob {
 public:
  class BatchRange;

  // Leaves the job, if Leave was not called.
  ~JoinedJob();
  JoinedJob(JoinedJob&&) noexcept;
  JoinedJob& operator=(JoinedJob&&) noexcept;

  const std::string& name() const;
  // Floats in the model: all tables one after the other, each row by row.
  int64_t parameters() const;
  int64_t examples() const;  // Of the training data.
  int32_t epochs() const;

  // The next batch; null when the job is complete, was cancelled, or was
  // left. Blocks while there is none: for want of servers, of open items, or
  // because other workers must catch up. The one before must have been pushed
  // or failed: else it counts as failed, and this is FailedPrecondition.
  // NotFound: the scheduler no longer knows the job.
  absl::StatusOr<Batch*> Next();

  // The same for a loop: `for (Batch& batch : job->Batches())`. status() says
  // afterwards whether it ended by an error.
  BatchRange Batches();
  const absl::Status& status() const { return status_; }

  // Delivers what was pushed and gives the rest back to others, as a worker
  // does that is told to go. DeadlineExceeded: not within
  // ClientOptions::grace. Either way nothing is lost. Also from another
  // thread, while Next() blocks.
  absl::Status Leave();

 private:
  friend class Client;
  explicit JoinedJob(std::unique_ptr<client::JobLoop> loop);

  std::unique_ptr<client::JobLoop> loop_;
  std::unique_ptr<Batch> batch_;
  absl::Status status_;
};

// Once over the batches of a job.
class JoinedJob::BatchRange {
 public:
  struct End {};
  class Iterator {
   public:
    explicit Iterator(JoinedJob* job) : job_(job) { ++*this; }
    Batch& operator*() const { return *batch_; }
    Iterator& operator++();
    bool operator!=(End) const { return batch_ != nullptr; }

   private:
    JoinedJob* job_;  // Not owned.
    Batch* batch_ = nullptr;
  };

  Iterator begin() const { return Iterator(job_); }
  End end() const { return {}; }

 private:
  friend class JoinedJob;
  explicit BatchRange(JoinedJob* job) : job_(job) {}
  JoinedJob* job_;  // Not owned.
};

// Where jobs are joined. Thread-safe; jobs outlive it or not, as you like.
class Client {
 public:
  explicit Client(ClientOptions options = {});

  // Becomes a worker of the newest job of this name. Blocks until the
  // scheduler has answered, at most 10 s.
  //
  // InvalidArgument: the TLS files, or plain text to another machine.
  // Unavailable: there is no scheduler at the address. NotFound: no such job.
  // FailedPrecondition: it is complete or cancelled, or of a newer ebb; or it
  // has sparse tables, of which a program hands in no rows.
  absl::StatusOr<JoinedJob> Join(absl::string_view job) const;

 private:
  const ClientOptions options_;
};

}  // namespace ebb

#endif  // EBB_INCLUDE_EBB_CLIENT_H_
