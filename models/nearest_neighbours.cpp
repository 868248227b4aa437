#include "models/nearest_neighbours.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "ops/axis.hpp"
#include "ops/candidate_strips.hpp"

namespace tapesort {
namespace {

// The k smallest (distance, index) pairs seen so far, largest first once full.
class Nearest {
 public:
  explicit Nearest(std::size_t k) : k_(k) { heap_.reserve(k); }

  // Distances of candidates first, first + 1, ..; nearly all are too far, which one comparison
  // tells. Candidates come in order of index, so an equal distance does not displace an earlier
  // one. NaN counts as infinite.
  void offer(const float* distances, std::size_t count, std::size_t first) {
    constexpr float farthest = std::numeric_limits<float>::infinity();
    for (std::size_t j = 0; j < count; ++j) {
      if (heap_.size() == k_ && !(distances[j] < heap_.front().first)) continue;
      if (heap_.size() == k_) {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
      }
      heap_.emplace_back(std::isnan(distances[j]) ? farthest : distances[j], Index(first + j));
      std::push_heap(heap_.begin(), heap_.end());
    }
  }

  void write(Index* nearest_first) {
    std::sort_heap(heap_.begin(), heap_.end());
    for (const auto& [distance, index] : heap_) *nearest_first++ = index;
  }

 private:
  std::size_t k_;
  std::vector<std::pair<float, Index>> heap_;
};

}  // namespace

Indices nearest_neighbours(const Array<float>& queries, const Array<float>& candidates,
                           std::size_t k) {
  require(queries.dimension() == 2 && candidates.dimension() == 2 &&
              queries.shape()[1] == candidates.shape()[1],
          "nearest_neighbours: queries are ", queries.shape(), ", candidates are ",
          candidates.shape(), "; need (q, d) and (c, d)");
  const std::size_t q = queries.shape()[0], c = candidates.shape()[0], d = queries.shape()[1];
  require(k >= 1 && k <= c, "nearest_neighbours: need 1 <= k <= ", c, " candidates, got k = ", k);

  for (std::size_t i = 0; i < queries.size(); ++i) {
    require(!std::isnan(queries.data()[i]), "nearest_neighbours: query ", i / d, " has a NaN");
  }
  const CandidateStrips<float> strips(candidates);
  constexpr std::size_t query_block = 256, width = CandidateStrips<float>::width;
  Indices nearest = uninitialized<Index>({q, k});
  const std::size_t blocks = (q + query_block - 1) / query_block;
  parallel_for(blocks, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    std::vector<float> distances(query_block * width);
    for (std::size_t block = begin; block < end; ++block) {
      const std::size_t first = block * query_block, rows = std::min(query_block, q - first);
      std::vector<Nearest> best(rows, Nearest(k));
      for (std::size_t strip = 0; strip < strips.count(); ++strip) {
        const std::size_t at = strip * width, columns = std::min(width, c - at);
        strips.distances(queries.data() + first * d, rows, strip, distances.data(), width);
        for (std::size_t i = 0; i < rows; ++i) {
          best[i].offer(distances.data() + i * width, columns, at);
        }
      }
      for (std::size_t i = 0; i < rows; ++i) best[i].write(nearest.data() + (first + i) * k);
    }
  });
  return nearest;
}

Indices majority_vote(const Indices& labels) {
  require(labels.dimension() == 2 && labels.shape()[1] >= 1, "majority_vote: labels are ",
          labels.shape(), "; need (q, k), k >= 1");
  const std::size_t q = labels.shape()[0], k = labels.shape()[1];
  Indices winners = uninitialized<Index>({q});
  for (std::size_t i = 0; i < q; ++i) {
    const Index* row = labels.data() + i * k;
    std::map<Index, std::size_t> votes;
    for (std::size_t j = 0; j < k; ++j) ++votes[row[j]];
    const Index* best = row;  // the nearest neighbour's label, unless one has more votes
    for (std::size_t j = 1; j < k; ++j) {
      if (votes[row[j]] > votes[*best]) best = row + j;
    }
    winners.data()[i] = *best;
  }
  return winners;
}

Indices neighbour_labels(const Indices& which, const Indices& labels) {
  check_indices("neighbour_labels", which, labels.size(), labels.shape());
  Indices result = uninitialized<Index>(which.shape());
  for (std::size_t i = 0; i < which.size(); ++i) {
    result.data()[i] = labels.data()[std::size_t(which.data()[i])];
  }
  return result;
}

double accuracy(const Indices& predicted, const Indices& truth) {
  require_same_shape("accuracy", "predicted", predicted.shape(), "truth", truth.shape());
  require(truth.size() > 0, "accuracy: nothing to compare");
  std::size_t right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += predicted.data()[i] == truth.data()[i];
  return double(right) / double(truth.size());
}

}  // namespace tapesort
