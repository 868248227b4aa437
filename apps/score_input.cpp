#include "apps/score_input.hpp"

#include <charconv>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>

#include "engine/check.hpp"

namespace tapesort {
namespace {

bool separates(char c) { return c == ' ' || c == '\t' || c == ',' || c == '\r'; }

// The number that `word` is; false when it is none, or has no place in T.
template <class T>
bool to_number(const std::string& word, T& value) {
  const char* begin = word.data() + (word.size() > 1 && word[0] == '+' ? 1 : 0);
  const char* end = word.data() + word.size();
  const std::from_chars_result result = std::from_chars(begin, end, value);
  return result.ec == std::errc() && result.ptr == end && std::isfinite(double(value));
}

template <class T>
std::vector<Array<T>> parse_sets(const std::string& text, const std::string& name,
                                 const char* what) {
  std::vector<Array<T>> sets;
  std::istringstream lines(text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line.erase(std::min(line.find('#'), line.size()));
    std::vector<T> set;
    for (std::size_t i = 0; i < line.size();) {
      if (separates(line[i])) {
        ++i;
        continue;
      }
      const std::size_t begin = i;
      while (i < line.size() && !separates(line[i])) ++i;
      const std::string word = line.substr(begin, i - begin);
      T value;
      require(to_number(word, value), name, ":", number, ":", begin + 1, ": '", word, "' is not ",
              what);
      set.push_back(value);
    }
    if (set.empty()) continue;
    sets.push_back(uninitialized<T>({set.size()}));
    std::copy(set.begin(), set.end(), sets.back().data());
  }
  require(!sets.empty(), name, ":1:1: no numbers; need a set of them on each line");
  return sets;
}

template <class T>
Array<T> json_set(const nlohmann::json& value, const std::string& path, const std::string& name) {
  require(value.is_array() && !value.empty(), name, ": ", path, " is ", value.dump(),
          "; need a list of numbers");
  Array<T> set = uninitialized<T>({value.size()});
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool ok = std::is_integral_v<T> ? value[i].is_number_integer() : value[i].is_number();
    require(ok, name, ": ", path, "[", i, "] is ", value[i].dump(), "; need ",
            std::is_integral_v<T> ? "an integer" : "a number");
    set.data()[i] = value[i].get<T>();
  }
  return set;
}

template <class T>
std::vector<Array<T>> json_sets(const nlohmann::json& value, const std::string& key,
                                const std::string& name) {
  const bool several = value.is_array() && !value.empty() && value[0].is_array();
  if (!several) return {json_set<T>(value, key, name)};
  std::vector<Array<T>> sets;
  for (std::size_t i = 0; i < value.size(); ++i) {
    sets.push_back(json_set<T>(value[i], key + "[" + std::to_string(i) + "]", name));
  }
  return sets;
}

}  // namespace

std::vector<Array<double>> parse_score_sets(const std::string& text, const std::string& name) {
  return parse_sets<double>(text, name, "a finite number");
}

std::vector<Indices> parse_index_sets(const std::string& text, const std::string& name) {
  return parse_sets<Index>(text, name, "an integer");
}

nlohmann::json parse_json(const std::string& text, const std::string& name) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 2, column 5: what is wrong"
    static const std::regex position(R"(^\[.*\] parse error at line (\d+), column (\d+): (.*)$)");
    const std::string message = error.what();
    std::smatch match;
    if (!std::regex_match(message, match, position)) bad_argument(name, ": ", message);
    bad_argument(name, ":", match[1].str(), ":", match[2].str(), ": ", match[3].str());
  }
}

std::vector<Array<double>> score_sets(const nlohmann::json& value, const std::string& key,
                                      const std::string& name) {
  return json_sets<double>(value, key, name);
}

std::vector<Indices> index_sets(const nlohmann::json& value, const std::string& key,
                                const std::string& name) {
  return json_sets<Index>(value, key, name);
}

std::string read_text(const std::string& file) {
  if (file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw std::runtime_error("cannot read " + file);
  return text;
}

}  // namespace tapesort
