#include <zlib.h>

#include <numeric>
#include <set>
#include <sstream>

#include "apps/data/data_set.hpp"
#include "apps/data/image_files.hpp"
#include "op_table.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

std::string idx(const std::vector<std::uint32_t>& extents, const std::string& elements) {
  std::string content{'\0', '\0', '\x08', char(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) content += char(extent >> shift & 0xff);
  }
  return content + elements;
}

ByteStream named(const std::string& name, const std::string& content) {
  return {name, std::make_unique<std::istringstream>(content)};
}

std::string gzip(const std::string& content) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = uInt(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// Three images of 2 x 2, and a set of N with 1 x 1 pixels that say which image it is.
const std::string three_images = idx({3, 2, 2}, std::string("\x00\x33\x66\x99"
                                                            "\xcc\xff\x01\x02"
                                                            "\x03\x04\x05\x06",
                                                            12));
const std::string three_labels = idx({3}, std::string("\x02\x00\x01", 3));

ImageSet numbered_set(std::size_t n) {
  ImageSet set{uninitialized<std::uint8_t>({n, 1, 1, 1}), uninitialized<Index>({n})};
  std::iota(set.pixels.begin(), set.pixels.end(), std::uint8_t{0});
  std::iota(set.labels.begin(), set.labels.end(), Index{0});
  return set;
}

std::string error_in(const std::string& images, const std::string& labels) {
  return error_of([&] {
    labelled_images(parse_idx(named("im", images), 3), parse_idx(named("la", labels), 1), 3);
  });
}

}  // namespace

TEST_CASE("an IDX file's bytes become images and labels, plain or zipped") {
  const TemporaryFolder folder;
  folder.write("plain", three_images);
  folder.write("zipped", gzip(three_images));
  folder.write("labels", gzip(three_labels));
  for (const char* file : {"plain", "zipped"}) {
    CAPTURE(file);
    const ImageSet set = labelled_images(parse_idx(ByteStream(folder / file), 3),
                                         parse_idx(ByteStream(folder / "labels"), 1), 3);
    CHECK(set.labels == Indices{2, 0, 1});
    CHECK(set.pixels.shape() == Shape{3, 2, 2, 1});
    const Array<float> expected{0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f, 1 / 255.0f, 2 / 255.0f};
    CHECK(images(set, 0, 2) == with_shape(expected, {2, 2, 2, 1}));
    CHECK(images(set, Indices{1}) == images(set, 1, 2));
    CHECK(images(set) == images(set, Indices{0, 1, 2}));
    CHECK(labels(set, Indices{2, 2, 0}) == Indices{1, 1, 2});
    const ImageSet chosen = select(set, Indices{2, 0});
    CHECK(chosen.labels == Indices{1, 2});
    CHECK(images(chosen) == images(set, Indices{2, 0}));
  }
}

TEST_CASE("a fault in an IDX file is told with the file, the byte and what was expected") {
  CHECK(error_in(three_images, three_labels) == "no error");
  CHECK(error_in(three_labels, three_labels) ==
        "exception: im: byte 0: magic number 0x00000801; expected 0x00000803, unsigned bytes in 3 "
        "dimensions");
  CHECK(error_in(three_images, three_images) ==
        "exception: la: byte 0: magic number 0x00000803; expected 0x00000801, unsigned bytes in 1 "
        "dimension");
  CHECK(error_in("\x00\x00", three_labels) ==
        "exception: im: byte 0: the file ends here; expected the magic number in bytes 0 to 3");
  CHECK(error_in(three_images.substr(0, 10), three_labels) ==
        "exception: im: byte 10: the file ends here; expected an extent in bytes 8 to 11");
  CHECK(error_in(three_images.substr(0, 27), three_labels) ==
        "exception: im: byte 27: the file ends here; expected 16 bytes of header and one byte for "
        "each element of (3, 2, 2)");
  CHECK(error_in(three_images + "xy", three_labels) ==
        "exception: im: byte 28: more bytes; expected the end of the file, after the elements of "
        "(3, 2, 2)");
  CHECK(error_in(three_images, idx({4}, "\1\1\1\1")) ==
        "exception: la: byte 4: 4 labels; expected 3, as many as the images in im");
  CHECK(error_in(three_images, idx({3}, "\1\1\3")) ==
        "exception: la: byte 10: label 3; expected 0 .. 2");
  CHECK(error_in(idx({3, 0, 2}, ""), three_labels) ==
        "exception: im: byte 8: an extent of 0; expected at least 1");
  // 2^96 elements: the product must not wrap around.
  CHECK(error_in(idx({0x80000000, 0x80000000, 0x80000004}, std::string(12, 'x')), three_labels) ==
        "exception: im: byte 16: the file is too short for what is announced; expected 16 bytes of "
        "header and one byte for each element of "
        "(2147483648, 2147483648, 2147483652)");
}

