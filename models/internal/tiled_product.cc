// Compiled for AVX-512; see the header for what this file must not do.
//
// A tile of the result, 8 rows of 48 columns, is summed up in 24 registers. For
// each term it loads 3 registers of b, and broadcasts 8 numbers of a. What it
// needs of b lies packed in the first cache, and serves all tiles below it:
//
//              k                     48
//          +-------+           +--+-------+--+
//        8 | tile's|         k |  | panel |  |
//      m   | rows  |           +--+-------+--+
//          +-------+
#include "models/internal/tiled_product.h"

#include <immintrin.h>

namespace ebb::models::internal {
namespace {

constexpr int64_t kLanes = 16;
constexpr int kMostRows = 8, kMostVectors = 3;
constexpr int64_t kPanel = kMostVectors * kLanes;
// Terms that a panel has at most, so that it fits into the first cache.
constexpr int64_t kDepth = 192;
static_assert(kDepth * kPanel == kTiledProductScratch);
// Rows that are computed from one panel: what they need of a fits into the
// second cache.
constexpr int64_t kBand = 256;

alignas(64) constexpr float kZeros[kPanel] = {};

struct TileTask {
  int64_t depth;
  const float* a;
  int64_t a_row_step, a_term_step;
  const float* panel;
  // The sums begin with these: the bias, zeros or c itself.
  const float* begin;
  int64_t begin_row_step;
  float* c;
  int64_t c_row_step;
  __mmask16 last;  // The columns of the last register that are there.
};

// The columns of register v of a row.
template <int kVectors>
__mmask16 MaskOf(int v, __mmask16 last) {
  return v + 1 == kVectors ? last : static_cast<__mmask16>(-1);
}

template <int kRows, int kVectors>
void Tile(const TileTask& task) {
  __m512 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    const float* const row = task.begin + r * task.begin_row_step;
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = _mm512_maskz_loadu_ps(MaskOf<kVectors>(v, task.last),
                                         row + v * kLanes);
    }
  }
  const float* a = task.a;
  const float* panel = task.panel;
  const int64_t row_step = task.a_row_step;
  for (int64_t term = 0; term < task.depth; ++term) {
    __m512 b[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      b[v] = _mm512_load_ps(panel + v * kLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const __m512 x = _mm512_set1_ps(a[r * row_step]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm512_fmadd_ps(x, b[v], sums[r][v]);
      }
    }
    a += task.a_term_step;
    panel += kVectors * kLanes;
  }
  for (int r = 0; r < kRows; ++r) {
    float* const row = task.c + r * task.c_row_step;
    for (int v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(row + v * kLanes, MaskOf<kVectors>(v, task.last),
                            sums[r][v]);
    }
  }
}

// Copies the panel's part of b, whose rows are contiguous.
template <int kVectors>
void PackRows(int64_t depth, const float* b, int64_t term_step, __mmask16 last,
              float* panel) {
  for (int64_t term = 0; term < depth; ++term) {
    for (int v = 0; v < kVectors; ++v) {
      _mm512_store_ps(
          panel + v * kLanes,
          _mm512_maskz_loadu_ps(MaskOf<kVectors>(v, last), b + v * kLanes));
    }
    b += term_step;
    panel += kVectors * kLanes;
  }
}

// The same of columns that are contiguous: a line of each at a time.
void PackColumns(int64_t depth, int64_t columns, const float* b,
                 int64_t column_step, int64_t width, float* panel) {
  for (int64_t first = 0; first < depth; first += kLanes) {
    const int64_t terms = depth - first < kLanes ? depth - first : kLanes;
    for (int64_t j = 0; j < width; ++j) {
      const float* const from = b + j * column_step + first;
      float* const to = panel + first * width + j;
      for (int64_t t = 0; t < terms; ++t) {
        to[t * width] = j < columns ? from[t] : 0;
      }
    }
  }
}

using TileFunction = void(const TileTask& task);

template <int kVectors>
struct Tiles {
  static constexpr TileFunction* kOfRows[kMostRows + 1] = {
      nullptr,           Tile<1, kVectors>, Tile<2, kVectors>,
      Tile<3, kVectors>, Tile<4, kVectors>, Tile<5, kVectors>,
      Tile<6, kVectors>, Tile<7, kVectors>, Tile<8, kVectors>};
};

// A part of the product: these rows, terms and columns.
struct Part {
  int64_t row, rows;
  int64_t term, terms;
  int64_t column, columns;
};

template <int kVectors>
void ComputePanel(const TiledProduct& product, const Part& part,
                  float* scratch) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const int64_t missing = kWidth - part.columns;
  const auto last = static_cast<__mmask16>(0xffff >> missing);
  const float* const b = product.b + part.term * product.b_term_step +
                         part.column * product.b_column_step;
  if (product.b_column_step == 1) {
    PackRows<kVectors>(part.terms, b, product.b_term_step, last, scratch);
  } else {
    PackColumns(part.terms, part.columns, b, product.b_column_step, kWidth,
                scratch);
  }
  const bool bias = part.term == 0 && product.bias != nullptr;
  // Tiles of about the same height: one of few rows takes as long as a whole.
  const int64_t tiles = (part.rows + kMostRows - 1) / kMostRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = part.rows * tile / tiles;
    const int64_t rows = part.rows * (tile + 1) / tiles - begin;
    const int64_t row = part.row + begin;
    float* const c = product.c + row * product.c_row_step + part.column;
    const bool first = part.term == 0;
    Tiles<kVectors>::kOfRows[rows](
        {.depth = part.terms,
         .a = product.a + row * product.a_row_step +
              part.term * product.a_term_step,
         .a_row_step = product.a_row_step,
         .a_term_step = product.a_term_step,
         .panel = scratch,
         .begin = bias    ? product.bias + part.column
                  : first ? kZeros
                          : c,
         .begin_row_step = first ? 0 : product.c_row_step,
         .c = c,
         .c_row_step = product.c_row_step,
         .last = last});
  }
}

int64_t Least(int64_t x, int64_t y) { return x < y ? x : y; }

}  // namespace

void ComputeTiledProduct(const TiledProduct& product, float* scratch) {
  Part part = {};
  for (part.row = 0; part.row < product.m; part.row += kBand) {
    part.rows = Least(kBand, product.m - part.row);
    for (part.term = 0; part.term < product.k; part.term += kDepth) {
      part.terms = Least(kDepth, product.k - part.term);
      for (part.column = 0; part.column < product.n; part.column += kPanel) {
        part.columns = Least(kPanel, product.n - part.column);
        if (part.columns > 2 * kLanes) {
          ComputePanel<3>(product, part, scratch);
        } else if (part.columns > kLanes) {
          ComputePanel<2>(product, part, scratch);
        } else {
          ComputePanel<1>(product, part, scratch);
        }
      }
    }
  }
}

}  // namespace ebb::models::internal
