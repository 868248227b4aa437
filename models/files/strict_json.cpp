#include "models/files/strict_json.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "engine/check.hpp"

namespace tapesort {

using nlohmann::json;

json parse_strict_json(const std::string& source, std::string_view text, int deepest) {
  std::vector<std::set<std::string>> keys;  // of each object that is open
  const auto look = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if ((event == Event::object_start || event == Event::array_start) && depth >= deepest) {
      fault(source, ": JSON nested too deeply; expected at most ", deepest, " levels");
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fault(source, ": the key ", shown(parsed), " is there twice");
    }
    if (event == Event::object_end) keys.pop_back();
    return true;
  };
  json value = json::parse(text.begin(), text.end(), look, /*allow_exceptions=*/false);
  if (value.is_discarded()) fault(source, ": not JSON, or cut off");
  return value;
}

std::string text_of(const json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

std::string shown(const json& value) {
  constexpr std::size_t longest = 100;
  const std::string text =
      value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
  return text.size() <= longest ? text : text.substr(0, longest) + "..";
}

}  // namespace tapesort
