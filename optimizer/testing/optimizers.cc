#include "optimizer/testing/optimizers.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "ebb/v1/key.pb.h"

namespace ebb {

namespace {

const v1::Key& KeyOf(const char* name) {
  return v1::Optimizer::descriptor()
      ->FindFieldByName(name)
      ->options()
      .GetExtension(v1::key);
}

}  // namespace

std::string OptimizerWord(int kind) {
  if (kind == v1::Optimizer::KIND_UNSPECIFIED) return "";
  const std::string name =
      v1::Optimizer::Kind_Name(static_cast<v1::Optimizer::Kind>(kind));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "KIND_"));
}

bool TakesKey(const v1::Optimizer& settings, const char* key) {
  const auto& kinds = KeyOf(key).kinds();
  return kinds.empty() ||
         std::ranges::count(kinds, OptimizerWord(settings.kind())) > 0;
}

v1::Optimizer OptimizerSettings(v1::Optimizer::Kind kind, OptimizerKeys keys) {
  v1::Optimizer settings;
  settings.set_kind(kind);
  const auto& type = *v1::Optimizer::descriptor();
  const auto& reflection = *settings.GetReflection();
  for (const auto& [key, value] : keys) {
    reflection.SetDouble(&settings, type.FindFieldByName(key), value);
  }
  if (!settings.has_rate()) settings.set_rate(0.01);
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    const char* const name = field.name().c_str();
    if (field.cpp_type() != field.CPPTYPE_DOUBLE ||
        reflection.HasField(settings, &field) || !TakesKey(settings, name)) {
      continue;
    }
    const v1::Key& key = KeyOf(name);
    const auto own = key.default_by_kind().find(OptimizerWord(kind));
    const bool special = own != key.default_by_kind().end();
    double value = 0;
    if (absl::SimpleAtod(special ? own->second : key.default_value(), &value)) {
      reflection.SetDouble(&settings, &field, value);
    }
  }
  return settings;
}

std::unique_ptr<Optimizer> MakeTestOptimizer(v1::Optimizer::Kind kind,
                                             OptimizerKeys keys) {
  // A kind of the enum has an optimizer.
  return MakeOptimizer(OptimizerSettings(kind, keys)).value();
}

}  // namespace ebb
