// Plugins that are wrong, each in one way: EBB_BROKEN_... says in which.
#include <cstdio>
#include <cstring>

#include "ebb/plugin_api.h"

namespace {

int Create(const EbbModelConfig* config, EbbModel** model, EbbError* error) {
#ifdef EBB_BROKEN_SILENT
  return 1;
#endif
  if (config->option_count > 0) {
    std::snprintf(error->text, sizeof(error->text),
                  "model.options.%s: there is no such option",
                  config->options[0].name);
    return 1;
  }
  static int something;
  *model = reinterpret_cast<EbbModel*>(&something);
  return 0;
}

void Destroy(EbbModel*) {}

const EbbModelShape* Shape(const EbbModel*) {
  static const int64_t dims[] = {2, 0};
  static const EbbTable tables[] = {
      {"weights", dims, 1, EBB_INIT_ZEROS, 0, 1},
#ifdef EBB_BROKEN_SHAPE
      {"bias", dims + 1, 1, EBB_INIT_ZEROS, 0, 0},
#endif
  };
  static const EbbModelShape shape = {
      tables, sizeof(tables) / sizeof(tables[0]), 1, EBB_LABELS_VALUE};
  return &shape;
}

int Gradient(EbbModel*, const float*, const EbbBatch*, float*, EbbSums*,
             EbbError* error) {
  // Not zero-terminated, on purpose.
  std::memset(error->text, 'x', sizeof(error->text));
  return 7;
}

#ifdef EBB_BROKEN_MEMBER
// NOLINTNEXTLINE(readability-identifier-naming): the member it stands for.
constexpr int (*Predict)(EbbModel*, const float*, const EbbBatch*, float*,
                         EbbError*) = nullptr;
#else
int Predict(EbbModel*, const float*, const EbbBatch*, float*, EbbError*) {
  return 1;
}
#endif

#ifdef EBB_BROKEN_VERSION
constexpr uint32_t kVersion = 0;
#else
constexpr uint32_t kVersion = EBB_MODEL_PLUGIN_API_VERSION;
#endif

#ifdef EBB_BROKEN_KIND
constexpr char kKind[] = "No Name";
#else
constexpr char kKind[] = "broken";
#endif

[[maybe_unused]] constexpr EbbModelPlugin kPlugin = {
    kVersion, kKind,  "for tests", &Create,
    &Destroy, &Shape, &Gradient,   Predict};

}  // namespace

#ifndef EBB_BROKEN_SYMBOL
const EbbModelPlugin* ebb_model_plugin(uint32_t api_version) {
#ifdef EBB_BROKEN_NEWER
  return api_version >= 2 ? &kPlugin : nullptr;
#else
  return &kPlugin;
#endif
}
#endif

#if defined(EBB_BROKEN_ROW_VERSION) || defined(EBB_BROKEN_ROW_MEMBER) || \
    defined(EBB_BROKEN_ROW_WIDTH)
namespace {

int64_t RowTables(const EbbModel*, const EbbRowTable** tables) {
  static const EbbRowTable all[] = {{"counts", EBB_ROWS_COUNTS, 5000}};
  *tables = all;
  return 1;
}

int Record(EbbModel*, const EbbBatch*, const EbbRows*, EbbError*) { return 0; }

#ifdef EBB_BROKEN_ROW_VERSION
constexpr uint32_t kRowVersion = 9;
#else
constexpr uint32_t kRowVersion = EBB_ROW_PLUGIN_API_VERSION;
#endif
#ifdef EBB_BROKEN_ROW_MEMBER
constexpr EbbRowPlugin kRows = {kRowVersion, &RowTables, nullptr};
[[maybe_unused]] constexpr auto kUnused = &Record;
#else
constexpr EbbRowPlugin kRows = {kRowVersion, &RowTables, &Record};
#endif

}  // namespace

const EbbRowPlugin* ebb_row_plugin(uint32_t) { return &kRows; }
#endif