TEST_CASE("a fault in gzip data is told too") {
  const TemporaryFolder folder;
  const std::string whole = gzip(three_images);
  const auto fault_of = [&](const std::string& content) {
    folder.write("f.gz", content);
    const std::string text = error_of([&] { parse_idx(ByteStream(folder / "f.gz"), 3); });
    const std::size_t name = text.find(folder.path());
    return name == std::string::npos ? text : text.substr(name + folder.path().size());
  };
  CHECK(fault_of(whole) == "no error");
  CHECK(fault_of(whole.substr(0, whole.size() - 6)) ==
        to_message("/f.gz: byte 28: the gzip data ends early, after ", whole.size() - 6,
                   " compressed bytes"));
  CHECK(fault_of(whole + "abc") ==
        "/f.gz: byte 28: the gzip data ends, but 3 compressed bytes follow; expected none, or "
        "another gzip member");
  std::string damaged = whole;
  damaged[damaged.size() - 5] ^= 1;  // in the checksum
  CHECK(fault_of(damaged) ==
        to_message(
            "/f.gz: byte 28: the gzip data is damaged (incorrect data check) near compressed byte ",
            whole.size() - 4));
  CHECK(error_of([&] { ByteStream{folder.path()}; }) ==
        "exception: " + folder.path() + ": cannot be opened: Is a directory");
  CHECK(error_of([&] { ByteStream{folder / "none"}; }) ==
        "exception: " + folder.path() + "/none: cannot be opened: No such file or directory");
  CHECK(error_of([] { ByteStream("/dev/zero"); }) ==
        "exception: /dev/zero: cannot be opened: it is no regular file");
}

TEST_CASE("gzip members one after the other are one file") {
  const auto parse = [](const std::string& content) {
    return parse_idx(named("f", content), 3).elements;
  };
  const Array<std::uint8_t> whole = parse(three_images);
  for (const std::size_t cut : {1, 16, 27}) {
    CAPTURE(cut);
    CHECK(parse(gzip(three_images.substr(0, cut)) + gzip("") + gzip(three_images.substr(cut))) ==
          whole);
  }
  // Members that are longer than what is read at once.
  Generator random(1);
  std::string elements(300000, '\0');
  for (char& byte : elements) byte = char(random.bits());
  const std::string long_file = idx({300, 100, 10}, elements);
  const Array<std::uint8_t> read =
      parse(gzip(long_file.substr(0, 70001)) + gzip(long_file.substr(70001)));
  CHECK(std::equal(read.begin(), read.end(), elements.begin(),
                   [](std::uint8_t a, char b) { return a == std::uint8_t(b); }));
  CHECK(error_in(gzip(three_images) + gzip("x"), three_labels) ==
        "exception: im: byte 28: more bytes; expected the end of the file, after the elements of "
        "(3, 2, 2)");
}

