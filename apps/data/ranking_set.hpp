// Queries with their documents, as learning to rank has them: from SVMlight lines with query ids,
//
//     2 qid:7 1:0.74 6:0.87      # a comment
//
// a relevance label, a query, and the features that are not 0, by rising index from 1 on. The
// documents of a query follow each other.
#pragma once

#include <string>
#include <vector>

#include "engine/random.hpp"

namespace tapesort {

struct RankingSet {
  Array<float> features;            // (documents, features)
  Array<float> labels;              // (documents), 0 .. 1000
  std::vector<std::size_t> begins;  // each query's first document, then their number

  std::size_t queries() const { return begins.size() - 1; }
  std::size_t documents() const { return labels.size(); }
  std::size_t longest() const;  // documents of a query
};

// Plain or gzip. Where a set is to have as many features as another, those beyond are left out;
// features = 0: as many as the largest index. std::runtime_error of one line, "file:line: what is
// wrong; what was expected".
RankingSet load_ranking_set(const std::string& file, std::size_t features = 0);

// The file that is there: folder/name and .svm, .txt, or either with .gz. std::runtime_error if none is.
std::string ranking_file(const std::string& folder, const std::string& name);

// The chosen queries as a set of their own; with `shuffle`, the documents of each in random order.
RankingSet select_queries(const RankingSet& set, const Indices& which,
                          Generator* shuffle = nullptr);

}  // namespace tapesort
