#include "server/rows/row_table.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "server/rows/internal/gradient_rows.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_packing.h"
#include "server/rows/internal/row_reader.h"

namespace ebb::server {

using internal::GradientRows;
using internal::kNoRow;
using internal::RowPacking;
using internal::RowReader;

namespace {

constexpr int64_t kWordBits = 64;

// The start of all sequences of random numbers of a table, unlike that of its
// initial values.
uint64_t Draws(const RowTableOptions& options) {
  uint64_t hash = HashAppend(HashAppend(1, options.seed), options.table.size());
  for (const char c : options.table) {
    hash = HashAppend(hash, static_cast<unsigned char>(c));
  }
  return hash;
}

// `hash` evenly over [0, size).
uint64_t Spread(uint64_t hash, uint64_t size) {
  return absl::Uint128High64(absl::uint128(hash) * size);
}

// Like Reserve of a vector, but one at a time costs little.
template <typename T>
void ReserveByHalves(size_t size, std::vector<T>* vector) {
  if (size > vector->capacity()) {
    vector->reserve(std::max(size, vector->capacity() * 3 / 2));
  }
}

}  // namespace

RowTable::RowTable(RowTableOptions options, RowLayout layout,
                   std::shared_ptr<const Optimizer> optimizer,
                   std::shared_ptr<BlockPool> pool)
    : options_(std::move(options)),
      layout_(layout),
      optimizer_(std::move(optimizer)),
      pool_(std::move(pool)),
      initial_(options_.init, options_.seed, options_.table),
      draws_(Draws(options_)),
      index_(std::make_shared<internal::SharedIndex>()),
      ages_(options_.expire_after_examples) {
  changed_counters_.Resize(counter_count());
}

RowTable::~RowTable() { EndPacking(); }

absl::StatusOr<std::unique_ptr<RowTable>> RowTable::Create(
    RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
    std::shared_ptr<BlockPool> pool) {
  EBB_RETURN_IF_ERROR(options.Validate());
  EBB_ASSIGN_OR_RETURN(
      const RowLayout layout,
      RowLayout::Make(options.table, options.width, optimizer->SlotCount(),
                      pool->block_bytes()));
  std::unique_ptr<RowTable> table(new RowTable(
      std::move(options), layout, std::move(optimizer), std::move(pool)));
  const int64_t counters = table->counter_count();
  table->room_ = table->pool_->Promise(0);
  EBB_RETURN_IF_ERROR(table->PromiseRoom(0, 0));
  if (counters > 0) {
    EBB_ASSIGN_OR_RETURN(
        table->counters_,
        BlockArray<uint8_t>::Make(table->pool_.get(),
                                  static_cast<size_t>(counters), 0));
  }
  return table;
}

RowReader RowTable::reader() const {
  return {layout_, index_->index, block_bytes_};
}

int64_t RowTable::physical_rows() const {
  return static_cast<int64_t>(index_->index.size());
}

RowIndex& RowTable::MutableIndex() {
  if (index_->views.load(std::memory_order_acquire) != 0) {
    auto copy = std::make_shared<internal::SharedIndex>();
    copy->index = index_->index;
    index_ = std::move(copy);
  }
  return index_->index;
}

// A version is at most half again as large as its rows (TakeCut).
absl::Status RowTable::PromiseRoom(int64_t more_blocks, int64_t more_rows) {
  const int64_t rows = row_blocks_ + more_blocks;
  const int64_t block_bytes = pool_->block_bytes();
  const int64_t counters = BlockArray<uint8_t>::BlocksFor(
      *pool_, static_cast<size_t>(counter_count()));
  // On the heap, in one piece: a look-up goes through it fastest so.
  const auto index = static_cast<int64_t>(index_->index.BytesFor(
                         static_cast<size_t>(physical_rows() + more_rows))) /
                     block_bytes;
  const int64_t wanted = rows + rows / 2 + index + counters;
  if (room_.count() == wanted || room_.Resize(wanted)) return absl::OkStatus();
  const BlockPoolStats stats = pool_->Stats();
  const auto kib = [&](int64_t blocks) {
    return absl::StrCat(blocks * block_bytes >> 10, " KiB");
  };
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for more rows of table '", options_.table, "' in a partition: ",
      physical_rows(), " are there; with more it would take ", kib(wanted),
      " (rows, half as much again for a version that is loaded, index and "
      "counters), and ",
      kib(stats.promised_blocks), " of the ", kib(stats.max_blocks),
      " that this server's --memory leaves for values are taken; raise "
      "--memory, add servers, or bound the table (max_rows with at_limit: "
      "evict, expire_after)"));
}

