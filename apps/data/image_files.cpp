#include "apps/data/image_files.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "apps/report/printed.hpp"

namespace tapesort {
namespace {

// The next 4 bytes, most significant first, which the file must have.
std::uint32_t next_word(ByteStream& file, const char* what) {
  const std::size_t offset = file.offset();
  const std::vector<std::uint8_t> b = file.read(4);
  if (b.size() < 4) {
    bad_data(file.name(), file.offset(), "the file ends here; expected ", what, " in bytes ",
             offset, " to ", offset + 3);
  }
  return std::uint32_t(b[0]) << 24 | std::uint32_t(b[1]) << 16 | std::uint32_t(b[2]) << 8 | b[3];
}

std::unique_ptr<std::istream> opened(const std::string& file) {
  auto in = std::make_unique<std::ifstream>(file, std::ios::binary);
  std::string why = *in ? "" : std::strerror(errno);
  // A directory opens as a file, but cannot be read; a pipe has no size.
  std::error_code error;
  if (*in && std::filesystem::is_directory(file, error)) {
    why = std::strerror(EISDIR);
  } else if (*in && !std::filesystem::is_regular_file(file, error)) {
    why = "it is no regular file";
  }
  if (!why.empty()) fault(file, ": cannot be opened: ", why);
  return in;
}

constexpr std::size_t piece = std::size_t{1} << 16;  // bytes that are read at once

}  // namespace

struct ByteStream::State {
  std::string name;
  std::unique_ptr<std::istream> in;
  std::size_t size, offset = 0;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(piece);
  z_stream zip{};  // next_in, avail_in: what is left in the buffer, of plain files as well
  bool zipped, in_member = true;

  State(std::string what, std::unique_ptr<std::istream> stream)
      : name(std::move(what)), in(std::move(stream)) {
    size = std::size_t(in->seekg(0, std::ios::end).tellg());
    in->seekg(0);
    zip.next_in = buffer.data();
    fill();
    zipped = at_member();
    constexpr int gzip_only = 16;  // added to the window's size: zlib then reads gzip's header
    if (zipped && inflateInit2(&zip, MAX_WBITS + gzip_only) != Z_OK) throw std::bad_alloc();
  }
  ~State() {
    if (zipped) inflateEnd(&zip);
  }

  // Reads behind what is left in the buffer.
  void fill() {
    std::copy_n(zip.next_in, zip.avail_in, buffer.data());
    zip.next_in = buffer.data();
    in->read(reinterpret_cast<char*>(buffer.data() + zip.avail_in),
             std::streamsize(piece - zip.avail_in));
    zip.avail_in += uInt(in->gcount());
    if (in->bad()) bad_data(name, offset, "cannot be read: ", std::strerror(errno));
  }
  bool at_member() const {
    return zip.avail_in >= 2 && zip.next_in[0] == 0x1f && zip.next_in[1] == 0x8b;
  }

  // Up to `count` bytes, none only at the end. Both sides are handed over in pieces, as zlib counts
  // in 32 bits.
  std::size_t read_some(std::uint8_t* to, std::size_t count) {
    if (!zipped) {
      if (zip.avail_in == 0) fill();
      const std::size_t some = std::min<std::size_t>(count, zip.avail_in);
      std::copy_n(zip.next_in, some, to);
      zip.next_in += some;
      zip.avail_in -= uInt(some);
      return some;
    }
    zip.next_out = to;
    zip.avail_out = uInt(count);
    while (zip.next_out == to) {
      if (zip.avail_in < 2 && !in->eof()) fill();
      const bool at_end = zip.avail_in == 0;
      if (!in_member) {
        if (at_end) break;
        if (!at_member()) {
          bad_data(name, offset, "the gzip data ends, but ", left(),
                   " compressed bytes follow; expected none, or another gzip member");
        }
        inflateReset(&zip);
        in_member = true;
      }
      const int state = inflate(&zip, Z_NO_FLUSH);
      const std::size_t at = offset + std::size_t(zip.next_out - to);
      if (state == Z_STREAM_END) {
        in_member = false;
      } else if (state == Z_BUF_ERROR && at_end) {
        bad_data(name, at, "the gzip data ends early, after ", size, " compressed bytes");
      } else if (state != Z_OK && state != Z_BUF_ERROR) {
        bad_data(name, at, "the gzip data is damaged (", zip.msg ? zip.msg : "no detail",
                 ") near compressed byte ", size - left());
      }
    }
    return std::size_t(zip.next_out - to);
  }
  // Compressed bytes that follow.
  std::size_t left() {
    const std::streamoff read = in->eof() ? std::streamoff(size) : std::streamoff(in->tellg());
    return size - std::size_t(read) + zip.avail_in;
  }
};

ByteStream::ByteStream(const std::string& file) : ByteStream(file, opened(file)) {}
ByteStream::ByteStream(std::string name, std::unique_ptr<std::istream> in)
    : state_(std::make_unique<State>(std::move(name), std::move(in))) {}
ByteStream::~ByteStream() = default;
ByteStream::ByteStream(ByteStream&&) noexcept = default;

const std::string& ByteStream::name() const { return state_->name; }
std::size_t ByteStream::offset() const { return state_->offset; }
std::size_t ByteStream::most() const {
  constexpr std::size_t deflate_most = 1032;  // bytes that one can stand for, says zlib's manual
  return state_->size * (state_->zipped ? deflate_most : 1);
}

std::vector<std::uint8_t> ByteStream::read(std::size_t count) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t some = 1; some > 0 && bytes.size() < count;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + std::min(piece, count - before));
    some = state_->read_some(bytes.data() + before, bytes.size() - before);
    bytes.resize(before + some);
    state_->offset += some;
  }
  return bytes;
}

