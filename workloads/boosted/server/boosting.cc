#include "workloads/boosted/server/boosting.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb {

// The forms of `Struct`, const or not, in one.
template <typename Struct, typename Of>
concept BoostingForm = std::is_same_v<std::remove_const_t<Struct>, Of>;

template <BoostingForm<BoostingSums> Struct, typename Visitor>
void VisitFields(Struct& sums, Visitor&& visit) {
  visit(sums.gradient, sums.curvature, sums.examples);
}

template <BoostingForm<BoostingSplit> Struct, typename Visitor>
void VisitFields(Struct& split, Visitor&& visit) {
  auto& [gain, feature, bin, missing_right, left, right] = split;
  visit(gain, feature, bin, missing_right, left, right);
}

BoostingNode::State MaxEnum(BoostingNode::State /*state*/) {
  return BoostingNode::State::kSplit;
}

template <BoostingForm<BoostingNode> Struct, typename Visitor>
void VisitFields(Struct& node, Visitor&& visit) {
  auto& [state, depth, sums, split, left] = node;
  visit(state, depth, sums, split, left);
}

template <BoostingForm<BoostingValidation> Struct, typename Visitor>
void VisitFields(Struct& validation, Visitor&& visit) {
  auto& [loss, best_trees, best_loss] = validation;
  visit(loss, best_trees, best_loss);
}

template <BoostingForm<BoostingOperation> Struct, typename Visitor>
void VisitFields(Struct& operation, Visitor&& visit) {
  auto& [round, loss, tree, nodes, complete, open, ends, validation, cuts] =
      operation;
  visit(round, loss, tree, nodes, complete, open, ends, validation, cuts);
}

namespace {

constexpr absl::string_view kBoostingMagic = "EBBG";
constexpr uint32_t kBoostingVersion = 2;

// A smaller gain is rounding.
constexpr double kLeastGain = 1e-6;

using Columns = BoostedNodeColumns;

BoostingSums CellOf(std::span<const float> histogram, int64_t bin) {
  const float* const cell = histogram.data() + bin * BoostedSums::kCount;
  return {cell[BoostedSums::kGradient], cell[BoostedSums::kCurvature],
          cell[BoostedSums::kExamples]};
}

void Write(const BoostingSplit& split, std::span<double> figures) {
  const std::array<double, BoostingFigures::kOfASplit> all = {
      split.gain,
      static_cast<double>(split.feature),
      static_cast<double>(split.bin),
      split.missing_right ? 1.0 : 0.0,
      split.left.gradient,
      split.left.curvature,
      split.left.examples,
      split.right.gradient,
      split.right.curvature,
      split.right.examples};
  std::ranges::copy(all, figures.begin());
}

BoostingSplit Read(std::span<const double> figures) {
  return {.gain = figures[0],
          .feature = static_cast<int64_t>(figures[1]),
          .bin = static_cast<int64_t>(figures[2]),
          .missing_right = figures[3] != 0,
          .left = {figures[4], figures[5], figures[6]},
          .right = {figures[7], figures[8], figures[9]}};
}

// The histograms that a run cuts, by their number among all.
struct CutHistograms {
  CutHistograms(const BoostedShape& shape, int64_t first, int64_t last) {
    const int64_t floats = shape.HistogramFloats();
    const int64_t begin = std::max(first, shape.HistogramsAt());
    if (begin >= last) return;
    const int64_t from = begin - shape.HistogramsAt();
    const int64_t to = last - shape.HistogramsAt();
    whole_begin = (from + floats - 1) / floats;
    whole_end = to / floats;
    if (from % floats != 0) head = from / floats;
    if (to % floats != 0 && to / floats != head) tail = to / floats;
  }

  std::optional<int64_t> head;
  std::optional<int64_t> tail;
  // The histograms that it has whole.
  int64_t whole_begin = 0;
  int64_t whole_end = 0;
};

class TreeGrower {
 public:
  TreeGrower(const BoostingOptions& options, BoostingOperation* operation)
      : options_(options), next_(*operation) {}

