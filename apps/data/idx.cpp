#include "apps/data/idx.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <memory>

namespace tapesort {
namespace {

std::uint32_t big_endian(const std::uint8_t* b) {
  return std::uint32_t(b[0]) << 24 | std::uint32_t(b[1]) << 16 | std::uint32_t(b[2]) << 8 | b[3];
}

std::string hex(std::uint32_t word) {
  std::ostringstream text;
  text << "0x" << std::hex << std::setfill('0') << std::setw(8) << word;
  return text.str();
}

// The next 4 bytes at `offset`, which the file must have.
std::uint32_t word_at(const NamedBytes& file, std::size_t offset, const char* what) {
  if (file.bytes.size() < offset + 4) {
    bad_data(file.name, file.bytes.size(), "the file ends here; expected ", what, " in bytes ",
             offset, " to ", offset + 3);
  }
  return big_endian(file.bytes.data() + offset);
}

}  // namespace

NamedBytes unzip(const std::string& name, const std::uint8_t* data, std::size_t size) {
  const bool zipped = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
  if (!zipped) return {name, {data, data + size}};

  z_stream stream{};
  constexpr int gzip_only = 16;  // added to the window's size: zlib then reads gzip's header
  if (inflateInit2(&stream, MAX_WBITS + gzip_only) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);

  // zlib counts in 32 bits, so both sides are handed over in pieces.
  constexpr std::size_t piece = std::size_t{1} << 30;
  std::vector<std::uint8_t> out(std::max<std::size_t>(4096, 2 * size));
  std::size_t in_used = 0, out_used = 0;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (out_used == out.size()) out.resize(2 * out.size());
    stream.next_in = const_cast<Bytef*>(data + in_used);
    stream.avail_in = uInt(std::min(piece, size - in_used));
    stream.next_out = out.data() + out_used;
    stream.avail_out = uInt(std::min(piece, out.size() - out_used));
    state = inflate(&stream, Z_NO_FLUSH);
    in_used = std::size_t(stream.next_in - data);
    out_used = std::size_t(stream.next_out - out.data());
    if (state == Z_BUF_ERROR || (state == Z_OK && in_used == size && out_used < out.size())) {
      bad_data(name, out_used, "the gzip data ends early, after ", size, " compressed bytes");
    }
    if (state != Z_OK && state != Z_STREAM_END) {
      bad_data(name, out_used, "the gzip data is damaged (", stream.msg ? stream.msg : "no detail",
               ") near compressed byte ", in_used);
    }
  }
  if (in_used != size) {
    bad_data(name, out_used, "the gzip data ends, but ", size - in_used,
             " compressed bytes follow; expected none");
  }
  out.resize(out_used);
  return {name, std::move(out)};
}

NamedBytes read_bytes(const std::string& file) {
  // A directory opens as a file, but cannot be read.
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) {
    throw std::runtime_error(file + ": cannot be opened: " + std::strerror(in ? EISDIR : errno));
  }
  std::vector<std::uint8_t> raw(std::filesystem::file_size(file));
  in.read(reinterpret_cast<char*>(raw.data()), std::streamsize(raw.size()));
  if (std::size_t(in.gcount()) != raw.size()) {
    bad_data(file, std::size_t(in.gcount()), "cannot be read; expected ", raw.size(), " bytes");
  }
  return unzip(file, raw.data(), raw.size());
}

Array<std::uint8_t> parse_idx(const NamedBytes& file, std::size_t dimensions) {
  const std::uint32_t magic = std::uint32_t(0x0800 + dimensions);
  const std::uint32_t found = word_at(file, 0, "the magic number");
  if (found != magic) {
    bad_data(file.name, 0, "magic number ", hex(found), "; expected ", hex(magic),
             ", unsigned bytes in ", dimensions, " dimension", dimensions == 1 ? "" : "s");
  }
  const std::size_t header = 4 + 4 * dimensions, available = file.bytes.size();
  Shape shape;
  std::size_t count = 1;
  for (std::size_t offset = 4; offset < header; offset += 4) {
    const std::size_t extent = word_at(file, offset, "an extent");
    if (extent == 0) bad_data(file.name, offset, "an extent of 0; expected at least 1");
    shape.push_back(extent);
    // Past what the file holds the exact product does not matter, and could overflow.
    count = count > available ? count : count * extent;
  }
  if (available < header || available - header < count) {
    bad_data(file.name, available, "the file ends here; expected ", header,
             " bytes of header and one byte for each element of ", shape);
  }
  if (available - header > count) {
    bad_data(file.name, header + count, available - header - count,
             " bytes more; expected the end of the file, after the elements of ", shape);
  }
  Array<std::uint8_t> array = uninitialized<std::uint8_t>(shape);
  std::copy_n(file.bytes.data() + header, count, array.data());
  return array;
}

ImageSet parse_idx_pair(const NamedBytes& image_file, const NamedBytes& label_file,
                        std::size_t classes) {
  Array<std::uint8_t> pixels = parse_idx(image_file, 3);
  const Array<std::uint8_t> labels = parse_idx(label_file, 1);
  const std::size_t n = pixels.shape(0);
  if (labels.size() != n) {
    bad_data(label_file.name, 4, labels.size(), " labels; expected ", n,
             ", as many as the images in ", image_file.name);
  }
  for (std::size_t i = 0; classes > 0 && i < n; ++i) {
    if (labels.data()[i] >= classes) {
      bad_data(label_file.name, 8 + i, "label ", int(labels.data()[i]), "; expected 0 .. ",
               classes - 1);
    }
  }
  pixels.reshape({n, pixels.shape(1), pixels.shape(2), std::size_t{1}});
  return {std::move(pixels), convert<Index>(labels)};
}

}  // namespace tapesort