// --- Prepare -----------------------------------------------------------------

absl::StatusOr<RowUpdatePtr> RowTable::Prepare(std::span<const uint64_t> keys,
                                               int64_t now) {
  const auto wrong = [this](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", options_.table, "': ", what...));
  };
  if (now < now_) {
    return wrong("a push at ", now, " examples, after one at ", now_);
  }
  if (static_cast<int64_t>(keys.size()) > RowLayout::kMaxRows) {
    return wrong("a push of ", keys.size(), " rows; at most ",
                 RowLayout::kMaxRows, " can be pushed at once");
  }
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i] <= keys[i - 1]) {
      return wrong("key ", i, " of a push is ", keys[i], ", after ",
                   keys[i - 1], "; keys must ascend");
    }
  }

  auto update = std::make_shared<RowUpdate>();
  update->now_ = now;
  update->unit_ = ages_.UnitOf(now);
  update->keys_ = static_cast<int64_t>(keys.size());
  update->record_bytes_ = layout_.record_bytes();
  update->block_bytes_ = static_cast<size_t>(pool_->block_bytes());
  update->capacity_ = capacity_;
  update->rows_.swap(row_room_);
  update->rows_.reserve(keys.size());
  int64_t created = 0, revived = 0;
  reader().ForEachKey(
      keys, layout_.record_bytes(),
      [&](size_t i, uint32_t row, const std::byte* record) {
        const auto key_number = static_cast<uint32_t>(i);
        auto kind = RowUpdate::Kind::kChanged;
        if (options_.write_once && record != nullptr) {
          update->kept_.push_back({record, key_number});
          return;
        }
        if (record == nullptr ||
            ages_.Expired(RowLayout::TouchedOf(record), update->unit_)) {
          if (!Admits(keys[i], update.get())) {
            ++update->not_admitted_;
            return;
          }
          kind = record == nullptr ? RowUpdate::Kind::kCreated
                                   : RowUpdate::Kind::kRevived;
          ++(record == nullptr ? created : revived);
          record = nullptr;
        }
        // Field by field, where it stays: a copy would wait for its parts.
        RowUpdate::Row& next = update->rows_.emplace_back();
        next.key = keys[i];
        next.record = record;
        next.row = row;
        next.key_number = key_number;
        next.kind = kind;
      });
  EBB_RETURN_IF_ERROR(KeepLimit(created + revived, update.get()));
  if (created > 0) EBB_RETURN_IF_ERROR(NumberRows(created, update.get()));
  EBB_RETURN_IF_ERROR(ObtainBlocks(created, update.get()));
  if (created > 0) ReserveFor(*update, created);
  open_ = update;
  return update;
}

// All keys of a push are judged by what was before it, so their order does not
// matter.
bool RowTable::Admits(uint64_t key, RowUpdate* update) const {
  const RowAdmission& admission = options_.admission;
  switch (admission.kind) {
    case RowAdmission::Kind::kAlways:
      return true;
    case RowAdmission::Kind::kCount: {
      const auto counter = static_cast<uint32_t>(Spread(
          HashAppend(draws_, key), static_cast<uint64_t>(admission.counters)));
      update->counters_.push_back(counter);
      return counters_[counter] + 1 >= admission.count;
    }
    case RowAdmission::Kind::kProbability: {
      const uint64_t draw =
          HashAppend(HashAppend(draws_, key), static_cast<uint64_t>(pushes_));
      return static_cast<double>(draw >> 11) * 0x1p-53 < admission.probability;
    }
  }
  return true;
}

