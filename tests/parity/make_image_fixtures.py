#!/usr/bin/python3
"""Writes fixtures/images/: small pictures and what Pillow makes of them, for tests/unit/test_image.c and test_resize.c.

Needs Debian's python3-pil (made with 9.4.0 on libjpeg-turbo). NAME.rgb holds the bytes of Image.open(NAME).convert("RGB")
(NAME.up.rgb: turned as EXIF says first), after a line "H W". resize.bin: little-endian int32 channels, sh, sw, dh, dw, then
source and Image.resize((dw, dh), BILINEAR), one case behind the other.
"""
import os
import random
import struct

from PIL import Image, ImageOps

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "images")
os.makedirs(here, exist_ok=True)
rng = random.Random(1)


def picture(w, h, mode="RGB"):
    """Smooth shapes and some noise, so that both the DCT and the filters have something to do."""
    n = {"L": 1, "RGB": 3, "CMYK": 4, "RGBA": 4, "LA": 2}[mode]
    px = bytes(
        max(0, min(255, (x * (5 + k) + y * (9 - 2 * k)) % 256 + rng.randrange(-20, 21)))
        for y in range(h) for x in range(w) for k in range(n)
    )
    return Image.frombytes(mode, (w, h), px)


def keep(name):
    def write(suffix, im):
        with open(os.path.join(here, name + suffix), "wb") as f:
            f.write(b"%d %d\n" % (im.height, im.width) + im.tobytes())

    im = Image.open(os.path.join(here, name))
    write(".rgb", im.convert("RGB"))
    if im.getexif().get(0x0112):
        write(".up.rgb", ImageOps.exif_transpose(im).convert("RGB"))


def save(name, im, **how):
    im.save(os.path.join(here, name), **how)
    keep(name)


def jpegs():
    save("baseline.jpg", picture(37, 23), quality=85)
    save("full.jpg", picture(16, 19), quality=95, subsampling=0)
    save("progressive.jpg", picture(33, 30), quality=80, progressive=True)
    save("grey.jpg", picture(21, 14, "L"))
    save("cmyk.jpg", picture(18, 11, "CMYK"), quality=90)
    for o in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = o
        save(f"exif{o}.jpg", picture(11, 7), exif=exif)


def pngs():
    save("rgb.png", picture(13, 9))
    save("rgba.png", picture(13, 9, "RGBA"))
    save("grey.png", picture(13, 9, "L"))
    save("grey_alpha.png", picture(13, 9, "LA"))
    save("palette.png", picture(13, 9).quantize(14))
    save("palette_alpha.png", picture(13, 9).quantize(200), transparency=3)
    save("bits1.png", picture(13, 9, "L").convert("1"))
    save("rgb_trns.png", picture(13, 9), transparency=(1, 2, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif6.png", picture(11, 7), exif=exif)


def resizes():
    cases = [  # channels, (sw, sh), (dw, dh)
        (3, (37, 23), (16, 16)), (1, (37, 23), (9, 31)), (3, (16, 16), (31, 45)), (1, (28, 28), (32, 32)),
        (3, (64, 48), (7, 5)), (3, (5, 3), (11, 13)), (1, (1, 1), (4, 6)), (3, (40, 30), (40, 15)),
        (3, (40, 30), (20, 30)), (3, (50, 33), (48, 32)), (1, (63, 2), (3, 2)), (3, (2, 71), (2, 1)),
        (1, (50, 37), (34, 25)), (3, (30, 30), (29, 31)),
    ]
    with open(os.path.join(here, "resize.bin"), "wb") as f:
        for c, size, to in cases:
            im = picture(*size, "L" if c == 1 else "RGB")
            f.write(struct.pack("<5i", c, size[1], size[0], to[1], to[0]))
            f.write(im.tobytes() + im.resize(to, Image.BILINEAR).tobytes())


jpegs()
pngs()
resizes()
