#include "job/yaml.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "job/base/keys.h"
#include "job/fit.h"
#include "job/validate.h"

namespace ebb::job {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::StartsWith;

constexpr char kMinimal[] = "model: softmax\ndata: {train: {csv: table.csv}}\n";

v1::Job Job(const std::string& text) {
  v1::Job job;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &job));
  return job;
}

v1::Job Read(const std::string& yaml,
             const std::vector<std::string>& overrides = {}) {
  const JobFile file = ReadJob(yaml, "test.yaml", overrides);
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
  return file.job;
}

std::string Diff(const v1::Job& a, const v1::Job& b) {
  std::string report;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&report);
  differencer.Compare(a, b);
  return report;
}

TEST(JobYamlTest, MapsOneToOneOntoTheMessage) {
  const v1::Job job = Read(R"(
name: fashion-mlp
model: {kind: mlp, layers: [784, 256, 128, 10], activation: relu, init: he}
data:
  train: {idx: /usr/share/datasets/fashion-mnist/train, scale: 1/255}
  test: {idx: /usr/share/datasets/fashion-mnist/t10k}
train: {epochs: 8, batch: 128, shuffle_seed: 1}
optimizer: {kind: adam, rate: 0.001}
consistency: {kind: ssp, bound: 4}
checkpoint: {every: 10s, keep: 5}
evaluate: {every: 1 epoch}
expect: {accuracy: ">= 0.87"}
)");
  EXPECT_EQ(Diff(job, Job(R"(
    name: "fashion-mlp"
    model {
      kind: "mlp" layers: [784, 256, 128, 10]
      activation: ACTIVATION_RELU init: INIT_HE
    }
    data {
      train {
        idx { prefix: "/usr/share/datasets/fashion-mnist/train" }
        scale: 0.00392156862745098
      }
      test { idx { prefix: "/usr/share/datasets/fashion-mnist/t10k" } }
    }
    train { epochs: 8 batch: 128 shuffle_seed: 1 }
    optimizer { kind: KIND_ADAM rate: 0.001 }
    consistency { kind: KIND_SSP bound: 4 }
    checkpoint { every: "10s" keep: 5 }
    evaluate { every: "1 epoch" }
    expect { accuracy: ">= 0.87" }
  )")),
            "");
}

TEST(JobYamlTest, TakesAPlainValueAsTheShortFormOfAMap) {
  const v1::Job job = Read(R"(
model: logistic
data: {train: {libsvm: rows}, test: {csv: {path: t.csv, ignore: [id, "2"]}}}
optimizer: {kind: sgd, schedule: cosine}
consistency: bsp
checkpoint: 500ms
evaluate: 2 epochs
oracle: 3
)");
  EXPECT_EQ(Diff(job, Job(R"(
    model { kind: "logistic" }
    data {
      train { libsvm { path: "rows" } }
      test { csv { path: "t.csv" ignore: "id" ignore: "2" } }
    }
    optimizer { kind: KIND_SGD schedule { kind: KIND_COSINE } }
    consistency { kind: KIND_BSP }
    checkpoint { every: "500ms" }
    evaluate { every: "2 epochs" }
    oracle { width: 3 }
  )")),
            "");
}

TEST(JobYamlTest, KeepsDefaultsApartFromTheSameValueGiven) {
  EXPECT_FALSE(Read(kMinimal).has_seed());
  EXPECT_TRUE(Read(absl::StrCat(kMinimal, "seed: 1\n")).has_seed());
}

TEST(JobYamlTest, ReadsOptionsOfAUsersModel) {
  const v1::Job job = Read(R"(
model: {kind: mine, plugin: ./lib.so, options: {depth: 3, "a b": "x: y"}}
data: {train: {csv: table.csv}}
)");
  EXPECT_THAT(job.model().options(),
              testing::UnorderedElementsAre(testing::Pair("depth", "3"),
                                            testing::Pair("a b", "x: y")));
}

TEST(JobYamlTest, KnowsTheLineOfEachKey) {
  const JobFile file = ReadJob(R"(model:
  kind: mlp
  layers: [784,
    10]
data: {train:
  {csv: table.csv}}
)",
                               "f.yaml");
  EXPECT_EQ(file.sources.Find("model").line, 1);
  EXPECT_EQ(file.sources.Find("model.layers").line, 3);
  EXPECT_EQ(file.sources.Find("model.layers[1]").line, 4);
  EXPECT_EQ(file.sources.Find("data.train.csv").line, 6);
  EXPECT_EQ(file.sources.Find("data.train.scale").line, 5);  // Around it.
  EXPECT_EQ(file.sources.Find("train.epochs").line, 1);
  EXPECT_EQ(file.sources.Find("model").file, "f.yaml");
}

// Bug: the hint was a key whose name is alike. Then each key of the sweep was
// unknown, and those of a job were missing.
TEST(JobYamlTest, ASweepIsTrainedByAnotherCommand) {
  const auto job = ParseJobYaml(
      "modl: softmax\ndata: {train: {csv: a.csv}}\nsweep: {space: {}}\n",
      "f.yaml", nullptr);
  EXPECT_EQ(
      job.status().message(),
      "f.yaml:3: sweep: this is the file of a sweep, and not of one job\n"
      "  hint: `ebb sweep f.yaml`, which trains a job with many settings");
  const auto of_keys =
      ParseJobYaml("job: a.yaml\nmethod: grid\nspace: {seed: [1, 2]}\n",
                   "/proc/self/fd/3", nullptr);
  EXPECT_EQ(
      of_keys.status().message(),
      "/proc/self/fd/3:3: space: this is the file of a sweep, and not of one "
      "job\n  hint: `ebb sweep FILE`, which trains a job with many settings");
  const JobFile beside =
      ReadJob("model: softmax\ndata: {train: {csv: a.csv}}\nspace: {}\n", "f");
  ASSERT_EQ(beside.mistakes.size(), 1u);
  EXPECT_EQ(beside.mistakes[0].hint,
            "sweep: {space: …}, in a file for `ebb sweep`");
}

// Bug: the hint left out the file that the user had named.
TEST(JobYamlTest, AHintShowsTheFileAndTheColumnOfTheUser) {
  const auto hints = [](const std::string& lines) {
    std::vector<std::string> found;
    for (const Mistake& one :
         ReadJob("model: softmax\n" + lines, "f").mistakes) {
      found.push_back(one.hint);
    }
    return found;
  };
  const std::string whole =
      "data: {train: {csv: {path: rows.csv, label: kind}}}";
  EXPECT_THAT(hints("data: {train: {csv: rows.csv, label: kind}}\n"),
              ElementsAre(whole));
  EXPECT_THAT(hints("data: {train: {csv: rows.csv}}\nlabel: kind\n"),
              ElementsAre(whole));
  EXPECT_THAT(
      hints("data: {csv: rows.csv, label: kind}\n"),
      IsSupersetOf({std::string("data: {train: {csv: rows.csv}}"), whole}));
  // The format that is there has the key, and not only the first one.
  EXPECT_THAT(hints("data: {train: {tar: a.tar, size: 3x3}}\n"),
              ElementsAre("data: {train: {tar: {path: a.tar, size: 3x3}}}"));
  EXPECT_THAT(hints("data: {train: {csv: {path: a, labell: y}}}\n"),
              ElementsAre("label: y"));
  EXPECT_THAT(hints("data: rows.csv\n"),
              ElementsAre("data: {train: {csv: rows.csv}}"));
  // Bug: a list of files was left out of the hint.
  EXPECT_THAT(
      hints("data: {train: {csv: [a.csv, b.csv], label: kind}}\n"),
      ElementsAre("data: {train: {csv: {path: [a.csv, b.csv], label: kind}}}"));
  // Bug: the hint was of the training data.
  EXPECT_THAT(
      hints("data: {train: {csv: a.csv}, test: {csv: b.csv, label: kind}}\n"),
      ElementsAre("data: {test: {csv: {path: b.csv, label: kind}}}"));
}

// Bug: the hint was a key of csv, whatever the format was.
TEST(JobYamlTest, AHintIsInTheShortFormThatTheUserWrote) {
  const JobFile file = ReadJob(
      "model: softmax\ndata: {train: {csv: a.csv}}\n"
      "algorithm: sdg\n",
      "j.yaml");
  ASSERT_FALSE(file.mistakes.empty());
  EXPECT_EQ(file.mistakes.back().hint, "algorithm: sgd");
}

TEST(JobYamlTest, AHintKeepsTheFormatOfTheUser) {
  const auto hint = [](const std::string& train, const std::string& set = "") {
    std::vector<std::string> overrides;
    if (!set.empty()) overrides.push_back(set);
    const JobFile file =
        ReadJob(absl::StrCat("model: softmax\ndata: {train: {", train, "}}\n"),
                "f", overrides);
    EXPECT_FALSE(file.ok());
    return file.ok() ? "" : file.mistakes[0].hint;
  };
  const std::string records =
      "data: {train: {json_lines: a.jsonl, features: {y: label}}}";
  EXPECT_EQ(hint("json_lines: {path: a.jsonl, label: y}"), records);
  EXPECT_EQ(hint("json_lines: a.jsonl, label: y"), records);
  EXPECT_EQ(hint("tf_record: {path: [a, b], label: y}"),
            "data: {train: {tf_record: [a, b], features: {y: label}}}");
  EXPECT_EQ(hint("json_lines: {path: a.jsonl, features: {y: label}}"),
            "data: {train: {features: …}}");
  EXPECT_EQ(hint("npy: {features: X.npy, label: y.npy}"), "labels: y.npy");
  EXPECT_EQ(hint("libsvm: {path: a, delimiter: \",\"}"),
            "keys: path, features, zero_based, keys");
  EXPECT_EQ(hint("libsvm: a, delimiter: \",\""),
            "libsvm has the keys: path, features, zero_based, keys");
  EXPECT_EQ(hint("tar: {path: a.tar}, size: 3x3"),
            "data: {train: {tar: {size: 3x3}}}");
  EXPECT_EQ(hint("tar: a.tar", "data.train.size=3x3"),
            "--set data.train.tar.size=3x3");
  EXPECT_EQ(hint("csv: a.csv, batch: 3"), "train: {batch: 3}");
}

TEST(JobYamlTest, ParseJobYamlReturnsAllMistakesAsOneStatus) {
  const auto job =
      ParseJobYaml("modell: softmax\nseed: x\n", "f.yaml", nullptr);
  ASSERT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(job.status().message(),
            "f.yaml:1: modell: a job has no such key\n"
            "  hint: model: softmax\n"
            "f.yaml:1: data: is missing\n"
            "  hint: data: {train: {csv: FILE}}\n"
            "f.yaml:2: seed: \"x\" is not a whole number\n"
            "  hint: seed: 1");
}

TEST(JobYamlTest, ADataSetOfPythonIsAFunction) {
  const v1::Job job = Read(
      "model: {kind: python, module: m.py, class: Net}\n"
      "data:\n"
      "  train: {python: {factory: \"m.py:f\", options: {folder: /data}}}\n"
      "  test: {python: \"m.py:g\"}\n");
  EXPECT_EQ(job.data().train().python().factory(), "m.py:f");
  EXPECT_THAT(job.data().train().python().options(),
              ElementsAre(testing::Pair("folder", "/data")));
  EXPECT_EQ(job.data().test().python().factory(), "m.py:g");
}

TEST(JobYamlTest, OnlyModelsOfPythonReadADataSetOfPython) {
  const auto job =
      ParseJobYaml("model: softmax\ndata: {train: {python: \"m.py:f\"}}\n",
                   "f.yaml", nullptr);
  EXPECT_EQ(job.status().message(),
            "f.yaml:2: data.train.python: only a model of Python reads such a "
            "data set, and softmax is none\n"
            "  hint: model: {kind: python, module: my_model.py, class: Net}, "
            "or write it to arrays: npy: {features: X.npy, labels: y.npy}");
}

// --- Overrides --------------------------------------------------------------

TEST(OverrideTest, GoesBeforeTheFile) {
  const v1::Job job =
      Read(absl::StrCat(kMinimal, "train: {epochs: 8, batch: 64}\n"),
           {"train.epochs=3", "optimizer.rate=1/8", "expect.accuracy=>= 0.5",
            "data.split=0.1"});
  EXPECT_EQ(job.train().epochs(), 3);
  EXPECT_EQ(job.train().batch(), 64);
  EXPECT_EQ(job.optimizer().rate(), 0.125);
  EXPECT_EQ(job.expect().accuracy(), ">= 0.5");
}

TEST(OverrideTest, TheLaterOfTwoCounts) {
  EXPECT_EQ(Read(kMinimal, {"seed=2", "seed=3"}).seed(), 3u);
}

TEST(OverrideTest, ReplacesWholeListsAndMaps) {
  const v1::Job job = Read(
      "model: {kind: mlp, layers: [4, 9, 3]}\n"
      "data: {train: {csv: table.csv}}\n"
      "consistency: {kind: ssp, bound: 9}\n",
      {"model.layers=[4, 3]", "consistency=asp", "data.train.csv={path: b}"});
  EXPECT_THAT(job.model().layers(), ElementsAre(4, 3));
  EXPECT_EQ(job.consistency().kind(), v1::Consistency::KIND_ASP);
  EXPECT_FALSE(job.consistency().has_bound());
  EXPECT_THAT(job.data().train().csv().path(), ElementsAre("b"));
}

TEST(OverrideTest, TakesOnePathAsItStandsAndSeveralAsAList) {
  const auto paths = [](const std::string& override) {
    const v1::Job job = Read(kMinimal, {override});
    const auto& path = job.data().train().csv().path();
    return std::vector<std::string>(path.begin(), path.end());
  };
  EXPECT_THAT(paths("data.train.csv.path=*.csv"), ElementsAre("*.csv"));
  EXPECT_THAT(paths("data.train.csv.path=[a.csv, b.csv]"),
              ElementsAre("a.csv", "b.csv"));
  EXPECT_THAT(paths("data.train.csv=[a.csv, b.csv]"),
              ElementsAre("a.csv", "b.csv"));
}

TEST(OverrideTest, ReplacesOneFormatByAnother) {
  const v1::Job job = Read(kMinimal, {"data.train.libsvm=rows"});
  EXPECT_TRUE(job.data().train().has_libsvm());
  EXPECT_FALSE(job.data().train().has_csv());
}

TEST(OverrideTest, ReachesAUsersModelsOptions) {
  const v1::Job job = Read(
      "model: {kind: mine, plugin: p.so, options: {a: 1, b: 2}}\n"
      "data: {train: {csv: table.csv}}\n",
      {"model.options.b=3", "model.options.c=x=y"});
  EXPECT_THAT(job.model().options(),
              testing::UnorderedElementsAre(testing::Pair("a", "1"),
                                            testing::Pair("b", "3"),
                                            testing::Pair("c", "x=y")));
}

TEST(OverrideTest, MakesUpForWhatTheFileLacks) {
  EXPECT_THAT(Read("{}", {"model=softmax", "data.train.csv=a.csv"})
                  .data()
                  .train()
                  .csv()
                  .path(),
              ElementsAre("a.csv"));
}

TEST(OverrideTest, IsNamedWhereAMistakeCameFromIt) {
  const JobFile file =
      ReadJob(kMinimal, "f.yaml", {"train.epochs=0", "seed=-1"});
  EXPECT_EQ(ToString(file.mistakes),
            "--set: seed: \"-1\" is negative\n"
            "  hint: seed: 1\n"
            "--set: train.epochs: must be at least 1, not 0\n"
            "  hint: epochs: 10");
}

// The hint for --set optimzer.rate=0.1 was "optimizer: 0.1".
TEST(OverrideTest, OfAMisspeltKeyTheWholeOneIsNamed) {
  const JobFile file = ReadJob(
      kMinimal, "f.yaml", {"optimzer.rate=0.1", "optimizer.rat=1", "epochs=3"});
  EXPECT_EQ(ToString(file.mistakes),
            "--set: optimzer: a job has no such key\n"
            "  hint: --set optimizer.rate=0.1\n"
            "--set: optimizer.rat: optimizer has no such key\n"
            "  hint: --set optimizer.rate=1\n"
            "--set: epochs: a job has no such key\n"
            "  hint: --set train.epochs=3");
}

TEST(JobYamlTest, StepSizeIsARateOrTheLengthOfAStep) {
  const auto hint = [](const std::string& optimizer) {
    const JobFile file =
        ReadJob(absl::StrCat(kMinimal, "optimizer: ", optimizer, "\n"), "f");
    EXPECT_EQ(file.mistakes.size(), 1u);
    return file.mistakes.empty() ? "" : file.mistakes[0].hint;
  };
  EXPECT_EQ(hint("{kind: sgd, schedule: {kind: step, step_size: 3}}"),
            "step_epochs: 3");
  EXPECT_THAT(hint("{kind: sgd, step_size: 0.1}"), StartsWith("keys: "));
}

// Bug: the hint was model.patience, which the model of the job has not.
TEST(JobYamlTest, AKeyOfSeveralPartsIsNotThatOfTheFirst) {
  const auto hint = [](const std::string& more) {
    const JobFile file = ReadJob(absl::StrCat(kMinimal, more), "f");
    EXPECT_FALSE(file.ok());
    return file.ok() ? "" : file.mistakes[0].hint;
  };
  EXPECT_EQ(hint("train: {patience: 3}\n"), "stop: {patience: 3}");
  EXPECT_THAT(hint("train: {kind: sgd}\n"), StartsWith("keys: epochs"));
}

// Bug: the hint was data.fold, which ebb sets itself.
TEST(JobYamlTest, OfFoldsNoKeyIsNamedThatEbbSets) {
  const auto hint = [](const std::string& more) {
    const JobFile file = ReadJob(absl::StrCat(kMinimal, more), "f");
    return file.mistakes.empty() ? "" : file.mistakes[0].hint;
  };
  EXPECT_EQ(hint("validate: {fold: 5}\n"), "folds: 5");
  EXPECT_EQ(hint("fold: 5\n"), "validate: {folds: 5}");
}

// Bug: the wrong value of the key that was guessed was not told.
TEST(JobYamlTest, AGuessExplainsNoOtherMistake) {
  const auto mistakes = [](const std::string& name) {
    return ReadJob(absl::StrCat(kMinimal, "optimizer: {kind: sgd, rate: 0}\n",
                                "train: {", name, ": 0.1}\n"),
                   "f")
        .mistakes;
  };
  ASSERT_EQ(mistakes("learning_rate").size(), 1u);
  const auto guessed = mistakes("learning_rat");
  ASSERT_EQ(guessed.size(), 2u);
  EXPECT_EQ(guessed[0].path, "optimizer.rate");
  EXPECT_EQ(guessed[1].hint, "optimizer: {rate: 0.1}");
}

// --- Hostile and unreadable files -------------------------------------------

std::string OnlyMistake(const std::string& yaml) {
  const JobFile file = ReadJob(yaml, "f.yaml");
  EXPECT_EQ(file.mistakes.size(), 1u);
  return file.mistakes.empty() ? "" : file.mistakes[0].what;
}

TEST(YamlLimitsTest, RefusesHugeFiles) {
  EXPECT_EQ(OnlyMistake(std::string((1 << 20) + 1, ' ')),
            "the file has 1048577 bytes");
}

TEST(YamlLimitsTest, RefusesABillionLaughs) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 30; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1,
                    "]\n");
  }
  EXPECT_EQ(OnlyMistake(bomb), "a job file takes no anchors and aliases");
}

