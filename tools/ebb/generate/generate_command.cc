// `ebb generate`.
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/generate/analogies.h"
#include "data/generate/click_log.h"
#include "data/generate/clusters.h"
#include "data/generate/documents.h"
#include "data/generate/images.h"
#include "data/generate/linear.h"
#include "data/generate/ratings.h"
#include "tools/command/command.h"
#include "tools/ebb/generate/generation.h"

namespace ebb::tools {

namespace {

namespace generate = data::generate;

// One kind of data set on the command line. What its flags are set to is
// recorded in its truth, under their names.
template <typename Generator, typename Options>
class Kind {
 public:
  // Needed until the command line is parsed: the flags point into it.
  static std::shared_ptr<Kind> Make(CLI::App* parent, const std::string& name,
                                    const std::string& help, int64_t rows) {
    auto kind = std::make_shared<Kind>();
    kind->command = parent->add_subcommand(name, help);
    kind->command
        ->add_option("NAME", kind->target.name,
                     "Front of the files' names: NAME.train..., NAME.test..., "
                     "NAME.truth.json")
        ->required();
    kind->target.rows = rows;
    kind->rows = kind->Add("--rows", &kind->target.rows, "Rows to train on");
    kind->test_rows = kind->Add("--test-rows", &kind->target.test_rows,
                                "Rows to test on; 0: none (a tenth of --rows)")
                          ->default_str("");
    kind->Add("--seed", &kind->options.seed,
              "Seed of everything that is drawn");
    return kind;
  }

  template <typename Value>
  CLI::Option* Add(const std::string& flag, Value* value,
                   const std::string& help) {
    record_.push_back([name = flag.substr(2), value](Json* settings) {
      if constexpr (requires { typename Value::value_type; } &&
                    !std::is_same_v<Value, std::string>) {
        (*settings)[name] = Json::List();
        for (const auto& one : *value) (*settings)[name].Add(one);
      } else {
        (*settings)[name] = *value;
      }
    });
    if constexpr (std::is_same_v<Value, bool>) {
      return command->add_flag(flag, *value, help);
    } else {
      return command->add_option(flag, *value, help)->capture_default_str();
    }
  }

  // Call after all flags were added. `settle` runs before anything is made.
  static void Finish(std::shared_ptr<Kind> kind, int* exit_code,
                     const std::string& footer,
                     std::function<void(Kind*)> settle) {
    GenerationTarget* target = &kind->target;
    CLI::App* command = kind->command;
    command->add_flag("--gzip", target->gzip, "Compress the files");
    command->add_flag("--force", target->force, "Replace existing files");
    command->add_flag("--json", target->json,
                      "Print the content of NAME.truth.json");
    command->footer(footer);
    command->callback(
        [kind = std::move(kind), exit_code, settle = std::move(settle)] {
          settle(kind.get());
          if (kind->test_rows->count() == 0) {
            kind->target.test_rows = (kind->target.rows + 9) / 10;
          }
          *exit_code = kind->Run();
        });
  }

  CLI::App* command = nullptr;
  CLI::Option* rows = nullptr;
  CLI::Option* test_rows = nullptr;
  GenerationTarget target;
  Options options;
  std::string format;  // For kinds that have several.

 private:
  int Run() const {
    const absl::Status valid = options.Validate();
    if (!valid.ok()) return Report(valid);
    Json truth = Json::Object();
    truth["generator"] = command->get_name();
    truth["generator_version"] = generate::kVersion;
    truth["ebb_version"] = EBB_VERSION;
    truth["settings"] = Json::Object();
    for (const auto& record : record_) record(&truth["settings"]);
    Generator generator(options);
    const absl::Status written =
        WriteGenerated(target, &generator, std::move(truth));
    const int exit_code = Report(written);
    return absl::IsCancelled(written) ? kExitInterrupted : exit_code;
  }