  void Take(const std::vector<int64_t>& open,
            const std::vector<BoostingSplit>& splits) {
    const int64_t nodes = options_.shape.Nodes();
    for (size_t slot = 0; slot < open.size(); ++slot) {
      BoostingNode& node = next_.nodes[open[slot] / nodes][open[slot] % nodes];
      const BoostingSplit& split = splits[slot];
      if (node.sums.examples == 0) {
        node.sums = split.left;
        node.sums += split.right;
      }
      node.state = split.gain > 0 ? BoostingNode::State::kCandidate
                                  : BoostingNode::State::kLeaf;
      if (split.gain > 0) node.split = split;
    }
  }

  // Splits the candidates of each tree that has no open node.
  void Grow() {
    for (std::vector<BoostingNode>& tree : next_.nodes) {
      if (options_.shape.leaves == 0) {
        SplitAll(&tree);
      } else {
        SplitBest(&tree);
      }
    }
  }

  // The nodes that the next round looks at, those nearest to a root first.
  std::vector<int64_t> Open() const {
    std::vector<std::pair<int64_t, int64_t>> by_depth;
    for (size_t t = 0; t < next_.nodes.size(); ++t) {
      for (size_t n = 0; n < next_.nodes[t].size(); ++n) {
        const BoostingNode& node = next_.nodes[t][n];
        if (node.state != BoostingNode::State::kOpen) continue;
        by_depth.emplace_back(node.depth,
                              static_cast<int64_t>(t) * options_.shape.Nodes() +
                                  static_cast<int64_t>(n));
      }
    }
    std::ranges::sort(by_depth);
    std::vector<int64_t> open;
    for (const auto& [depth, node] : by_depth) {
      if (std::ssize(open) == options_.shape.Slots()) break;
      open.push_back(node);
    }
    return open;
  }

  // No more rounds look at them.
  void CloseAll() {
    for (std::vector<BoostingNode>& tree : next_.nodes) {
      for (BoostingNode& node : tree) {
        if (node.state != BoostingNode::State::kSplit) {
          node.state = BoostingNode::State::kLeaf;
        }
      }
    }
  }

  bool HasSplit() const {
    return std::ranges::any_of(
        next_.nodes, [](const auto& tree) { return tree.size() > 1; });
  }

 private:
  void SplitAll(std::vector<BoostingNode>* tree) {
    const size_t known = tree->size();
    for (size_t n = 0; n < known; ++n) {
      if ((*tree)[n].state == BoostingNode::State::kCandidate) Split(n, tree);
    }
  }

  void SplitBest(std::vector<BoostingNode>* tree) {
    while (std::ranges::none_of(*tree, [](const BoostingNode& node) {
      return node.state == BoostingNode::State::kOpen;
    })) {
      // Each split is two nodes, and makes one more leaf.
      const bool full = std::ssize(*tree) >= options_.shape.Nodes();
      std::optional<size_t> best;
      for (size_t n = 0; n < tree->size(); ++n) {
        BoostingNode& node = (*tree)[n];
        if (node.state != BoostingNode::State::kCandidate) continue;
        if (full) {
          node.state = BoostingNode::State::kLeaf;
        } else if (!best || node.split.gain > (*tree)[*best].split.gain) {
          best = n;
        }
      }
      if (!best) return;
      Split(*best, tree);
    }
  }

  void Split(size_t n, std::vector<BoostingNode>* tree) {
    BoostingNode& node = (*tree)[n];
    node.state = BoostingNode::State::kSplit;
    node.left = std::ssize(*tree);
    const BoostingSplit split = node.split;
    const int64_t depth = node.depth + 1;
    for (const BoostingSums& sums : {split.left, split.right}) {
      const BoostedShape& shape = options_.shape;
      const bool deepest = shape.depth > 0 && depth >= shape.depth;
      const bool few =
          sums.examples < 2 * static_cast<double>(options_.leaf_examples);
      BoostingNode& child = tree->emplace_back();
      if (deepest || few) child.state = BoostingNode::State::kLeaf;
      child.depth = depth;
      child.sums = sums;
    }
    // The last two stay leaves.
    if (options_.shape.leaves > 0 &&
        std::ssize(*tree) >= options_.shape.Nodes()) {
      for (size_t child = tree->size() - 2; child < tree->size(); ++child) {
        (*tree)[child].state = BoostingNode::State::kLeaf;
      }
    }
  }