TEST_CASE("no more is unzipped than an IDX file's header announces") {
  // 64 MB of zeros, of which the header announces 12 bytes, or more than can be.
  const std::string zeros(std::size_t{1} << 26, '\0');
  for (const std::uint32_t extent : {2u, 0x40000000u}) {
    CAPTURE(extent);
    ByteStream file = named("im", gzip(idx({3, extent, 2}, zeros)));
    const std::size_t most = file.most();
    CHECK(most >= zeros.size() + 16);
    CHECK(most < 2 * zeros.size());
    const std::string error = error_of([&] { parse_idx(std::move(file), 3); });
    CHECK(error == (extent == 2
                        ? "exception: im: byte 28: more bytes; expected the end of the file, after "
                          "the elements of (3, 2, 2)"
                        : "exception: im: byte 16: the file is too short for what is announced; "
                          "expected 16 bytes of header and one byte for each element of (3, "
                          "1073741824, 2)"));
  }
  // Bytes are unzipped when they are asked for, not before.
  std::string damaged = gzip(idx({3, 2, 2}, zeros));
  damaged[damaged.size() - 5] ^= 1;  // in the checksum
  ByteStream file = named("im", damaged);
  CHECK(file.read(100).size() == 100);
  CHECK(file.offset() == 100);
  CHECK(error_of([&] { file.read(std::size_t{1} << 27); }).find("incorrect data check") !=
        std::string::npos);
}

TEST_CASE("the embedded digits: 400 of each class to train, 100 to test, centred") {
  const DataSet digits = load_data("digits");
  CHECK(digits.train.pixels.shape() == Shape{4000, 28, 28, 1});
  CHECK(digits.test.pixels.shape() == Shape{1000, 28, 28, 1});
  CHECK(digits.classes.size() == 10);
  CHECK(digits.classes[7] == "7");
  for (const ImageSet* set : {&digits.train, &digits.test}) {
    std::vector<std::size_t> counts(10);
    for (const Index label : set->labels) ++counts[std::size_t(label)];
    CHECK(counts == std::vector<std::size_t>(10, set->size() / 10));

    double worst = 0;  // distance of a centre of mass from the middle
    for (std::size_t i = 0; i < set->size(); ++i) {
      double mass = 0, row = 0, column = 0;
      for (std::size_t p = 0; p < 784; ++p) {
        const double ink = set->image(i)[p];
        mass += ink, row += ink * double(p / 28), column += ink * double(p % 28);
      }
      worst = std::max({worst, std::abs(row / mass - 13.5), std::abs(column / mass - 13.5)});
    }
    CHECK(worst <= 0.5);
  }
}

TEST_CASE("a folder with MNIST's four files, in either naming") {
  const TemporaryFolder folder;
  const auto load = [&] { return load_data(folder.path()); };
  CHECK(
      error_of(load) ==
      "exception: " + folder.path() +
          ": there is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz; need MNIST's four "
          "files, .npy arrays, or pictures by class");
  folder.write("train-images-idx3-ubyte.gz", gzip(three_images));
  folder.write("train-labels.idx1-ubyte", three_labels);
  folder.write("t10k-images.idx3-ubyte.gz", gzip(idx({2, 2, 2}, "abcdefgh")));
  folder.write("t10k-labels-idx1-ubyte", idx({2}, "\1\2"));
  const DataSet set = load();
  CHECK(set.name == folder.path());
  CHECK(set.train.labels == Indices{2, 0, 1});
  CHECK(set.test.pixels(1, 1, 0, 0) == 'g');
  CHECK(set.classes == std::vector<std::string>{"0", "1", "2"});

  folder.write("t10k-labels-idx1-ubyte", idx({2}, "\1\3"));
  CHECK(error_of(load) == "exception: " + folder.path() +
                              "/t10k-labels-idx1-ubyte: byte 9: label 3; expected 0 .. 2");
  folder.write("t10k-labels-idx1-ubyte", idx({2}, "\1\2"));
  folder.write("t10k-images.idx3-ubyte.gz", gzip(idx({2, 4, 1}, "abcdefgh")));
  CHECK(error_of(load) == "exception: " + folder.path() +
                              "/t10k-images.idx3-ubyte.gz: byte 8: images 4 x 1 x 1; expected 2 x "
                              "2 x 1, as in training");
  CHECK(error_of([] { load_data("no-such-folder"); }) ==
        "exception: data set 'no-such-folder': there is no such folder; need digits, fashion, "
        "mnist, cifar10, cifar10:DIR or a folder with MNIST's four files, .npy arrays, or pictures "
        "by "
        "class");
}