// `made`: rows that the push makes. What has expired is not counted, whether or
// not it was swept.
absl::Status RowTable::KeepLimit(int64_t made, RowUpdate* update) const {
  if (options_.max_rows == 0 || made == 0) return absl::OkStatus();
  const int64_t rows = physical_rows() - ages_.ExpiredAt(update->unit_);
  const int64_t excess = rows + made - options_.max_rows;
  if (excess <= 0) return absl::OkStatus();
  if (options_.at_limit == RowTableOptions::AtLimit::kRefuse) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "table '", options_.table, "': a push makes ", made,
        " row(s), but it has ", rows, " of at most ", options_.max_rows,
        " in this partition; raise its limit of rows, let rows expire sooner, "
        "or admit fewer"));
  }
  // What is beyond the limit after a push that was larger than it, or as the
  // limit was lowered, goes little by little.
  const auto touched = static_cast<int64_t>(update->rows_.size()) - made;
  update->evicted_ =
      ChooseVictims(std::min({excess, 2 * made, rows - touched}), *update);
  return absl::OkStatus();
}

std::vector<uint32_t> RowTable::ChooseVictims(int64_t count,
                                              const RowUpdate& update) const {
  constexpr int kSamples = 16;
  const RowReader read = reader();
  absl::flat_hash_set<uint32_t> spared;
  for (const RowUpdate::Row& row : update.rows_) {
    if (row.kind != RowUpdate::Kind::kCreated) spared.insert(row.row);
  }
  const auto eligible = [&](uint32_t row) {
    return live_.Has(row) && !spared.contains(row) &&
           !ages_.Expired(RowLayout::TouchedOf(read.RecordOf(row)),
                          update.unit_);
  };
  const auto rows = static_cast<uint64_t>(capacity_);
  std::vector<uint32_t> victims;
  for (int64_t v = 0; v < count; ++v) {
    const uint64_t sequence =
        HashAppend(draws_, static_cast<uint64_t>(totals_.evicted + v));
    std::array<uint32_t, kSamples> samples;
    for (int i = 0; i < kSamples; ++i) {
      samples[i] = static_cast<uint32_t>(
          Spread(HashAppend(sequence, static_cast<uint64_t>(i)), rows));
      if (live_.Has(samples[i])) __builtin_prefetch(read.RecordOf(samples[i]));
    }
    uint32_t victim = kNoRow;
    uint32_t oldest = 0;
    for (const uint32_t row : samples) {
      if (!eligible(row)) continue;
      const uint32_t touched = RowLayout::TouchedOf(read.RecordOf(row));
      if (victim != kNoRow && touched >= oldest) continue;
      victim = row;
      oldest = touched;
    }
    // There is one: the push spares fewer than the table has.
    for (uint32_t row = samples[0]; victim == kNoRow;
         row = row + 1 == rows ? 0 : row + 1) {
      if (eligible(row)) victim = row;
    }
    spared.insert(victim);
    victims.push_back(victim);
  }
  return victims;
}

// Gives the lowest free numbers to the rows that are made, so that which rows
// lie where depends on what is there, and not on how it came about.
absl::Status RowTable::NumberRows(int64_t created, RowUpdate* update) const {
  const std::span<const uint64_t> words = live_.words();
  size_t word = first_free_;
  uint64_t free = word < words.size() ? ~words[word] : 0;
  for (RowUpdate::Row& row : update->rows_) {
    if (row.kind != RowUpdate::Kind::kCreated) continue;
    while (free == 0 && word < words.size()) {
      ++word;
      free = word < words.size() ? ~words[word] : 0;
    }
    int64_t number = update->capacity_;
    if (free != 0) {
      number = static_cast<int64_t>(word) * kWordBits + std::countr_zero(free);
      free &= free - 1;
    }
    // The last word has bits beyond the last row; these are the next rows.
    if (number >= update->capacity_) number = update->capacity_++;
    row.row = static_cast<uint32_t>(number);
  }
  if (update->capacity_ > RowLayout::kMaxRows) {
    return absl::ResourceExhaustedError(
        absl::StrCat("table '", options_.table, "': ", created,
                     " row(s) beyond ", RowLayout::kMaxRows,
                     ", the most that a partition can have; let rows "
                     "expire, or give the job more partitions"));
  }
  return absl::OkStatus();
}