  const BoostingOptions& options_;
  BoostingOperation& next_;
};

// `before` is null in round 0. Every round that grows a tree measures the same
// ones, with the same loss.
BoostingValidation ValidationAfter(int64_t trees, double loss,
                                   const BoostingOperation* before) {
  BoostingValidation validation;
  if (before != nullptr) validation = before->validation;
  validation.loss = loss;
  if (before == nullptr || loss < validation.best_loss) {
    validation.best_trees = trees;
    validation.best_loss = loss;
  }
  return validation;
}

class BoostingCoordinator final : public Coordinator {
 public:
  BoostingCoordinator(const BoostingOptions& options,
                      std::vector<std::pair<int64_t, int64_t>> ranges)
      : options_(options), ranges_(std::move(ranges)) {}

  absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const override {
    BoostingOperation last;
    if (place.round > 0) {
      EBB_ASSIGN_OR_RETURN(last, BoostingOperation::Decode(before, options_));
      EBB_RETURN_IF_ERROR(CheckRoundBefore(place, last.round));
    }
    // Compares their number.
    EBB_ASSIGN_OR_RETURN(const std::vector<double> sums,
                         SumFigures(figures, BoostingFigures::Count(options_),
                                    BoostingFigures::kLoss));
    if (figures.size() != ranges_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("figures of ", figures.size(), " partitions instead of ",
                       ranges_.size()));
    }
    double validation = 0;
    if (options_.patience > 0) {
      const size_t at = BoostingFigures::ValidationAt(options_);
      const double examples = sums[at + BoostedValidation::kExamples];
      if (!(examples > 0)) {
        return absl::InvalidArgumentError(
            "no example is kept back: model.validation_share is too small");
      }
      validation = sums[at + BoostedValidation::kLoss] / examples;
    }
    BoostingOperation next = NextBoostingOperation(
        options_, place, place.round > 0 ? &last : nullptr,
        SplitsOf(options_, ranges_, figures), validation);
    next.loss = sums[BoostingFigures::kLoss] /
                static_cast<double>(std::max<int64_t>(1, place.examples));
    return next.Encode();
  }

  absl::StatusOr<bool> Ends(absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(const BoostingOperation decoded,
                         BoostingOperation::Decode(operation, options_));
    return decoded.ends;
  }

  std::optional<Validation> ValidationOf(
      absl::string_view operation) const override {
    if (options_.patience == 0) return std::nullopt;
    const auto decoded = BoostingOperation::Decode(operation, options_);
    if (!decoded.ok()) return std::nullopt;
    const BoostingValidation& validation = decoded->validation;
    return Validation{
        .trees = decoded->tree,
        .loss = validation.loss,
        .best_trees = validation.best_trees,
        .best_loss = validation.best_loss,
        .left = options_.patience - (decoded->tree - validation.best_trees),
        .text = absl::StrCat("of ", decoded->tree, " trees the first ",
                             validation.best_trees,
                             " have the smallest validation loss")};
  }

  std::string Describe(absl::string_view operation) const override {
    const auto decoded = BoostingOperation::Decode(operation, options_);
    if (!decoded.ok()) return std::string(decoded.status().message());
    int64_t splits = 0;
    for (const auto& tree : decoded->nodes) {
      splits += (std::ssize(tree) - 1) / 2;
    }
    std::string text =
        absl::StrFormat("tree=%d loss=%.9g", decoded->tree, decoded->loss);
    if (options_.patience > 0) {
      absl::StrAppendFormat(&text,
                            " validation_loss=%.9g best_trees=%d "
                            "best_validation_loss=%.9g",
                            decoded->validation.loss,
                            decoded->validation.best_trees,
                            decoded->validation.best_loss);
    }
    absl::StrAppendFormat(
        &text, " splits=%d open=%d%s%s", splits, decoded->open.size(),
        decoded->complete ? " complete" : "", decoded->ends ? " ends" : "");
    return text;
  }

 private:
  const BoostingOptions options_;
  const std::vector<std::pair<int64_t, int64_t>> ranges_;
};

}  // namespace