  std::vector<std::function<void(Json*)>> record_;
};

void AddClicks(CLI::App* parent, int* exit_code) {
  using Clicks = Kind<generate::ClickLog, generate::ClickOptions>;
  const auto kind = Clicks::Make(
      parent, "clicks",
      "Makes a click log: categories, and whether a user clicked", 1'000'000);
  generate::ClickOptions* options = &kind->options;
  kind->format = "libsvm";
  kind->Add("--format", &kind->format, "libsvm, libffm, criteo (TSV) or csv")
      ->check(CLI::IsMember({"libsvm", "libffm", "criteo", "csv"}));
  kind->Add("--fields", &options->fields, "Categorical fields");
  kind->Add("--numeric", &options->numeric, "Numeric fields");
  kind->Add("--vocabulary", &options->vocabulary,
            "N,N,...: number of values of each field; further fields begin "
            "with the first N again")
      ->delimiter(',')
      ->allow_extra_args(false);
  kind->Add("--exponent", &options->exponents,
            "X,X,...: exponents of the fields' Zipf distributions, likewise")
      ->delimiter(',')
      ->allow_extra_args(false);
  kind->Add("--rank", &options->rank,
            "Numbers in each latent vector; 0: no interactions");
  kind->Add("--field-aware", &options->field_aware,
            "Give a value one latent vector for each other field");
  kind->Add("--linear", &options->linear,
            "Spread of the linear part of the logit");
  kind->Add("--interactions", &options->interactions,
            "Spread of the interactions");
  kind->Add("--rate", &options->rate, "Share of clicks");
  Clicks::Finish(kind, exit_code, R"(
Draws clicks from a factorisation machine whose parameters follow from the seed.
The truth file has the log-loss of that machine on the rows; a model beats it
only by luck.
Example:
  ebb generate clicks ads --rows 10000000 --vocabulary 1000000)",
                 [](Clicks* clicks) {
                   using generate::ClickFormat;
                   clicks->options.format =
                       clicks->format == "libsvm"   ? ClickFormat::kLibsvm
                       : clicks->format == "libffm" ? ClickFormat::kLibffm
                       : clicks->format == "criteo" ? ClickFormat::kCriteo
                                                    : ClickFormat::kCsv;
                 });
}

void AddRatings(CLI::App* parent, int* exit_code) {
  using Ratings = Kind<generate::Ratings, generate::RatingOptions>;
  const auto kind = Ratings::Make(parent, "ratings",
                                  "Makes ratings of items by users", 1'000'000);
  generate::RatingOptions* options = &kind->options;
  kind->Add("--users", &options->users, "How many");
  kind->Add("--items", &options->items, "How many");
  constexpr int64_t kMost = int64_t{1} << 31;
  struct Per {
    int64_t user = 0;
    int64_t item = 0;
  };
  const auto per = std::make_shared<Per>();
  CLI::Option* per_user =
      kind->command
          ->add_option("--per-user", per->user,
                       "Ratings per user, on average, instead of --rows")
          ->check(CLI::Range(int64_t{1}, kMost))
          ->excludes(kind->rows);
  kind->command
      ->add_option("--per-item", per->item,
                   "Ratings per item, on average, instead of --rows")
      ->check(CLI::Range(int64_t{1}, kMost))
      ->excludes(kind->rows)
      ->excludes(per_user);
  kind->Add("--rank", &options->rank, "Numbers in each latent vector");
  kind->Add("--mean", &options->mean, "The mean rating");
  kind->Add("--biases", &options->biases,
            "Spread of the users' biases, and of the items'");
  kind->Add("--factors", &options->factors,
            "Spread of the products of the vectors");
  kind->Add("--noise", &options->noise,
            "Spread of the noise: a lower bound of any model's RMSE");
  kind->Add("--time", &options->time,
            "Add a fourth column: seconds since 1970");
  Ratings::Finish(kind, exit_code, R"(
A user rates an item at most once, in all rows together.
Example:
  ebb generate ratings films --users 20000 --items 5000 --per-user 300)",
                  [per](Ratings* ratings) {
                    const auto& options = ratings->options;
                    if (!options.Validate().ok()) return;
                    if (per->user > 0) {
                      ratings->target.rows = per->user * options.users;
                    } else if (per->item > 0) {
                      ratings->target.rows = per->item * options.items;
                    }
                  });
}

void AddLinear(CLI::App* parent, int* exit_code) {
  using Linear = Kind<generate::Linear, generate::LinearOptions>;
  const auto kind = Linear::Make(
      parent, "linear",
      "Makes labels that are a linear function, or drawn by its odds", 100'000);
  generate::LinearOptions* options = &kind->options;
  kind->format = "csv";
  kind->Add("--format", &kind->format, "csv or libsvm")
      ->check(CLI::IsMember({"csv", "libsvm"}));
  kind->Add("--logistic", &options->logistic,
            "Make labels 0 and 1 instead of numbers");
  kind->Add("--features", &options->features, "How many");
  kind->Add("--density", &options->density,
            "Share of the features that a row has");
  kind->Add("--signal", &options->signal, "Spread of the function");
  kind->Add("--intercept", &options->intercept,
            "Value of the function if all features are 0");
  kind->Add("--noise", &options->noise,
            "Spread of the noise; --logistic has none");
  Linear::Finish(kind, exit_code, R"(
Example:
  ebb generate linear wide --logistic --format libsvm --features 1000000 \
      --density 0.0001)",
                 [](Linear* linear) {
                   linear->options.libsvm = linear->format == "libsvm";
                 });
}