IdxFile parse_idx(ByteStream file, std::size_t dimensions) {
  const std::uint32_t magic = std::uint32_t(0x0800 + dimensions);
  const std::uint32_t found = next_word(file, "the magic number");
  if (found != magic) {
    bad_data(file.name(), 0, "magic number ", printed("0x%08x", found), "; expected ",
             printed("0x%08x", magic), ", unsigned bytes in ", dimensions, " dimension",
             dimensions == 1 ? "" : "s");
  }
  Shape shape;
  std::size_t count = 1;
  bool fits = true;  // count <= file.most()
  while (shape.size() < dimensions) {
    const std::size_t offset = file.offset(), extent = next_word(file, "an extent");
    if (extent == 0) bad_data(file.name(), offset, "an extent of 0; expected at least 1");
    shape.push_back(extent);
    fits = fits && extent <= file.most() / count;
    if (fits) count *= extent;
  }
  const std::size_t header = file.offset();
  const std::vector<std::uint8_t> bytes = file.read(fits ? count : 0);
  if (!fits || bytes.size() < count) {
    bad_data(file.name(), file.offset(),
             fits ? "the file ends here" : "the file is too short for what is announced",
             "; expected ", header, " bytes of header and one byte for each element of ", shape);
  }
  if (!file.read(1).empty()) {
    bad_data(file.name(), header + count,
             "more bytes; expected the end of the file, after the elements of ", shape);
  }
  IdxFile result{file.name(), uninitialized<std::uint8_t>(shape)};
  std::copy(bytes.begin(), bytes.end(), result.elements.data());
  return result;
}

ImageSet labelled_images(IdxFile images, const IdxFile& labels, std::size_t classes) {
  Array<std::uint8_t>& pixels = images.elements;
  const std::size_t n = pixels.shape(0), count = labels.elements.size();
  if (count != n) {
    bad_data(labels.name, 4, count, " labels; expected ", n, ", as many as the images in ",
             images.name);
  }
  for (std::size_t i = 0; classes > 0 && i < n; ++i) {
    const int label = labels.elements.data()[i];
    if (std::size_t(label) >= classes) {
      bad_data(labels.name, 8 + i, "label ", label, "; expected 0 .. ", classes - 1);
    }
  }
  pixels.reshape({n, pixels.shape(1), pixels.shape(2), std::size_t{1}});
  return {std::move(pixels), convert<Index>(labels.elements)};
}

ImageSet parse_cifar10(std::vector<ByteStream> files, std::size_t records_each) {
  constexpr std::size_t side = 32, plane = side * side, channels = 3, record = 1 + channels * plane;
  const std::size_t n = files.size() * records_each;
  ImageSet set{uninitialized<std::uint8_t>({n, side, side, channels}), uninitialized<Index>({n})};
  std::uint8_t* pixel = set.pixels.data();
  Index* label = set.labels.data();
  for (ByteStream& file : files) {
    for (std::size_t r = 0; r < records_each; ++r) {
      const std::vector<std::uint8_t> bytes = file.read(record);
      if (bytes.size() < record) {
        bad_data(file.name(), file.offset(), "the file ends here; expected ", records_each,
                 " records of ", record, " bytes");
      }
      if (bytes[0] > 9) {
        bad_data(file.name(), r * record, "label ", int(bytes[0]), "; expected 0 .. 9");
      }
      *label++ = bytes[0];
      for (std::size_t i = 0; i < plane; ++i) {
        for (std::size_t c = 0; c < channels; ++c) *pixel++ = bytes[1 + c * plane + i];
      }
    }
    if (!file.read(1).empty()) {
      bad_data(file.name(), records_each * record,
               "more bytes; expected the end of the file, after ", records_each, " records of ",
               record, " bytes");
    }
  }
  return set;
}

}  // namespace tapesort
