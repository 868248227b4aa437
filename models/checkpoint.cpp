#include "models/checkpoint.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parameter.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

using nlohmann::json;

constexpr std::size_t prefix = 8;                  // bytes that tell the header's length
constexpr std::size_t longest_header = 100000000;  // as the format has it
constexpr int deepest_header = 3;                  // {name: {"shape": [..]}}
constexpr std::size_t most_extents = 16;

template <class... Parts>
[[noreturn]] void bad_file(const std::string& file, const Parts&... parts) {
  fault(file, ": ", parts...);
}

template <class T> constexpr const char* dtype = sizeof(T) == 4 ? "F32" : "F64";

// What the header says of an array: its shape, and where in the data its elements are.
struct Entry {
  std::string name;
  Shape shape;
  std::size_t begin = 0, end = 0;
};

// Whether it is a list of as many counts as fit.
bool are_counts(const json& list, std::size_t fewest, std::size_t most) {
  return list.is_array() && list.size() >= fewest && list.size() <= most &&
         std::all_of(list.begin(), list.end(),
                     [](const json& n) { return n.is_number_unsigned(); });
}

// Of elements of so many bytes each.
Entry parse_entry(const std::string& file, const std::string& name, const json& value,
                  const char* dtype, std::size_t element) {
  Entry entry{name, {}};
  const auto need = [&](bool ok, const auto&... parts) {
    if (!ok) bad_file(file, "array ", shown(name), parts...);
  };
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    need(value.is_object() && value.contains(key), " lacks ", key);
  }
  const json &type = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
  need(type == dtype, " is of type ", shown(type), "; expected \"", dtype, "\"");
  need(are_counts(shape, 0, most_extents), " has shape ", shown(shape), "; expected at most ",
       most_extents, " whole numbers");
  need(are_counts(offsets, 2, 2), " has data_offsets ", shown(offsets), "; expected [begin, end]");
  for (const json& extent : shape) entry.shape.push_back(extent.get<std::size_t>());
  entry.begin = offsets[0].get<std::size_t>();
  entry.end = offsets[1].get<std::size_t>();
  need(entry.begin <= entry.end, " begins at byte ", entry.begin, " of the data and ends at byte ",
       entry.end, ": the offsets are reversed");
  std::size_t bytes = 0;
  try {
    bytes = element_count(entry.shape, ("array " + shown(name)).c_str()) * element;
  } catch (const std::invalid_argument& error) {
    bad_file(file, error.what());
  }
  need(entry.end - entry.begin == bytes, " of shape ", entry.shape, " has ",
       entry.end - entry.begin, " bytes; expected ", bytes);
  return entry;
}

// Arrays in the order of their data, which they must fill.
void require_filled(const std::string& file, const std::vector<Entry>& entries, std::size_t size) {
  std::size_t at = 0;
  std::string last = "the header";
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      bad_file(file, "array ", shown(entry.name), " begins at byte ", entry.begin,
               " of the data, but ", last, " ends at byte ", at,
               entry.begin < at ? ": they overlap" : ": a gap");
    }
    if (entry.end > size) {
      bad_file(file, "array ", shown(entry.name), " ends at byte ", entry.end,
               " of the data, which has ", size, ": the file is truncated");
    }
    at = entry.end;
    last = "array " + shown(entry.name);
  }
  if (at != size) {
    bad_file(file, size - at, " bytes follow ", last, "; expected the end of the file");
  }
}

std::map<std::string, std::string> parse_metadata(const std::string& file, const json& value) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) bad_file(file, "__metadata__ is ", shown(value), "; expected an object");
  for (const auto& item : value.items()) {
    if (!item.value().is_string()) {
      bad_file(file, "__metadata__: ", shown(item.key()), " is ", shown(item.value()),
               "; expected a text");
    }
    metadata[item.key()] = item.value().get<std::string>();
  }
  return metadata;
}

using Metadata = std::map<std::string, std::string>;

