// How plugins are found and refused. One that works is tested where it is, in
// examples/plugins.
#include "models/plugin.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "common/plugin_file.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/reference_backend.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const char kPlugins[] = EBB_TEST_PLUGINS;  // Set by the build.

std::string BrokenPlugin(const std::string& how) {
  return std::string(kPlugins) + "/libbroken_" + how + ".so";
}

class PluginTest : public ::testing::Test {
 protected:
  absl::Status Load(const std::string& path,
                    const std::vector<std::string>& folders) {
    return LoadPlugin(path, folders, &registry_).status();
  }
  // A plugin that works well enough to be loaded.
  static std::string Loadable() { return BrokenPlugin("nothing"); }

  const TestFolder test_folder_;
  const fs::path folder_ = test_folder_.path();
  Registry registry_;
  std::unique_ptr<ComputeBackend> backend_ = MakeReferenceBackend();
};

TEST_F(PluginTest, LoadsFromAllowedFoldersAndBelow) {
  EXPECT_TRUE(Load(Loadable(), {folder_, kPlugins}).ok());
  Registry other;
  const std::string above = fs::path(kPlugins).parent_path();
  auto kind = LoadPlugin(Loadable(), {above}, &other);
  ASSERT_TRUE(kind.ok()) << kind.status();
  EXPECT_EQ(*kind, "broken");
}

TEST_F(PluginTest, RelativePathsAreLookedForInTheFolders) {
  EXPECT_TRUE(Load("libbroken_nothing.so", {folder_, kPlugins}).ok());
  const absl::Status status = Load("./libmissing.so", {folder_, kPlugins});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "plugin ./libmissing.so: there is no such file (allowed folders: " +
                folder_.string() + ", " + kPlugins + ")");
}

