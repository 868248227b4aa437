#include "models/checkpoint.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/check.hpp"
#include "models/replace_file.hpp"

namespace tapesort {
namespace {

using nlohmann::json;

constexpr std::size_t prefix = 8;  // bytes that tell the header's length

template <class... Parts>
[[noreturn]] void bad_file(const std::string& file, const Parts&... parts) {
  throw std::runtime_error(to_message(file, ": ", parts...));
}

template <class T>
constexpr const char* dtype = sizeof(T) == 4 ? "F32" : "F64";

std::string read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) bad_file(file, "cannot be opened; expected a checkpoint");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

template <class T>
Array<T> read_array(const std::string& file, const std::string& name, const json& entry,
                    const char* data, std::size_t size) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    bad_file(file, "array ", name, " lacks dtype, shape or data_offsets");
  }
  if (entry["dtype"] != dtype<T>) {
    bad_file(file, "array ", name, " is of type ", entry["dtype"].dump(), "; expected ", dtype<T>);
  }
  Shape shape;
  for (const json& extent : entry["shape"]) shape.push_back(extent.get<std::size_t>());
  const auto begin = entry["data_offsets"].at(0).get<std::size_t>(),
             end = entry["data_offsets"].at(1).get<std::size_t>();
  if (begin > end || end > size) {
    bad_file(file, "array ", name, " ends at byte ", end, " of the data, which has ", size,
             ": the file is truncated");
  }
  if (end - begin != element_count(shape) * sizeof(T)) {
    bad_file(file, "array ", name, " of shape ", shape, " has ", end - begin, " bytes; expected ",
             element_count(shape) * sizeof(T));
  }
  Array<T> array = uninitialized<T>(shape);
  std::memcpy(array.data(), data + begin, end - begin);
  return array;
}

}  // namespace

template <class T>
void save_checkpoint(const std::string& file, const Checkpoint<T>& checkpoint) {
  json header = json::object();
  if (!checkpoint.metadata.empty()) header["__metadata__"] = checkpoint.metadata;
  std::size_t offset = 0;
  for (const auto& [name, array] : checkpoint.arrays) {
    const std::size_t end = offset + array.size() * sizeof(T);
    header[name] = {{"dtype", dtype<T>},
                    {"shape", std::vector<std::size_t>(array.shape().begin(), array.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of 8
  replace_file(file, [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    for (std::size_t i = 0; i < prefix; ++i) out.put(char(std::uint64_t(text.size()) >> (8 * i)));
    out << text;
    for (const auto& named : checkpoint.arrays) {  // std::map: in the order of the header
      const Array<T>& array = named.second;
      out.write(reinterpret_cast<const char*>(array.data()),
                std::streamsize(array.size() * sizeof(T)));
    }
    out.flush();
    if (!out) bad_file(temporary, "cannot be written");
  });
}

template <class T>
Checkpoint<T> load_checkpoint(const std::string& file) {
  const std::string bytes = read_file(file);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < prefix && i < bytes.size(); ++i) {
    length |= std::uint64_t(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  if (bytes.size() < prefix || length > bytes.size() - prefix) {
    bad_file(file, "no checkpoint, or truncated: ", bytes.size(),
             " bytes do not hold the header that the first 8 announce");
  }
  const json header = json::parse(bytes.begin() + prefix, bytes.begin() + prefix + length, nullptr,
                                  /*allow_exceptions=*/false);
  if (!header.is_object()) bad_file(file, "no checkpoint: the header is not a JSON object");
  Checkpoint<T> checkpoint;
  try {
    for (const auto& item : header.items()) {
      const std::string& name = item.key();
      const json& entry = item.value();
      if (name == "__metadata__") {
        checkpoint.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        checkpoint.arrays.emplace(name,
                                  read_array<T>(file, name, entry, bytes.data() + prefix + length,
                                                bytes.size() - prefix - length));
      }
    }
  } catch (const json::exception& error) {
    bad_file(file, "no checkpoint: ", error.what());
  }
  return checkpoint;
}

template <class T>
void add_to_checkpoint(Checkpoint<T>& checkpoint, const State<T>& state) {
  const auto add = [&](const std::string& name, const Array<T>& value) {
    require(checkpoint.arrays.emplace(name, value).second, "checkpoint: two arrays are named ", name,
            "; give each layer a name of its own");
  };
  for (const Parameter<T>* p : state.parameters) add(p->name, p->value);
  for (const auto& buffer : state.buffers) add(buffer.name, *buffer.value);
}

template <class T>
void restore(const std::string& file, const Checkpoint<T>& checkpoint, const State<T>& state) {
  std::vector<std::pair<Array<T>*, const Array<T>*>> copies;
  const auto want = [&](const std::string& name, Array<T>& value) {
    const auto found = checkpoint.arrays.find(name);
    if (found == checkpoint.arrays.end()) bad_file(file, "has no array ", name);
    if (found->second.shape() != value.shape()) {
      bad_file(file, "array ", name, " has shape ", found->second.shape(), "; this model expects ",
               value.shape());
    }
    copies.push_back({&value, &found->second});
  };
  for (Parameter<T>* p : state.parameters) want(p->name, p->value);
  for (const auto& buffer : state.buffers) want(buffer.name, *buffer.value);
  for (const auto& [to, from] : copies) *to = *from;
}

template <class T>
void save_model(const std::string& file, const State<T>& state,
                const std::map<std::string, std::string>& metadata) {
  Checkpoint<T> checkpoint{{}, metadata};
  add_to_checkpoint(checkpoint, state);
  save_checkpoint(file, checkpoint);
}

template <class T>
void load_model(const std::string& file, const State<T>& state) {
  restore(file, load_checkpoint<T>(file), state);
}

#define INSTANTIATE(T)                                                              \
  template void save_checkpoint(const std::string&, const Checkpoint<T>&);          \
  template Checkpoint<T> load_checkpoint<T>(const std::string&);                    \
  template void add_to_checkpoint(Checkpoint<T>&, const State<T>&);                 \
  template void restore(const std::string&, const Checkpoint<T>&, const State<T>&); \
  template void save_model(const std::string&, const State<T>&,                     \
                           const std::map<std::string, std::string>&);              \
  template void load_model(const std::string&, const State<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