// New blocks for rows without one, and for rows whose blocks have other
// holders.
absl::Status RowTable::ObtainBlocks(int64_t created, RowUpdate* update) {
  std::vector<uint32_t> unsure;
  for (const RowUpdate::Row& row : update->rows_) {
    const uint32_t block = layout_.BlockOf(row.row);
    if (block < blocks_.size() && blocks_[block].writable != nullptr) continue;
    if (unsure.empty() || unsure.back() != block) unsure.push_back(block);
  }
  std::ranges::sort(unsure);
  unsure.erase(std::unique(unsure.begin(), unsure.end()), unsure.end());
  for (const uint32_t block : unsure) {
    if (block >= blocks_.size() || !blocks_[block].ref) {
      update->copies_.push_back({.block = block});
    } else if (!blocks_[block].ref.Unique()) {
      update->copies_.push_back({block, block_bytes_[block], BlockRef()});
    } else {
      update->in_place_.push_back(block);
    }
  }
  const auto is_new = [](const RowUpdate::BlockCopy& copy) {
    return copy.from == nullptr;
  };
  EBB_RETURN_IF_ERROR(
      PromiseRoom(std::ranges::count_if(update->copies_, is_new), created));
  if (update->copies_.empty()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      std::vector<BlockRef> blocks,
      pool_->AllocateMany(static_cast<int64_t>(update->copies_.size())));
  for (size_t i = 0; i < blocks.size(); ++i) {
    update->copies_[i].to = std::move(blocks[i]);
  }
  return absl::OkStatus();
}

// So that Commit moves no large tables. None of it can be seen.
void RowTable::ReserveFor(const RowUpdate& update, int64_t created) {
  const RowPacking::Hold hold(packing_.get());
  MutableIndex().Reserve(static_cast<size_t>(physical_rows() + created));
  live_.Reserve(update.capacity_);
  changed_.Reserve(update.capacity_);
  const size_t blocks = layout_.BlocksOf(update.capacity_);
  ReserveByHalves(blocks, &blocks_);
  ReserveByHalves(blocks, &block_bytes_);
}

// --- Compute -----------------------------------------------------------------

template <typename GradientOf>
void RowTable::ComputeBeside(RowUpdate* update, const StepContext& context,
                             GradientOf gradient_of) const {
  for (RowUpdate::BlockCopy& copy : update->copies_) {
    const std::span<std::byte> to = copy.to.mutable_bytes();
    if (copy.from == nullptr) {
      // Stored or sent blocks must contain no bytes of the block's last holder.
      std::memset(to.data(), 0, to.size());
    } else {
      std::memcpy(to.data(), copy.from, to.size());
    }
  }
  update->next_rows_ = std::make_unique_for_overwrite<std::byte[]>(
      update->rows_.size() * layout_.record_bytes());
  std::byte* next = update->next_rows_.get();
  ComputeRows(update, context, gradient_of, [&](const RowUpdate::Row&) {
    return std::exchange(next, next + layout_.record_bytes());
  });
}

void RowTable::Compute(RowUpdate* update, GradientView gradient,
                       const StepContext& context) const {
  const size_t row_bytes = layout_.width() * sizeof(float);
  CHECK_EQ(gradient.size(),
           static_cast<size_t>(update->keys_) * layout_.width());
  ComputeBeside(update, context, [&](uint32_t key_number) {
    return gradient.bytes() + key_number * row_bytes;
  });
}

