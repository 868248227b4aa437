#include "models/npy.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <regex>
#include <xtensor/xnpy.hpp>

#include "engine/check.hpp"
#include "models/files/replace_file.hpp"

namespace tapesort {
namespace {

struct Header {
  std::string type;  // as "<f8"
  Shape shape;
  bool by_columns;   // "fortran order"
  std::size_t size;  // of what stands before the numbers
};

Header read_header(const std::string& file, std::istream& in, std::size_t file_size) {
  unsigned char begin[12] = {};
  in.read(reinterpret_cast<char*>(begin), sizeof begin);
  if (std::memcmp(begin, "\x93NUMPY", 6) != 0)
    fault(file, ": is not a .npy file, as np.save writes");
  const std::size_t version = begin[6];
  if (version != 1 && version != 2) fault(file, ": has version ", version, "; need 1 or 2");
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = std::size_t(begin[8] | begin[9] << 8);
  if (version == 2) length |= std::size_t(begin[10]) << 16 | std::size_t(begin[11]) << 24;
  if (start + length > file_size) fault(file, ": ends inside its header");
  std::string text(length, ' ');
  in.clear();
  in.seekg(std::streamoff(start));
  in.read(text.data(), std::streamsize(length));
  static const std::regex form(R"(\{'descr': '([^']*)', 'fortran_order': (True|False), )"
                               R"('shape': \(([\d, ]*)\),? ?\}\s*)"),
      number(R"(\d+)");
  std::smatch match;
  if (length > 10000 || !std::regex_match(text, match, form)) {
    fault(file, ": has a header that is none of an array of numbers: ", text.substr(0, 100));
  }
  Header header{match[1], {}, match[2] == "True", start + length};
  const std::string extents = match[3];
  for (std::sregex_iterator it(extents.begin(), extents.end(), number), end; it != end; ++it) {
    const std::string extent = it->str();
    header.shape.push_back(extent.size() < 19 ? std::stoull(extent) : std::size_t{1} << 62);
  }
  return header;
}

// Element i, row by row, of an array that is stored column by column.
std::size_t by_columns(std::size_t i, const Shape& shape) {
  std::size_t at = 0, stride = 1;
  for (std::size_t extent : shape) stride *= extent;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    stride /= shape[axis];
    at += i % shape[axis] * stride;
    i /= shape[axis];
  }
  return at;
}

// Numbers of type S as ones of type T.
template <class S, class T>
void convert_numbers(const std::string& file, const std::string& bytes, bool columns,
                     Array<T>& to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    S x;
    std::memcpy(&x, bytes.data() + (columns ? by_columns(i, to.shape()) : i) * sizeof(S),
                sizeof(S));
    if constexpr (std::is_integral_v<T>) {
      const bool within =
          !std::is_floating_point_v<S> || (double(x) >= -0x1p63 && double(x) < 0x1p63);
      const T y = within ? T(Index(x)) : T(0);
      if (!within || S(y) != x || (y < T(0)) != (x < S(0))) {
        fault(file, ": has ", +x, " at position ", i, "; expected whole numbers ",
              sizeof(T) == 1 ? "from 0 to 255" : "of 64 bits");
      }
    }
    to.data()[i] = T(x);
  }
}

}  // namespace

template <class T> Array<T> load_npy(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? std::streamoff(in.tellg()) : -1;
  if (size < 0) fault(file, ": cannot be read: ", std::strerror(errno));
  in.seekg(0);
  const Header header = read_header(file, in, std::size_t(size));
  using Convert = void (*)(const std::string&, const std::string&, bool, Array<T>&);
  static const std::pair<const char*, Convert> types[] = {
      {"<f4", convert_numbers<float, T>},         {"<f8", convert_numbers<double, T>},
      {"|i1", convert_numbers<std::int8_t, T>},   {"<i2", convert_numbers<std::int16_t, T>},
      {"<i4", convert_numbers<std::int32_t, T>},  {"<i8", convert_numbers<std::int64_t, T>},
      {"|u1", convert_numbers<std::uint8_t, T>},  {"<u2", convert_numbers<std::uint16_t, T>},
      {"<u4", convert_numbers<std::uint32_t, T>}, {"<u8", convert_numbers<std::uint64_t, T>},
      {"|b1", convert_numbers<std::uint8_t, T>}};
  for (const auto& [type, convert] : types) {
    if (header.type != type) continue;
    std::string bytes(std::size_t(size) - header.size, ' ');
    const std::size_t needed =
        element_count(header.shape, file.c_str()) * std::size_t(type[2] - '0');
    if (bytes.size() != needed) {
      fault(file, ": has ", bytes.size(), " bytes of numbers; expected ", needed, " for shape ",
            header.shape, " of type ", type);
    }
    if (!in.read(bytes.data(), std::streamsize(bytes.size()))) fault(file, ": cannot be read");
    Array<T> numbers = uninitialized<T>(header.shape);
    convert(file, bytes, header.by_columns, numbers);
    return numbers;
  }
  fault(file, ": has elements of type ", header.type,
        "; expected float32, float64, whole numbers or truth values, least significant byte first");
}

template <class T> void save_npy(const std::string& file, const Array<T>& x) {
  replace_file_content(file, {xt::dump_npy(x)});
}

#define INSTANTIATE(T)                            \
  template Array<T> load_npy(const std::string&); \
  template void save_npy(const std::string&, const Array<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
INSTANTIATE(Index)
INSTANTIATE(std::uint8_t)
#undef INSTANTIATE

}  // namespace tapesort
