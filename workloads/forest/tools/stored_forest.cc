#include "workloads/forest/tools/stored_forest.h"

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/ebb/model/task_results.h"
#include "workloads/forest/model/tree.h"

namespace ebb::tools {

namespace {

using workloads::forest::Forest;
using workloads::forest::Tree;

std::shared_ptr<Forest> EmptyForest(const data::Index& index) {
  return std::make_shared<Forest>(index.features,
                                  static_cast<int64_t>(index.classes.size()));
}

int64_t NodeCount(const Forest& forest) {
  int64_t sum = 0;
  for (const Tree& tree : forest.trees()) {
    sum += static_cast<int64_t>(tree.nodes.size());
  }
  return sum;
}

template <typename T>
void WriteOne(T value, std::ostream& out) {
  out.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A tensor with an element for each node, which `of` gives of the tree and the
// number of the node in it.
template <typename T, typename Of>
TensorStream PerNode(std::string name, TensorType type, const ForestPtr& forest,
                     Of of) {
  return {std::move(name),
          type,
          {NodeCount(*forest)},
          [forest, of](std::ostream& out) {
            for (const Tree& tree : forest->trees()) {
              for (size_t i = 0; i < tree.nodes.size(); ++i) {
                WriteOne<T>(of(tree, static_cast<int32_t>(i)), out);
              }
            }
            return absl::OkStatus();
          }};
}

// How often training examples came to each node of a tree.
std::vector<int64_t> ExamplesOf(const Tree& tree) {
  std::vector<int64_t> examples(tree.nodes.size());
  // Children stand behind their parents.
  for (size_t i = tree.nodes.size(); i-- > 0;) {
    const Tree::Node& node = tree.nodes[i];
    examples[i] =
        node.is_leaf() ? node.examples : examples[i + 1] + examples[node.right];
  }
  return examples;
}

// Returns what the labels of these examples are, (nodes, outputs): for classes
// how many of each, for values their mean.
std::vector<double> ValuesOf(const Tree& tree, const Forest& forest) {
  const auto nodes = static_cast<int32_t>(tree.nodes.size());
  const auto outputs = static_cast<size_t>(forest.outputs());
  const std::vector<int64_t> examples = ExamplesOf(tree);
  std::vector<double> values(nodes * outputs);
  for (int32_t i = nodes; i-- > 0;) {
    const Tree::Node& node = tree.nodes[i];
    double* const own = values.data() + i * outputs;
    if (node.is_leaf()) {
      own[0] = forest.classes() > 0 ? 0 : node.value;
      for (int32_t c = node.first; c < node.last; ++c) {
        own[tree.counts[c].label] = tree.counts[c].count;
      }
      continue;
    }
    const int32_t children[] = {i + 1, node.right};
    for (const int32_t child : children) {
      const double weight =
          forest.classes() > 0 ? 1 : static_cast<double>(examples[child]);
      for (size_t o = 0; o < outputs; ++o) {
        own[o] += weight * values[child * outputs + o];
      }
    }
    if (forest.classes() == 0) own[0] /= static_cast<double>(examples[i]);
  }
  return values;
}

}  // namespace

absl::StatusOr<ForestPtr> ForestOf(const RowRuns& rows,
                                   const data::Index& index) {
  const std::shared_ptr<Forest> forest = EmptyForest(index);
  EBB_RETURN_IF_ERROR(
      ForEachTask(rows, [&](int64_t task, absl::string_view bytes) {
        return forest->Add(task, bytes);
      }));
  return forest;
}

const ForestPtr& ForestIn(const StoredModel& stored) {
  return static_cast<const workloads::AssembledForest&>(*stored.assembled)
      .trees;
}

std::vector<TensorStream> ForestTensors(const ForestPtr& forest) {
  std::vector<TensorStream> tensors;
  const auto trees = static_cast<int64_t>(forest->trees().size());
  tensors.push_back({"tree_starts",
                     TensorType::kInt64,
                     {trees + 1},
                     [forest](std::ostream& out) {
                       int64_t start = 0;
                       WriteOne(start, out);
                       for (const Tree& tree : forest->trees()) {
                         start += static_cast<int64_t>(tree.nodes.size());
                         WriteOne(start, out);
                       }
                       return absl::OkStatus();
                     }});
  tensors.push_back({"tree_numbers",
                     TensorType::kInt64,
                     {trees},
                     [forest](std::ostream& out) {
                       for (const int64_t number : forest->numbers()) {
                         WriteOne(number, out);
                       }
                       return absl::OkStatus();
                     }});
  tensors.push_back(PerNode<int64_t>(
      "feature", TensorType::kInt64, forest,
      [](const Tree& tree, int32_t i) { return tree.nodes[i].feature; }));
  tensors.push_back(PerNode<int64_t>(
      "left", TensorType::kInt64, forest, [](const Tree& tree, int32_t i) {
        return tree.nodes[i].is_leaf() ? Tree::kLeaf : i + 1;
      }));
  tensors.push_back(PerNode<int64_t>(
      "right", TensorType::kInt64, forest, [](const Tree& tree, int32_t i) {
        return tree.nodes[i].is_leaf() ? Tree::kLeaf : tree.nodes[i].right;
      }));
  tensors.push_back({"examples",
                     TensorType::kInt64,
                     {NodeCount(*forest)},
                     [forest](std::ostream& out) {
                       for (const Tree& tree : forest->trees()) {
                         for (const int64_t one : ExamplesOf(tree)) {
                           WriteOne(one, out);
                         }
                       }
                       return absl::OkStatus();
                     }});
  tensors.push_back(PerNode<float>(
      "threshold", TensorType::kFloat32, forest,
      [](const Tree& tree, int32_t i) { return tree.nodes[i].threshold; }));
  tensors.push_back(PerNode<float>(
      "gain", TensorType::kFloat32, forest,
      [](const Tree& tree, int32_t i) { return tree.nodes[i].gain; }));
  tensors.push_back({"value",
                     TensorType::kFloat32,
                     {NodeCount(*forest), forest->outputs()},
                     [forest](std::ostream& out) {
                       for (const Tree& tree : forest->trees()) {
                         for (const double one : ValuesOf(tree, *forest)) {
                           WriteOne(static_cast<float>(one), out);
                         }
                       }
                       return absl::OkStatus();
                     }});
  return tensors;
}

Json ForestJson(const Forest& forest) {
  Json json = Json::Object();
  json["trees"] = static_cast<int64_t>(forest.trees().size());
  json["nodes"] = NodeCount(forest);
  json["value"] = forest.classes() > 0 ? "training examples of each class"
                                       : "mean of the labels";
  return json;
}

}  // namespace ebb::tools