void RowTable::Compute(RowUpdate* update, GradientCursor& gradient,
                       const StepContext& context) const {
  const auto keys = static_cast<size_t>(update->keys_);
  CHECK_GE(gradient.remaining(), keys * layout_.width());
  GradientRows rows(&gradient, keys, layout_.width());
  ComputeBeside(update, context,
                [&](uint32_t key_number) { return rows.Row(key_number); });
  rows.Finish();
}

template <typename GradientOf, typename NextOf>
void RowTable::ComputeRows(RowUpdate* update, const StepContext& context,
                           GradientOf gradient_of, NextOf next_of) const {
  size_t kept = 0;
  constexpr size_t kTogether = 32;
  std::array<RowStep, kTogether> steps;
  const size_t width = layout_.width();
  const int slots = layout_.slots();
  const size_t count = update->rows_.size();
  for (size_t begin = 0; begin < count; begin += kTogether) {
    const size_t n = std::min(kTogether, count - begin);
    for (size_t i = 0; i < n; ++i) {
      const RowUpdate::Row& row = update->rows_[begin + i];
      if (!update->kept_.empty()) {
        CompareKept(row.key_number, &kept, update, gradient_of);
      }
      std::byte* const next = next_of(row);
      RowLayout::SetHead(row.key, update->unit_, next);
      const std::byte* from = row.record;
      if (from == nullptr) {
        const std::span<float> weights(RowLayout::WeightsOf(next), width);
        initial_.Fill(row.key, weights);
        for (int s = 0; s < slots; ++s) {
          optimizer_->InitializeSlot(s, weights,
                                     {layout_.SlotOf(s, next), width});
        }
        from = next;
      }
      RowStep& step = steps[i];
      step.weights_in = RowLayout::WeightsOf(from);
      step.gradient_sum = gradient_of(row.key_number);
      step.weights_out = RowLayout::WeightsOf(next);
      for (int s = 0; s < slots; ++s) {
        step.slots_in[s] = layout_.SlotOf(s, from);
        step.slots_out[s] = layout_.SlotOf(s, next);
      }
    }
    optimizer_->StepRows(context, width, std::span(steps).first(n));
  }
  CompareKept(static_cast<uint32_t>(update->keys_), &kept, update, gradient_of);
}

template <typename GradientOf>
void RowTable::CompareKept(uint32_t before, size_t* kept, RowUpdate* update,
                           const GradientOf& gradient_of) const {
  for (; *kept < update->kept_.size(); ++*kept) {
    const RowUpdate::Kept& row = update->kept_[*kept];
    if (row.key_number >= before) return;
    if (std::memcmp(RowLayout::WeightsOf(row.record),
                    gradient_of(row.key_number),
                    layout_.width() * sizeof(float)) != 0) {
      ++update->not_admitted_;
    }
  }
}

// --- Commit ------------------------------------------------------------------

void RowTable::Commit(RowUpdatePtr update) {
  const RowPacking::Hold hold(packing_.get());
  BeginCommit(update);
  GrowTo(update->capacity_);
  for (RowUpdate::BlockCopy& copy : update->copies_) Install(&copy);
  for (RowUpdate::BlockCopy& copy : update->late_copies_) {
    std::memcpy(copy.to.mutable_bytes().data(), block_bytes_[copy.block],
                update->block_bytes_);
    Install(&copy);
  }
  WriteRows(*update);
  for (const uint32_t row : update->evicted_) RemoveRow(row);
  totals_.evicted += static_cast<int64_t>(update->evicted_.size());
  EndCommit(update.get());
}

