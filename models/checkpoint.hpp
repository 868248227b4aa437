// Arrays and settings in one file, in the safetensors format, which other tools read:
//
//   8 bytes   length of the header, least significant byte first
//   header    JSON: {"__metadata__": {key: text}, name: {"dtype": "F32", "shape": [..],
//             "data_offsets": [begin, end]}, ..}, offsets counted from the header's end
//   then      the arrays' elements, row-major, one array after the other
//
// The arrays fill the data without overlaps and gaps. A file is replaced as a whole (replace_file.hpp).
// Loading checks everything before it changes anything. Every fault is a std::runtime_error of one
// line: the file, the array, what is wrong, what was expected.
#pragma once

#include <map>
#include <string>

#include "models/layers.hpp"

namespace tapesort {

template <class T> struct Checkpoint {
  std::map<std::string, Array<T>> arrays;
  std::map<std::string, std::string> metadata;
};

template <class T> void save_checkpoint(const std::string& file, const Checkpoint<T>& checkpoint);
// The arrays must be of type T ("F32" or "F64").
template <class T> Checkpoint<T> load_checkpoint(const std::string& file);

// Between a model's state and a checkpoint. Restoring wants every name, in the model's shape and
// with finite numbers; nothing is changed otherwise. `file` is for messages.
template <class T> void add_to_checkpoint(Checkpoint<T>& checkpoint, const State<T>& state);
template <class T>
void restore(const std::string& file, const Checkpoint<T>& checkpoint, const State<T>& state);

// The two steps in one.
template <class T>
void save_model(const std::string& file, const State<T>& state,
                const std::map<std::string, std::string>& metadata = {});
template <class T> void load_model(const std::string& file, const State<T>& state);

}  // namespace tapesort