TEST(YamlLimitsTest, RefusesDeepNesting) {
  EXPECT_THAT(OnlyMistake(std::string(100, '[') + std::string(100, ']')),
              HasSubstr("more than 16 lists and maps"));
  EXPECT_THAT(OnlyMistake(std::string(100'000, '[')), HasSubstr("not YAML"));
  std::string maps;
  for (int i = 0; i < 100'000; ++i) maps += "{a: ";
  EXPECT_THAT(OnlyMistake(maps), HasSubstr("not YAML"));
}

TEST(YamlLimitsTest, StopsCountingMistakesInTime) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&text, "key", i, ": 1\n");
  EXPECT_LT(ReadJob(text, "f.yaml").mistakes.size(), 200u);
}

TEST(JobYamlTest, TakesOnePathOrSeveral) {
  const auto read = [](const std::string& csv) {
    return Read(
        absl::StrCat("model: softmax\ndata: {train: {csv: ", csv, "}}\n"));
  };
  for (const char* const several :
       {"[a.csv, parts/]", "{path: [a.csv, parts/]}"}) {
    const v1::Job job = read(several);
    EXPECT_THAT(job.data().train().csv().path(),
                ElementsAre("a.csv", "parts/"));
    EXPECT_THAT(JobToYaml(job, YamlStyle::kCompact),
                HasSubstr("csv: [a.csv, parts/]"));
  }
  for (const char* const one : {"a.csv", "{path: a.csv}", "[a.csv]"}) {
    const v1::Job job = read(one);
    EXPECT_THAT(job.data().train().csv().path(), ElementsAre("a.csv"));
    EXPECT_THAT(JobToYaml(job, YamlStyle::kCompact), HasSubstr("csv: a.csv"));
  }
  EXPECT_THAT(
      ToString(ReadJob("model: softmax\ndata: {train: {csv: []}}\n", "f.yaml")
                   .mistakes),
      HasSubstr("data.train.csv.path: is an empty list"));
}

TEST(ReadJobFileTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(ToString(ReadJobFile("no/such.yaml").mistakes),
            "no/such.yaml: cannot be read: No such file or directory\n"
            "  hint: examples/jobs/ has jobs to start from");
  EXPECT_THAT(ToString(ReadJobFile(testing::TempDir()).mistakes),
              HasSubstr("is a folder; name the file in it"));
}

// Opening a pipe without a writer waited for ever.
TEST(ReadJobFileTest, RefusesAPipe) {
  const std::string path = testing::TempDir() + "/job_yaml_test.fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(ToString(ReadJobFile(path).mistakes),
              HasSubstr(": is a named pipe (FIFO); name a regular file"));
  std::filesystem::remove(path);
}

// `ebb job check <(command)` gives it so.
TEST(ReadJobFileTest, ReadsWhatTheProcessWasGivenOpen) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "model: softmax\ndata: {train: {csv: a.csv}}\n";
  ASSERT_EQ(write(ends[1], text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  close(ends[1]);
  const JobFile file = ReadJobFile(absl::StrCat("/dev/fd/", ends[0]));
  close(ends[0]);
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
}

// Bug: each of them was called "job", and so were their runs.
TEST(ReadJobFileTest, NamesAJobAfterItsFile) {
  EXPECT_EQ(NameAfterFile("jobs/clicks.yaml"), "clicks");
  EXPECT_EQ(NameAfterFile("_My Clicks (2).yaml"), "my-clicks--2-");
  EXPECT_EQ(NameAfterFile("/proc/self/fd/7"), "");
  EXPECT_EQ(NameAfterFile("-.yaml"), "");
  EXPECT_EQ(NameAfterFile(std::string(90, 'a') + ".yaml").size(), 63);

  const std::string path = testing::TempDir() + "/Named.after.yaml";
  std::ofstream(path) << "model: softmax\ndata: {train: {csv: a.csv}}\n";
  EXPECT_EQ(ReadJobFile(path).job.name(), "named.after");
  EXPECT_EQ(ReadJobFile(path, {"name=other"}).job.name(), "other");
  std::ofstream(path, std::ios::app) << "name: its-own\n";
  EXPECT_EQ(ReadJobFile(path).job.name(), "its-own");
}

TEST(ReadJobFileTest, NamesTheFileByItsPath) {
  const std::string path = testing::TempDir() + "/job_yaml_test.yaml";
  std::ofstream(path) << "model: softmax\n";
  const JobFile file = ReadJobFile(path);
  std::filesystem::remove(path);
  ASSERT_EQ(file.mistakes.size(), 1u);
  EXPECT_EQ(file.mistakes[0].place.file, path);
}

// --- Writing ----------------------------------------------------------------

std::vector<std::string> ExampleJobs() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator("examples/jobs")) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(ExampleJobsTest, AreRightAndSurviveWritingAndReading) {
  EXPECT_FALSE(ExampleJobs().empty());
  for (const std::string& path : ExampleJobs()) {
    SCOPED_TRACE(path);
    const JobFile file = ReadJobFile(path);
    EXPECT_TRUE(file.ok()) << ToString(file.mistakes);

    const std::string compact = JobToYaml(file.job, YamlStyle::kCompact);
    EXPECT_EQ(Diff(Read(compact), file.job), "") << compact;

    v1::Job full = file.job;
    FillDefaults(&full);
    const std::string explained = JobToYaml(file.job, YamlStyle::kExplained);
    EXPECT_EQ(Diff(Read(explained), full), "") << explained;
  }
}

TEST(JobToYamlTest, WritesALinePerKeyOfTheJob) {
  const v1::Job job = Job(R"(
    name: "a" model { kind: "mlp" layers: [4, 3] dropout: 0.1 }
    data {
      train { csv { path: "my table.csv" } scale: 0.00392156862745098 }
      test { idx { images: "a" labels: "b: c" } }
    }
    checkpoint { every: "10s" } workers {} expect { accuracy: ">= 0.87" }
    on_poison: POLICY_SKIP
  )");
  EXPECT_EQ(JobToYaml(job, YamlStyle::kCompact),
            R"(name: a
model: {kind: mlp, layers: [4, 3], dropout: 0.1}
data: {train: {csv: my table.csv, scale: 1/255}, test: {idx: {images: a, labels: "b: c"}}}
checkpoint: 10s
expect: {accuracy: ">= 0.87"}
workers: {}
on_poison: skip
)");
}

TEST(JobToYamlTest, ExplainsEveryKey) {
  const std::string text = JobToYaml(Read(kMinimal), YamlStyle::kExplained);
  EXPECT_THAT(text, HasSubstr("model:                            # The model "
                              "to train\n"
                              "  kind: softmax "));
  EXPECT_THAT(text, HasSubstr("  # epochs:                       # How often "
                              "workers go through every example\n"));
  EXPECT_THAT(text, HasSubstr("# partitions:                     # Slices of "
                              "the model; absent: one per 64 KiB, at most "
                              "64\n"));
  EXPECT_THAT(text, HasSubstr("    kind: cosine"));
  EXPECT_THAT(text, testing::Not(HasSubstr("layers")));     // Of mlp.
  EXPECT_THAT(text, testing::Not(HasSubstr("momentum:")));  // Of momentum.
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 110u) << line;
  }
}

