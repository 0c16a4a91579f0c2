#include "workloads/forest/model/tree.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::workloads::forest {

namespace {

template <typename T>
void Append(T value, std::string* bytes) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes->append(raw, sizeof(T));
}

class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : rest_(bytes) {}

  // Zero, and not good, behind the end.
  template <typename T>
  T Take() {
    T value{};
    good_ = good_ && rest_.size() >= sizeof(T);
    if (!good_) return value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  bool good() const { return good_; }
  size_t left() const { return rest_.size(); }

 private:
  absl::string_view rest_;
  bool good_ = true;
};

absl::Status Damaged(const char* what) {
  return absl::DataLossError(absl::StrCat("the tree ", what));
}

}  // namespace

std::string EncodeTree(const Tree& tree) {
  std::string bytes;
  Append(static_cast<uint32_t>(tree.nodes.size()), &bytes);
  for (const Tree::Node& node : tree.nodes) {
    Append(node.feature, &bytes);
    if (!node.is_leaf()) {
      Append(node.threshold, &bytes);
      Append(node.gain, &bytes);
      continue;
    }
    Append(node.examples, &bytes);
    if (node.first == node.last) {
      Append(node.value, &bytes);
      continue;
    }
    Append(static_cast<uint32_t>(node.last - node.first), &bytes);
    for (int32_t i = node.first; i < node.last; ++i) {
      Append(tree.counts[i].label, &bytes);
      Append(tree.counts[i].count, &bytes);
    }
  }
  return bytes;
}

absl::StatusOr<Tree> DecodeTree(absl::string_view bytes, int64_t features,
                                int64_t classes) {
  constexpr size_t kLeastNode = 12;
  Cursor in(bytes);
  const auto size = in.Take<uint32_t>();
  if (size == 0 || size % 2 == 0 || size > bytes.size() / kLeastNode) {
    return Damaged("has no number of nodes");
  }
  Tree tree;
  tree.nodes.reserve(size);
  // Splits whose right child has not begun.
  std::vector<int32_t> open;
  for (uint32_t i = 0; i < size; ++i) {
    Tree::Node& node = tree.nodes.emplace_back();
    const auto number = static_cast<int32_t>(i);
    node.feature = in.Take<int32_t>();
    if (!node.is_leaf()) {
      if (node.feature < 0 || node.feature >= features) {
        return Damaged("splits by a feature that is not there");
      }
      node.threshold = in.Take<float>();
      node.gain = in.Take<float>();
      open.push_back(number);
      continue;
    }
    node.examples = in.Take<uint32_t>();
    if (node.examples == 0) return Damaged("has a leaf without examples");
    node.first = node.last = static_cast<int32_t>(tree.counts.size());
    if (classes == 0) {
      node.value = in.Take<float>();
    } else {
      const auto counts = in.Take<uint32_t>();
      if (counts == 0 || counts > classes) {
        return Damaged("has a leaf of more classes than there are, or of none");
      }
      for (uint32_t c = 0; c < counts && in.good(); ++c) {
        const auto label = in.Take<int32_t>();
        if (label < 0 || label >= classes) {
          return Damaged("has a class that is not there");
        }
        tree.counts.push_back({label, in.Take<uint32_t>()});
      }
      node.last = static_cast<int32_t>(tree.counts.size());
    }
    const bool last = i + 1 == size;
    if (last != open.empty()) return Damaged("has too few nodes, or too many");
    if (last) break;
    tree.nodes[open.back()].right = number + 1;
    open.pop_back();
  }
  if (!in.good() || in.left() != 0) return Damaged("is cut off, or too long");
  return tree;
}

}  // namespace ebb::workloads::forest
