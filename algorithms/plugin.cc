#include "algorithms/plugin.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plugin_file.h"
#include "common/status_macros.h"
#include "ebb/algorithm_plugin_api.h"

namespace ebb {

namespace {

constexpr int32_t kMostVectors = 64;

// A plugin's algorithm, and the shared object that it lies in.
class Instance {
 public:
  Instance(std::shared_ptr<const PluginFile> file,
           const EbbAlgorithmPlugin* plugin, EbbAlgorithm* algorithm)
      : file_(std::move(file)), plugin_(*plugin), algorithm_(algorithm) {}
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance() { plugin_.destroy(algorithm_); }

  const PluginFile& file() const { return *file_; }
  const EbbAlgorithmPlugin& plugin() const { return plugin_; }
  const EbbAlgorithm* algorithm() const { return algorithm_; }

 private:
  const std::shared_ptr<const PluginFile> file_;
  const EbbAlgorithmPlugin& plugin_;
  EbbAlgorithm* const algorithm_;
};

class PluginRule final : public LocalRule {
 public:
  PluginRule(std::shared_ptr<const Instance> instance, EbbLocalRule* rule,
             size_t parameters)
      : instance_(std::move(instance)),
        plugin_(instance_->plugin()),
        rule_(rule),
        parameters_(parameters) {}
  ~PluginRule() override { plugin_.destroy_rule(rule_); }

  void Begin(std::span<const float> pulled) override {
    plugin_.begin(rule_, pulled.data());
  }
  void Pulled(std::span<const float> pulled) override {
    plugin_.pulled(rule_, pulled.data());
  }
  std::span<const float> Values() const override {
    return {plugin_.values(rule_), parameters_};
  }
  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    const EbbLocalStep given = {step.rate, step.gradient_scale};
    plugin_.step(rule_, &given, gradient_sum.data());
  }
  void Push(const LocalPush& push, std::span<float> out) override {
    const EbbLocalPush given = {push.examples, push.whole ? 1 : 0};
    plugin_.push(rule_, &given, out.data());
  }
  void Forget(size_t first, size_t last) override {
    if (plugin_.forget == nullptr) return;
    plugin_.forget(rule_, static_cast<int64_t>(first),
                   static_cast<int64_t>(last));
  }

 private:
  const std::shared_ptr<const Instance> instance_;
  const EbbAlgorithmPlugin& plugin_;
  EbbLocalRule* const rule_;
  const size_t parameters_;
};

class PluginAlgorithm final : public Algorithm {
 public:
  PluginAlgorithm(std::shared_ptr<const Instance> instance, AlgorithmPlan plan,
                  bool adds)
      : instance_(std::move(instance)), plan_(plan), adds_(adds) {}

  AlgorithmPlan Plan() const override { return plan_; }
  PushKind Pushes() const override {
    return adds_ ? PushKind::kChanges : PushKind::kGradients;
  }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    EbbLocalRule* rule =
        instance_->plugin().make_rule(instance_->algorithm(), parameters);
    if (rule == nullptr) return nullptr;
    return std::make_unique<PluginRule>(instance_, rule,
                                        static_cast<size_t>(parameters));
  }

 private:
  const std::shared_ptr<const Instance> instance_;
  const AlgorithmPlan plan_;
  const bool adds_;
};

absl::StatusOr<const EbbAlgorithmPlugin*> PluginOf(const PluginFile& file) {
  const auto entry = reinterpret_cast<decltype(&ebb_algorithm_plugin)>(
      file.Find("ebb_algorithm_plugin"));
  if (entry == nullptr) {
    return file.Refuse(
        "exports no function ebb_algorithm_plugin; "
        "include/ebb/algorithm_plugin_api.h says how");
  }
  const EbbAlgorithmPlugin* plugin = entry(EBB_ALGORITHM_PLUGIN_API_VERSION);
  if (plugin == nullptr ||
      plugin->api_version != EBB_ALGORITHM_PLUGIN_API_VERSION) {
    return file.Refuse(absl::StrCat(
        "is made for ",
        plugin == nullptr ? "another version"
                          : absl::StrCat("version ", plugin->api_version),
        " of the interface, not ", EBB_ALGORITHM_PLUGIN_API_VERSION,
        "; compile it with this ebb's include/ebb/algorithm_plugin_api.h"));
  }
  if (plugin->name == nullptr || plugin->create == nullptr ||
      plugin->destroy == nullptr || plugin->plan == nullptr ||
      plugin->make_rule == nullptr || plugin->destroy_rule == nullptr ||
      plugin->begin == nullptr || plugin->pulled == nullptr ||
      plugin->values == nullptr || plugin->step == nullptr ||
      plugin->push == nullptr) {
    return file.Refuse("a member of its EbbAlgorithmPlugin is null");
  }
  return plugin;
}

absl::StatusOr<AlgorithmPlan> PlanOf(const Instance& instance) {
  const EbbAlgorithmPlan* plan = instance.plugin().plan(instance.algorithm());
  if (plan == nullptr) return instance.file().Refuse("it has no plan");
  if (plan->push_batches < 0 || plan->pull_batches < 0) {
    return instance.file().Refuse(absl::StrCat(
        "its plan pushes every ", plan->push_batches,
        " batches and pulls every ", plan->pull_batches, "; at least 0 each"));
  }
  if (plan->vectors < 1 || plan->vectors > kMostVectors) {
    return instance.file().Refuse(absl::StrCat(
        "its plan has ", plan->vectors, " vectors, not 1 to ", kMostVectors));
  }
  if (plan->keeps_effect != 0 && instance.plugin().forget == nullptr) {
    return instance.file().Refuse(
        "something stays in its rules, but forget is null");
  }
  return AlgorithmPlan{.push_batches = plan->push_batches,
                       .pull_batches = plan->pull_batches,
                       .pulls_to_push = plan->pulls_to_push != 0,
                       .worker_vectors = plan->vectors,
                       .keeps_effect = plan->keeps_effect != 0};
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Algorithm>> LoadAlgorithm(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    const std::map<std::string, std::string>& options, int64_t workers) {
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const PluginFile> file,
                       PluginFile::Open(path, allowed_folders));
  EBB_ASSIGN_OR_RETURN(const EbbAlgorithmPlugin* plugin, PluginOf(*file));
  std::vector<EbbAlgorithmOption> given;
  for (const auto& [name, value] : options) {
    given.push_back({name.c_str(), value.c_str()});
  }
  const EbbAlgorithmConfig config = {
      given.data(), static_cast<int64_t>(given.size()), workers};
  EbbAlgorithm* algorithm = nullptr;
  EbbAlgorithmError error = {};
  if (plugin->create(&config, &algorithm, &error) != 0) {
    const std::string text(error.text, strnlen(error.text, sizeof(error.text)));
    return text.empty() ? file->Refuse("failed without a word")
                        : absl::InvalidArgumentError(text);
  }
  if (algorithm == nullptr) return file->Refuse("made nothing");
  const auto instance =
      std::make_shared<const Instance>(std::move(file), plugin, algorithm);
  EBB_ASSIGN_OR_RETURN(const AlgorithmPlan plan, PlanOf(*instance));
  return std::make_unique<PluginAlgorithm>(instance, plan,
                                           plugin->plan(algorithm)->adds != 0);
}

}  // namespace ebb