void RowTable::Apply(RowUpdatePtr update, GradientCursor& gradient,
                     const StepContext& context) {
  const auto is_changed = [](const RowUpdate::Row& row) {
    return row.kind == RowUpdate::Kind::kChanged;
  };
  if (!update->copies_.empty() || !update->late_copies_.empty() ||
      !std::ranges::all_of(update->rows_, is_changed)) {
    Compute(update.get(), gradient, context);
    return Commit(std::move(update));
  }
  const RowPacking::Hold hold(packing_.get());
  BeginCommit(update);
  for (const uint32_t block : update->in_place_) MakeWritable(&blocks_[block]);
  const auto keys = static_cast<size_t>(update->keys_);
  CHECK_GE(gradient.remaining(), keys * layout_.width());
  GradientRows rows(&gradient, keys, layout_.width());
  ComputeRows(
      update.get(), context,
      [&](uint32_t key_number) { return rows.Row(key_number); },
      [&](const RowUpdate::Row& row) {
        SaveForCut(row.row);
        ages_.Remove(RowLayout::TouchedOf(row.record));
        ages_.Add(update->unit_);
        changed_.Add(row.row);
        return const_cast<std::byte*>(row.record);  // Its block is writable.
      });
  rows.Finish();
  EndCommit(update.get());
}

void RowTable::BeginCommit(const RowUpdatePtr& update) {
  CHECK(update != nullptr && open_.lock() == update)
      << "an update that is not the last one prepared";
  open_.reset();
  now_ = update->now_;
  ages_.Advance(update->unit_);
  ++pushes_;
}

void RowTable::EndCommit(RowUpdate* update) {
  for (const uint32_t counter : update->counters_) {
    if (counters_[counter] == 0xff) continue;
    ++counters_[counter];
    changed_counters_.Add(counter);
  }
  totals_.not_admitted += update->not_admitted_;
  Sweep(4 * update->keys_ + 16);
  constexpr size_t kMostRoom = 1024;
  if (update->rows_.capacity() > kMostRoom) return;
  row_room_ = std::move(update->rows_);
  row_room_.clear();
}

void RowTable::GrowTo(int64_t capacity) {
  if (capacity == capacity_) return;
  capacity_ = capacity;
  live_.Resize(capacity);
  changed_.Resize(capacity);
  blocks_.resize(layout_.BlocksOf(capacity));
  block_bytes_.resize(blocks_.size());
}

void RowTable::Install(RowUpdate::BlockCopy* copy) {
  Block& block = blocks_[copy->block];
  if (!block.ref) ++row_blocks_;
  block.ref = std::move(copy->to);
  block_bytes_[copy->block] = block.ref.bytes().data();
  block.writable = nullptr;
}

void RowTable::SaveForCut(uint32_t row) {
  if (packing_ != nullptr && !packing_->finished()) packing_->Save(row);
}

std::byte* RowTable::WritableRecord(uint32_t row) {
  const RowLayout::Place place = layout_.PlaceOf(row);
  Block& block = blocks_[place.block];
  MakeWritable(&block);
  return block.writable + place.offset;
}

// The table is the sole holder: Prepare and Pin saw to that. A new content id
// is drawn once for all writes until another thread may look at it again.
void RowTable::MakeWritable(Block* block) {
  if (block->writable == nullptr) {
    block->writable = block->ref.mutable_bytes().data();
  }
}

void RowTable::WriteRows(const RowUpdate& update) {
  const std::byte* next = update.next_rows_.get();
  for (const RowUpdate::Row& row : update.rows_) {
    SaveForCut(row.row);
    std::byte* const record = WritableRecord(row.row);
    if (row.kind == RowUpdate::Kind::kCreated) {
      ++totals_.created;
      MutableIndex().Insert(RowIndex::HashOf(row.key), row.row);
      live_.Add(row.row);
      ++blocks_[layout_.BlockOf(row.row)].rows;
    } else {
      ages_.Remove(RowLayout::TouchedOf(record));
      if (row.kind == RowUpdate::Kind::kRevived) {
        ++totals_.created;
        ++totals_.expired;
      }
    }
    ages_.Add(update.unit_);
    std::memcpy(record, next, layout_.record_bytes());
    changed_.Add(row.row);
    next += layout_.record_bytes();
  }
  const std::span<const uint64_t> words = live_.words();
  while (first_free_ < words.size() && ~words[first_free_] == 0) ++first_free_;
}

