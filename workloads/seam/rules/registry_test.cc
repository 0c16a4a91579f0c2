#include "workloads/seam/rules/registry.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace ebb::workloads {
namespace {

using Names = Registry<std::unique_ptr<const std::string>>;

void AddTwo(Names* names) {
  names->Add("gradients", std::make_unique<std::string>("of gradients"));
  names->Add("kmeans", std::make_unique<std::string>("of kmeans"));
}

v1::Model ModelOf(const std::string& kind) {
  v1::Model model;
  model.set_kind(kind);
  return model;
}

TEST(RegistryTest, AWorkloadHasItsOwnSide) {
  const Names names(AddTwo);
  EXPECT_EQ(*names.Find("kmeans"), "of kmeans");
  EXPECT_EQ(*names.Of(ModelOf("kmeans")), "of kmeans");
}

TEST(RegistryTest, AWorkloadWithoutASideHasThatOfTheGradients) {
  const Names names(AddTwo);
  EXPECT_EQ(*names.Find("topics"), "of gradients");
  EXPECT_EQ(*names.Of(ModelOf("softmax")), "of gradients");
  EXPECT_EQ(*names.Of(ModelOf("lda")), "of gradients");
}

}  // namespace
}  // namespace ebb::workloads
