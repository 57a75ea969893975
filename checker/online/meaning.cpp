#include "meaning.hpp"

#include <faultline/assert.hpp>

namespace faultline::online {

Result<std::optional<Item>> Meaning::of(const Event& invocation, const Event* completion) {
  History both;
  if (auto appended = both.append(invocation); !appended) return appended.error();
  if (completion != nullptr) {
    if (auto appended = both.append(*completion); !appended) return appended.error();
  }
  auto prepared = std::visit(
      [&](const auto& model) {
        const ModelRules rules{
            .model = model.name, .catalogued = true, .functions = model.functions(), .observer = [&](const Call& call) {
              return model.observer(call);
            }};
        return prepare(both, rules, options_);
      },
      model_);
  if (!prepared) return prepared.error();
  FL_ASSERT(prepared.value().keys.size() == 1);
  Items& items = prepared.value().keys.front().items;
  if (items.empty()) return std::optional<Item>();
  Item item = std::move(items.front());
  item.call.f = *functions_.emplace(item.call.f).first;
  return std::optional<Item>(std::move(item));
}

}  // namespace faultline::online
