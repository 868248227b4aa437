#include "engine/trap.hpp"

#include <cmath>

#include "engine/check.hpp"

namespace tapesort {
namespace {

template <class T> bool finite(const Array<T>& x) {
  return std::all_of(x.data(), x.data() + x.size(), [](T v) { return std::isfinite(v); });
}

template <class... Parts> [[noreturn]] void not_finite(const Parts&... parts) {
  throw NonFiniteError(to_message(parts..., " a NaN or an infinity"));
}

template <class T> void look(Observer::Event event, const Node<T>& node) {
  using Event = Observer::Event;
  const auto shapes = [&] { return detail::shapes_of(node); };
  if (event == Event::computed && !finite(node.value())) {
    not_finite("the value of ", node.op(), " (", shapes(), ") holds");
  }
  if (event == Event::begun && !finite(node.cotangent())) {
    not_finite("the cotangent of ", node.op(), " given to backward holds");
  }
  if (event != Event::passed_on) return;
  for (std::size_t k = 0; k < node.inputs().size(); ++k) {
    const Node<T>& input = *node.input(k).node();
    if (!input.has_cotangent() || finite(input.cotangent())) continue;
    not_finite("the pullback of ", node.op(), " (node ", node.index(), ", ", shapes(),
               ") gave its input ", k, " a cotangent with");
  }
}

}  // namespace

void NonFiniteTrap::see(Event event, const Node<float>& node) { look(event, node); }
void NonFiniteTrap::see(Event event, const Node<double>& node) { look(event, node); }

}  // namespace tapesort
