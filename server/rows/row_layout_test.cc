#include "server/rows/row_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace ebb::server {
namespace {

using ::testing::HasSubstr;

TEST(RowLayoutTest, ABlockHasWholeRows) {
  // 8 + 4 + 2 * 16 * 4 = 140 bytes.
  const auto layout = RowLayout::Make("t", 16, 1, 65536);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->record_bytes(), 140u);
  EXPECT_EQ(layout->rows_per_block(), 468u);
  EXPECT_EQ(layout->used_bytes(), 65520u);
  EXPECT_EQ(layout->BlocksOf(0), 0u);
  EXPECT_EQ(layout->BlocksOf(468), 1u);
  EXPECT_EQ(layout->BlocksOf(469), 2u);
}

TEST(RowLayoutTest, PlacesAreThoseOfADivision) {
  for (const int64_t width : {1, 2, 7, 16, 61}) {
    const auto layout = RowLayout::Make("t", width, 0, 256);
    ASSERT_TRUE(layout.ok()) << layout.status();
    const uint32_t per_block = layout->rows_per_block();
    for (const uint32_t row :
         {0u, 1u, per_block - 1, per_block, per_block + 1, 1000u, 123456789u,
          (1u << 31) - 1, (1u << 31), 0xfffffffeu, 0xffffffffu}) {
      const RowLayout::Place place = layout->PlaceOf(row);
      EXPECT_EQ(place.block, row / per_block) << width << " " << row;
      EXPECT_EQ(place.offset, row % per_block * layout->record_bytes());
    }
  }
}

TEST(RowLayoutTest, WhatIsWrittenIntoARecordDoesNotOverlap) {
  const auto layout = RowLayout::Make("t", 3, 2, 256);
  ASSERT_TRUE(layout.ok()) << layout.status();
  std::vector<std::byte> record(layout->record_bytes());
  RowLayout::SetHead(0x0123456789abcdef, 77, record.data());
  for (int i = 0; i < 3; ++i) {
    RowLayout::WeightsOf(record.data())[i] = static_cast<float>(i);
    layout->SlotOf(0, record.data())[i] = static_cast<float>(10 + i);
    layout->SlotOf(1, record.data())[i] = static_cast<float>(20 + i);
  }
  const std::byte* const read = record.data();
  EXPECT_EQ(RowLayout::KeyOf(read), 0x0123456789abcdefu);
  EXPECT_EQ(RowLayout::TouchedOf(read), 77u);
  EXPECT_EQ(RowLayout::WeightsOf(read)[2], 2);
  EXPECT_EQ(layout->SlotOf(0, read)[2], 12);
  EXPECT_EQ(layout->SlotOf(1, read)[0], 20);
  EXPECT_EQ(reinterpret_cast<const std::byte*>(layout->SlotOf(1, read) + 3),
            read + layout->record_bytes());
}

TEST(RowLayoutTest, RefusesRowsWiderThanABlock) {
  EXPECT_TRUE(RowLayout::Make("t", 61, 0, 256).ok());
  const auto wide = RowLayout::Make("embeddings", 62, 0, 256);
  EXPECT_EQ(wide.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(wide.status().message(),
            "table 'embeddings': rows of 62 floats with 0 slot(s) of the "
            "optimizer do not fit into a block of 256 bytes; rows may have at "
            "most 61 floats");
  EXPECT_FALSE(RowLayout::Make("t", int64_t{1} << 62, 2, 65536).ok());
  EXPECT_THAT(RowLayout::Make("t", 0, 0, 256).status().message(),
              HasSubstr("at least one"));
}

}  // namespace
}  // namespace ebb::server
