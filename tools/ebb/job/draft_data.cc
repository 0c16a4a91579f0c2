#include "tools/ebb/job/draft_data.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/index.h"
#include "data/order.h"
#include "data/reader.h"
#include "ebb/v1/job.pb.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "tools/ebb/job/data_facts.h"
#include "tools/ebb/job/draft_module.h"
#include "tools/ebb/job/draft_start.h"
#include "worker/job_data.h"
#include "worker/python/python_data.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// Checks that the source can be read at all, whatever its labels are and
// whatever becomes of its features.
void Open(data::SourceSpec spec, absl::string_view path, Draft* draft) {
  if (draft->WrongIn(path)) return;
  spec.standardise = false;
  spec.split.reset();
  draft->Fail(data::OpenReader(spec, draft->open).status(), path);
}

// The key that is wrong if the training data cannot be loaded.
absl::string_view KeyOfTrainingData(const Draft& draft) {
  constexpr absl::string_view kTrain = "data.train";
  constexpr absl::string_view kGroup = "validate.group";
  if (!draft.full.validate().has_group()) return kTrain;
  data::SourceSpec spec =
      worker::TrainingSource(draft.full, data::LabelKind::kReal);
  spec.standardise = false;
  // The file can be read, but it has no such column.
  if (data::OpenReader(spec, draft.open).ok()) return kTrain;
  spec.split.reset();
  return data::OpenReader(spec, draft.open).ok() ? kGroup : kTrain;
}

// Test data where nothing is known of the training data.
void OpenTestData(Draft* draft) {
  const v1::Data& data = draft->full.data();
  if (!data.has_test() || job::TraitsOf(data.test()).python()) return;
  Open(*worker::TestSource(draft->full, data::LabelKind::kReal, std::nullopt),
       "data.test", draft);
}

// Reads nothing: only programs know the data.
job::JobFacts NotePositions(Draft* draft) {
  const v1::Positions& positions = draft->full.data().train().positions();
  const data::Index index =
      data::IndexOfPositions(positions.examples(), positions.fingerprint());
  draft->known.train = job::SourceFacts{.examples = index.examples,
                                        .window = positions.window()};
  draft->Validate();
  job::JobFacts out;
  out.examples = index.examples;
  out.train_index = index.Encode();
  out.train_index_hash = index.Hash();
  out.window = positions.window();
  out.order_version =
      out.window > 0 ? data::kWindowOrderVersion : data::kOrderVersion;
  return out;
}

// A run that goes on reads its columns as it did before: earlier releases
// subtracted no origins from them, and divided categories by their deviations.
// So what follows from the values, such as the intervals of trees, is as it
// was.
absl::StatusOr<data::Dataset> LoadTraining(const Draft& draft) {
  auto train = worker::LoadTrainingData(draft.full, draft.open);
  if (!train.ok() || !draft.stored) return train;
  const auto stored = data::Index::Decode(draft.stored->train_index());
  if (!stored.ok() || train->index() == *stored) return train;
  data::Index with_units = train->index();
  with_units.stddev = stored->stddev;
  const bool had_origins = train->index().encoding.origins.empty() ||
                           !stored->encoding.origins.empty();
  if (had_origins && with_units != *stored) return train;
  auto as_before = data::Dataset::LoadIndexed(
      worker::TrainingSource(draft.full, worker::LabelKindOf(*stored)), *stored,
      draft.open);
  return as_before.ok() ? std::move(as_before) : std::move(train);
}

}  // namespace

void OpenData(Draft* draft) {
  const v1::DataSource& train = draft->full.data().train();
  const v1::FormatTraits& traits = job::TraitsOf(train);
  if (draft->full.data().has_train() && !traits.positions() &&
      !traits.python()) {
    Open(worker::TrainingSource(draft->full, data::LabelKind::kReal),
         "data.train", draft);
  }
  OpenTestData(draft);
}

job::JobFacts ReadData(const std::vector<std::string>& folders, Draft* draft) {
  if (job::TraitsOf(draft->full.data().train()).positions()) {
    return NotePositions(draft);
  }
  if (worker::HasPythonData(draft->full)) {
    auto asked = AskData(folders, draft);
    if (asked.ok()) return *std::move(asked);
    draft->Fail(asked.status(), KeyAtFault(asked.status()));
    return {};
  }
  job::JobFacts out;
  auto train = LoadTraining(*draft);
  if (!train.ok()) {
    draft->Fail(train.status(), KeyOfTrainingData(*draft));
    OpenTestData(draft);
    return out;
  }
  auto facts = FactsOf(draft->full, *train);
  if (!facts.ok()) {
    draft->Fail(facts.status(), "data.train");
    return out;
  }
  draft->known.train = *std::move(facts);
  draft->extent = workloads::ToolsOf(draft->full.model())
                      .ExtentOf(draft->full.model(), *train);
  draft->NoteLeftOut(*train, "data.train");
  draft->NoteRemarks(*train, "data.train");
  const data::Index& index = train->index();
  auto test_source = worker::TestSource(draft->full, worker::LabelKindOf(index),
                                        train->names());
  if (test_source) {
    test_source->training_zones = train->zones_of_dates();
    const auto test = data::Dataset::LoadLike(*test_source, index, draft->open);
    if (test.ok()) {
      auto test_facts = FactsOf(draft->full, *test);
      draft->Fail(test_facts.status(), "data.test");
      if (test_facts.ok()) draft->known.test = *std::move(test_facts);
      draft->extent.bytes += test->memory_bytes();
      // Both are of the same file.
      const bool split = job::HoldsOut(draft->full);
      if (!split) draft->NoteRemarks(*test, "data.test");
      draft->NoteLeftOut(*test, split ? "data.split" : "data.test",
                         split ? train->left_out().examples : 0);
      out.test_index = test->index().Encode();
    }
    draft->Fail(test.status(), "data.test");
  }
  draft->Validate();
  out.examples = train->examples();
  out.train_index = index.Encode();
  ChooseStart(*train, draft, &out);
  out.train_index_hash = index.Hash();
  out.order_version = train->order_version();
  out.window = train->window();
  out.columns = worker::ToProto(train->names());
  return out;
}

}  // namespace ebb::tools
