// A folder of pictures that has one sub-folder for each class: DIR/cat/1.png, DIR/dog/2.jpg, ..
#pragma once

#include <string>
#include <vector>

#include "apps/data/image_set.hpp"

namespace tapesort {

// All PNG and JPEG files (.png, .jpg, .jpeg) of the sub-folders, classes and files in the order of
// their names; `classes`, if empty, becomes the sub-folders' names, which otherwise must be these.
// Images have 3 channels, or 1 where all of them are grey; what is transparent counts as it is,
// and 16 bits are cut to 8. std::runtime_error of one line that names the file: what cannot be read, or
// is not of the first one's height and width.
ImageSet read_image_folder(const std::string& folder, std::vector<std::string>& classes);

}  // namespace tapesort
