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

template <class... Parts> [[noreturn]] void fault(const std::string& file, const Parts&... parts) {
  throw std::runtime_error(to_message(file, ": ", parts...));
}

struct Header {
  std::string type;  // as "<f8"
  Shape shape;
  std::size_t size;  // of what stands before the numbers
};

Header read_header(const std::string& file, std::istream& in, std::size_t file_size) {
  unsigned char begin[12] = {};
  in.read(reinterpret_cast<char*>(begin), sizeof begin);
  if (std::memcmp(begin, "\x93NUMPY", 6) != 0) fault(file, "is not a .npy file, as np.save writes");
  const std::size_t version = begin[6];
  if (version != 1 && version != 2) fault(file, "has version ", version, "; need 1 or 2");
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = std::size_t(begin[8] | begin[9] << 8);
  if (version == 2) length |= std::size_t(begin[10]) << 16 | std::size_t(begin[11]) << 24;
  if (start + length > file_size) fault(file, "ends inside its header");
  std::string text(length, ' ');
  in.clear();
  in.seekg(std::streamoff(start));
  in.read(text.data(), std::streamsize(length));
  static const std::regex form(R"(\{'descr': '([^']*)', 'fortran_order': (?:True|False), )"
                               R"('shape': \(([\d, ]*)\),? ?\}\s*)"),
      number(R"(\d+)");
  std::smatch match;
  if (length > 10000 || !std::regex_match(text, match, form)) {
    fault(file, "has a header that is none of an array of numbers: ", text.substr(0, 100));
  }
  Header header{match[1], {}, start + length};
  const std::string extents = match[2];
  for (std::sregex_iterator it(extents.begin(), extents.end(), number), end; it != end; ++it) {
    const std::string extent = it->str();
    header.shape.push_back(extent.size() < 19 ? std::stoull(extent) : std::size_t{1} << 62);
  }
  return header;
}

// An array of S as one of T.
template <class S, class T> Array<T> read_as(const std::string& file, std::istream& in) {
  const auto from = xt::load_npy<S>(in);
  Array<T> to = uninitialized<T>(Shape(from.shape().begin(), from.shape().end()));
  T* out = to.data();
  for (auto it = from.template begin<xt::layout_type::row_major>(),
            end = from.template end<xt::layout_type::row_major>();
       it != end; ++it) {
    const S x = *it;
    if constexpr (std::is_integral_v<T>) {
      const bool fits =
          std::is_floating_point_v<S> ? double(x) >= -0x1p63 && double(x) < 0x1p63 : true;
      if (!fits || S(T(x)) != x || (T(x) < T(0)) != (x < S(0))) {
        fault(file, "has ", +x, " at position ", out - to.data(), "; expected whole numbers ",
              sizeof(T) == 1 ? "from 0 to 255" : "of 64 bits");
      }
    }
    *out++ = T(x);
  }
  return to;
}

}  // namespace

template <class T> Array<T> load_npy(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? std::streamoff(in.tellg()) : -1;
  if (size < 0) fault(file, "cannot be read: ", std::strerror(errno));
  in.seekg(0);
  const Header header = read_header(file, in, std::size_t(size));
  using Read = Array<T> (*)(const std::string&, std::istream&);
  static const std::pair<const char*, Read> readers[] = {
      {"<f4", read_as<float, T>},         {"<f8", read_as<double, T>},
      {"|i1", read_as<std::int8_t, T>},   {"<i2", read_as<std::int16_t, T>},
      {"<i4", read_as<std::int32_t, T>},  {"<i8", read_as<std::int64_t, T>},
      {"|u1", read_as<std::uint8_t, T>},  {"<u2", read_as<std::uint16_t, T>},
      {"<u4", read_as<std::uint32_t, T>}, {"<u8", read_as<std::uint64_t, T>},
      {"|b1", read_as<bool, T>}};
  for (const auto& [type, read] : readers) {
    if (header.type != type) continue;
    // xtensor reads, but does not check.
    const std::size_t bytes = std::size_t(size) - header.size;
    const std::size_t needed =
        element_count(header.shape, file.c_str()) * std::size_t(type[2] - '0');
    if (bytes != needed) {
      fault(file, "has ", bytes, " bytes of numbers; expected ", needed, " for shape ",
            header.shape, " of type ", type);
    }
    in.seekg(0);
    return read(file, in);
  }
  fault(file, "has elements of type ", header.type,
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