TEST_F(PluginTest, RefusesWhatLiesElsewhere) {
  const absl::Status status = Load(Loadable(), {folder_});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(),
              HasSubstr("not in an allowed folder (" + folder_.string() + ")"));
  EXPECT_EQ(Load(Loadable(), {}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Load("/no/such/plugin.so", {}).code(),
            absl::StatusCode::kPermissionDenied)
      << "does not tell what files there are";
  EXPECT_EQ(Load(Loadable(), {"/no/such/folder", ""}).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(PluginTest, LinksDoNotLeadOutOfTheFolders) {
  fs::create_symlink(Loadable(), folder_ / "link.so");
  EXPECT_EQ(Load(folder_ / "link.so", {folder_}).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Load("link.so", {folder_}).code(),
            absl::StatusCode::kPermissionDenied);
  fs::create_directory_symlink(kPlugins, folder_ / "inner");
  EXPECT_EQ(Load("inner/libbroken_nothing.so", {folder_}).code(),
            absl::StatusCode::kPermissionDenied);
  const fs::path dots = folder_ / fs::relative(Loadable(), folder_);
  EXPECT_EQ(Load(dots, {folder_}).code(), absl::StatusCode::kPermissionDenied);
  // The other way round: a link to an allowed folder is that folder.
  EXPECT_TRUE(Load("libbroken_nothing.so", {folder_ / "inner"}).ok());
}

// Bug: whoever could write there, anybody in all, ran code as this user.
TEST_F(PluginTest, RefusesWhatOthersMayWrite) {
  const fs::path inner = folder_ / "inner", plugin = inner / "a.so";
  fs::create_directory(inner);
  fs::copy_file(Loadable(), plugin);
  for (const fs::path& open : {plugin, inner, folder_}) {
    const fs::perms before = fs::status(open).permissions();
    fs::permissions(open, before | fs::perms::others_write);
    const absl::Status status = Load("inner/a.so", {folder_});
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(),
                HasSubstr("anybody may write to " + open.string() + ", and"));
    EXPECT_EQ(CheckPluginFolder(folder_).ok(), open != folder_);
    fs::permissions(open, before);
  }
  // /tmp is such a folder: each has what is his.
  fs::permissions(folder_, fs::perms::all | fs::perms::sticky_bit);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(plugin.c_str(), 12345, 12345), 0);
    EXPECT_THAT(Load("inner/a.so", {folder_}).message(),
                HasSubstr(plugin.string() + " belongs to user 12345"));
    ASSERT_EQ(chown(plugin.c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(Load("inner/a.so", {folder_}).ok());
}

TEST_F(PluginTest, AFolderWhoseNameBeginsAlikeIsAnotherFolder) {
  fs::create_directory(folder_ / "plugins");
  fs::create_directory(folder_ / "plugins2");
  fs::copy_file(Loadable(), folder_ / "plugins2" / "a.so");
  EXPECT_EQ(Load(folder_ / "plugins2" / "a.so", {folder_ / "plugins"}).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(PluginTest, RefusesWhatIsNoPlugin) {
  const auto message = [&](const std::string& path) {
    const absl::Status status = Load(path, {kPlugins, folder_});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    return std::string(status.message());
  };
  std::ofstream(folder_ / "text.so") << "not an object";
  EXPECT_THAT(message(folder_ / "text.so"), HasSubstr("text.so"));
  fs::create_directory(folder_ / "folder.so");
  EXPECT_THAT(message(folder_ / "folder.so"), HasSubstr("folder.so"));
  EXPECT_THAT(message(BrokenPlugin("symbol")),
              HasSubstr("exports no function ebb_model_plugin"));
  EXPECT_THAT(message(BrokenPlugin("version")),
              HasSubstr("is made for version 0 of the interface, not 1"));
  EXPECT_THAT(message(BrokenPlugin("newer")),
              HasSubstr("is made for another version of the interface"));
  EXPECT_THAT(message(BrokenPlugin("member")), HasSubstr("is null"));
  EXPECT_THAT(message(BrokenPlugin("kind")),
              HasSubstr("model kind \"No Name\""));
  EXPECT_THAT(message(BrokenPlugin("row_version")),
              HasSubstr("another version of the interface for rows, not 1"));
  EXPECT_THAT(message(BrokenPlugin("row_member")),
              HasSubstr("EbbRowPlugin is null"));
}

TEST_F(PluginTest, ANameIsTakenOnce) {
  EXPECT_TRUE(Load(Loadable(), {kPlugins}).ok());
  EXPECT_EQ(Load(Loadable(), {kPlugins}).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(PluginTest, ErrorsOfThePluginReachTheUser) {
  ASSERT_TRUE(Load(Loadable(), {kPlugins}).ok());
  ModelConfig config;
  config.kind = "broken";
  config.features = 2;
  config.options["depth"] = "3";
  auto model = registry_.Create(config, backend_.get());
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(model.status().message(),
            "model.options.depth: there is no such option");

  config.options.clear();
  model = registry_.Create(config, backend_.get());
  ASSERT_TRUE(model.ok()) << model.status();
  const testing::SmallBatch examples({1, 2}, {0});
  std::vector<float> params(2), grad(2), outputs;
  BatchStats stats;
  const absl::Status status =
      (*model)->Gradient(params, examples.Dense(), std::span(grad), &stats);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "model broken: " + std::string(512, 'x'));
  EXPECT_EQ((*model)->Predict(params, examples.Dense(), &outputs).message(),
            "model broken: failed without a word");
}

TEST_F(PluginTest, NumbersThatTheInterfaceLacksAreOptions) {
  ASSERT_TRUE(Load(Loadable(), {kPlugins}).ok());
  ModelConfig config;
  config.kind = "broken";
  config.features = 2;
  config.rank = 8;
  EXPECT_EQ(registry_.Create(config, backend_.get()).status().message(),
            "model.rank: a model of your own has it as an option\n"
            "hint: options: {rank: 8}");
}

// Bug: it learned the numbers of the classes.
TEST_F(PluginTest, ClassesAreNoValuesToPredict) {
  ASSERT_TRUE(Load(Loadable(), {kPlugins}).ok());
  ModelConfig config;
  config.kind = "broken";
  config.features = 2;
  config.classes = 3;
  EXPECT_EQ(registry_.Create(config, backend_.get()).status().message(),
            "model.labels: broken predicts values, but labels that are all "
            "whole numbers are taken for classes, 3 of them here\n"
            "hint: labels: values");
}

TEST_F(PluginTest, RefusesModelsThatCannotBe) {
  ASSERT_TRUE(Load(BrokenPlugin("shape"), {kPlugins}).ok());
  ModelConfig config;
  config.kind = "broken";
  config.features = 2;
  EXPECT_EQ(registry_.Create(config, backend_.get()).status().message(),
            "model.kind: the plugin's model broken is not possible: dimension "
            "0 of table bias is 0");
  registry_ = Registry();
  ASSERT_TRUE(Load(BrokenPlugin("silent"), {kPlugins}).ok());
  EXPECT_EQ(registry_.Create(config, backend_.get()).status().message(),
            "model.kind: broken: failed without a word");
  registry_ = Registry();
  ASSERT_TRUE(Load(BrokenPlugin("row_width"), {kPlugins}).ok());
  EXPECT_EQ(registry_.Create(config, backend_.get()).status().message(),
            "model.kind: the plugin's model broken is not possible: table "
            "counts has rows of width 5000, 1 to 4096 possible");
}

}  // namespace
}  // namespace ebb::models
