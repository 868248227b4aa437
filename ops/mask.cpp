#include "ops/mask.hpp"

#include <map>
#include <numeric>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

std::vector<Index> extents(const Shape& shape) { return {shape.begin(), shape.end()}; }

// x, one part after the other, as these parts, numbers first .. last - 1. By halves: a slice's
// cotangent is as large as what it was cut from, so cutting every part from the whole would cost
// parts times the whole.
template <class T>
void cut(const Var<T>& x, const std::vector<Shape>& shapes, std::size_t first, std::size_t last,
         std::vector<Var<T>>& parts) {
  if (last - first <= 1) {
    if (first < last) parts.push_back(reshape(x, extents(shapes[first])));
    return;
  }
  const std::size_t middle = (first + last) / 2;
  std::size_t size = 0;
  for (std::size_t i = first; i < middle; ++i) size += element_count(shapes[i]);
  cut(slice(x, 0, 0, Index(size)), shapes, first, middle, parts);
  cut(slice(x, 0, Index(size), Index(x.size())), shapes, middle, last, parts);
}

}  // namespace

ItemMask::ItemMask(const Array<bool>& valid) : valid_(std::make_shared<const Array<bool>>(valid)) {
  require(valid.dimension() >= 1, "ItemMask: valid is 0-d; need (.., n)");
  const std::size_t n = valid.shape().back();
  std::map<std::size_t, Group> by_count;
  std::vector<std::size_t> items;
  for (std::size_t start = 0; start < valid.size(); start += n) {
    items.clear();
    for (std::size_t j = 0; j < n; ++j) {
      if (valid.data()[start + j]) items.push_back(j);
    }
    if (items.empty()) continue;
    Group& group = by_count[items.size()];
    group.m = items.size();
    group.sets.push_back(start / n);
    group.items.insert(group.items.end(), items.begin(), items.end());
  }
  std::vector<Group> groups;
  for (auto& [count, group] : by_count) groups.push_back(std::move(group));
  groups_ = std::make_shared<const std::vector<Group>>(std::move(groups));
}

ItemMask ItemMask::of_lengths(const Indices& lengths, std::size_t n) {
  Array<bool> valid = uninitialized<bool>(extended(lengths.shape(), {n}), "ItemMask");
  for (std::size_t set = 0; set < lengths.size(); ++set) {
    const Index length = lengths.data()[set];
    require(length >= 0 && std::size_t(length) <= n, "ItemMask: length ", set, " is ", length,
            "; need 0 <= length <= n = ", n);
    for (std::size_t j = 0; j < n; ++j) valid.data()[set * n + j] = j < std::size_t(length);
  }
  return ItemMask(valid);
}

Indices ItemMask::counts() const {
  Indices counts = zeros<Index>(full_shape(By::set, {}));
  for (const Group& group : groups()) {
    for (const std::size_t set : group.sets) counts.data()[set] = Index(group.m);
  }
  return counts;
}

Array<bool> ItemMask::where(By by) const {
  Array<bool> there = full<bool>(full_shape(by, {}), false);
  for_elements(by, [&](std::size_t at) { there.data()[at] = true; });
  return there;
}

ItemMask ItemMask::repeated(const Shape& samples) const {
  Array<bool> valid = uninitialized<bool>(extended(samples, shape()), "ItemMask");
  for (std::size_t i = 0; i < valid.size(); ++i) {
    valid.data()[i] = valid_->data()[i % valid_->size()];
  }
  return ItemMask(valid);
}

void ItemMask::refuse(const Group& group, const std::invalid_argument& error) const {
  if (group.sets.size() * shape().back() == valid_->size()) throw error;  // rows are the sets
  std::string sets;
  for (std::size_t i = 0; i < std::min<std::size_t>(group.sets.size(), 8); ++i) {
    sets += (i ? ", " : "") + std::to_string(group.sets[i]);
  }
  bad_argument(error.what(), " (rows are here the sets with ", group.m, " valid items: ", sets,
               group.sets.size() > 8 ? ", ..)" : ")");
}