// The record stays as it is: what is live, live_ says.
void RowTable::RemoveRow(uint32_t row) {
  SaveForCut(row);
  const RowLayout::Place place = layout_.PlaceOf(row);
  const std::byte* const record = block_bytes_[place.block] + place.offset;
  MutableIndex().Erase(RowIndex::HashOf(RowLayout::KeyOf(record)), row);
  ages_.Remove(RowLayout::TouchedOf(record));
  live_.Remove(row);
  changed_.Add(row);
  first_free_ = std::min(first_free_, static_cast<size_t>(row / kWordBits));
  Block& block = blocks_[place.block];
  if (--block.rows == 0) {
    block = {};
    --row_blocks_;
    block_bytes_[place.block] = nullptr;
  }
}

// Lets rows go that have expired, of the next so many.
void RowTable::Sweep(int64_t rows) {
  for (; rows > 0 && ages_.expired() > 0; --rows) {
    if (sweep_hand_ >= capacity_) sweep_hand_ = 0;
    const uint32_t row = sweep_hand_++;
    if (!live_.Has(row)) continue;
    const RowLayout::Place place = layout_.PlaceOf(row);
    const std::byte* const record = block_bytes_[place.block] + place.offset;
    if (!ages_.Expired(RowLayout::TouchedOf(record), ages_.now())) continue;
    RemoveRow(row);
    ++totals_.expired;
  }
}

// --- Reading -----------------------------------------------------------------

void RowTable::Gather(std::span<const uint64_t> keys,
                      std::span<float> out) const {
  CHECK_EQ(out.size(), keys.size() * layout_.width());
  reader().Gather(ages_, ages_.now(), initial_, keys, out);
}

void RowTable::ShareBlocks() {
  for (Block& block : blocks_) block.writable = nullptr;
}

absl::StatusOr<std::shared_ptr<const RowView>> RowTable::Pin() {
  if (const RowUpdatePtr open = open_.lock()) {
    // It meant to write in place into some of the blocks.
    std::vector<uint32_t> shared;
    for (const RowUpdate::Row& row : open->rows_) {
      shared.push_back(layout_.BlockOf(row.row));
    }
    std::ranges::sort(shared);
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    const auto has_copy = [&](uint32_t block) {
      const auto is_it = [block](const RowUpdate::BlockCopy& copy) {
        return copy.block == block;
      };
      return std::ranges::any_of(open->copies_, is_it) ||
             std::ranges::any_of(open->late_copies_, is_it);
    };
    std::erase_if(shared, has_copy);
    EBB_ASSIGN_OR_RETURN(
        std::vector<BlockRef> blocks,
        pool_->AllocateMany(static_cast<int64_t>(shared.size())));
    for (size_t i = 0; i < blocks.size(); ++i) {
      open->late_copies_.push_back({shared[i], nullptr, std::move(blocks[i])});
    }
  }
  ShareBlocks();
  std::vector<BlockRef> blocks;
  blocks.reserve(blocks_.size());
  for (const Block& block : blocks_) blocks.push_back(block.ref);
  // Paired with ~RowView.
  index_->views.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<const RowView>(layout_, ages_, initial_, index_,
                                         std::move(blocks), block_bytes_);
}

RowStatistics RowTable::Statistics() const {
  RowStatistics statistics = totals_;
  statistics.rows = physical_rows() - ages_.expired();
  statistics.block_bytes =
      (row_blocks_ + counters_.blocks()) * pool_->block_bytes();
  statistics.other_bytes = static_cast<int64_t>(
      index_->index.bytes() + blocks_.capacity() * sizeof(Block) +
      block_bytes_.capacity() * sizeof(block_bytes_[0]) + live_.bytes() +
      changed_.bytes() + changed_counters_.bytes());
  return statistics;
}

}  // namespace ebb::server