TEST(JobToYamlTest, SaysWhyAValueWasChosen) {
  v1::Job job = Read(kMinimal);
  FillDefaults(&job);
  const auto choices = FitToData({.examples = 120, .features = 4}, 0, &job);
  const std::string text = JobToYaml(job, YamlStyle::kExplained, choices);
  EXPECT_THAT(text,
              HasSubstr("  batch: 8                        # Examples per "
                        "gradient; absent: at most 128, by how many "
                        "there are. Chosen: the examples are 120\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          ". Chosen: 1 divided by the number of features, 4, at most 0.1\n"));
}

TEST(JobToYamlTest, QuotesWhatYamlWouldReadOtherwise) {
  for (const std::string value : {"null",
                                  "~",
                                  "- x",
                                  "a: b",
                                  "a #b",
                                  "#",
                                  "&a",
                                  "*a",
                                  "!t",
                                  "|",
                                  ">",
                                  "[",
                                  "{a: b}",
                                  "a, b",
                                  "\"",
                                  "'",
                                  "\\",
                                  "\\n",
                                  " ",
                                  "a ",
                                  " a",
                                  "-",
                                  "--- a",
                                  "...",
                                  "é…😀",
                                  "\xc2\x85x",
                                  "\xe2\x80\xa8",
                                  "\xef\xbb\xbf",
                                  "%a",
                                  "@",
                                  "`",
                                  "? a",
                                  "1/255",
                                  "true",
                                  "-1",
                                  "a\\",
                                  "${HOME}"}) {
    v1::Job job = Read(kMinimal);
    job.mutable_model()->set_kind("mine");
    job.mutable_model()->set_plugin(value);
    (*job.mutable_model()->mutable_options())[value] = value;
    EXPECT_EQ(Diff(Read(JobToYaml(job, YamlStyle::kCompact)), job), "")
        << value;
  }
}

}  // namespace
}  // namespace ebb::job