absl::Status BoostingOptions::Validate() const {
  EBB_RETURN_IF_ERROR(shape.Validate());
  if (!(shrinkage > 0 && shrinkage <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shrinkage is ", shrinkage, ", not above 0 and at most 1"));
  }
  if (!(std::isfinite(l2) && l2 >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("l2 is ", l2, ", not at least 0"));
  }
  if (leaf_examples < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("leaf_examples is ", leaf_examples, ", not at least 1"));
  }
  if (patience < 0 || (patience > 0) != shape.validates) {
    return absl::InvalidArgumentError(absl::StrCat(
        "patience is ", patience, ", and the tables have ",
        shape.validates ? "" : "no ", "sums of examples that are kept back"));
  }
  return absl::OkStatus();
}

BoostingSums& BoostingSums::operator+=(const BoostingSums& other) {
  gradient += other.gradient;
  curvature += other.curvature;
  examples += other.examples;
  return *this;
}

BoostingSums BoostingSums::operator-(const BoostingSums& other) const {
  return {gradient - other.gradient, curvature - other.curvature,
          examples - other.examples};
}

bool BoostingSplit::Beats(const BoostingSplit& other) const {
  if (!known() || !other.known()) return known();
  if (gain != other.gain) return gain > other.gain;
  if (feature != other.feature) return feature < other.feature;
  return bin < other.bin;
}

BoostingSplit BestSplit(const BoostingOptions& options, int64_t feature,
                        std::span<const float> histogram) {
  const int64_t bins = options.shape.bins;
  BoostingSums all;
  for (int64_t bin = 0; bin <= bins; ++bin) all += CellOf(histogram, bin);
  const BoostingSums missing = CellOf(histogram, bins);
  const auto least = static_cast<double>(options.leaf_examples);
  // The fall of the objective if the sums have a leaf of their own.
  const auto score = [&](const BoostingSums& sums) {
    const double curvature = sums.curvature + options.l2;
    return curvature > 0 ? sums.gradient * sums.gradient / curvature : 0.0;
  };
  const double of_all = score(all);
  BoostingSplit best;
  best.feature = feature;
  best.left = all;
  const auto look = [&](int64_t bin, bool missing_right,
                        const BoostingSums& left) {
    const BoostingSums right = all - left;
    if (left.examples < least || right.examples < least) return;
    const double gain = (score(left) + score(right) - of_all) / 2;
    if (gain > std::max(best.gain, kLeastGain)) {
      best = {gain, feature, bin, missing_right, left, right};
    }
  };
  BoostingSums left;
  for (int64_t bin = 0; bin < bins; ++bin) {
    left += CellOf(histogram, bin);
    if (missing.examples == 0) {
      if (bin + 1 < bins) {
        // Others than those of the training data go with most.
        look(bin, 2 * left.examples < all.examples, left);
      }
      continue;
    }
    look(bin, true, left);
    BoostingSums with = left;
    with += missing;
    look(bin, false, with);
  }
  return best;
}

void AddBoostingFigures(const BoostingOptions& options, int64_t first,
                        std::span<const float> sum, std::span<double> figures) {
  const BoostedShape& shape = options.shape;
  const int64_t floats = shape.HistogramFloats();
  const int64_t last = first + std::ssize(sum);
  const CutHistograms cuts(shape, first, last);
  for (int64_t h = cuts.whole_begin; h < cuts.whole_end; ++h) {
    const BoostingSplit split = BestSplit(
        options, h % shape.features,
        sum.subspan(shape.HistogramsAt() + h * floats - first, floats));
    const std::span<double> of_slot =
        figures.subspan(BoostingFigures::kSplits +
                            BoostingFigures::kOfASplit * (h / shape.features),
                        BoostingFigures::kOfASplit);
    if (split.Beats(Read(of_slot))) Write(split, of_slot);
  }
  const auto copy = [&](int64_t histogram, size_t to) {
    const int64_t begin = shape.HistogramsAt() + histogram * floats;
    const int64_t from = std::max(begin, first);
    const int64_t until = std::min(begin + floats, last);
    for (int64_t at = from; at < until; ++at) {
      figures[to + static_cast<size_t>(at - begin)] = sum[at - first];
    }
  };
  const size_t at = BoostingFigures::CutsAt(options);
  if (cuts.head) copy(*cuts.head, at);
  if (cuts.tail) copy(*cuts.tail, at + static_cast<size_t>(floats));
  for (int64_t i = 0; i < shape.ValidationFloats(); ++i) {
    const int64_t place = shape.ValidationAt() + i;
    if (place < first || place >= last) continue;
    figures[BoostingFigures::ValidationAt(options) + static_cast<size_t>(i)] =
        sum[place - first];
  }
}