void AddClusters(CLI::App* parent, int* exit_code) {
  using Clusters = Kind<generate::Clusters, generate::ClusterOptions>;
  const auto kind = Clusters::Make(
      parent, "clusters", "Makes points around known centres", 100'000);
  generate::ClusterOptions* options = &kind->options;
  kind->Add("--clusters", &options->clusters, "How many");
  kind->Add("--dimensions", &options->dimensions, "Dimensions of each point");
  kind->Add("--separation", &options->separation, "Spread of the centres");
  kind->Add("--spread", &options->spread,
            "Spread of the points around their centres");
  Clusters::Finish(kind, exit_code, R"(
Example:
  ebb generate clusters points --clusters 100 --dimensions 16)",
                   [](Clusters*) {});
}

void AddDocuments(CLI::App* parent, int* exit_code) {
  using Documents = Kind<generate::Documents, generate::DocumentOptions>;
  const auto kind = Documents::Make(
      parent, "documents", "Makes documents of known topics, as bags of words",
      100'000);
  generate::DocumentOptions* options = &kind->options;
  kind->Add("--topics", &options->topics, "How many");
  kind->Add("--vocabulary", &options->vocabulary, "How many words there are");
  kind->Add("--words", &options->words, "Words of a document, on average");
  kind->Add("--document-prior", &options->document_prior,
            "The smaller it is, the fewer topics a document has");
  kind->Add("--topic-prior", &options->topic_prior,
            "The smaller it is, the fewer words a topic has");
  Documents::Finish(kind, exit_code, R"(
Beside NAME.train.bags there is NAME.train.words, the vocabulary. The truth file
has the topics, and the perplexity of the documents by the topics that made them.
Example:
  ebb generate documents news --topics 20 --vocabulary 5000)",
                    [](Documents*) {});
}

void AddImages(CLI::App* parent, int* exit_code) {
  using Images = Kind<generate::Images, generate::ImageOptions>;
  const auto kind = Images::Make(
      parent, "images", "Makes grey images of patterns, in IDX", 60'000);
  generate::ImageOptions* options = &kind->options;
  kind->Add("--classes", &options->classes, "Number of classes, at most 256");
  kind->Add("--size", &options->size, "Pixels on each side");
  kind->Add("--square", &options->square,
            "Pixels on each side of a square of the patterns");
  kind->Add("--noise", &options->noise,
            "Spread of the noise; pixels are from 0 to 255");
  Images::Finish(kind, exit_code, R"(
Example:
  ebb generate images digits --classes 10 --size 28 --gzip)",
                 [](Images*) {});
}

void AddAnalogies(CLI::App* parent, int* exit_code) {
  using Analogies = Kind<generate::Analogies, generate::AnalogyOptions>;
  const auto kind = Analogies::Make(
      parent, "analogies", "Makes text in which analogies are known", 20'000);
  generate::AnalogyOptions* options = &kind->options;
  kind->Add("--first", &options->first, "Values of the first property");
  kind->Add("--second", &options->second, "Values of the second property");
  kind->Add("--neighbours", &options->neighbours,
            "Words that go with each value");
  kind->Add("--length", &options->length, "Words of a line");
  kind->Add("--noise", &options->noise, "Share of words that say nothing");
  kind->Add("--fillers", &options->fillers, "How many of those there are");
  Analogies::Finish(kind, exit_code, R"(
Word p1q2 has the properties 1 and 2. NAME.test.questions.txt has a question on
each line, as p1q2 p1q5 p3q2 p3q5: the first is to the second as the third is to
the fourth.
Example:
  ebb generate analogies language --rows 20000)",
                    [](Analogies*) {});
}

}  // namespace

void AddGenerateCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "generate", "Makes data sets of any size, whose true model is known");
  command->require_subcommand(1);
  AddClicks(command, exit_code);
  AddRatings(command, exit_code);
  AddLinear(command, exit_code);
  AddClusters(command, exit_code);
  AddDocuments(command, exit_code);
  AddImages(command, exit_code);
  AddAnalogies(command, exit_code);
  command->footer(R"(
The same flags make the same bytes on every machine; a run with more rows begins
with the rows of a run with fewer. NAME.truth.json has the settings, and how
well the true model itself does. docs/generate.md has the formats and formulas.
Example:
  ebb generate clicks ads --rows 200000)");
}

}  // namespace ebb::tools
