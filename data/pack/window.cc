#include "data/pack/window.h"

#include <iterator>

namespace ebb::data::pack {

void Window::Add(const WindowSchema& schema, const Example& example) {
  const auto append = [](const auto& from, auto* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  if (schema.has_labels) labels.push_back(example.label);
  append(example.bytes, &bytes);
  append(example.values, &values);
  append(example.ids, &ids);
  append(example.keys, &keys);
  append(example.fields, &fields);
  if (schema.rows()) {
    if (offsets.empty()) offsets.push_back(0);
    offsets.push_back(std::ssize(values));
  }
  ++examples;
}

}  // namespace ebb::data::pack