std::vector<BoostingSplit> SplitsOf(
    const BoostingOptions& options,
    const std::vector<std::pair<int64_t, int64_t>>& ranges,
    const std::vector<std::vector<double>>& figures) {
  const BoostedShape& shape = options.shape;
  const auto floats = static_cast<size_t>(shape.HistogramFloats());
  std::vector<BoostingSplit> splits(shape.Slots());
  const auto take = [&](size_t slot, const BoostingSplit& split) {
    if (split.Beats(splits[slot])) splits[slot] = split;
  };
  std::optional<int64_t> open;
  std::vector<float> histogram(floats);
  const auto close = [&] {
    if (!open) return;
    take(*open / shape.features,
         BestSplit(options, *open % shape.features, histogram));
    std::ranges::fill(histogram, 0.0f);
    open.reset();
  };
  for (size_t p = 0; p < figures.size(); ++p) {
    for (size_t slot = 0; slot < splits.size(); ++slot) {
      take(slot, Read(std::span(figures[p])
                          .subspan(BoostingFigures::kSplits +
                                       BoostingFigures::kOfASplit * slot,
                                   BoostingFigures::kOfASplit)));
    }
    const auto add = [&](std::optional<int64_t> number, size_t at) {
      if (!number) return;
      if (open != number) close();
      open = number;
      for (size_t i = 0; i < floats; ++i) {
        histogram[i] += static_cast<float>(figures[p][at + i]);
      }
    };
    const CutHistograms cuts(shape, ranges[p].first, ranges[p].second);
    const size_t at = BoostingFigures::CutsAt(options);
    add(cuts.head, at);
    add(cuts.tail, at + floats);
  }
  close();
  return splits;
}

BoostingOperation NextBoostingOperation(
    const BoostingOptions& options, const RoundPlace& place,
    const BoostingOperation* before, const std::vector<BoostingSplit>& splits,
    double loss) {
  BoostingOperation next;
  next.round = place.round;
  const bool begins = before == nullptr || before->complete;
  next.tree = before == nullptr ? 0 : before->Complete();
  if (options.patience > 0) {
    next.validation = ValidationAfter(next.tree, loss, before);
    const bool measures = begins && before != nullptr && before->open.empty();
    const bool worse =
        next.tree - next.validation.best_trees >= options.patience;
    if (measures || worse || place.last) {
      // No loss of the trees that are being grown is known.
      next.nodes.assign(options.shape.outputs,
                        {BoostingNode{.state = BoostingNode::State::kLeaf}});
      next.complete = next.ends = next.cuts = true;
      return next;
    }
  }
  if (begins) {
    next.nodes.assign(options.shape.outputs, {BoostingNode{}});
  } else {
    next.nodes = before->nodes;
  }
  TreeGrower grower(options, &next);
  grower.Take(before == nullptr ? options.shape.FirstOpenNodes() : before->open,
              splits);
  grower.Grow();
  next.open = grower.Open();
  next.complete = next.open.empty() || place.last;
  if (!next.complete) return next;
  grower.CloseAll();
  // Another tree would be as this one is.
  const bool idle = !grower.HasSplit() && !options.samples;
  const bool last = next.Complete() >= options.shape.trees || idle;
  // The last tree is measured, too.
  next.ends = last && options.patience == 0;
  next.open.clear();
  if (!last && !place.last) next.open = options.shape.FirstOpenNodes();
  return next;
}

std::unique_ptr<const Coordinator> MakeBoostingCoordinator(
    const BoostingOptions& options,
    std::vector<std::pair<int64_t, int64_t>> ranges) {
  return std::make_unique<BoostingCoordinator>(options, std::move(ranges));
}

