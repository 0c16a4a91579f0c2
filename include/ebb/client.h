// ebb in your own C++ program. Your loop trains a job, and each example of each
// epoch is applied exactly once, even if programs and daemons die.
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
// The job is submitted with `ebb submit`. Its file says how many examples there
// are, how the model is laid out and which optimizer the servers use: with
// `model: {kind: program}` only programs compute it, whatever the model is. Any
// number of such programs may work on one job, start and stop at any time, and
// be killed. Programs and ebb-workers that share a job of another kind must
// compute the same mathematics.
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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb {

namespace client {
class JobLoop;
}

// The result of evaluating the model on your data.
struct Evaluation {
  int64_t examples = 0;
  double loss_sum = 0;  // Over the examples.
  int64_t correct = 0;  // -1 if labels are numbers.
};

struct ClientOptions {
  // HOST:PORT of the scheduler. Default: port 7000 of this machine.
  std::string scheduler = "localhost:7000";
  // Name of the program in `ebb status` and in logs. Give each program its own,
  // such as the machine's name and a number. Default: client-PID.
  std::string name;
  // PEM files: a certificate with the role worker, its key, and the authority
  // whose certificates are trusted. Give all three, as `ebb certs` makes them,
  // if the scheduler is on another machine. Default: empty, for plain text
  // within this machine.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_authority;
  // A file with the job's token, as `ebb submit` writes it. Empty: the job has
  // no token, or the daemons have no certificates. Default: empty.
  std::string token_file;
  // True allows plain text to other machines, too: for private networks alone,
  // since all machines on the way can read and change it. Default: false.
  bool insecure = false;
  // How long Leave may take to deliver pushes and to give items back. Others
  // compute again what is not delivered then. Stay below the time that the
  // machine leaves between its notice and its end. Default: 5 s.
  absl::Duration grace = absl::Seconds(5);
  // How long a batch may take, from when it could be asked for, before this
  // program counts as stuck and others get its examples. Give several times the
  // longest batch, the first included, for which a program may read data or
  // compile something. Batches may take longer if those before did. Default:
  // 1 min.
  absl::Duration patience = absl::Minutes(1);
  // True: the next values are pulled while a batch is computed. This is
  // faster, but the values lack the batch. False is good for a single program
  // that must train as one without ebb would. Default: true.
  bool prefetch = true;
  // Evaluates these values, if the job has evaluations. Called on a thread of
  // the library's own, never while a batch is out. Absent: others evaluate. A
  // job that only programs compute needs one with this, if it has `evaluate`.
  std::function<absl::StatusOr<Evaluation>(std::span<const float> model)>
      evaluate;
  // Called with one line per event that an operator should know, on any thread,
  // one call at a time. Absent: the lines are dropped.
  std::function<void(absl::string_view line)> log;
};

// A place in the data: the examples [begin, end) of a shard of an epoch. Each
// is handed out until it is applied, once. Whatever is drawn at random for a
// batch may follow from it, so that the batch is the same wherever it is
// computed.
struct Place {
  int32_t epoch = 0;  // From 0.
  int32_t shard = 0;
  int64_t begin = 0;
  int64_t end = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

// One of the tables that make the model's vector of parameters.
struct Table {
  std::string name;
  int64_t offset = 0;  // The place of its first value in the vector.
  int64_t size = 0;
  // The lengths of its dimensions; the last index runs fastest. Empty: the job
  // was submitted by an ebb that did not note them.
  std::vector<int64_t> dims = {};
};

// Some examples to compute next. Hand in their gradient with Push, or call
// Fail. A batch belongs to its JoinedJob, and is valid until the next batch is
// asked for. Use it on the thread that uses the job.
class Batch {
 public:
  // Returns the numbers of the examples in the training data, from 0, in the
  // order in which the job reads it. (With `split`, they are numbers within the
  // training part.)
  std::span<const int64_t> examples() const;
  int64_t size() const { return static_cast<int64_t>(examples().size()); }
  // Returns the number of this pass over the data, from 0.
  int32_t epoch() const { return place().epoch; }
  const Place& place() const;

  // Writes the model's values, all tables one after the other, into `model`.
  // The values are here already, so it does not block. InvalidArgument: `model`
  // has not parameters() elements.
  absl::Status Pull(std::span<float> model) const;

  // Hands in the *sum* of the gradients over the examples, laid out as the
  // values, and the sum of their losses, which is only reported: -0.0 says that
  // it is not known. It copies the gradient and returns before the servers
  // answer. From here on the batch takes effect exactly once; another worker
  // may compute it again for that.
  //
  // InvalidArgument: the wrong number of elements; try again. OutOfRange: the
  // gradient or loss is not finite; it is not sent, and the job's
  // `on_nonfinite` says what happens. FailedPrecondition: the batch was pushed
  // or failed before, or the job was left.
  absl::Status Push(std::span<const float> gradient, double loss_sum = -0.0);

  // Says that the batch cannot be computed, and why. Another worker tries. If
  // the batch fails again and again, the job stops with `why`
  // (`quarantine_after`).
  void Fail(absl::string_view why);

 private:
  friend class JoinedJob;
  Batch() = default;

  client::JobLoop* loop_ = nullptr;  // Not owned.
  uint64_t ticket_ = 0;
  Place place_;
  std::span<const int64_t> examples_;
};

// A job that this program works on. It is not thread-safe: one thread at a time
// uses it and its batches, except for Leave. It has threads of its own.
class JoinedJob {
 public:
  class BatchRange;

  // Leaves the job, if Leave was not called.
  ~JoinedJob();
  JoinedJob(JoinedJob&&) noexcept;
  JoinedJob& operator=(JoinedJob&&) noexcept;

  const std::string& name() const;
  // Returns the floats in the model: all tables one after the other, each row
  // by row.
  int64_t parameters() const;
  int64_t examples() const;  // In the training data.
  int32_t epochs() const;
  // Returns the tables of the model, in the order of the parameters.
  const std::vector<Table>& tables() const { return tables_; }
  // Returns the text by which data.train.positions tells its examples from
  // others; empty: the job has none. Compare it with your own before you take
  // batches.
  const std::string& fingerprint() const { return fingerprint_; }

  // Returns the next batch; null when the job is complete, was cancelled, or
  // was left. Blocks while there is no batch: servers or open items are
  // missing, or other workers must catch up. Push or fail the batch before:
  // else it counts as failed, and this returns FailedPrecondition. NotFound:
  // the scheduler no longer knows the job.
  absl::StatusOr<Batch*> Next();

  // The same for a loop: `for (Batch& batch : job->Batches())`. After the loop,
  // status() says whether an error ended it.
  BatchRange Batches();
  const absl::Status& status() const { return status_; }

  // Returns the places of the batches that are likely to come after the last
  // one from Next(), in order, `most` at most: for reading ahead. Some may
  // never come, and others come instead, when a server or another worker is
  // faster or slower than it seems now.
  std::vector<Place> Ahead(size_t most = 16) const;
  // Returns the numbers of the examples there, as Batch::examples() does.
  // InvalidArgument: the job has no such place.
  absl::StatusOr<std::vector<int64_t>> ExamplesAt(const Place& place) const;

  // Leaves the job as a worker does on SIGTERM: delivers pushes, and gives
  // other work back. Blocks for at most ClientOptions::grace. DeadlineExceeded:
  // that was too short. In either case no example is lost. Another thread may
  // call it while Next() blocks.
  absl::Status Leave();

 private:
  friend class Client;
  JoinedJob(std::unique_ptr<client::JobLoop> loop, std::vector<Table> tables,
            std::string fingerprint);

  std::unique_ptr<client::JobLoop> loop_;
  std::unique_ptr<Batch> batch_;
  std::vector<Table> tables_;
  std::string fingerprint_;
  absl::Status status_;
};

// The batches of a job as a range, for one loop.
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

// Joins jobs. Thread-safe. Jobs may outlive it.
class Client {
 public:
  explicit Client(ClientOptions options = {});

  // Becomes a worker of the newest job of this name. Blocks until the scheduler
  // has answered, at most 10 s.
  //
  // InvalidArgument: a TLS file is wrong, or plain text would go to another
  // machine. Unavailable: there is no scheduler at the address. NotFound: there
  // is no such job. FailedPrecondition: the job is complete or cancelled, or
  // needs a newer ebb; or it has sparse tables, whose rows a program cannot
  // push.
  absl::StatusOr<JoinedJob> Join(absl::string_view job) const;

 private:
  const ClientOptions options_;
};

}  // namespace ebb

#endif  // EBB_INCLUDE_EBB_CLIENT_H_