TEST_CASE("Fashion-MNIST is read whole, or its package is named") {
  if (!std::filesystem::is_directory(fashion_folder)) {
    CHECK(error_of([] { load_data("fashion"); }) ==
          "exception: data set 'fashion': /usr/share/datasets/fashion-mnist is missing; install "
          "Debian's package: "
          "apt-get install dataset-fashion-mnist");
    return;
  }
  const DataSet fashion = load_data("fashion");
  CHECK(fashion.train.pixels.shape() == Shape{60000, 28, 28, 1});
  CHECK(fashion.test.pixels.shape() == Shape{10000, 28, 28, 1});
  CHECK(fashion.classes[std::size_t(fashion.test.labels(0))] == "ankle boot");
}

TEST_CASE("CIFAR-10's planes become channels last") {
  std::string record(3073, '\0');
  record[0] = 7;
  record[1 + 5] = 'r', record[1 + 1024 + 5] = 'g', record[1 + 2048 + 5] = 'b';  // row 0, column 5
  std::string second = record;
  second[0] = 9;
  second[1 + 33] = 'x';  // red of row 1, column 1
  std::vector<ByteStream> files;
  files.push_back(named("a", record + second));
  files.push_back(named("b", gzip(record + record)));
  const ImageSet set = parse_cifar10(std::move(files), 2);
  CHECK(set.pixels.shape() == Shape{4, 32, 32, 3});
  CHECK(set.labels == Indices{7, 9, 7, 7});
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t c = 0; c < 3; ++c) CHECK(set.pixels(i, 0, 5, c) == "rgb"[c]);
  }
  CHECK(set.pixels(1, 1, 1, 0) == 'x');

  const auto parse = [](const std::string& content, std::size_t records) {
    std::vector<ByteStream> one;
    one.push_back(named("f", content));
    return error_of([&] { parse_cifar10(std::move(one), records); });
  };
  CHECK(
      parse(record + "x", 1) ==
      "exception: f: byte 3073: more bytes; expected the end of the file, after 1 records of 3073 "
      "bytes");
  CHECK(parse(record + "x", 2) ==
        "exception: f: byte 3074: the file ends here; expected 2 records of 3073 bytes");
  CHECK(parse(record, 2) ==
        "exception: f: byte 3073: the file ends here; expected 2 records of 3073 bytes");
  second[0] = 10;
  CHECK(parse(record + second, 2) == "exception: f: byte 3073: label 10; expected 0 .. 9");

  const TemporaryFolder folder;
  for (int i = 1; i <= 5; ++i) folder.write("data_batch_" + std::to_string(i) + ".bin", record);
  folder.write("test_batch.bin", record);
  CHECK(
      error_of([&] { load_data("cifar10:" + folder.path()); }) ==
      "exception: " + folder.path() +
          "/data_batch_1.bin: byte 3073: the file ends here; expected 10000 records of 3073 bytes");
}

TEST_CASE("a split shares no image, loses none, and is the same for the same generator") {
  const ImageSet all = numbered_set(50);
  Generator random(3);
  const Split parts = split(all, 20, random);
  CHECK(parts.validation.size() == 20);
  CHECK(parts.training.size() == 30);
  std::set<Index> seen;
  for (const ImageSet* part : {&parts.training, &parts.validation}) {
    for (std::size_t i = 0; i < part->size(); ++i) {
      CHECK(part->labels(i) == Index(part->pixels(i, 0, 0, 0)));
      seen.insert(part->labels(i));
    }
  }
  CHECK(seen.size() == 50);
  Generator same(3), other(4);
  CHECK(split(all, 20, same).validation.labels == parts.validation.labels);
  CHECK(split(all, 20, other).validation.labels != parts.validation.labels);
  CHECK(split(all, 0, same).training.size() == 50);
  CHECK(error_of([&] { split(all, 50, same); }) ==
        "invalid_argument: split: cannot take 50 images for validation from 50; some must be left "
        "for training");
  CHECK(error_of([&] {
          images(all, Indices{0, 50});
        }) ==
        "invalid_argument: images: index 50 at position 1 is out of range for shape (50, 1, 1, 1); "
        "need 0 <= index < 50");
  CHECK(error_of([&] { images(all, 3, 51); }) ==
        "invalid_argument: images: 3 .. 51 is not a part of 0 .. 50");
}