// Calls f(where it stands in the full array) for each element of all parts, in their order.
template <class F> void ItemMask::for_elements(By by, const F& f) const {
  const std::size_t n = shape().back();
  for (const Group& group : groups()) {
    for (std::size_t k = 0; k < group.sets.size(); ++k) {
      const std::size_t set = group.sets[k], *const items = group.items.data() + k * group.m;
      if (by == By::set) f(set);
      for (std::size_t i = 0; by != By::set && i < group.m; ++i) {
        if (by == By::item) f(set * n + items[i]);
        if (by == By::place) f(set * n + i);
        for (std::size_t j = 0; by == By::place_and_item && j < group.m; ++j) {
          f((set * n + i) * n + items[j]);
        }
      }
    }
  }
}

// All parts, one after the other. An element is a block: what the axes behind the items' count.
template <class T> Array<T> ItemMask::gather(const Array<T>& full, By by, std::size_t block) const {
  std::size_t size = 0;
  for (const Group& group : groups()) size += element_count(part_shape(group, by, {}));
  Array<T> parts = uninitialized<T>({size * block});
  T* to = parts.data();
  for_elements(by, [&](std::size_t at) {
    for (std::size_t b = 0; b < block; ++b) *to++ = full.data()[at * block + b];
  });
  return parts;
}

template <class T>
Array<T> ItemMask::scatter(const Array<T>& parts, By by, const Shape& shape) const {
  const std::size_t block = element_count(rest_of(shape, by));
  Array<T> full = zeros<T>(shape);
  const T* from = parts.data();
  for_elements(by, [&](std::size_t at) {
    for (std::size_t b = 0; b < block; ++b) full.data()[at * block + b] = *from++;
  });
  return full;
}

Shape ItemMask::full_shape(By by, const Shape& rest) const {
  Shape full = shape();
  if (by == By::set) full.pop_back();
  if (by == By::place_and_item) full.push_back(full.back());
  return extended(full, rest);
}

Shape ItemMask::rest_of(const Shape& full, By by) const {
  const Shape needed = full_shape(by, {});
  require(full.size() >= needed.size() && std::equal(needed.begin(), needed.end(), full.begin()),
          "masked: an operand is ", full, ", the mask is ", shape(), "; need one of shape ", needed,
          ", which may have more axes behind");
  return Shape(full.begin() + std::ptrdiff_t(needed.size()), full.end());
}

Shape ItemMask::part_shape(const Group& group, By by, const Shape& rest) const {
  Shape part{group.sets.size()};
  if (by != By::set) part.push_back(group.m);
  if (by == By::place_and_item) part.push_back(group.m);
  return extended(part, rest);
}

template <class T> std::vector<Var<T>> ItemMask::split(const Var<T>& x, By by) const {
  const Shape rest = rest_of(x.shape(), by);
  const Var<T> all = record("mask_split", {x}, gather(x.value(), by, element_count(rest)),
                            [mask = *this, by](Node<T>& y) {
                              const Var<T>& x = y.input(0);
                              accumulate(x, mask.scatter(y.cotangent(), by, x.shape()));
                            });
  std::vector<Shape> shapes;
  for (const Group& group : groups()) shapes.push_back(part_shape(group, by, rest));
  std::vector<Var<T>> parts;
  cut(all, shapes, 0, shapes.size(), parts);
  return parts;
}

template <class T> std::vector<Array<T>> ItemMask::split(const Array<T>& x, By by) const {
  const Shape rest = rest_of(x.shape(), by);
  const Array<T> all = gather(x, by, element_count(rest));
  std::vector<Array<T>> parts;
  const T* from = all.data();
  for (const Group& group : groups()) {
    parts.push_back(uninitialized<T>(part_shape(group, by, rest)));
    std::copy_n(from, parts.back().size(), parts.back().data());
    from += parts.back().size();
  }
  return parts;
}

template <class T> Var<T> ItemMask::join(const std::vector<Var<T>>& parts, By by) const {
  require(parts.size() == groups().size(), "masked: got ", parts.size(), " results for ",
          groups().size(), " groups of sets");
  Shape rest;
  std::vector<Var<T>> flat;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Shape& shape = parts[i].shape();
    const std::size_t axes = part_shape(groups()[i], by, {}).size();
    if (i == 0 && shape.size() > axes) {
      rest.assign(shape.begin() + std::ptrdiff_t(axes), shape.end());
    }
    const Shape needed = part_shape(groups()[i], by, rest);
    require(shape == needed, "masked: the operator gave ", shape, " for ", groups()[i].sets.size(),
            " sets of ", groups()[i].m, " items; need ", needed);
    flat.push_back(reshape(parts[i], {-1}));
  }
  const Var<T> all = flat.empty() ? constant(zeros<T>({0})) : concat(flat);
  return record("mask_join", {all}, scatter(all.value(), by, full_shape(by, rest)),
                [mask = *this, by, block = element_count(rest)](Node<T>& y) {
                  accumulate(y.input(0), mask.gather(y.cotangent(), by, block));
                });
}

