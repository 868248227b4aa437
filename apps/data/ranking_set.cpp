#include "apps/data/ranking_set.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "apps/data/image_files.hpp"

namespace tapesort {
namespace {

using Words = std::vector<std::string>;

// What stands between blanks, up to a #.
Words words_of(const std::string& line) {
  Words words;
  std::istringstream in(line.substr(0, line.find('#')));
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// As messages show it.
std::string quoted(const std::string& word) {
  return "'" + (word.size() > 40 ? word.substr(0, 40) + ".." : word) + "'";
}

// The whole text as a number.
template <class T> bool read(const std::string& text, T& number) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';  // not for from_chars
  const char *const begin = text.data() + plus, *const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  return error == std::errc() && stop == end;
}

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  void line(const std::string& text) {
    ++line_;
    const Words words = words_of(text);
    if (words.empty()) return;
    double label = 0;
    if (!read(words[0], label) || !(label >= 0 && label <= 1000)) {
      bad("the label is ", quoted(words[0]), "; expected a number from 0 to 1000");
    }
    if (words.size() < 2 || words[1].rfind("qid:", 0) != 0 || words[1].size() == 4) {
      bad("found ", words.size() < 2 ? "nothing" : quoted(words[1]),
          " behind the label; expected the document's query, as in qid:7");
    }
    if (labels_.empty() || words[1] != query_) {
      if (!seen_.insert(words[1]).second) {
        bad(words[1], " is here again, after ", query_,
            "; expected all documents of a query one after the other");
      }
      query_ = words[1];
      begins_.push_back(labels_.size());
    }
    labels_.push_back(float(label));
    std::size_t before = 0;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::size_t colon = words[i].find(':');
      std::size_t index = 0;
      double value = 0;
      if (colon == std::string::npos || !read(words[i].substr(0, colon), index) ||
          !read(words[i].substr(colon + 1), value) ||
          !(std::abs(value) <= double(std::numeric_limits<float>::max()))) {
        bad("found ", quoted(words[i]), "; expected a feature and its value, as in 12:0.5");
      }
      if (index <= before || index > most_features) {
        bad("feature ", index, " after ", before, "; expected rising numbers from 1 to ",
            most_features);
      }
      before = index;
      entries_.push_back({std::uint32_t(index - 1), float(value)});
    }
    ends_.push_back(entries_.size());
    if (before > largest_) largest_ = before, line_of_largest_ = line_;
  }

  RankingSet set(std::size_t features) {
    if (labels_.empty()) fault(file_, ": has no documents");
    if (features == 0) features = largest_;
    if (features == 0) fault(file_, ": no document has a feature");
    if (labels_.size() > most_numbers / features) {
      line_ = line_of_largest_;
      bad("feature ", features, " of ", labels_.size(), " documents: expected at most ",
          most_numbers, " numbers in all");
    }
    RankingSet set;
    set.features = zeros<float>({labels_.size(), features});
    for (std::size_t document = 0, entry = 0; document < ends_.size(); ++document) {
      for (; entry < ends_[document]; ++entry) {
        const auto [feature, value] = entries_[entry];
        if (feature < features) set.features(document, feature) = value;
      }
    }
    set.labels = uninitialized<float>({labels_.size()});
    std::copy(labels_.begin(), labels_.end(), set.labels.data());
    set.begins = begins_;
    set.begins.push_back(labels_.size());
    return set;
  }

 private:
  static constexpr std::size_t most_features = 1000000;
  static constexpr std::size_t most_numbers = std::size_t{1} << 31;  // 8 GiB
  struct Entry {
    std::uint32_t feature;
    float value;
  };

  template <class... Parts> [[noreturn]] void bad(const Parts&... parts) const {
    fault(file_, ":", line_, ": ", parts...);
  }

  std::string file_, query_;
  std::size_t line_ = 0, largest_ = 0, line_of_largest_ = 0;
  std::set<std::string> seen_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> ends_;  // of each document's entries
  std::vector<float> labels_;
  std::vector<std::size_t> begins_;
};

}  // namespace

std::size_t RankingSet::longest() const {
  std::size_t most = 0;
  for (std::size_t q = 0; q < queries(); ++q) most = std::max(most, begins[q + 1] - begins[q]);
  return most;
}

RankingSet load_ranking_set(const std::string& file, std::size_t features) {
  ByteStream in(file);
  Reader reader(file);
  constexpr std::size_t piece = std::size_t{1} << 20;
  std::string line;
  for (std::vector<std::uint8_t> bytes; !(bytes = in.read(piece)).empty();) {
    for (const std::uint8_t byte : bytes) {
      if (byte != '\n') {
        line += char(byte);
        continue;
      }
      reader.line(line);
      line.clear();
    }
  }
  reader.line(line);
  return reader.set(features);
}

std::string ranking_file(const std::string& folder, const std::string& name) {
  for (const char* ending : {".svm", ".svm.gz", ".txt", ".txt.gz"}) {
    const std::string file = folder + "/" + name + ending;
    if (std::filesystem::exists(file)) return file;
  }
  fault(folder, ": has no ", name, ".svm or ", name,
        ".txt, plain or .gz, of lines such as 2 qid:7 1:0.5 3:1");
}

RankingSet select_queries(const RankingSet& set, const Indices& which, Generator* shuffle) {
  const std::size_t features = set.features.shape(1);
  std::size_t documents = 0;
  for (const Index q : which) {
    documents += set.begins[std::size_t(q) + 1] - set.begins[std::size_t(q)];
  }
  RankingSet part{
      uninitialized<float>({documents, features}), uninitialized<float>({documents}), {0}};
  for (const Index q : which) {
    const std::size_t from = set.begins[std::size_t(q)], to = part.begins.back();
    const std::size_t count = set.begins[std::size_t(q) + 1] - from;
    const Indices order = shuffle ? shuffle->permutation(count) : Indices();
    for (std::size_t j = 0; j < count; ++j) {
      const std::size_t document = from + (shuffle ? std::size_t(order(j)) : j);
      part.labels(to + j) = set.labels(document);
      std::copy_n(set.features.data() + document * features, features,
                  part.features.data() + (to + j) * features);
    }
    part.begins.push_back(to + count);
  }
  return part;
}

}  // namespace tapesort
