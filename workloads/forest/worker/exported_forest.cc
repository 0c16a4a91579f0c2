#include "workloads/forest/worker/exported_forest.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "workloads/forest/model/tree.h"

namespace ebb::workloads {

namespace {

using forest::Forest;
using forest::Tree;

std::shared_ptr<Forest> EmptyForest(const data::Index& index) {
  return std::make_shared<Forest>(index.features,
                                  static_cast<int64_t>(index.classes.size()));
}

template <typename T>
absl::StatusOr<std::vector<T>> ReadTensor(const TensorFileView& file,
                                          absl::string_view name,
                                          TensorType type) {
  const auto it = std::ranges::find(file.tensors, name, &TensorView::name);
  if (it == file.tensors.end() || it->type != type ||
      it->data.size() % sizeof(T) != 0) {
    return absl::DataLossError(absl::StrCat("it has no fit tensor ", name));
  }
  std::vector<T> values(it->data.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), it->data.data(), it->data.size());
  }
  return values;
}

// The tensors of an exported forest.
struct NodeTensors {
  std::vector<int64_t> starts;
  std::vector<int64_t> numbers;
  std::vector<int64_t> feature;
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<int64_t> examples;
  std::vector<float> threshold;
  std::vector<float> gain;
  std::vector<float> value;

  bool Fit(int64_t outputs) const {
    const size_t nodes = feature.size();
    return starts.size() == numbers.size() + 1 && starts.front() == 0 &&
           starts.back() == static_cast<int64_t>(nodes) &&
           std::ranges::is_sorted(starts) && left.size() == nodes &&
           right.size() == nodes && examples.size() == nodes &&
           threshold.size() == nodes && gain.size() == nodes &&
           value.size() == nodes * static_cast<size_t>(outputs);
  }
};

Tree TreeAt(const NodeTensors& all, int64_t first, int64_t last,
            const Forest& forest) {
  Tree tree;
  const auto outputs = static_cast<size_t>(forest.outputs());
  for (int64_t i = first; i < last; ++i) {
    Tree::Node& node = tree.nodes.emplace_back();
    node.feature = static_cast<int32_t>(all.feature[i]);
    node.threshold = all.threshold[i];
    node.gain = all.gain[i];
    if (!node.is_leaf()) continue;
    node.examples = static_cast<uint32_t>(all.examples[i]);
    node.first = node.last = static_cast<int32_t>(tree.counts.size());
    const float* const values = all.value.data() + i * outputs;
    if (forest.classes() == 0) {
      node.value = values[0];
      continue;
    }
    for (size_t c = 0; c < outputs; ++c) {
      if (values[c] == 0) continue;
      tree.counts.push_back(
          {static_cast<int32_t>(c), static_cast<uint32_t>(values[c])});
    }
    node.last = static_cast<int32_t>(tree.counts.size());
  }
  return tree;
}

// A tree's bytes do not name the children: their places follow from the order
// of the nodes. So those of the file must be these.
absl::Status CheckChildren(const NodeTensors& all, int64_t first,
                           int64_t number, const Tree& tree) {
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const Tree::Node& node = tree.nodes[i];
    const int64_t left =
        node.is_leaf() ? int64_t{Tree::kLeaf} : static_cast<int64_t>(i) + 1;
    const int64_t right = node.is_leaf() ? Tree::kLeaf : node.right;
    const auto at = static_cast<size_t>(first) + i;
    if (all.left[at] == left && all.right[at] == right) continue;
    return absl::DataLossError(absl::StrCat(
        "tree ", number, ": node ", i, " has the children ", all.left[at],
        " and ", all.right[at], " instead of ", left, " and ", right));
  }
  return absl::OkStatus();
}

// NaN is none, either.
bool IsCount(float value) { return value >= 0 && value < 0x1p32F; }

}  // namespace

absl::StatusOr<ForestPtr> ReadForest(const TensorFileView& file,
                                     const data::Index& index) {
  NodeTensors all;
  const auto integers = [&](absl::string_view name) {
    return ReadTensor<int64_t>(file, name, TensorType::kInt64);
  };
  const auto floats = [&](absl::string_view name) {
    return ReadTensor<float>(file, name, TensorType::kFloat32);
  };
  EBB_ASSIGN_OR_RETURN(all.starts, integers("tree_starts"));
  EBB_ASSIGN_OR_RETURN(all.numbers, integers("tree_numbers"));
  EBB_ASSIGN_OR_RETURN(all.feature, integers("feature"));
  EBB_ASSIGN_OR_RETURN(all.left, integers("left"));
  EBB_ASSIGN_OR_RETURN(all.right, integers("right"));
  EBB_ASSIGN_OR_RETURN(all.examples, integers("examples"));
  EBB_ASSIGN_OR_RETURN(all.threshold, floats("threshold"));
  EBB_ASSIGN_OR_RETURN(all.gain, floats("gain"));
  EBB_ASSIGN_OR_RETURN(all.value, floats("value"));
  const std::shared_ptr<Forest> forest = EmptyForest(index);
  constexpr int64_t kMostNodes = std::numeric_limits<int32_t>::max();
  if (!all.Fit(forest->outputs())) {
    return absl::DataLossError("the tensors of its trees do not fit together");
  }
  if (forest->classes() > 0 && !std::ranges::all_of(all.value, IsCount)) {
    return absl::DataLossError("a leaf has a count of examples that is none");
  }
  for (size_t t = 0; t < all.numbers.size(); ++t) {
    const int64_t nodes = all.starts[t + 1] - all.starts[t];
    if (nodes < 1 || nodes > kMostNodes) {
      return absl::DataLossError(
          absl::StrCat("tree ", all.numbers[t], " has ", nodes, " nodes"));
    }
    const Tree tree = TreeAt(all, all.starts[t], all.starts[t + 1], *forest);
    // Its bytes are checked.
    EBB_RETURN_IF_ERROR(forest->Add(all.numbers[t], forest::EncodeTree(tree)));
    EBB_RETURN_IF_ERROR(CheckChildren(all, all.starts[t], all.numbers[t],
                                      forest->trees().back()));
  }
  return forest;
}

}  // namespace ebb::workloads