std::vector<Indices> ItemMask::split_order(const Indices& order) const {
  const std::size_t n = shape().back(), k = order.dimension() ? order.shape().back() : 0;
  Shape needed = shape();
  needed.back() = k;
  require(order.shape() == needed && k <= n, "masked: an order is ", order.shape(),
          ", the mask is ", shape(), "; need (.., k) with k <= n in the mask's shape");
  std::vector<Indices> parts;
  std::vector<Index> number(n);  // of each item among the valid ones
  for (const Group& group : groups()) {
    const std::size_t places = std::min(k, group.m);
    parts.push_back(uninitialized<Index>({group.sets.size(), places}));
    Index* to = parts.back().data();
    for (std::size_t set = 0; set < group.sets.size(); ++set) {
      std::fill(number.begin(), number.end(), Index(-1));
      for (std::size_t j = 0; j < group.m; ++j) {
        number[group.items[set * group.m + j]] = Index(j);
      }
      for (std::size_t i = 0; i < places; ++i) {
        const Index item = order.data()[group.sets[set] * k + i];
        require(item >= 0 && std::size_t(item) < n && number[std::size_t(item)] >= 0,
                "masked: row ", group.sets[set], " has item ", item, " at place ", i,
                "; need one of its ", group.m, " valid items of 0 .. ", n - 1);
        *to++ = number[std::size_t(item)];
      }
    }
  }
  return parts;
}

Indices ItemMask::join_order(const std::vector<Indices>& parts) const {
  const std::size_t n = shape().back();
  Indices order = uninitialized<Index>(shape());
  std::vector<std::size_t> place(n ? order.size() / n : 0);  // the next one of each set
  for (std::size_t i = 0; i < groups().size(); ++i) {
    const Group& group = groups()[i];
    require(parts.size() == groups().size() && parts[i].shape() == part_shape(group, By::item, {}),
            "masked: need an order (", group.sets.size(), ", ", group.m, ") for group ", i);
    for (std::size_t at = 0; at < parts[i].size(); ++at) {
      const std::size_t set = group.sets[at / group.m], start = at / group.m * group.m;
      const Index number = parts[i].data()[at];
      require(number >= 0 && std::size_t(number) < group.m, "masked: an order has item ", number,
              "; need 0 <= item < ", group.m);
      order.data()[set * n + place[set]++] = Index(group.items[start + std::size_t(number)]);
    }
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    if (!valid_->data()[at]) order.data()[at / n * n + place[at / n]++] = Index(at % n);
  }
  return order;
}

void check_count(const char* op, double k, std::size_t n) {
  require(k >= 0 && k <= double(n), op, ": k must be in 0 .. n, got ", k, " for n = ", n);
}

void check_mask(const char* op, const Shape& scores, const OptionalMask& mask) {
  if (!mask) return;
  require(mask->shape() == scores, op, ": the mask is ", mask->shape(), "; need one of shape ",
          scores, ", that of the scores");
}

#define INSTANTIATE_ARRAY(T) \
  template std::vector<Array<T>> ItemMask::split(const Array<T>&, By) const;
#define INSTANTIATE_VAR(T)                                               \
  INSTANTIATE_ARRAY(T)                                                   \
  template std::vector<Var<T>> ItemMask::split(const Var<T>&, By) const; \
  template Var<T> ItemMask::join(const std::vector<Var<T>>&, By) const;
INSTANTIATE_VAR(float)
INSTANTIATE_VAR(double)
INSTANTIATE_VAR(Dual<double>)
INSTANTIATE_ARRAY(Index)
#undef INSTANTIATE_VAR
#undef INSTANTIATE_ARRAY

}  // namespace tapesort
