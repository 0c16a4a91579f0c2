#!/usr/bin/env bash
# Makes the files of this folder: images, archives and arrays that other
# programs wrote, for the tests of data/formats. ImageMagick 6, GNU tar and
# NumPy are needed.
set -euo pipefail
cd "$(dirname "$0")"
convert=${CONVERT:-/usr/bin/convert}

# 6x4 pixels: red 40x, green 60y, blue 10x + 5y.
/usr/bin/python3 - <<'PY' | "$convert" -size 6x4 -depth 8 rgb:- -strip rgb.png
import sys
sys.stdout.buffer.write(bytes(
    v for y in range(4) for x in range(6)
    for v in (40 * x, 60 * y, 10 * x + 5 * y)))
PY
from() { "$convert" rgb.png "$@"; }
from -strip PNG24:plain.png
from -strip -interlace PNG PNG24:interlaced.png
from -strip -colors 8 +dither PNG8:palette.png
from -strip -colorspace Gray -depth 8 grey.png
from -strip -colorspace Gray -monochrome bits.png
from -strip -alpha on -channel A -evaluate set 100% PNG32:opaque.png
from -strip -alpha on -channel A -evaluate set 50% PNG32:transparent.png
from -strip -depth 16 PNG48:deep.png
from -strip -quality 90 baseline.jpg
from -strip -quality 90 -interlace JPEG progressive.jpg
from -strip -quality 90 -colorspace Gray grey.jpg
from -strip -quality 90 -colorspace CMYK cmyk.jpg
from -strip image.gif
# A larger one, which decoders may scale.
"$convert" plain.png -filter Box -resize '96x64!' -strip -quality 95 large.jpg
# ImageMagick reads this of them.
for name in plain.png interlaced.png palette.png opaque.png baseline.jpg \
    progressive.jpg; do
  "$convert" "$name" -alpha off -depth 8 "rgb:$name.rgb"
done
for name in grey.png bits.png grey.jpg; do
  "$convert" "$name" -depth 8 "gray:$name.gray"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
long=a-folder-with-a-name-of-sixty-letters-so-that-two-are-too-many
mkdir -p "$work/$long/$long"
cp plain.png "$work/1.png"; echo 3 >"$work/1.cls"; echo '{}' >"$work/1.json"
cp baseline.jpg "$work/2.jpg"; printf 1 >"$work/2.cls"
cp plain.png "$work/$long/$long/3.png"; echo 0 >"$work/$long/$long/3.cls"
for format in gnu ustar pax v7; do
  members=(.)
  [[ $format != v7 ]] || members=(./1.png ./1.cls ./2.jpg ./2.cls)
  tar -C "$work" --format="$format" --sort=name --mtime=@0 --owner=0 \
    --group=0 -cf - "${members[@]}" | gzip -9n >"$format.tar.gz"
done

/usr/bin/python3 - <<'PY'
import numpy as np
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 4
y = np.array([2, 0, 1])
np.savez("stored.npz", X=X, y=y)
np.savez_compressed("deflated.npz", X=X, y=y, bytes=np.arange(
    2000, dtype=np.uint8).reshape(2, 1000))
np.savez("odd.npz", fortran=np.asfortranarray(X), objects=np.array(
    [{}, []], dtype=object), big=X.astype(">f4"), few=y[:2])
PY

/usr/bin/python3 - <<'PY'
import numpy as np
import scipy.sparse as sp
X = np.array([[0, 5, 0, 6], [0] * 4, [7, 0, 0, 0], [0, 1.5, 2, 0],
              [0, 0, 0, -1], [3, 0, 0, 0]])
csr = sp.csr_matrix(X)
for layout in ("csr", "csc", "dia"):
    sp.save_npz(f"scipy_{layout}.npz", csr.asformat(layout))
sp.save_npz("scipy_bsr.npz", csr.tobsr((2, 2)))
# In any order, and the 6 as 2 + 4.
values = [2, 7, -1, 5, 4, 1.5, 3, 2]
sp.save_npz("scipy_coo.npz", sp.coo_matrix(
    (values, ([3, 2, 4, 0, 0, 3, 5, 0], [2, 0, 3, 1, 3, 1, 0, 3])), X.shape))
sp.save_npz("scipy_csr_unsorted.npz", sp.csr_matrix(
    (np.array([4, 5, 2, 7, 2, 1.5, -1, 3]), np.array([3, 1, 3, 0, 2, 1, 3, 0]),
     np.array([0, 3, 3, 4, 6, 7, 8])), X.shape), compressed=False)
PY
