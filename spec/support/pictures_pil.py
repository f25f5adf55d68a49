"""Writes small PNG and GIF files of every kind with the pixels that Pillow finds in
them, which specs compare torus with.

    /usr/bin/python3 spec/support/pictures_pil.py [data/reference/pictures.npz]

For each picture NAME: NAME.file, its bytes, and NAME.pixels, as Pillow decodes
them: (height, width, 4) uint8, of a GIF (frames, height, width, 4); of 16 bits the
samples themselves, uint16 in two int64 digits. Needs Pillow and numpy; the specs
need only the file.
"""
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageSequence

rng = np.random.default_rng(1)
arrays = {}


def add(name, data, pixels):
    arrays[name + '.file'] = np.frombuffer(data, np.uint8)
    arrays[name + '.pixels'] = pixels


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def rgba(image):
    return np.array(image.convert('RGBA'))


def add_png(name, image, **options):
    data = saved(image, 'PNG', **options)
    add(name, data, rgba(Image.open(io.BytesIO(data))))


def chunk(kind, data):
    return (struct.pack('>I', len(data)) + kind + data +
            struct.pack('>I', zlib.crc32(kind + data)))


def png(width, height, bits, colour, scanlines, interlace=0):
    header = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, interlace)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) +
            chunk(b'IDAT', zlib.compress(scanlines)) + chunk(b'IEND', b''))


def lines(array):
    """Rows without a filter."""
    return b''.join(b'\0' + row.tobytes() for row in array)


# Adam7: the first row and column of each pass, and its steps.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
          (0, 1, 2, 2), (1, 0, 2, 1))

grey = rng.integers(0, 256, (7, 9), np.uint8)
colour = rng.integers(0, 256, (7, 9, 3), np.uint8)
alpha = rng.integers(0, 256, (7, 9, 4), np.uint8)
for bits in 1, 2, 4:
    levels = rng.integers(0, 1 << bits, (7, 9), np.uint8)
    rows = b''
    for row in levels:
        text = ''.join(format(v, f'0{bits}b') for v in row)
        text += '0' * (-len(text) % 8)
        rows += b'\0' + int(text, 2).to_bytes(len(text) // 8, 'big')
    data = png(9, 7, bits, 0, rows)
    value = levels * (255 // ((1 << bits) - 1))
    add(f'grey{bits}', data, np.dstack([value] * 3 + [np.full_like(value, 255)]))
add_png('grey', Image.fromarray(grey, 'L'))
add_png('grey_alpha', Image.fromarray(alpha[:, :, :2], 'LA'))
add_png('rgb', Image.fromarray(colour, 'RGB'))
add_png('rgba', Image.fromarray(alpha, 'RGBA'))
add_png('palette', Image.fromarray(colour, 'RGB').quantize(13))
add_png('palette_alpha', Image.fromarray(colour, 'RGB').quantize(13), transparency=2)
interlaced = b''.join(lines(colour[y::dy, x::dx]) for y, x, dy, dx in PASSES
                      if colour[y::dy, x::dx].size)
data = png(9, 7, 8, 2, interlaced, 1)
assert (np.array(Image.open(io.BytesIO(data))) == colour).all()
add('interlaced', data, rgba(Image.open(io.BytesIO(data))))
deep = rng.integers(0, 65536, (7, 9, 3), np.int64)
add('rgb16', png(9, 7, 16, 2, lines(deep.astype('>u2'))), deep)


def add_gif(name, frames, **options):
    data = saved(frames[0], 'GIF', save_all=True, append_images=frames[1:], **options)
    film = [rgba(f) for f in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]
    add(name, data, np.stack(film))


# 20 rows: Pillow interlaces them.
still = Image.fromarray(rng.integers(0, 256, (20, 18, 3), np.uint8), 'RGB').quantize(60)
add_gif('still', [still])
moving = []
for k in range(4):
    frame = np.zeros((20, 18, 3), np.uint8)
    frame[2 + k:8 + k, 3 + 2 * k:9 + 2 * k] = rng.integers(0, 256, 3)
    moving.append(Image.fromarray(frame, 'RGB').quantize(8))
add_gif('moving', moving, duration=[50, 100, 150, 200])
for disposal in 1, 2, 3:
    sparse = []
    for k in range(3):
        frame = np.zeros((16, 16), np.uint8)
        frame[3 * k:3 * k + 6, 4 * k:4 * k + 5] = k + 1
        image = Image.fromarray(frame, 'P')
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        sparse.append(image)
    add_gif(f'disposal{disposal}', sparse, transparency=0, disposal=disposal, duration=30)

np.savez_compressed(sys.argv[1] if len(sys.argv) > 1 else
                    'data/reference/pictures.npz', **arrays)
