// The facts about a job's training loss in its specification.
#ifndef EBB_JOB_TRAINING_FACTS_H_
#define EBB_JOB_TRAINING_FACTS_H_

namespace ebb::job {

// What the scheduler does about a job that diverges.
enum class OnDivergence { kWarn, kPause, kRollBack };

struct TrainingFacts {
  // It is half a mean squared error, in the labels' units.
  bool squared_loss = false;
  // The mean loss of a model that gives all classes the same probability; 0:
  // not known.
  double guess_loss = 0;
  OnDivergence on_divergence = OnDivergence::kWarn;
  // Steps are made shorter for gradients that are late.
  bool scales_late_steps = false;
};

}  // namespace ebb::job

#endif  // EBB_JOB_TRAINING_FACTS_H_
