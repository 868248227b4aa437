#include "apps/data/image_folder.hpp"

#include <stb_image.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

namespace fs = std::filesystem;

bool is_image(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string()[0] != '.') entries.push_back(entry.path());  // not hidden
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string text(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

}  // namespace

ImageSet read_image_folder(const std::string& folder, std::vector<std::string>& classes) {
  std::vector<std::string> found, files;
  std::vector<Index> labels;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (!fs::is_directory(entry)) continue;
    const std::size_t before = files.size();
    for (const fs::path& file : sorted_entries(entry)) {
      if (!is_image(file)) continue;
      files.push_back(file.string());
      labels.push_back(Index(found.size()));
    }
    if (files.size() == before) fault(entry.string(), ": there is no .png, .jpg or .jpeg");
    found.push_back(entry.filename().string());
  }
  if (files.empty()) fault(folder, ": there are no sub-folders of images, one for each class");
  if (classes.empty()) classes = found;
  if (classes != found) fault(folder, ": has classes ", text(found), "; expected ", text(classes));

  // Sizes and channels first, which are in the files' headers.
  int width = 0, height = 0, channels = 1;
  for (const std::string& file : files) {
    int w = 0, h = 0, c = 0;
    if (!stbi_info(file.c_str(), &w, &h, &c)) {
      fault(file, ": is no PNG or JPEG (", stbi_failure_reason(), ")");
    }
    if (width == 0) width = w, height = h;
    if (w != width || h != height) {
      fault(file, ": is ", w, " x ", h, " pixels; expected ", width, " x ", height, ", as ",
            files.front(), "; bring all images to one size");
    }
    if (c > 2) channels = 3;
  }
  ImageSet set{uninitialized<std::uint8_t>(
                   {files.size(), std::size_t(height), std::size_t(width), std::size_t(channels)}),
               uninitialized<Index>({files.size()})};
  std::copy(labels.begin(), labels.end(), set.labels.data());
  parallel_each(files.size(), 16, [&](std::size_t i) {
    int w = 0, h = 0, c = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load(files[i].c_str(), &w, &h, &c, channels), stbi_image_free);
    if (!pixels) fault(files[i], ": cannot be read as an image (", stbi_failure_reason(), ")");
    if (w != width || h != height) fault(files[i], ": changed while it was read");
    std::copy_n(pixels.get(), set.image_size(), set.pixels.data() + i * set.image_size());
  });
  return set;
}

}  // namespace tapesort