std::string BoostingOperation::Encode() const {
  return SealFields(kBoostingMagic, kBoostingVersion, *this);
}

absl::StatusOr<BoostingOperation> BoostingOperation::Decode(
    absl::string_view bytes, const BoostingOptions& options) {
  BoostingOperation operation;
  EBB_RETURN_IF_ERROR(UnsealFields(
      kBoostingMagic, kBoostingVersion, "operation of a round", bytes,
      [&](FieldReader& read, uint32_t version) {
        if (version >= 2) return read(operation);
        read(operation.round, operation.loss, operation.tree, operation.nodes,
             operation.complete, operation.open, operation.ends);
      }));
  const BoostedShape& shape = options.shape;
  const int64_t best = operation.validation.best_trees;
  const bool fits =
      std::ssize(operation.nodes) == shape.outputs && operation.tree >= 0 &&
      operation.tree < shape.trees + (operation.cuts ? 1 : 0) && best >= 0 &&
      best <= operation.tree && std::ssize(operation.open) <= shape.Slots() &&
      std::ranges::all_of(operation.nodes,
                          [&](const auto& tree) {
                            return !tree.empty() &&
                                   std::ssize(tree) <= shape.Nodes();
                          }) &&
      std::ranges::all_of(operation.open, [&](int64_t node) {
        if (node < 0 || node >= shape.outputs * shape.Nodes()) return false;
        return operation.complete
                   ? node % shape.Nodes() == 0
                   : node % shape.Nodes() <
                         std::ssize(operation.nodes[node / shape.Nodes()]);
      });
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the operation of round ", operation.round, " is of other trees"));
  }
  return operation;
}

void ApplyBoosting(const BoostingOptions& options,
                   const BoostingOperation& operation, int64_t first,
                   std::span<const float> values, std::span<float> out) {
  const BoostedShape& shape = options.shape;
  std::ranges::copy(values, out.begin());
  const int64_t last = first + std::ssize(out);
  const auto put = [&](int64_t at, double value) {
    if (at >= first && at < last) out[at - first] = static_cast<float>(value);
  };
  const int64_t floats = shape.TreeFloats();
  if (operation.cuts) {
    // Further trees stay as they began: a leaf that adds nothing.
    const int64_t trees = std::min(operation.tree + 1, shape.trees);
    const int64_t from =
        shape.NodesAt() + operation.Complete() * shape.outputs * floats;
    const int64_t until = shape.NodesAt() + trees * shape.outputs * floats;
    for (int64_t at = std::max(from, first); at < std::min(until, last); ++at) {
      const bool names = (at - from) % Columns::kCount == Columns::kFeature;
      out[at - first] = names ? -1 : 0;
    }
  }
  for (int64_t k = 0; k < shape.outputs && !operation.cuts; ++k) {
    const int64_t tree =
        shape.NodesAt() + (operation.tree * shape.outputs + k) * floats;
    if (tree + floats <= first || tree >= last) continue;
    int64_t at = tree;
    for (const BoostingNode& node : operation.nodes[k]) {
      const bool split = node.state == BoostingNode::State::kSplit;
      const double curvature = node.sums.curvature + options.l2;
      put(at + Columns::kFeature,
          split ? static_cast<double>(node.split.feature) : -1);
      put(at + Columns::kBin, split ? static_cast<double>(node.split.bin) : 0);
      put(at + Columns::kMissing, split && node.split.missing_right ? 1 : 0);
      put(at + Columns::kLeft, split ? static_cast<double>(node.left) : 0);
      put(at + Columns::kValue,
          split           ? node.split.gain
          : curvature > 0 ? -options.shrinkage * node.sums.gradient / curvature
                          : 0);
      at += Columns::kCount;
    }
  }
  if (last <= shape.OpenAt()) return;
  put(shape.OpenAt(), static_cast<double>(operation.Complete()));
  put(shape.OpenAt() + 1, static_cast<double>(operation.open.size()));
  for (int64_t slot = 0; slot < shape.Slots(); ++slot) {
    put(shape.OpenAt() + 2 + slot,
        slot < std::ssize(operation.open)
            ? static_cast<double>(operation.open[slot])
            : 0);
  }
}

}  // namespace ebb