// The header, after its length; the data behind it begin at a multiple of 8.
std::string header_text(const std::vector<Entry>& entries, const Metadata& metadata,
                        const char* dtype) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const Entry& entry : entries) {
    header[entry.name] = {
        {"dtype", dtype},
        {"shape", std::vector<std::size_t>(entry.shape.begin(), entry.shape.end())},
        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text = text_of(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length;
  for (std::size_t i = 0; i < prefix; ++i) length += char(std::uint64_t(text.size()) >> (8 * i));
  return length + text;
}

// The arrays that a header announces, in the order of their data, of which there are `size` bytes.
std::vector<Entry> parse_header(const std::string& file, const std::string& text, const char* dtype,
                                std::size_t element, std::size_t size, Metadata& metadata) {
  const json header = parse_strict_json(file + ": no checkpoint: the header", text, deepest_header);
  if (!header.is_object()) bad_file(file, "no checkpoint: the header is not a JSON object");
  std::vector<Entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__") {
      metadata = parse_metadata(file, item.value());
    } else {
      entries.push_back(parse_entry(file, item.key(), item.value(), dtype, element));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  require_filled(file, entries, size);
  return entries;
}

}  // namespace

template <class T> void save_checkpoint(const std::string& file, const Checkpoint<T>& checkpoint) {
  std::vector<Entry> entries;
  std::vector<std::string_view> data;
  std::size_t offset = 0;
  for (const auto& [name, array] : checkpoint.arrays) {
    const std::size_t bytes = array.size() * sizeof(T);
    entries.push_back({name, array.shape(), offset, offset + bytes});
    data.emplace_back(reinterpret_cast<const char*>(array.data()), bytes);
    offset += bytes;
  }
  const std::string header = header_text(entries, checkpoint.metadata, dtype<T>);
  Metadata same;  // what could not be loaded is not saved
  parse_header(file, header.substr(prefix), dtype<T>, sizeof(T), offset, same);
  data.insert(data.begin(), header);
  replace_file_content(file, data);
}

template <class T> Checkpoint<T> load_checkpoint(const std::string& file) {
  std::error_code error;
  const std::size_t size = std::filesystem::file_size(file, error);  // of regular files only
  std::ifstream in(file, std::ios::binary);
  if (error || !in) {
    bad_file(file, "cannot be opened: ", error ? error.message() : std::strerror(errno),
             "; expected a checkpoint");
  }
  const auto read = [&](char* to, std::size_t count) {
    in.read(to, std::streamsize(count));
    if (std::size_t(in.gcount()) != count) {
      bad_file(file, "cannot be read to its end: ", in.bad() ? std::strerror(errno) : "truncated");
    }
  };
  unsigned char first[prefix] = {};
  if (size >= prefix) read(reinterpret_cast<char*>(first), prefix);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < prefix; ++i) length |= std::uint64_t(first[i]) << (8 * i);
  if (size < prefix || length > std::min(size - prefix, longest_header)) {
    bad_file(file, "no checkpoint, or truncated: ", size,
             " bytes do not hold the header that the first 8 announce");
  }
  std::string text(length, '\0');
  read(text.data(), length);
  Checkpoint<T> checkpoint;
  const std::vector<Entry> entries =
      parse_header(file, text, dtype<T>, sizeof(T), size - prefix - length, checkpoint.metadata);
  for (const Entry& entry : entries) {
    Array<T> array = uninitialized<T>(entry.shape);
    read(reinterpret_cast<char*>(array.data()), entry.end - entry.begin);
    checkpoint.arrays.emplace(entry.name, std::move(array));
  }
  return checkpoint;
}

template <class T> void add_to_checkpoint(Checkpoint<T>& checkpoint, const State<T>& state) {
  for (const auto& [name, value] : state.arrays()) {
    require(checkpoint.arrays.emplace(name, *value).second, "checkpoint: two arrays are named ",
            name, "; give each layer a name of its own");
  }
}

template <class T>
void restore(const std::string& file, const Checkpoint<T>& checkpoint, const State<T>& state) {
  const auto own = state.arrays();
  for (const auto& [name, value] : own) {
    const auto found = checkpoint.arrays.find(name);
    if (found == checkpoint.arrays.end()) bad_file(file, "has no array ", name);
    const Array<T>& array = found->second;
    if (array.shape() != value->shape()) {
      bad_file(file, "array ", name, " has shape ", array.shape(), "; this model expects ",
               value->shape());
    }
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (!std::isfinite(array.data()[i])) {
        bad_file(file, "array ", name, " holds ", array.data()[i], " at position ", i,
                 "; expected finite numbers");
      }
    }
  }
  for (const auto& [name, value] : own) *value = checkpoint.arrays.at(name);
  for (Parameter<T>* p : state.parameters) p->changed();
}

template <class T>
void save_model(const std::string& file, const State<T>& state,
                const std::map<std::string, std::string>& metadata) {
  Checkpoint<T> checkpoint{{}, metadata};
  add_to_checkpoint(checkpoint, state);
  save_checkpoint(file, checkpoint);
}

template <class T> void load_model(const std::string& file, const State<T>& state) {
  restore(file, load_checkpoint<T>(file), state);
}

INSTANTIATE(save_checkpoint)
INSTANTIATE(load_checkpoint)
INSTANTIATE(add_to_checkpoint)
INSTANTIATE(restore)
INSTANTIATE(save_model)
INSTANTIATE(load_model)

}  // namespace tapesort
