// Judges whether a job's training diverges by the loss of its latest updates.
//
//   good --(the loss rose far above its best, or never falls below the loss
//           of guessing, for long enough)--> trouble
//   trouble --(the loss came back)--> good
//
// At the end of the job the last loss must not be far above the best mean of an
// epoch, nor above the loss of guessing, however short the job was.
//
// It takes time for nothing: positions in the data are passed in, so that the
// same losses lead to the same decision at any speed.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_DIVERGENCE_H_
#define EBB_SCHEDULER_JOB_DIVERGENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/plan.h"

namespace ebb::scheduler {

class Divergence {
 public:
  // `plan` says how long is long enough. `guess_loss` is that of a model that
  // gives all classes the same probability; 0: unknown, and the first loss
  // replaces it. A job whose rounds are trials of a line search
  // (algorithm.operated) is never in trouble: it takes back steps that went too
  // far.
  Divergence(const JobPlan& plan, double guess_loss);

  struct Trouble {
    double loss = 0;           // When it was noticed.
    double best = 0;           // The lowest loss before.
    int64_t best_at = 0;       // Its position: examples applied, of all epochs.
    double start = 0;          // The loss of guessing, or the first.
    bool start_known = false;  // It is that of guessing.
    bool never_fell = false;   // The loss has never been far below `start`.
  };

  // The mean loss of the latest updates, when `applied` examples were applied
  // to the partition that has the least. True: trouble begins here. A loss of
  // exactly 0 is good, and no later one is compared with it: batches of words
  // without pairs have it, whatever was learnt.
  bool Heard(double loss, int64_t applied);
  // All is applied, and the latest updates have this mean loss; `epochs` are
  // the mean losses of the epochs, in their order. True: trouble begins here.
  bool Ended(double loss, const std::vector<double>& epochs);
  // The values are others now: they were rolled back. The next loss is the
  // first. So it is where fewer examples are applied than before.
  void Forget();

  const std::optional<Trouble>& trouble() const { return trouble_; }

 private:
  bool Rose(double loss) const;
  bool NeverFell(double loss, int64_t applied) const;
  void NoteBest(double loss, int64_t applied);
  void NoteFirst(double loss, int64_t applied);
  void Begin(double loss, bool never_fell);

  const bool watched_;
  const int64_t epoch_;     // Examples of one.
  const int64_t patience_;  // Examples for which a loss must stay bad.
  const int64_t least_;  // Examples after which a loss counts as never falling.
  const double guess_;

  int64_t first_at_ = -1;  // At the first loss; -1: none was heard.
  int64_t last_at_ = -1;
  double start_ = 0;
  double best_ = 0;
  int64_t best_at_ = 0;
  // Since when the loss is bad, and how often that was heard; -1: it is not.
  int64_t bad_since_ = -1;
  int bad_times_ = 0;
  std::optional<Trouble> trouble_;
};

// How late the gradients of a job are, and whether it could do something about
// that.
struct Lateness {
  double mean_staleness = 0;       // Updates.
  bool asynchronous = false;       // Workers do not wait for others.
  bool scales_late_steps = false;  // By the algorithm.
  bool runs = false;               // A push is a run: SSP knows none.
};

// Describes the trouble and its remedy to people. `epoch` is its examples; a
// squared loss is shown as the RMSE. `rate_key` is that of the job's rate.
std::string DivergenceText(const Divergence::Trouble& trouble, int64_t epoch,
                           bool squared_loss, absl::string_view rate_key,
                           const Lateness& lateness);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_DIVERGENCE_H_
